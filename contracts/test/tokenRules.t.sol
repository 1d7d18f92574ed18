// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {ISeats} from "../src/interfaces/ISeats.sol";
import {JobParams, JobState} from "../src/types/Job.sol";
import {JobBuilder} from "./support/Builders.sol";
import {ReentrantAccount} from "./support/HostileAccounts.sol";
import {
    FalseReturningToken,
    FeeTakingToken,
    FreeToken,
    GenerousToken,
    HookToken
} from "./support/HostileTokens.sol";
import {MarketTest} from "./support/MarketTest.sol";
import {vm} from "./support/Vm.sol";

/*
postJob with hostile tokens and requesters [R7]; deposit.t.sol and withdraw.t.sol have their own
├── given a token that keeps or adds a part       → reverts TokenDeltaMismatch
├── given a token that answers false              → reverts SafeERC20FailedOperation
├── given a requester re-entering with postJob,
│   deposit or withdraw                           → its inner call reverts
└── given a requester re-entering with cancelJob  → refunded once, and paid for
*/
contract TokenRulesTest is MarketTest {
    using JobBuilder for JobParams;

    ReentrantAccount private account;
    HookToken private hooked;

    function test_postJob_feeTakingToken_reverts_R7() external {
        FeeTakingToken bad = new FeeTakingToken();
        useToken(bad);
        vm.expectRevert(
            abi.encodeWithSelector(ISeats.TokenDeltaMismatch.selector, JOB_ESCROW, JOB_ESCROW - 1)
        );
        post(aJob());
    }

    function test_postJob_generousToken_reverts_R7() external {
        GenerousToken bad = new GenerousToken();
        useToken(bad);
        vm.expectRevert(
            abi.encodeWithSelector(ISeats.TokenDeltaMismatch.selector, JOB_ESCROW, JOB_ESCROW + 1)
        );
        post(aJob());
    }

    function test_postJob_falseReturningToken_reverts_R7() external {
        FalseReturningToken bad = new FalseReturningToken();
        useToken(bad);
        vm.expectRevert(
            abi.encodeWithSelector(SafeERC20.SafeERC20FailedOperation.selector, address(bad))
        );
        post(aJob());
    }

    function test_postJob_reenteringWithPostJob_innerCallReverts_R7() external {
        useHookedRequester();
        expectGuarded(abi.encodeCall(market.postJob, (hookedJob().withNonce(2))));
    }

    function test_postJob_reenteringWithDeposit_innerCallReverts_R7() external {
        useHookedRequester();
        expectGuarded(abi.encodeCall(ISeats.deposit, (1)));
    }

    /// @dev The job is cancelled before its tokens have come: the refund is credit, which cannot
    /// leave before they have.
    function test_postJob_reenteringWithCancelJob_isRefundedOnce_R7() external {
        useHookedRequester();
        account.reenterWith(address(market), abi.encodeCall(market.cancelJob, (hookedJob())));
        account.call(address(market), abi.encodeCall(market.postJob, (hookedJob())));

        vm.assertTrue(account.hasSucceeded(), "the inner call failed");
        assertState(market.jobIdOf(hookedJob()), JobState.Cancelled);
        assertCredit(address(account), JOB_ESCROW);
        uint256 stakes = 3 * BOND;
        vm.assertEq(hooked.balanceOf(address(market)), stakes + JOB_ESCROW, "tokens");
        account.call(address(market), abi.encodeCall(ISeats.withdraw, (JOB_ESCROW, stranger)));
        vm.assertEq(hooked.balanceOf(address(market)), stakes, "tokens left");
    }

    function test_postJob_reenteringWithWithdraw_innerCallReverts_R7() external {
        useHookedRequester();
        expectGuarded(abi.encodeCall(ISeats.withdraw, (1, stranger)));
    }

    // ─── Private ─────────────────────────────────────────────────────────────────────────────

    /// @dev A market for `bad` with three seats; deposits are in before the token is asked.
    function useToken(FreeToken bad) private {
        address good = address(new HookToken());
        useMarket(marketWith(address(bad)));
        bytes memory code = address(bad).code;
        vm.etch(address(bad), good.code);
        for (uint256 i = 0; i < 3; ++i) {
            stake(bad, aWorker(i));
        }
        bad.mint(requester, 2 * JOB_ESCROW);
        vm.prank(requester);
        bad.approve(address(market), type(uint256).max);
        vm.etch(address(bad), code);
        mine(1);
    }

    function stake(FreeToken currency, address worker) private {
        currency.mint(worker, BOND);
        vm.startPrank(worker);
        currency.approve(address(market), BOND);
        market.deposit(BOND);
        market.openSeats(modelId, 0, 1);
        vm.stopPrank();
    }

    function useHookedRequester() private {
        hooked = new HookToken();
        useToken(hooked);
        account = new ReentrantAccount();
        hooked.mint(address(account), 2 * JOB_ESCROW);
        hooked.listen(address(account));
        account.call(
            address(hooked),
            abi.encodeCall(hooked.approve, (address(market), type(uint256).max))
        );
    }

    function hookedJob() private view returns (JobParams memory) {
        return aJob().by(address(account));
    }

    function expectGuarded(bytes memory innerCall) private {
        account.reenterWith(address(market), innerCall);
        account.call(address(market), abi.encodeCall(market.postJob, (hookedJob())));

        vm.assertTrue(account.hasReentered(), "the hook was not called");
        vm.assertFalse(account.hasSucceeded(), "the inner call went through");
        vm.assertEq(
            account.answer(),
            abi.encodeWithSelector(ReentrancyGuardTransient.ReentrancyGuardReentrantCall.selector),
            "why the inner call failed"
        );
        assertState(market.jobIdOf(hookedJob()), JobState.Open);
    }
}
