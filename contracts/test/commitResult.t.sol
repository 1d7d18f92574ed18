// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IMarketplace} from "../src/interfaces/IMarketplace.sol";
import {JobId, JobParams, JobState, RoundView} from "../src/types/Job.sol";
import {JobBuilder} from "./support/Builders.sol";
import {DrawModel, listOf} from "./support/DrawModel.sol";
import {Act, ScenarioTest} from "./support/ScenarioTest.sol";
import {vm} from "./support/Vm.sol";

/*
commitResult
├── given a job not drawn, or past commits            → reverts UnexpectedJobState
├── given the window over                             → reverts DeadlinePassed
├── given a caller who does not hold the place        → reverts NotOnCommittee
├── given a place vacant or outside the committee     → reverts NotOnCommittee
├── given a place that has committed                  → reverts AlreadyCommitted
├── given a commitment of zero                        → reverts EmptyCommitment
├── given a member within the window                  → emits ResultCommitted
└── given the last member                             → emits RevealOpened too
*/
contract CommitResultTest is ScenarioTest {
    using JobBuilder for JobParams;

    bytes32 private constant COMMITMENT = keccak256("commitment");

    JobId private jobId;

    function setUp() public override {
        super.setUp();
        openWorkers(3);
        jobId = post(aJob());
        draw(aJob(), DrawModel.randaoFor(jobId, 3, listOf(0, 1, 2)));
    }

    // ─── Refused ─────────────────────────────────────────────────────────────────────────────

    function test_commitResult_neverPosted_reverts() external {
        JobId other = market.jobIdOf(aJob().withNonce(2));
        expectUnexpectedState(other, JobState.Nonexistent);
        market.commitResult(other, 0, COMMITMENT);
    }

    function test_commitResult_open_reverts() external {
        JobId other = post(aJob().withNonce(2));
        expectUnexpectedState(other, JobState.Open);
        market.commitResult(other, 0, COMMITMENT);
    }

    function test_commitResult_revealing_reverts() external {
        playCommits(aJob(), acts(Act.Honest, Act.Honest, Act.Honest));
        expectUnexpectedState(jobId, JobState.Revealing);
        commitAs(0, 0, COMMITMENT);
    }

    function test_commitResult_accepted_reverts() external {
        playDrawn(aJob(), acts(Act.Honest, Act.Honest, Act.Honest));
        expectUnexpectedState(jobId, JobState.Accepted);
        commitAs(0, 0, COMMITMENT);
    }

    function test_commitResult_failed_reverts() external {
        playDrawn(aJob(), acts(Act.Absent, Act.Absent, Act.Absent));
        expectUnexpectedState(jobId, JobState.Failed);
        commitAs(0, 0, COMMITMENT);
    }

    function test_commitResult_oneSecondLate_reverts() external {
        uint256 deadline = deadlineOf(jobId);
        vm.warp(deadline + 1);
        expectDeadlinePassed(jobId, deadline);
        commitAs(0, 0, COMMITMENT);
    }

    /// @dev After the window the job is Revealing for whoever committed; nobody joins them.
    function test_commitResult_oneSecondLateOthersCommitted_reverts() external {
        uint256 deadline = deadlineOf(jobId);
        commitAs(1, 1, COMMITMENT);
        vm.warp(deadline + 1);
        expectDeadlinePassed(jobId, deadline);
        commitAs(0, 0, COMMITMENT);
    }

    function test_commitResult_placeOfAnother_reverts() external {
        expectNotOnCommittee(aWorker(0), 1);
        commitAs(0, 1, COMMITMENT);
    }

    function test_commitResult_stranger_reverts() external {
        expectNotOnCommittee(stranger, 0);
        vm.prank(stranger);
        market.commitResult(jobId, 0, COMMITMENT);
    }

    function test_commitResult_placeOutsideCommittee_reverts(uint256 place) external {
        place = bounded(place, 3, type(uint256).max - 1);
        expectNotOnCommittee(aWorker(0), place);
        commitAs(0, place, COMMITMENT);
    }

    /// @dev A vacant place belongs to nobody, not to seat or owner zero.
    function test_commitResult_vacantPlace_reverts() external {
        openSeat(aWorker(3), 0);
        openSeat(aWorker(4), 0);
        openSeat(aWorker(5), 0);
        mine(1);
        JobParams memory taking = aJob().withNonce(2).withRedundancy(1);
        JobParams memory job = aJob().withNonce(3);
        JobId takingId = post(taking);
        JobId id = post(job);
        uint256[] memory position = new uint256[](1);
        position[0] = 3;
        draw(taking, DrawModel.randaoFor(takingId, 6, position));
        draw(job, DrawModel.randaoFor(id, 6, listOf(3, 4, 5)));
        vm.assertEq(lens.roundOf(id).seatIds[0], 0, "vacant place");

        bytes memory refusal = abi.encodeWithSelector(
            IMarketplace.NotOnCommittee.selector,
            id,
            aWorker(3),
            0
        );
        vm.expectRevert(refusal);
        vm.prank(aWorker(3));
        market.commitResult(id, 0, COMMITMENT);
        vm.expectRevert(
            abi.encodeWithSelector(IMarketplace.NotOnCommittee.selector, id, address(0), 0)
        );
        vm.prank(address(0));
        market.commitResult(id, 0, COMMITMENT);
    }

    function test_commitResult_twice_reverts() external {
        commitAs(0, 0, COMMITMENT);
        vm.expectRevert(abi.encodeWithSelector(IMarketplace.AlreadyCommitted.selector, jobId, 0));
        commitAs(0, 0, keccak256("another"));
    }

    function test_commitResult_zero_reverts() external {
        vm.expectRevert(abi.encodeWithSelector(IMarketplace.EmptyCommitment.selector, jobId));
        commitAs(0, 0, 0);
    }

    // ─── Committed ───────────────────────────────────────────────────────────────────────────

    function test_commitResult_member_emitsResultCommitted(bytes32 commitment) external {
        vm.assume(commitment != 0);
        vm.expectEmit(address(market));
        emit IMarketplace.ResultCommitted(jobId, aWorker(1), 1, 1, commitment);
        commitAs(1, 1, commitment);

        RoundView memory round = lens.roundOf(jobId);
        vm.assertEq(round.committed, 2, "committed places");
        assertState(jobId, JobState.Committing);
    }

    function test_commitResult_lastSecond_commits() external {
        vm.warp(deadlineOf(jobId));
        commitAs(2, 2, COMMITMENT);
        vm.assertEq(lens.roundOf(jobId).committed, 4, "committed places");
    }

    function test_commitResult_lastMember_opensReveals_P8() external {
        commitAs(2, 2, COMMITMENT);
        commitAs(0, 0, COMMITMENT);
        vm.warp(vm.getBlockTimestamp() + 7);
        uint256 deadline = vm.getBlockTimestamp() + REVEAL_WINDOW;

        vm.expectEmit(address(market));
        emit IMarketplace.ResultCommitted(jobId, aWorker(1), 1, 1, COMMITMENT);
        vm.expectEmit(address(market));
        emit IMarketplace.RevealOpened(jobId, 1, deadline);
        commitAs(1, 1, COMMITMENT);

        RoundView memory round = lens.roundOf(jobId);
        assertState(jobId, JobState.Revealing);
        vm.assertEq(round.deadline, deadline, "deadline");
        vm.assertEq(round.committed, 7, "committed places");
        vm.assertEq(round.seatIds[2], 3, "a seat");
        vm.assertEq(round.round, 1, "round");
    }

    /// @dev A committee with a vacant place waits for its members only.
    function test_commitResult_lastOfVacantCommittee_opensReveals() external {
        openSeat(aWorker(3), 0);
        openSeat(aWorker(4), 0);
        openSeat(aWorker(5), 0);
        mine(1);
        JobParams memory taking = aJob().withNonce(2).withRedundancy(1);
        JobParams memory job = aJob().withNonce(3);
        JobId takingId = post(taking);
        JobId id = post(job);
        uint256[] memory position = new uint256[](1);
        position[0] = 4;
        draw(taking, DrawModel.randaoFor(takingId, 6, position));
        draw(job, DrawModel.randaoFor(id, 6, listOf(3, 4, 5)));

        commit(job, 0, anOutcome());
        assertState(id, JobState.Committing);
        commit(job, 2, anOutcome());
        assertState(id, JobState.Revealing);
    }

    // ─── Private ─────────────────────────────────────────────────────────────────────────────

    function commitAs(uint256 worker, uint256 place, bytes32 commitment) private {
        vm.prank(aWorker(worker));
        market.commitResult(jobId, place, commitment);
    }

    function expectNotOnCommittee(address caller, uint256 place) private {
        vm.expectRevert(
            abi.encodeWithSelector(IMarketplace.NotOnCommittee.selector, jobId, caller, place)
        );
    }
}
