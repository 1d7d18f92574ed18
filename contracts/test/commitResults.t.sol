// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IMarketplace} from "../src/interfaces/IMarketplace.sol";
import {CommitEntry} from "../src/types/Calls.sol";
import {JobId, JobParams, JobState} from "../src/types/Job.sol";
import {JobBuilder} from "./support/Builders.sol";
import {DrawModel, listOf} from "./support/DrawModel.sol";
import {Act, ScenarioTest} from "./support/ScenarioTest.sol";
import {vm} from "./support/Vm.sol";

/*
commitResults [C2]; what is refused and why: commitResult.t.sol
├── given no entries                    → does nothing
├── given entries of several jobs       → commits each
├── given an entry that does not apply  → emits EntrySkipped with the error's selector
│   ├── in any state of its job         → the selector that commitResult reverts with
│   └── among others                    → the others are committed
└── given the same entry twice          → the second is skipped
*/
contract CommitResultsTest is ScenarioTest {
    using JobBuilder for JobParams;

    bytes32 private constant COMMITMENT = keccak256("commitment");

    address private worker;
    JobId[3] private jobIds;

    /// @dev Three jobs drawn at seats of worker 0 and of workers 1 and 2.
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
            vm.assertEq(workerAt(jobIds[i], 0), worker, "place 0");
        }
    }

    function test_commitResults_noEntries_doesNothing() external {
        vm.recordLogs();
        market.commitResults(new CommitEntry[](0));
        vm.assertEq(vm.getRecordedLogs().length, 0, "events");
    }

    function test_commitResults_severalJobs_commitsEach() external {
        CommitEntry[] memory entries = threeEntries();
        for (uint256 i = 0; i < 3; ++i) {
            vm.expectEmit(address(market));
            emit IMarketplace.ResultCommitted(jobIds[i], worker, 1, 0, COMMITMENT);
        }
        vm.recordLogs();
        commitAs(worker, entries);
        vm.assertEq(vm.getRecordedLogs().length, 3, "nothing is skipped");
        for (uint256 i = 0; i < 3; ++i) {
            vm.assertEq(lens.roundOf(jobIds[i]).committed, 1, "committed places");
        }
    }

    /// @dev The last commit of a round opens its reveals from a batch too.
    function test_commitResults_lastOfARound_opensReveals() external {
        commit(jobNumber(1), 1, anOutcome());
        commit(jobNumber(1), 2, anOutcome());
        commitAs(worker, threeEntries());
        assertState(jobIds[0], JobState.Committing);
        assertState(jobIds[1], JobState.Revealing);
    }

    /// @dev A stale entry, or another's, spoils nothing.
    function test_commitResults_anyEntrySpoilt_commitsTheOthers_C2(
        uint256 which,
        uint256 how
    ) external {
        which = which % 3;
        CommitEntry[] memory entries = threeEntries();
        bytes4 reason = spoil(entries[which], how % 5);
        vm.expectEmit(address(market));
        emit IMarketplace.EntrySkipped(entries[which].jobId, worker, entries[which].place, reason);
        commitAs(worker, entries);
        for (uint256 i = 0; i < 3; ++i) {
            bool isExpected = i != which;
            uint256 committed = lens.roundOf(jobIds[i]).committed & 1;
            if (how % 5 != 3) vm.assertEq(committed == 1, isExpected, "committed");
        }
    }

    function test_commitResults_allSpoilt_skipsAll_C2() external {
        CommitEntry[] memory entries = threeEntries();
        vm.warp(deadlineOf(jobIds[2]) + 1);
        vm.recordLogs();
        commitAs(worker, entries);
        vm.assertEq(vm.getRecordedLogs().length, 3, "events");
        for (uint256 i = 0; i < 3; ++i) {
            vm.assertEq(lens.roundOf(jobIds[i]).committed, 0, "committed");
        }
    }

    function test_commitResults_sameEntryTwice_skipsTheSecond_C2() external {
        CommitEntry[] memory entries = threeEntries();
        entries[1] = entries[0];
        vm.expectEmit(address(market));
        emit IMarketplace.EntrySkipped(
            jobIds[0],
            worker,
            0,
            IMarketplace.AlreadyCommitted.selector
        );
        commitAs(worker, entries);
        vm.assertEq(lens.roundOf(jobIds[2]).committed, 1, "committed");
    }

    function test_commitResults_settledJob_isSkipped_C2() external {
        playDrawn(jobNumber(0), acts(Act.Honest, Act.Honest, Act.Honest));
        vm.expectEmit(address(market));
        emit IMarketplace.EntrySkipped(
            jobIds[0],
            worker,
            0,
            IMarketplace.UnexpectedJobState.selector
        );
        commitAs(worker, threeEntries());
        vm.assertEq(lens.roundOf(jobIds[1]).committed, 1, "committed");
    }

    // ─── Private ─────────────────────────────────────────────────────────────────────────────

    function jobNumber(uint64 i) private view returns (JobParams memory) {
        return aJob().withNonce(10 + i);
    }

    function threeEntries() private view returns (CommitEntry[] memory entries) {
        entries = new CommitEntry[](3);
        for (uint256 i = 0; i < 3; ++i) {
            entries[i] = CommitEntry(jobIds[i], 0, COMMITMENT);
        }
    }

    function commitAs(address account, CommitEntry[] memory entries) private {
        vm.prank(account);
        market.commitResults(entries);
    }

    /// @return What a single call would revert with.
    function spoil(CommitEntry memory entry, uint256 how) private returns (bytes4) {
        if (how == 0) {
            entry.jobId = JobId.wrap("never posted");
            return IMarketplace.UnexpectedJobState.selector;
        }
        if (how == 1) {
            entry.place = 1;
            return IMarketplace.NotOnCommittee.selector;
        }
        if (how == 2) {
            entry.commitment = 0;
            return IMarketplace.EmptyCommitment.selector;
        }
        if (how == 3) {
            vm.prank(worker);
            market.commitResult(entry.jobId, 0, COMMITMENT);
            return IMarketplace.AlreadyCommitted.selector;
        }
        entry.place = 9;
        return IMarketplace.NotOnCommittee.selector;
    }
}
