// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Marketplace} from "../src/Marketplace.sol";
import {IMarketplace, MarketConfig} from "../src/interfaces/IMarketplace.sol";
import {MarketTest} from "./support/MarketTest.sol";
import {vm} from "./support/Vm.sol";

/*
constructor
├── given sound settings                        → config() returns them
├── given a bound exactly met                   → deploys
├── given token or registry without code        → reverts InvalidConfig
├── given no treasury or no sink                → reverts InvalidConfig
├── given no bond, or a base fee above it       → reverts InvalidConfig
├── given a fee above 20%                       → reverts InvalidConfig
├── given a no-show penalty above the bond      → reverts InvalidConfig
├── given an even or too large redundancy       → reverts InvalidConfig
├── given no tokens, no windows                 → reverts InvalidConfig
└── given a draw deadline of 0 or above 256     → reverts InvalidConfig
*/
contract ConstructorTest is MarketTest {
    function test_constructor_soundSettings_areReturnedByConfig() external view {
        bytes memory expected = abi.encode(devnetConfig());
        vm.assertEq(abi.encode(market.config()), expected, "config");
    }

    function test_constructor_boundsExactlyMet_deploys() external {
        MarketConfig memory config = devnetConfig();
        config.baseFee = config.seatBond;
        config.feeBps = 2_000;
        config.noShowBps = 10_000;
        config.maxRedundancy = 7;
        config.drawDeadlineBlocks = 256;
        config.commitFloorSeconds = 1;
        config.revealWindowSeconds = 1;
        config.maxJobTokens = 1;
        config.bounty = 0;
        vm.assertEq(abi.encode(deployMarket(config).config()), abi.encode(config), "config");
    }

    function test_constructor_tokenWithoutCode_reverts() external {
        MarketConfig memory config = devnetConfig();
        config.token = stranger;
        expectRefused(config);
    }

    function test_constructor_registryWithoutCode_reverts() external {
        MarketConfig memory config = devnetConfig();
        config.registry = stranger;
        expectRefused(config);
    }

    function test_constructor_noTreasury_reverts() external {
        MarketConfig memory config = devnetConfig();
        config.treasury = address(0);
        expectRefused(config);
    }

    function test_constructor_noSink_reverts() external {
        MarketConfig memory config = devnetConfig();
        config.sink = address(0);
        expectRefused(config);
    }

    function test_constructor_noBond_reverts() external {
        MarketConfig memory config = devnetConfig();
        (config.seatBond, config.baseFee) = (0, 0);
        expectRefused(config);
    }

    function test_constructor_baseFeeAboveBond_reverts() external {
        MarketConfig memory config = devnetConfig();
        config.baseFee = config.seatBond + 1;
        expectRefused(config);
    }

    function test_constructor_feeAboveMaximum_reverts(uint16 feeBps) external {
        MarketConfig memory config = devnetConfig();
        config.feeBps = uint16(bounded(feeBps, 2_001, type(uint16).max));
        expectRefused(config);
    }

    function test_constructor_noShowAboveBond_reverts(uint16 noShowBps) external {
        MarketConfig memory config = devnetConfig();
        config.noShowBps = uint16(bounded(noShowBps, 10_001, type(uint16).max));
        expectRefused(config);
    }

    function test_constructor_redundancyEvenOrAboveSeven_reverts(uint8 redundancy) external {
        MarketConfig memory config = devnetConfig();
        vm.assume(redundancy % 2 == 0 || redundancy > 7);
        config.maxRedundancy = redundancy;
        expectRefused(config);
    }

    function test_constructor_noTokens_reverts() external {
        MarketConfig memory config = devnetConfig();
        config.maxJobTokens = 0;
        expectRefused(config);
    }

    function test_constructor_noCommitFloor_reverts() external {
        MarketConfig memory config = devnetConfig();
        config.commitFloorSeconds = 0;
        expectRefused(config);
    }

    function test_constructor_noRevealWindow_reverts() external {
        MarketConfig memory config = devnetConfig();
        config.revealWindowSeconds = 0;
        expectRefused(config);
    }

    function test_constructor_noDrawDeadline_reverts() external {
        MarketConfig memory config = devnetConfig();
        config.drawDeadlineBlocks = 0;
        expectRefused(config);
    }

    /// @dev A block sees the hashes of 256 blocks before it, no more.
    function test_constructor_drawDeadlineBeyondBlockHashes_reverts(uint32 blocks) external {
        MarketConfig memory config = devnetConfig();
        config.drawDeadlineBlocks = uint32(bounded(blocks, 257, type(uint32).max));
        expectRefused(config);
    }

    function expectRefused(MarketConfig memory config) private {
        vm.expectRevert(abi.encodeWithSelector(IMarketplace.InvalidConfig.selector, config));
        new Marketplace(config);
    }
}
