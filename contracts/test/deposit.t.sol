// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {Marketplace} from "../src/Marketplace.sol";
import {ISeats} from "../src/interfaces/ISeats.sol";
import {ReentrantAccount} from "./support/HostileAccounts.sol";
import {
    FalseReturningToken,
    FeeTakingToken,
    FreeToken,
    GenerousToken,
    HookToken,
    PausableToken,
    VastToken
} from "./support/HostileTokens.sol";
import {MarketTest} from "./support/MarketTest.sol";
import {vm} from "./support/Vm.sol";

/*
deposit
├── given nothing                              → reverts InvalidAmount
├── given more than 96 bits, alone or in sum   → reverts CreditOverflow
├── given a token that keeps or adds a part    → reverts TokenDeltaMismatch [R7]
├── given a token that answers false           → reverts SafeERC20FailedOperation
├── given a paused token                       → reverts with the token's error
├── given a re-entering sender                 → its inner call reverts
└── given a sound amount                       → emits StakeDeposited, tokens become credit
*/
contract DepositTest is MarketTest {
    function test_deposit_soundAmount_becomesCredit(uint96 amount) external {
        amount = uint96(bounded(amount, 1, token.FAUCET_LIMIT()));
        fund(stranger, amount);

        vm.expectEmit(address(market));
        emit ISeats.StakeDeposited(stranger, amount);
        vm.prank(stranger);
        market.deposit(amount);

        assertCredit(stranger, amount);
        vm.assertEq(token.balanceOf(stranger), 0, "tokens of the depositor");
        vm.assertEq(token.balanceOf(address(market)), amount, "tokens of the market");
    }

    function test_deposit_twice_addsUp() external {
        fundAndDeposit(stranger, 3);
        fundAndDeposit(stranger, 4);
        assertCredit(stranger, 7);
    }

    function test_deposit_nothing_reverts() external {
        vm.expectRevert(abi.encodeWithSelector(ISeats.InvalidAmount.selector, 0));
        market.deposit(0);
    }

    function test_deposit_beyond96Bits_reverts(uint256 amount) external {
        amount = bounded(amount, uint256(type(uint96).max) + 1, type(uint256).max - 1);
        expectOverflow(0, amount);
        market.deposit(amount);
    }

    function test_deposit_sumBeyond96Bits_reverts() external {
        (Marketplace vast, ) = marketOf(new VastToken());
        vast.deposit(type(uint96).max);
        vm.assertEq(vast.creditOf(address(this)), type(uint96).max, "credit");
        expectOverflow(type(uint96).max, 1);
        vast.deposit(1);
    }

    /// @dev However large: an error of ours, no arithmetic panic.
    function test_deposit_sumBeyond256Bits_reverts() external {
        fundAndDeposit(stranger, 1);
        (bool isDone, bytes memory reason) = callAs(
            stranger,
            abi.encodeCall(ISeats.deposit, (type(uint256).max))
        );
        vm.assertFalse(isDone, "deposited more than there is");
        vm.assertEq(
            bytes32(bytes4(reason)),
            bytes32(ISeats.CreditOverflow.selector),
            "selector of the error"
        );
    }

    // ─── Hostile tokens [R7] ─────────────────────────────────────────────────────────────────

    function test_deposit_feeTakingToken_reverts_R7() external {
        (Marketplace other, ) = marketOf(new FeeTakingToken());
        vm.expectRevert(abi.encodeWithSelector(ISeats.TokenDeltaMismatch.selector, 100, 99));
        other.deposit(100);
    }

    function test_deposit_generousToken_reverts_R7() external {
        (Marketplace other, ) = marketOf(new GenerousToken());
        vm.expectRevert(abi.encodeWithSelector(ISeats.TokenDeltaMismatch.selector, 100, 101));
        other.deposit(100);
    }

    function test_deposit_falseReturningToken_reverts_R7() external {
        (Marketplace other, FreeToken bad) = marketOf(new FalseReturningToken());
        vm.expectRevert(
            abi.encodeWithSelector(SafeERC20.SafeERC20FailedOperation.selector, address(bad))
        );
        other.deposit(100);
    }

    function test_deposit_pausedToken_reverts_R7() external {
        PausableToken bad = new PausableToken();
        (Marketplace other, ) = marketOf(bad);
        bad.pause();
        vm.expectRevert(abi.encodeWithSelector(PausableToken.Paused.selector));
        other.deposit(100);
    }

    function test_deposit_reenteringWithDeposit_innerCallReverts_R7() external {
        expectGuarded(abi.encodeCall(ISeats.deposit, (1)));
    }

    function test_deposit_reenteringWithWithdraw_innerCallReverts_R7() external {
        expectGuarded(abi.encodeCall(ISeats.withdraw, (1, stranger)));
    }

    // ─── Private ─────────────────────────────────────────────────────────────────────────────

    function expectOverflow(uint256 credit, uint256 amount) private {
        vm.expectRevert(
            abi.encodeWithSelector(ISeats.CreditOverflow.selector, address(this), credit, amount)
        );
    }

    /// @dev A market for `bad`, of which this contract holds plenty.
    function marketOf(FreeToken bad) private returns (Marketplace, FreeToken) {
        Marketplace other = marketWith(address(bad));
        bad.mint(address(this), type(uint128).max);
        bad.approve(address(other), type(uint256).max);
        return (other, bad);
    }

    function callAs(
        address account,
        bytes memory callData
    ) private returns (bool isDone, bytes memory reason) {
        vm.prank(account);
        (isDone, reason) = address(market).call(callData);
    }

    function expectGuarded(bytes memory innerCall) private {
        HookToken hooked = new HookToken();
        Marketplace other = marketWith(address(hooked));
        ReentrantAccount account = new ReentrantAccount();
        hooked.mint(address(account), 100);
        hooked.listen(address(account));
        account.call(
            address(hooked),
            abi.encodeCall(hooked.approve, (address(other), type(uint256).max))
        );
        account.reenterWith(address(other), innerCall);

        account.call(address(other), abi.encodeCall(ISeats.deposit, (50)));

        vm.assertTrue(account.hasReentered(), "the hook was not called");
        vm.assertFalse(account.hasSucceeded(), "the inner call went through");
        vm.assertEq(
            account.answer(),
            abi.encodeWithSelector(ReentrancyGuardTransient.ReentrancyGuardReentrantCall.selector),
            "why the inner call failed"
        );
        vm.assertEq(other.creditOf(address(account)), 50, "credit");
        vm.assertEq(hooked.balanceOf(address(other)), 50, "tokens");
    }
}
