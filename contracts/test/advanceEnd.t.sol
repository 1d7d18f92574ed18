// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IMarketplace} from "../src/interfaces/IMarketplace.sol";
import {ISeats, SlashReason} from "../src/interfaces/ISeats.sol";
import {JobId, JobState} from "../src/types/Job.sol";
import {DrawModel, listOf} from "./support/DrawModel.sol";
import {Act, ScenarioTest} from "./support/ScenarioTest.sol";
import {vm} from "./support/Vm.sol";

/*
advance, of a job whose committee is drawn (before that: advance.t.sol)
├── given a Committing job
│   ├── within its window                           → reverts NothingDue
│   └── after it, nobody committed                  → slashes all, Failed
└── given a Revealing job
    ├── within its window                           → reverts NothingDue
    └── after it                                    → settles, punishing who did not act
*/
contract AdvanceEndTest is ScenarioTest {
    JobId private jobId;

    function setUp() public override {
        super.setUp();
        openWorkers(3);
        jobId = post(aJob());
    }

    // ─── Committing ──────────────────────────────────────────────────────────────────────────

    function test_advance_lastSecondOfCommits_reverts() external {
        draw(aJob());
        vm.warp(deadlineOf(jobId));
        expectNothingDue(JobState.Committing);
        advance(aJob(), NO_HEADER);
    }

    function test_advance_nobodyCommitted_slashesAllAsNoShows_P5() external {
        draw(aJob(), DrawModel.randaoFor(jobId, 3, listOf(0, 1, 2)));
        vm.warp(deadlineOf(jobId) + 1);
        uint256 refund = JOB_ESCROW - 2 * BOUNTY;
        bytes32 transcript = transcriptOf(
            storedRound(jobId),
            workersOf(jobId, 3),
            new bytes32[](3)
        );

        for (uint256 place = 0; place < 3; ++place) {
            expectSlash(aWorker(place), place + 1, SlashReason.NoShow, NO_SHOW_PENALTY);
        }
        vm.expectEmit(address(market));
        emit IMarketplace.BountyPaid(jobId, keeper, BOUNTY);
        vm.expectEmit(address(market));
        emit IMarketplace.JobSettled(jobId, JobState.Failed, 2 * BOUNTY, refund, 0, transcript);
        advance(aJob(), NO_HEADER);

        assertState(jobId, JobState.Failed);
        assertCredit(sink, 3 * NO_SHOW_PENALTY);
        assertCredit(requester, refund);
        vm.assertEq(lens.rosterSize(modelId, 0), 0, "roster");
    }

    /// @dev One commit is enough for the reveal phase to open [P6].
    function test_advance_commitsOverOneCommitted_reverts_P6() external {
        draw(aJob());
        commit(aJob(), 1, anOutcome());
        vm.warp(deadlineOf(jobId) + 1);
        assertState(jobId, JobState.Revealing);
        expectNothingDue(JobState.Revealing);
        advance(aJob(), NO_HEADER);
    }

    // ─── Revealing ───────────────────────────────────────────────────────────────────────────

    function test_advance_lastSecondOfReveals_reverts() external {
        draw(aJob());
        playCommits(aJob(), acts(Act.Honest, Act.Honest, Act.Honest));
        vm.warp(deadlineOf(jobId));
        expectNothingDue(JobState.Revealing);
        advance(aJob(), NO_HEADER);
    }

    function test_advance_lastSecondOfRevealsAfterTimeout_reverts() external {
        draw(aJob());
        uint256 commitDeadline = deadlineOf(jobId);
        playCommits(aJob(), acts(Act.Honest, Act.Honest, Act.Absent));
        vm.assertEq(deadlineOf(jobId), commitDeadline + REVEAL_WINDOW, "reveal deadline");
        vm.warp(commitDeadline + REVEAL_WINDOW);
        expectNothingDue(JobState.Revealing);
        advance(aJob(), NO_HEADER);
        vm.warp(commitDeadline + REVEAL_WINDOW + 1);
        advance(aJob(), NO_HEADER);
        assertState(jobId, JobState.Failed);
    }

    /// @dev Place 0 reveals, 1 commits only, 2 is absent: no quorum, everyone gets its due.
    function test_advance_splitRound_emitsEveryFate_R2() external {
        draw(aJob(), DrawModel.randaoFor(jobId, 3, listOf(0, 1, 2)));
        playCommits(aJob(), acts(Act.Honest, Act.Silent, Act.Absent));
        playReveals(aJob(), acts(Act.Honest, Act.Silent, Act.Absent));
        vm.warp(deadlineOf(jobId) + 1);
        uint256 paid = BASE_FEE + 2 * BOUNTY;
        bytes32 transcript = transcriptOfSplit();

        vm.expectEmit(address(market));
        emit IMarketplace.WorkerPaid(jobId, aWorker(0), BASE_FEE);
        expectSlash(aWorker(1), 2, SlashReason.NotRevealed, BOND);
        expectSlash(aWorker(2), 3, SlashReason.NoShow, NO_SHOW_PENALTY);
        vm.expectEmit(address(market));
        emit IMarketplace.BountyPaid(jobId, keeper, BOUNTY);
        vm.expectEmit(address(market));
        emit IMarketplace.JobSettled(
            jobId,
            JobState.Failed,
            paid,
            JOB_ESCROW - paid,
            0,
            transcript
        );
        advance(aJob(), NO_HEADER);

        vm.assertEq(lens.roundOf(jobId).record, recordOf(0, transcript), "record");
        vm.assertEq(lens.seatOf(1).releasedBlock, vm.getBlockNumber(), "released block");
    }

    function test_advance_quorumButOneSilent_accepts() external {
        draw(aJob());
        Act[] memory list = acts(Act.Honest, Act.Silent, Act.Honest);
        playCommits(aJob(), list);
        playReveals(aJob(), list);
        assertState(jobId, JobState.Revealing);
        vm.warp(deadlineOf(jobId) + 1);
        uint256 pay = BASE_FEE + TRUE_TOKENS * PRICE;
        uint256 paid = 2 * pay + 2 * BOUNTY;
        uint256 fee = paid / 100;
        bytes32[] memory answers = new bytes32[](3);
        answers[0] = answers[2] = answerOf(outcomeOf(Act.Honest));
        answers[1] = commitmentOf(jobId, workerAt(jobId, 1), outcomeOf(Act.Silent));
        bytes32 transcript = transcriptOf(storedRound(jobId), workersOf(jobId, 3), answers);

        vm.expectEmit(address(market));
        emit IMarketplace.JobSettled(
            jobId,
            JobState.Accepted,
            paid,
            JOB_ESCROW - paid - fee,
            fee,
            transcript
        );
        advance(aJob(), NO_HEADER);

        vm.assertEq(lens.roundOf(jobId).record, recordOf(answers[0], transcript), "record");
        vm.assertTrue(
            lens.isRecorded(jobId, outcomeOf(Act.Honest), transcript),
            "accepted outcome"
        );
        vm.assertFalse(lens.isRecorded(jobId, outcomeOf(Act.Liar), transcript), "another outcome");
    }

    // ─── Private ─────────────────────────────────────────────────────────────────────────────

    function expectNothingDue(JobState state) private {
        vm.expectRevert(abi.encodeWithSelector(IMarketplace.NothingDue.selector, jobId, state));
    }

    function expectSlash(
        address worker,
        uint256 seatId,
        SlashReason reason,
        uint256 penalty
    ) private {
        vm.expectEmit(address(market));
        emit ISeats.SeatSlashed(jobId, worker, seatId, reason, penalty);
        vm.expectEmit(address(market));
        emit ISeats.SeatClosed(seatId, worker, BOND - penalty);
    }

    function transcriptOfSplit() private returns (bytes32) {
        bytes32[] memory answers = new bytes32[](3);
        answers[0] = answerOf(outcomeOf(Act.Honest));
        answers[1] = commitmentOf(jobId, aWorker(1), outcomeOf(Act.Silent));
        return transcriptOf(storedRound(jobId), workersOf(jobId, 3), answers);
    }
}
