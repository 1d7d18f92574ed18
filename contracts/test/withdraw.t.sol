// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {Marketplace} from "../src/Marketplace.sol";
import {ISeats} from "../src/interfaces/ISeats.sol";
import {ReentrantAccount, RevertingAccount} from "./support/HostileAccounts.sol";
import {FalseReturningToken, HookToken, PausableToken} from "./support/HostileTokens.sol";
import {MarketTest} from "./support/MarketTest.sol";
import {vm} from "./support/Vm.sol";

/*
withdraw
├── given nothing                        → reverts InvalidAmount
├── given the zero address, or the market → reverts InvalidReceiver
├── given more than the caller's credit  → reverts CreditTooSmall
├── given a second time                  → reverts CreditTooSmall
├── given a token that refuses           → reverts, the credit stays
├── given a re-entering receiver         → its inner call reverts, it is paid once
└── given credit                         → emits Withdrawn, pays `to`
*/
contract WithdrawTest is MarketTest {
    uint256 private constant STAKE = 1_000;

    function test_withdraw_partOfCredit_paysTo(uint256 amount) external {
        amount = bounded(amount, 1, STAKE);
        fundAndDeposit(requester, STAKE);
        uint256 before = token.balanceOf(stranger);

        vm.expectEmit(address(market));
        emit ISeats.Withdrawn(requester, stranger, amount);
        vm.prank(requester);
        market.withdraw(amount, stranger);

        vm.assertEq(token.balanceOf(stranger) - before, amount, "tokens received");
        assertCredit(requester, STAKE - amount);
        vm.assertEq(token.balanceOf(address(market)), STAKE - amount, "tokens left");
    }

    function test_withdraw_nothing_reverts() external {
        vm.expectRevert(abi.encodeWithSelector(ISeats.InvalidAmount.selector, 0));
        market.withdraw(0, stranger);
    }

    function test_withdraw_toZeroAddress_reverts() external {
        expectInvalidReceiver(address(0));
    }

    /// @dev Tokens sent there would be owed to nobody.
    function test_withdraw_toMarketplace_reverts() external {
        expectInvalidReceiver(address(market));
    }

    function test_withdraw_moreThanCredit_reverts(uint256 amount) external {
        amount = bounded(amount, STAKE + 1, type(uint256).max - 1);
        fundAndDeposit(requester, STAKE);
        fundAndDeposit(stranger, 5 * STAKE);
        expectTooSmall(requester, STAKE, amount);
        vm.prank(requester);
        market.withdraw(amount, requester);
    }

    function test_withdraw_allTwice_reverts() external {
        fundAndDeposit(requester, STAKE);
        fundAndDeposit(stranger, STAKE);
        vm.prank(requester);
        market.withdraw(STAKE, requester);
        expectTooSmall(requester, 0, STAKE);
        vm.prank(requester);
        market.withdraw(STAKE, requester);
    }

    function test_withdraw_bondOfOpenSeat_reverts() external {
        openSeat(stranger, 0);
        expectTooSmall(stranger, 0, 1);
        vm.prank(stranger);
        market.withdraw(1, stranger);
    }

    // ─── Hostile tokens and receivers [R7] ───────────────────────────────────────────────────

    function test_withdraw_falseReturningToken_reverts_R7() external {
        Marketplace other = deployMarket(devnetConfig());
        fund(requester, STAKE);
        vm.startPrank(requester);
        token.approve(address(other), STAKE);
        other.deposit(STAKE);
        vm.stopPrank();
        // The token turns bad after the deposit.
        vm.etch(address(token), address(new FalseReturningToken()).code);

        vm.expectRevert(
            abi.encodeWithSelector(SafeERC20.SafeERC20FailedOperation.selector, address(token))
        );
        vm.prank(requester);
        other.withdraw(STAKE, requester);
        vm.assertEq(other.creditOf(requester), STAKE, "credit");
    }

    function test_withdraw_pausedToken_keepsCredit_R7() external {
        PausableToken bad = new PausableToken();
        Marketplace other = marketWith(address(bad));
        bad.mint(address(this), STAKE);
        bad.approve(address(other), STAKE);
        other.deposit(STAKE);
        bad.pause();

        vm.expectRevert(abi.encodeWithSelector(PausableToken.Paused.selector));
        other.withdraw(STAKE, stranger);
        vm.assertEq(other.creditOf(address(this)), STAKE, "credit");
    }

    function test_withdraw_reenteringReceiver_isPaidOnce_R7() external {
        (Marketplace other, HookToken hooked, ReentrantAccount account) = aHookedMarket();
        account.reenterWith(
            address(other),
            abi.encodeCall(ISeats.withdraw, (STAKE, address(account)))
        );

        account.call(address(other), abi.encodeCall(ISeats.withdraw, (STAKE, address(account))));

        vm.assertTrue(account.hasReentered(), "the hook was not called");
        vm.assertEq(
            account.answer(),
            abi.encodeWithSelector(ReentrancyGuardTransient.ReentrancyGuardReentrantCall.selector),
            "why the inner call failed"
        );
        vm.assertEq(hooked.balanceOf(address(account)), STAKE, "tokens received");
        vm.assertEq(other.creditOf(address(account)), 0, "credit");
    }

    /// @dev A receiver that refuses tokens hurts its own withdrawal only: `to` is a choice.
    function test_withdraw_revertingReceiver_canChooseAnother_R7() external {
        (Marketplace other, HookToken hooked, ReentrantAccount account) = aHookedMarket();
        address refusing = address(new RevertingAccount());
        hooked.listen(refusing);

        vm.expectRevert(abi.encodeWithSelector(RevertingAccount.NotListening.selector));
        account.call(address(other), abi.encodeCall(ISeats.withdraw, (STAKE, refusing)));
        account.call(address(other), abi.encodeCall(ISeats.withdraw, (STAKE, stranger)));
        vm.assertEq(hooked.balanceOf(stranger), STAKE, "tokens received");
    }

    // ─── Private ─────────────────────────────────────────────────────────────────────────────

    /// @dev A market whose token tells accounts of transfers; `account` holds STAKE of credit in
    /// it, and the market holds as much again of somebody else's.
    function aHookedMarket()
        private
        returns (Marketplace other, HookToken hooked, ReentrantAccount account)
    {
        hooked = new HookToken();
        other = marketWith(address(hooked));
        account = new ReentrantAccount();
        hooked.mint(address(account), STAKE);
        hooked.listen(address(account));
        bytes memory approval = abi.encodeCall(hooked.approve, (address(other), STAKE));
        account.call(address(hooked), approval);
        account.call(address(other), abi.encodeCall(ISeats.deposit, (STAKE)));
        hooked.mint(keeper, STAKE);
        vm.startPrank(keeper);
        hooked.approve(address(other), STAKE);
        other.deposit(STAKE);
        vm.stopPrank();
    }

    function expectInvalidReceiver(address to) private {
        fundAndDeposit(requester, STAKE);
        vm.expectRevert(abi.encodeWithSelector(ISeats.InvalidReceiver.selector, to));
        vm.prank(requester);
        market.withdraw(1, to);
    }

    function expectTooSmall(address account, uint256 credit, uint256 required) private {
        vm.expectRevert(
            abi.encodeWithSelector(ISeats.CreditTooSmall.selector, account, credit, required)
        );
    }
}
