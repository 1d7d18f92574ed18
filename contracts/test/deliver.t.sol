// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {AnswerBook} from "../src/examples/AnswerBook.sol";
import {IInferenceConsumer} from "../src/interfaces/IInferenceConsumer.sol";
import {IMarketplace} from "../src/interfaces/IMarketplace.sol";
import {JobId, JobParams, JobState} from "../src/types/Job.sol";
import {Outcome} from "../src/types/Outcome.sol";
import {JobBuilder, OutcomeBuilder} from "./support/Builders.sol";
import {
    BurningCallback,
    ListeningCallback,
    ReentrantCallback,
    ReturningCallback,
    RevertingCallback
} from "./support/HostileCallbacks.sol";
import {Act, ScenarioTest} from "./support/ScenarioTest.sol";
import {Trees} from "./support/Trees.sol";
import {vm} from "./support/Vm.sol";

/*
deliver [C1]
├── given a job without a callback                → reverts NoCallback
├── given a job that is not Accepted or Failed    → reverts UnexpectedJobState
├── given a second time                           → reverts AlreadyDelivered
├── given another outcome or transcript           → reverts RecordMismatch
├── given an outcome of a Failed job              → reverts InvalidOutcome
├── given less gas than the callback may use      → reverts CallbackGasTooLow
├── given an Accepted job                         → calls with its outcome, emits BountyPaid, ResultDelivered
├── given a Failed job                            → calls with an outcome of zeros
├── given a callback that reverts, burns all gas,
│   returns a lot or has no code                  → the same, as failed where it fails
├── given a callback that delivers again          → its inner call reverts
└── given a callback that posts the next job      → posted
AnswerBook
├── given a caller other than the marketplace     → reverts NotMarketplace
├── given a job that it has not asked for         → reverts UnknownJob
└── given its own job                             → keeps root and state
*/
contract DeliverTest is ScenarioTest {
    using JobBuilder for JobParams;

    uint32 private constant CALLBACK_GAS = 200_000;
    uint256 private constant RESERVE = 10_000;

    ListeningCallback private listener;

    function setUp() public override {
        super.setUp();
        openWorkers(6);
        mine(1);
        listener = new ListeningCallback();
    }

    // ─── Refused ─────────────────────────────────────────────────────────────────────────────

    function test_deliver_noCallback_reverts() external {
        (JobId jobId, bytes32 transcript) = accepted(aJob());
        vm.expectRevert(abi.encodeWithSelector(IMarketplace.NoCallback.selector, jobId));
        market.deliver(aJob(), outcomeOf(Act.Honest), transcript);
    }

    function test_deliver_neverPosted_reverts() external {
        expectUnexpectedState(market.jobIdOf(aCallingJob()), JobState.Nonexistent);
        market.deliver(aCallingJob(), anOutcome(), 0);
    }

    function test_deliver_open_reverts() external {
        JobId jobId = post(aCallingJob());
        expectUnexpectedState(jobId, JobState.Open);
        market.deliver(aCallingJob(), anOutcome(), 0);
    }

    function test_deliver_revealing_reverts() external {
        JobId jobId = postAndDraw(aCallingJob());
        commitAll(aCallingJob(), three(anOutcome(), anOutcome(), anOutcome()));
        expectUnexpectedState(jobId, JobState.Revealing);
        market.deliver(aCallingJob(), anOutcome(), 0);
    }

    function test_deliver_cancelled_reverts() external {
        JobId jobId = post(aCallingJob());
        vm.prank(requester);
        market.cancelJob(aCallingJob());
        expectUnexpectedState(jobId, JobState.Cancelled);
        market.deliver(aCallingJob(), OutcomeBuilder.none(), 0);
    }

    function test_deliver_twice_reverts_C1() external {
        (JobId jobId, bytes32 transcript) = accepted(aCallingJob());
        market.deliver(aCallingJob(), outcomeOf(Act.Honest), transcript);
        vm.expectRevert(abi.encodeWithSelector(IMarketplace.AlreadyDelivered.selector, jobId));
        market.deliver(aCallingJob(), outcomeOf(Act.Honest), transcript);
        vm.assertEq(listener.calls(), 1, "calls");
    }

    function test_deliver_anotherOutcome_reverts_C1() external {
        (JobId jobId, bytes32 transcript) = accepted(aCallingJob());
        expectMismatch(
            jobId,
            recordOf(answerOf(outcomeOf(Act.Honest)), transcript),
            keccak256(abi.encode(answerOf(outcomeOf(Act.Liar)), transcript))
        );
        market.deliver(aCallingJob(), outcomeOf(Act.Liar), transcript);
    }

    function test_deliver_noOutcomeOfAcceptedJob_reverts_C1() external {
        (JobId jobId, bytes32 transcript) = accepted(aCallingJob());
        Outcome memory none = OutcomeBuilder.none();
        expectMismatch(
            jobId,
            recordOf(answerOf(outcomeOf(Act.Honest)), transcript),
            keccak256(abi.encode(answerOf(none), transcript))
        );
        market.deliver(aCallingJob(), none, transcript);
    }

    function test_deliver_anotherTranscript_reverts_C1(bytes32 other) external {
        (JobId jobId, bytes32 transcript) = accepted(aCallingJob());
        vm.assume(other != transcript);
        bytes32 answer = answerOf(outcomeOf(Act.Honest));
        expectMismatch(jobId, recordOf(answer, transcript), keccak256(abi.encode(answer, other)));
        market.deliver(aCallingJob(), outcomeOf(Act.Honest), other);
    }

    function test_deliver_outcomeOfFailedJob_reverts_C1() external {
        (JobId jobId, bytes32 transcript) = failed(aCallingJob());
        vm.expectRevert(
            abi.encodeWithSelector(
                IMarketplace.InvalidOutcome.selector,
                jobId,
                outcomeOf(Act.Honest)
            )
        );
        market.deliver(aCallingJob(), outcomeOf(Act.Honest), transcript);
    }

    function test_deliver_anotherTranscriptOfFailedJob_reverts_C1() external {
        (JobId jobId, bytes32 transcript) = failed(aCallingJob());
        expectMismatch(jobId, recordOf(0, transcript), keccak256(abi.encode(bytes32(0), 0)));
        market.deliver(aCallingJob(), OutcomeBuilder.none(), 0);
    }

    // ─── Gas [C1] ────────────────────────────────────────────────────────────────────────────

    /// @dev Whatever a caller brings, either it reverts or the callback got all of its gas.
    function test_deliver_anyGas_callbackGetsItsOwnOrNothingHappens_C1(uint256 gasLimit) external {
        (JobId jobId, bytes32 transcript) = accepted(aCallingJob());
        gasLimit = bounded(gasLimit, 50_000, 400_000);
        try market.deliver{gas: gasLimit}(aCallingJob(), outcomeOf(Act.Honest), transcript) {
            vm.assertEq(listener.calls(), 1, "calls");
            // What entering the function has used by then.
            vm.assertGe(listener.gasAtStart() + 2_000, CALLBACK_GAS, "gas of the callback");
        } catch {
            vm.assertFalse(lens.roundOf(jobId).isDelivered, "delivered");
        }
    }

    function test_deliver_tooLittleGas_reverts_C1() external {
        (, bytes32 transcript) = accepted(aCallingJob());
        bytes memory callData = abi.encodeCall(
            market.deliver,
            (aCallingJob(), outcomeOf(Act.Honest), transcript)
        );
        (bool isDone, bytes memory reason) = address(market).call{gas: 200_000}(callData);
        vm.assertFalse(isDone, "delivered");
        vm.assertEq(
            bytes32(bytes4(reason)),
            bytes32(IMarketplace.CallbackGasTooLow.selector),
            "why"
        );
        uint256 required = (uint256(CALLBACK_GAS) * 64) / 63 + RESERVE;
        vm.assertEq(wordAt(reason, 1), required, "required");
        vm.assertLe(wordAt(reason, 0), required - 1, "available");
    }

    function test_deliver_leastGasPossible_completes_C1() external {
        JobParams memory job = aJob().withCallback(address(listener), 1);
        (JobId jobId, bytes32 transcript) = accepted(job);
        uint256 state = vm.snapshotState();
        // The smallest amount that is not refused leaves enough for everything after the call.
        for (uint256 gasLimit = 30_000; gasLimit < 120_000; gasLimit += 250) {
            (bool isDone, bytes memory reason) = address(market).call{gas: gasLimit}(
                abi.encodeCall(market.deliver, (job, outcomeOf(Act.Honest), transcript))
            );
            if (isDone) {
                vm.assertTrue(lens.roundOf(jobId).isDelivered, "delivered");
                return;
            }
            bool isRefused =
                reason.length == 0 || bytes4(reason) == IMarketplace.CallbackGasTooLow.selector;
            vm.assertTrue(isRefused, "another reason");
            vm.revertToState(state);
        }
        vm.assertTrue(false, "never delivered");
    }

    // ─── Delivered ───────────────────────────────────────────────────────────────────────────

    function test_deliver_accepted_callsWithTheOutcome() external {
        (JobId jobId, bytes32 transcript) = accepted(aCallingJob());
        uint256 before = market.creditOf(keeper);
        vm.expectEmit(address(market));
        emit IMarketplace.BountyPaid(jobId, keeper, BOUNTY);
        vm.expectEmit(address(market));
        emit IMarketplace.ResultDelivered(jobId, address(listener), true);
        vm.expectCall(
            address(listener),
            abi.encodeCall(
                IInferenceConsumer.onInference,
                (jobId, JobState.Accepted, outcomeOf(Act.Honest))
            ),
            1
        );
        vm.prank(keeper);
        market.deliver(aCallingJob(), outcomeOf(Act.Honest), transcript);

        assertCredit(keeper, before + BOUNTY);
        vm.assertTrue(lens.roundOf(jobId).isDelivered, "delivered");
        vm.assertTrue(lens.isRecorded(jobId, outcomeOf(Act.Honest), transcript), "recorded");
        assertState(jobId, JobState.Accepted);
        vm.assertEq(listener.caller(), address(market), "caller");
    }

    function test_deliver_failed_callsWithZeros() external {
        (JobId jobId, bytes32 transcript) = failed(aCallingJob());
        vm.expectEmit(address(market));
        emit IMarketplace.ResultDelivered(jobId, address(listener), true);
        market.deliver(aCallingJob(), OutcomeBuilder.none(), transcript);
        vm.assertEq(uint256(listener.state()), uint256(JobState.Failed), "state");
        vm.assertEq(listener.outcomeHash(), keccak256(abi.encode(OutcomeBuilder.none())), "hash");
        assertState(jobId, JobState.Failed);
    }

    function test_deliver_expiredJob_callsWithZeros() external {
        JobId jobId = post(aCallingJob());
        rollTo(lens.roundOf(jobId).expiryBlock + 1);
        vm.recordLogs();
        advance(aCallingJob(), NO_HEADER);
        market.deliver(aCallingJob(), OutcomeBuilder.none(), settledTranscript());
        vm.assertEq(listener.calls(), 1, "calls");
    }

    /// @dev The bounty is part of what the job paid, and is held back until somebody delivers.
    function test_deliver_bounty_isHeldBackAtSettlement_R5() external {
        accepted(aCallingJob());
        uint256 paid = 3 * (BASE_FEE + TRUE_TOKENS * PRICE) + 2 * BOUNTY;
        uint256 most = 3 * JOB_PAY + 3 * BOUNTY;
        assertCredit(requester, most + most / 100 - paid - paid / 100);
    }

    // ─── Hostile callbacks ───────────────────────────────────────────────────────────────────

    function test_deliver_burningCallback_isPaidAndDone_C1() external {
        expectFailing(address(new BurningCallback()));
    }

    function test_deliver_revertingCallback_isPaidAndDone_C1() external {
        expectFailing(address(new RevertingCallback(0)));
        expectFailing(address(new RevertingCallback(50_000)));
    }

    function test_deliver_accountWithoutCode_isPaidAndDone_C1() external {
        expectFailing(stranger);
    }

    /// @dev The token has no such function: nothing moves.
    function test_deliver_tokenAsCallback_isPaidAndDone_C1() external {
        expectFailing(address(token));
    }

    function test_deliver_marketAsCallback_isPaidAndDone_C1() external {
        expectFailing(address(market));
    }

    /// @dev Fifty kilobytes would cost their reader 10,000 gas; nobody reads them.
    function test_deliver_hugeReturnData_isNotCopied_C1() external {
        uint256 small = gasOfDelivery(address(new ReturningCallback(0)), 1);
        uint256 huge = gasOfDelivery(address(new ReturningCallback(50_000)), 2);
        uint256 hugeRevert = gasOfDelivery(address(new RevertingCallback(50_000)), 3);
        // The callback itself pays for its memory: 50,000 bytes cost 9,500 gas.
        vm.assertLe(huge, small + 10_500, "returned");
        vm.assertLe(hugeRevert, small + 10_500, "reverted");
    }

    function test_deliver_reenteringCallback_innerDeliveryReverts_C1() external {
        ReentrantCallback callback = new ReentrantCallback();
        JobParams memory job = aJob().withCallback(address(callback), CALLBACK_GAS);
        (JobId jobId, bytes32 transcript) = accepted(job);
        callback.reenterWith(
            abi.encodeCall(market.deliver, (job, outcomeOf(Act.Honest), transcript))
        );
        uint256 before = market.creditOf(keeper);
        vm.prank(keeper);
        market.deliver(job, outcomeOf(Act.Honest), transcript);
        vm.assertFalse(callback.hasSucceeded(), "the inner call went through");
        vm.assertEq(
            callback.answer(),
            abi.encodeWithSelector(IMarketplace.AlreadyDelivered.selector, jobId),
            "why the inner call failed"
        );
        assertCredit(keeper, before + BOUNTY);
    }

    /// @dev One result may ask for the next.
    function test_deliver_callbackPostingAJob_posts() external {
        ReentrantCallback callback = new ReentrantCallback();
        vm.startPrank(address(callback));
        token.faucet(1_000_000);
        token.approve(address(market), type(uint256).max);
        vm.stopPrank();
        JobParams memory next = aJob().by(address(callback)).withNonce(2);
        callback.reenterWith(abi.encodeCall(market.postJob, (next)));
        JobParams memory job = aJob().withCallback(address(callback), 400_000);
        (, bytes32 transcript) = accepted(job);
        market.deliver(job, outcomeOf(Act.Honest), transcript);
        vm.assertTrue(callback.hasSucceeded(), "the inner call failed");
        assertState(market.jobIdOf(next), JobState.Open);
    }

    // ─── The example ─────────────────────────────────────────────────────────────────────────

    function test_answerBook_ownJob_keepsItsRoot() external {
        (AnswerBook book, JobParams memory job) = aBook();
        JobId jobId = book.ask(job);
        Outcome memory outcome = outcomeOf(Act.Honest);
        outcome.resultsRoot = Trees.rootOf(4);
        draw(job);
        commitAll(job, three(outcome, outcome, outcome));
        vm.recordLogs();
        revealAll(job, three(outcome, outcome, outcome));
        bytes32 transcript = settledTranscript();
        vm.expectEmit(address(book));
        emit AnswerBook.AnswerReceived(jobId, JobState.Accepted, outcome.resultsRoot);
        market.deliver(job, outcome, transcript);

        vm.assertEq(book.answerOf(jobId).resultsRoot, outcome.resultsRoot, "root");
        vm.assertEq(uint256(book.answerOf(jobId).state), uint256(JobState.Accepted), "state");
        bool isProved = lens.verifyOutput(
            job,
            outcome,
            transcript,
            2,
            Trees.outputHash(2),
            Trees.proofOf(2, 4)
        );
        vm.assertTrue(isProved, "an output");
    }

    function test_answerBook_notByMarketplace_reverts() external {
        (AnswerBook book, JobParams memory job) = aBook();
        JobId jobId = book.ask(job);
        vm.expectRevert(abi.encodeWithSelector(AnswerBook.NotMarketplace.selector, stranger));
        vm.prank(stranger);
        book.onInference(jobId, JobState.Accepted, anOutcome());
    }

    /// @dev A stranger's job that names the book changes nothing in it.
    function test_answerBook_jobOfAnother_isRefused() external {
        (AnswerBook book, ) = aBook();
        JobParams memory job = aJob().withCallback(address(book), CALLBACK_GAS);
        (JobId jobId, bytes32 transcript) = accepted(job);
        vm.expectEmit(address(market));
        emit IMarketplace.ResultDelivered(jobId, address(book), false);
        market.deliver(job, outcomeOf(Act.Honest), transcript);
        vm.assertEq(uint256(book.answerOf(jobId).state), uint256(JobState.Nonexistent), "state");
        vm.expectRevert(abi.encodeWithSelector(AnswerBook.UnknownJob.selector, jobId));
        vm.prank(address(market));
        book.onInference(jobId, JobState.Accepted, anOutcome());
    }

    // ─── Private ─────────────────────────────────────────────────────────────────────────────

    function aCallingJob() private view returns (JobParams memory) {
        return aJob().withCallback(address(listener), CALLBACK_GAS);
    }

    function accepted(JobParams memory job) private returns (JobId jobId, bytes32 transcript) {
        vm.recordLogs();
        jobId = play(job, acts(Act.Honest, Act.Honest, Act.Honest));
        assertState(jobId, JobState.Accepted);
        transcript = settledTranscript();
    }

    function failed(JobParams memory job) private returns (JobId jobId, bytes32 transcript) {
        vm.recordLogs();
        jobId = play(job, acts(Act.Honest, Act.Liar, Act.Invalid));
        assertState(jobId, JobState.Failed);
        transcript = settledTranscript();
    }

    function expectMismatch(JobId jobId, bytes32 expected, bytes32 actual) private {
        vm.expectRevert(
            abi.encodeWithSelector(IMarketplace.RecordMismatch.selector, jobId, expected, actual)
        );
    }

    /// @dev The job's end stands, and whoever delivered is paid.
    function expectFailing(address callback) private {
        uint256 state = vm.snapshotState();
        JobParams memory job = aJob().withCallback(callback, CALLBACK_GAS);
        (JobId jobId, bytes32 transcript) = accepted(job);
        uint256 before = market.creditOf(keeper);
        uint256 tokens = token.balanceOf(address(market));
        vm.expectEmit(address(market));
        emit IMarketplace.ResultDelivered(jobId, callback, false);
        vm.prank(keeper);
        market.deliver(job, outcomeOf(Act.Honest), transcript);
        assertCredit(keeper, before + BOUNTY);
        vm.assertEq(token.balanceOf(address(market)), tokens, "tokens");
        assertState(jobId, JobState.Accepted);
        vm.revertToState(state);
    }

    function gasOfDelivery(address callback, uint64 nonce) private returns (uint256) {
        JobParams memory job = aJob().withNonce(nonce).withCallback(callback, CALLBACK_GAS);
        mine(1);
        (, bytes32 transcript) = accepted(job);
        Outcome memory outcome = outcomeOf(Act.Honest);
        uint256 before = gasleft();
        market.deliver(job, outcome, transcript);
        return before - gasleft();
    }

    function wordAt(bytes memory reason, uint256 index) private pure returns (uint256 word) {
        assembly ("memory-safe") {
            word := mload(add(reason, add(0x24, mul(index, 0x20))))
        }
    }

    function aBook() private returns (AnswerBook book, JobParams memory job) {
        book = new AnswerBook(market);
        job = aJob().by(address(book)).withCallback(address(book), CALLBACK_GAS);
        token.faucet(1_000_000);
        token.approve(address(book), type(uint256).max);
    }
}
