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
├── given a base fee that is not below the bond → reverts InvalidConfig
├── given a fee above 20%                       → reverts InvalidConfig
├── given a no-show penalty above the bond      → reverts InvalidConfig
├── given an even or too large redundancy       → reverts InvalidConfig
├── given no rounds, or more than two           → reverts InvalidConfig
├── given too much gas for callbacks            → reverts InvalidConfig
├── given no tokens, no windows                 → reverts InvalidConfig
├── given a commit floor above the longest window → reverts InvalidConfig
└── given a draw deadline of 0 or above 8,191   → reverts InvalidConfig
*/
contract ConstructorTest is MarketTest {
    function test_constructor_soundSettings_areReturnedByConfig() external view {
        bytes memory expected = abi.encode(devnetConfig());
        vm.assertEq(abi.encode(market.config()), expected, "config");
    }

    function test_constructor_boundsExactlyMet_deploys() external {
        MarketConfig memory config = devnetConfig();
        config.baseFee = config.seatBond - 1;
        config.feeBps = 2_000;
        config.noShowBps = 10_000;
        config.maxRedundancy = 7;
        config.drawDeadlineBlocks = 8_191;
        config.maxRounds = 1;
        config.maxCallbackGas = 10_000_000;
        config.commitFloorSeconds = 30 days;
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

    /// @dev No job could be posted: every one pays more than the base fee.
    function test_constructor_baseFeeOfTheBond_reverts() external {
        MarketConfig memory config = devnetConfig();
        config.baseFee = config.seatBond;
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

    function test_constructor_noRoundsOrMoreThanTwo_reverts(uint8 rounds) external {
        vm.assume(rounds == 0 || rounds > 2);
        MarketConfig memory config = devnetConfig();
        config.maxRounds = rounds;
        expectRefused(config);
    }

    function test_constructor_callbackGasAboveMaximum_reverts(uint32 maxGas) external {
        MarketConfig memory config = devnetConfig();
        config.maxCallbackGas = uint32(bounded(maxGas, 10_000_001, type(uint32).max));
        expectRefused(config);
    }

    /// @dev No job could be posted: every window would be too long.
    function test_constructor_floorAboveLongestWindow_reverts(uint32 floorSeconds) external {
        MarketConfig memory config = devnetConfig();
        config.commitFloorSeconds = uint32(bounded(floorSeconds, 30 days + 1, type(uint32).max));
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

    /// @dev EIP-2935 keeps the hashes of 8,191 blocks.
    function test_constructor_drawDeadlineBeyondBlockHashes_reverts(uint32 blocks) external {
        MarketConfig memory config = devnetConfig();
        config.drawDeadlineBlocks = uint32(bounded(blocks, 8_192, type(uint32).max));
        expectRefused(config);
    }

    function expectRefused(MarketConfig memory config) private {
        vm.expectRevert(abi.encodeWithSelector(IMarketplace.InvalidConfig.selector, config));
        new Marketplace(config);
    }
}
