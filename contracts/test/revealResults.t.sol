// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IMarketplace} from "../src/interfaces/IMarketplace.sol";
import {RevealEntry} from "../src/types/Calls.sol";
import {JobId, JobParams, JobState} from "../src/types/Job.sol";
import {OutcomeStatus} from "../src/types/Outcome.sol";
import {JobBuilder} from "./support/Builders.sol";
import {DrawModel, listOf} from "./support/DrawModel.sol";
import {ScenarioTest} from "./support/ScenarioTest.sol";
import {vm} from "./support/Vm.sol";

/*
revealResults [C2]; what is refused and why: revealResult.t.sol
├── given no entries                    → does nothing
├── given entries of several jobs       → reveals each, and ends the rounds it is the last of
├── given an entry that does not apply  → emits EntrySkipped with the error's selector
│   ├── for any reason                  → the selector that revealResult reverts with
│   └── among others                    → the others are revealed
└── given the same entry twice          → the second is skipped
*/
contract RevealResultsTest is ScenarioTest {
    using JobBuilder for JobParams;

    address private worker;
    JobId[3] private jobIds;

    /// @dev Three jobs with worker 0 at place 0, everybody has committed.
    function setUp() public override {
        super.setUp();
        worker = aWorker(0);
        openSeats(worker, 0, 3);
        openSeats(aWorker(1), 0, 3);
        openSeats(aWorker(2), 0, 3);
        mine(1);
        for (uint64 i = 0; i < 3; ++i) {
            jobIds[i] = post(jobNumber(i));
        }
        for (uint64 i = 0; i < 3; ++i) {
            draw(jobNumber(i), DrawModel.randaoFor(jobIds[i], 9, listOf(i, 3 + i, 6 + i)));
            commitAll(jobNumber(i), three(anOutcome(), anOutcome(), anOutcome()));
        }
    }

    function test_revealResults_noEntries_doesNothing() external {
        vm.recordLogs();
        market.revealResults(new RevealEntry[](0));
        vm.assertEq(vm.getRecordedLogs().length, 0, "events");
    }

    function test_revealResults_severalJobs_revealsEach() external {
        for (uint256 i = 0; i < 3; ++i) {
            vm.expectEmit(address(market));
            emit IMarketplace.ResultRevealed(jobIds[i], worker, 1, 0, anOutcome(), aSalt(worker));
        }
        vm.recordLogs();
        revealAs(worker, threeEntries());
        vm.assertEq(vm.getRecordedLogs().length, 3, "nothing is skipped");
        for (uint256 i = 0; i < 3; ++i) {
            vm.assertEq(lens.roundOf(jobIds[i]).revealed, 1, "revealed places");
        }
    }

    function test_revealResults_lastOfARound_settlesIt() external {
        reveal(jobNumber(1), 1, anOutcome());
        reveal(jobNumber(1), 2, anOutcome());
        revealAs(worker, threeEntries());
        assertState(jobIds[0], JobState.Revealing);
        assertState(jobIds[1], JobState.Accepted);
        assertState(jobIds[2], JobState.Revealing);
    }

    /// @dev Whatever makes one entry stale, even a co-member's doing in the same block, the worker is
    /// not slashed for the others.
    function test_revealResults_anyEntrySpoilt_revealsTheOthers_C2(
        uint256 which,
        uint256 how
    ) external {
        which = which % 3;
        RevealEntry[] memory entries = threeEntries();
        bytes4 reason = spoil(entries[which], how % 6);
        vm.expectEmit(address(market));
        emit IMarketplace.EntrySkipped(
            market.jobIdOf(entries[which].params),
            worker,
            entries[which].place,
            reason
        );
        revealAs(worker, entries);
        for (uint256 i = 0; i < 3; ++i) {
            if (i != which) vm.assertEq(lens.roundOf(jobIds[i]).revealed, 1, "revealed");
        }
    }

    function test_revealResults_tooLateForOne_revealsTheOthers_C2() external {
        // Jobs 1 and 2 have later windows than job 0.
        uint256 deadline = deadlineOf(jobIds[0]);
        vm.warp(deadline + 1);
        vm.expectEmit(address(market));
        emit IMarketplace.EntrySkipped(jobIds[0], worker, 0, IMarketplace.DeadlinePassed.selector);
        revealAs(worker, threeEntries());
    }

    function test_revealResults_sameEntryTwice_skipsTheSecond_C2() external {
        RevealEntry[] memory entries = threeEntries();
        entries[1] = entries[0];
        vm.expectEmit(address(market));
        emit IMarketplace.EntrySkipped(jobIds[0], worker, 0, IMarketplace.AlreadyRevealed.selector);
        revealAs(worker, entries);
        vm.assertEq(lens.roundOf(jobIds[2]).revealed, 1, "revealed");
    }

    // ─── Private ─────────────────────────────────────────────────────────────────────────────

    function jobNumber(uint64 i) private view returns (JobParams memory) {
        return aJob().withNonce(10 + i);
    }

    function threeEntries() private view returns (RevealEntry[] memory entries) {
        entries = new RevealEntry[](3);
        for (uint64 i = 0; i < 3; ++i) {
            entries[i] = RevealEntry(jobNumber(i), 0, anOutcome(), aSalt(worker));
        }
    }

    function revealAs(address account, RevealEntry[] memory entries) private {
        vm.prank(account);
        market.revealResults(entries);
    }

    /// @return What a single call would revert with.
    function spoil(RevealEntry memory entry, uint256 how) private returns (bytes4) {
        if (how == 0) {
            entry.params.nonce = 99;
            return IMarketplace.UnexpectedJobState.selector;
        }
        if (how == 1) {
            entry.place = 3;
            return IMarketplace.CommitmentNotFound.selector;
        }
        if (how == 2) {
            entry.salt = 0;
            return IMarketplace.CommitmentMismatch.selector;
        }
        if (how == 3) {
            entry.outcome.status = OutcomeStatus.Unset;
            return IMarketplace.InvalidOutcome.selector;
        }
        if (how == 4) {
            entry.place = 1;
            return IMarketplace.CommitmentMismatch.selector;
        }
        vm.prank(worker);
        market.revealResult(entry.params, 0, entry.outcome, entry.salt);
        return IMarketplace.AlreadyRevealed.selector;
    }
}
