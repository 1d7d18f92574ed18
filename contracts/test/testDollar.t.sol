// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {TestDollar} from "../src/TestDollar.sol";
import {MarketTest} from "./support/MarketTest.sol";
import {vm} from "./support/Vm.sol";

/*
TestDollar
├── given a faucet call above its limit → reverts FaucetLimitExceeded
├── given a faucet call up to its limit → mints to the caller
└── decimals                            → six
*/
contract TestDollarTest is MarketTest {
    function test_faucet_aboveLimit_reverts(uint256 amount) external {
        uint256 limit = token.FAUCET_LIMIT();
        amount = bounded(amount, limit + 1, type(uint256).max - 1);
        vm.expectRevert(
            abi.encodeWithSelector(TestDollar.FaucetLimitExceeded.selector, amount, limit)
        );
        token.faucet(amount);
    }

    function test_faucet_upToLimit_mintsToCaller(uint256 amount) external {
        amount = bounded(amount, 0, token.FAUCET_LIMIT());
        vm.prank(stranger);
        token.faucet(amount);
        vm.assertEq(token.balanceOf(stranger), amount, "balance");
    }

    function test_decimals_anyToken_areSix() external view {
        vm.assertEq(token.decimals(), 6, "decimals");
    }
}
