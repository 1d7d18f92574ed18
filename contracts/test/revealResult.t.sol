// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IMarketplace} from "../src/interfaces/IMarketplace.sol";
import {JobId, JobParams, JobState} from "../src/types/Job.sol";
import {Outcome, OutcomeStatus} from "../src/types/Outcome.sol";
import {JobBuilder, OutcomeBuilder} from "./support/Builders.sol";
import {DrawModel, listOf} from "./support/DrawModel.sol";
import {Act, ScenarioTest} from "./support/ScenarioTest.sol";
import {vm} from "./support/Vm.sol";

/*
revealResult
├── given a job that is not Revealing                → reverts UnexpectedJobState
├── given the reveal window over                     → reverts DeadlinePassed
├── given a place that did not commit, is vacant or
│   outside the committee                            → reverts CommitmentNotFound
├── given a place that has revealed                  → reverts AlreadyRevealed
├── given an outcome no honest worker can have [P4]  → reverts InvalidOutcome
├── given another caller, outcome or salt than in
│   the commitment                                   → reverts CommitmentMismatch
├── given a matching opening                         → emits ResultRevealed
├── given the one that makes a quorum                → emits ResultAccepted too, once
└── given the last one                               → settles too
*/
contract RevealResultTest is ScenarioTest {
    using JobBuilder for JobParams;

    JobId private jobId;

    function setUp() public override {
        super.setUp();
        openWorkers(3);
        jobId = post(aJob());
        draw(aJob(), DrawModel.randaoFor(jobId, 3, listOf(0, 1, 2)));
    }

    // ─── Refused: time and state ─────────────────────────────────────────────────────────────

    function test_revealResult_neverPosted_reverts() external {
        JobParams memory other = aJob().withNonce(2);
        expectUnexpectedState(market.jobIdOf(other), JobState.Nonexistent);
        market.revealResult(other, 0, anOutcome(), 0);
    }

    function test_revealResult_open_reverts() external {
        JobParams memory other = aJob().withNonce(2);
        expectUnexpectedState(post(other), JobState.Open);
        market.revealResult(other, 0, anOutcome(), 0);
    }

    /// @dev Nothing is shown while anybody may still commit.
    function test_revealResult_lastSecondOfCommits_reverts() external {
        commit(aJob(), 0, anOutcome());
        vm.warp(deadlineOf(jobId));
        expectUnexpectedState(jobId, JobState.Committing);
        revealAs(0, 0, anOutcome());
    }

    function test_revealResult_firstSecondAfterCommits_reveals() external {
        commit(aJob(), 0, anOutcome());
        vm.warp(deadlineOf(jobId) + 1);
        revealAs(0, 0, anOutcome());
        assertState(jobId, JobState.Failed);
    }

    function test_revealResult_nobodyCommittedInTime_reverts() external {
        vm.warp(deadlineOf(jobId) + 1);
        expectUnexpectedState(jobId, JobState.Committing);
        revealAs(0, 0, anOutcome());
    }

    function test_revealResult_final_reverts() external {
        playDrawn(aJob(), acts(Act.Honest, Act.Honest, Act.Honest));
        expectUnexpectedState(jobId, JobState.Accepted);
        revealAs(0, 0, outcomeOf(Act.Honest));
    }

    function test_revealResult_lastSecond_reveals() external {
        openReveals();
        vm.warp(deadlineOf(jobId));
        revealAs(0, 0, anOutcome());
        vm.assertEq(lens.roundOf(jobId).revealed, 1, "revealed places");
    }

    function test_revealResult_oneSecondLate_reverts() external {
        openReveals();
        uint256 deadline = deadlineOf(jobId);
        vm.warp(deadline + 1);
        expectDeadlinePassed(jobId, deadline);
        revealAs(0, 0, anOutcome());
    }

    function test_revealResult_lastSecondAfterTimeout_reveals() external {
        commit(aJob(), 0, anOutcome());
        commit(aJob(), 1, anOutcome());
        vm.warp(deadlineOf(jobId) + 1);
        vm.warp(deadlineOf(jobId));
        revealAs(0, 0, anOutcome());
        vm.assertEq(lens.roundOf(jobId).revealed, 1, "revealed places");
    }

    function test_revealResult_oneSecondLateAfterTimeout_reverts() external {
        commit(aJob(), 0, anOutcome());
        uint256 deadline = deadlineOf(jobId) + REVEAL_WINDOW;
        vm.warp(deadline + 1);
        expectDeadlinePassed(jobId, deadline);
        revealAs(0, 0, anOutcome());
    }

    // ─── Refused: who ────────────────────────────────────────────────────────────────────────

    function test_revealResult_placeOfAnother_reverts() external {
        openReveals();
        vm.expectRevert(
            abi.encodeWithSelector(
                IMarketplace.CommitmentMismatch.selector,
                jobId,
                commitmentOf(jobId, aWorker(1), anOutcome()),
                commitmentOf(jobId, aWorker(0), anOutcome())
            )
        );
        revealAs(0, 1, anOutcome());
    }

    function test_revealResult_placeOutsideCommittee_reverts(uint256 place) external {
        openReveals();
        place = bounded(place, 3, type(uint256).max - 1);
        expectNoCommitment(place);
        revealAs(0, place, anOutcome());
    }

    function test_revealResult_didNotCommit_reverts() external {
        commit(aJob(), 0, anOutcome());
        vm.warp(deadlineOf(jobId) + 1);
        expectNoCommitment(1);
        revealAs(1, 1, anOutcome());
    }

    function test_revealResult_twice_reverts() external {
        openReveals();
        revealAs(0, 0, anOutcome());
        vm.expectRevert(abi.encodeWithSelector(IMarketplace.AlreadyRevealed.selector, jobId, 0));
        revealAs(0, 0, anOutcome());
    }

    // ─── Refused: what [P4] ──────────────────────────────────────────────────────────────────

    function test_revealResult_moreTokensThanTheJob_reverts_P4(uint32 tokens) external {
        tokens = uint32(bounded(tokens, JOB_TOKENS + 1, type(uint32).max));
        expectInvalid(OutcomeBuilder.ok(tokens, "too much"));
    }

    function test_revealResult_asManyTokensAsTheJob_reveals_P4() external {
        Outcome memory outcome = OutcomeBuilder.ok(JOB_TOKENS, "all of it");
        commitAll(aJob(), three(outcome, outcome, outcome));
        revealAll(aJob(), three(outcome, outcome, outcome));
        assertCredit(aWorker(0), JOB_PAY);
    }

    function test_revealResult_okWithoutRoot_reverts_P4() external {
        Outcome memory outcome = anOutcome();
        outcome.resultsRoot = 0;
        expectInvalid(outcome);
    }

    function test_revealResult_okWithoutDigest_reverts_P4() external {
        Outcome memory outcome = anOutcome();
        outcome.resultsDigest = 0;
        expectInvalid(outcome);
    }

    function test_revealResult_fingerprint_reverts() external {
        Outcome memory outcome = anOutcome();
        outcome.fingerprint = bytes32(uint256(1));
        expectInvalid(outcome);
        outcome = OutcomeBuilder.unavailable();
        outcome.fingerprint = bytes32(uint256(1));
        expectInvalid(outcome);
    }

    function test_revealResult_errorWithFields_reverts_P4(uint8 field, bool isInvalid) external {
        Outcome memory outcome =
            isInvalid ? OutcomeBuilder.invalid() : OutcomeBuilder.unavailable();
        if (field % 3 == 0) outcome.tokenCount = 1;
        if (field % 3 == 1) outcome.resultsRoot = bytes32(uint256(1));
        if (field % 3 == 2) outcome.resultsDigest = bytes32(uint256(1));
        expectInvalid(outcome);
    }

    function test_revealResult_unsetStatus_reverts() external {
        expectInvalid(OutcomeBuilder.failed(OutcomeStatus.Unset));
        Outcome memory outcome = anOutcome();
        outcome.status = OutcomeStatus.Unset;
        expectInvalid(outcome);
    }

    function test_revealResult_anotherOutcome_reverts() external {
        openReveals();
        Outcome memory other = outcomeOf(Act.Liar);
        expectMismatch(commitmentOf(jobId, aWorker(0), other));
        revealAs(0, 0, other);
    }

    function test_revealResult_anotherSalt_reverts(bytes32 salt) external {
        openReveals();
        vm.assume(salt != aSalt(aWorker(0)));
        expectMismatch(commitmentOf(jobId, 1, aWorker(0), anOutcome(), salt));
        vm.prank(aWorker(0));
        market.revealResult(aJob(), 0, anOutcome(), salt);
    }

    // ─── Revealed ────────────────────────────────────────────────────────────────────────────

    function test_revealResult_first_emitsResultRevealedOnly() external {
        openReveals();
        vm.recordLogs();
        revealAs(1, 1, anOutcome());
        vm.assertEq(vm.getRecordedLogs().length, 1, "events");
        vm.assertEq(lens.roundOf(jobId).revealed, 2, "revealed places");
        assertState(jobId, JobState.Revealing);
    }

    function test_revealResult_member_emitsResultRevealed() external {
        openReveals();
        expectRevealed(0);
        revealAs(0, 0, anOutcome());
    }

    function test_revealResult_quorum_emitsResultAcceptedOnce_R4() external {
        openReveals();
        revealAs(2, 2, anOutcome());
        expectRevealed(0);
        vm.expectEmit(address(market));
        emit IMarketplace.ResultAccepted(jobId, 1, answerOf(anOutcome()));
        revealAs(0, 0, anOutcome());
        assertState(jobId, JobState.Revealing);

        vm.recordLogs();
        revealAs(1, 1, anOutcome());
        assertNotEmitted(IMarketplace.ResultAccepted.selector);
        assertState(jobId, JobState.Accepted);
    }

    function test_revealResult_last_settles() external {
        openReveals();
        revealAs(0, 0, anOutcome());
        revealAs(1, 1, anOutcome());
        uint256 pay = BASE_FEE + anOutcome().tokenCount * PRICE;
        uint256 paid = 3 * pay + BOUNTY;
        uint256 fee = paid / 100;
        bytes32 transcript = transcriptAfterLast();

        expectRevealed(2);
        for (uint256 place = 0; place < 3; ++place) {
            vm.expectEmit(address(market));
            emit IMarketplace.WorkerPaid(jobId, aWorker(place), pay);
        }
        vm.expectEmit(address(market));
        emit IMarketplace.JobSettled(
            jobId,
            JobState.Accepted,
            paid,
            JOB_ESCROW - paid - fee,
            fee,
            transcript
        );
        revealAs(2, 2, anOutcome());

        assertCredit(aWorker(2), pay);
        assertCredit(treasury, fee);
        assertCredit(requester, JOB_ESCROW - paid - fee);
        bytes32 record = recordOf(answerOf(anOutcome()), transcript);
        vm.assertEq(lens.roundOf(jobId).record, record, "record");
        vm.assertTrue(lens.isRecorded(jobId, anOutcome(), transcript), "recorded");
    }

    function test_revealResult_lastOfThoseWhoCommitted_settles_P6() external {
        Act[] memory list = acts(Act.Honest, Act.Absent, Act.Honest);
        playCommits(aJob(), list);
        playReveals(aJob(), list);
        assertState(jobId, JobState.Accepted);
    }

    function test_revealResult_aloneOnItsCommittee_accepts() external {
        openSeat(aWorker(3), 0);
        mine(1);
        JobParams memory job = aJob().withNonce(2).withRedundancy(1);
        JobId id = post(job);
        uint256[] memory position = new uint256[](1);
        position[0] = 3;
        draw(job, DrawModel.randaoFor(id, 4, position));
        commit(job, 0, anOutcome());

        bytes32 salt = aSalt(aWorker(3));
        vm.expectEmit(address(market));
        emit IMarketplace.ResultRevealed(id, aWorker(3), 1, 0, anOutcome(), salt);
        vm.expectEmit(address(market));
        emit IMarketplace.ResultAccepted(id, 1, answerOf(anOutcome()));
        vm.prank(aWorker(3));
        market.revealResult(job, 0, anOutcome(), salt);
        assertState(id, JobState.Accepted);
    }

    /// @dev An outcome of nothing but its base fee: zero tokens are Ok.
    function test_revealResult_okWithNoTokens_paysBaseFee_P3() external {
        Outcome memory outcome = OutcomeBuilder.ok(0, "an empty answer");
        commitAll(aJob(), three(outcome, outcome, outcome));
        revealAll(aJob(), three(outcome, outcome, outcome));
        assertState(jobId, JobState.Accepted);
        assertCredit(aWorker(0), BASE_FEE);
    }

    // ─── Private ─────────────────────────────────────────────────────────────────────────────

    function openReveals() private {
        commitAll(aJob(), three(anOutcome(), anOutcome(), anOutcome()));
        assertState(jobId, JobState.Revealing);
    }

    function revealAs(uint256 worker, uint256 place, Outcome memory outcome) private {
        address account = aWorker(worker);
        vm.prank(account);
        market.revealResult(aJob(), place, outcome, aSalt(account));
    }

    function expectRevealed(uint256 place) private {
        address worker = aWorker(place);
        vm.expectEmit(address(market));
        emit IMarketplace.ResultRevealed(jobId, worker, 1, place, anOutcome(), aSalt(worker));
    }

    function expectNoCommitment(uint256 place) private {
        vm.expectRevert(
            abi.encodeWithSelector(IMarketplace.CommitmentNotFound.selector, jobId, place)
        );
    }

    /// @dev Even when it was committed to.
    function expectInvalid(Outcome memory outcome) private {
        uint256 state = vm.snapshotState();
        commitAll(aJob(), three(outcome, outcome, outcome));
        vm.expectRevert(
            abi.encodeWithSelector(IMarketplace.InvalidOutcome.selector, jobId, outcome)
        );
        revealAs(0, 0, outcome);
        vm.revertToState(state);
    }

    function expectMismatch(bytes32 actual) private {
        bytes32 expected = commitmentOf(jobId, aWorker(0), anOutcome());
        vm.expectRevert(
            abi.encodeWithSelector(
                IMarketplace.CommitmentMismatch.selector,
                jobId,
                expected,
                actual
            )
        );
    }

    function transcriptAfterLast() private view returns (bytes32) {
        uint256 lastRevealed = 1 << (237 + 2);
        bytes32 answer = answerOf(anOutcome());
        bytes32[] memory answers = new bytes32[](3);
        (answers[0], answers[1], answers[2]) = (answer, answer, answer);
        uint256 round = storedRound(jobId) | lastRevealed;
        return transcriptOf(round, workersOf(jobId, 3), answers);
    }
}
