// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {JobId, JobParams, JobState} from "../../src/types/Job.sol";
import {JobBuilder} from "./Builders.sol";
import {DrawModel} from "./DrawModel.sol";
import {Act, ScenarioTest} from "./ScenarioTest.sol";
import {vm} from "./Vm.sol";

/// @notice Six workers with a seat each, and jobs drawn at positions of choice.
abstract contract DrawTest is ScenarioTest {
    using JobBuilder for JobParams;

    /// @dev Of the job under test; jobs beside it have other nonces.
    JobId internal jobId;

    function setUp() public virtual override {
        super.setUp();
        openWorkers(6);
        mine(10);
    }

    function close(uint256 seatId) internal {
        vm.prank(lens.seatOf(seatId).owner);
        market.closeSeat(seatId);
    }

    /// @dev Seat `seatId` of the six serves another job from now on.
    function takeSeat(uint256 seatId, uint64 nonce) internal returns (JobParams memory other) {
        other = aJob().withNonce(nonce).withRedundancy(1);
        post(other);
        drawAt(other, seatId - 1);
        mine(1);
    }

    function drawAt(JobParams memory job, uint256 position) internal {
        uint256[] memory positions = new uint256[](1);
        positions[0] = position;
        JobId id = market.jobIdOf(job);
        uint256 size = lens.rosterSize(modelId, 0);
        draw(job, DrawModel.randaoFor(id, size, positions));
        assertState(id, JobState.Committing);
    }

    function serve(JobParams memory job) internal {
        commit(job, 0, anOutcome());
        reveal(job, 0, anOutcome());
    }

    function oneAct(Act act) internal pure returns (Act[] memory list) {
        list = new Act[](1);
        list[0] = act;
    }

    function assertSeats(uint256 first, uint256 second, uint256 third) internal view {
        assertState(jobId, JobState.Committing);
        uint256[] memory seatIds = lens.roundOf(jobId).seatIds;
        vm.assertEq(seatIds[0], first, "place 0");
        vm.assertEq(seatIds[1], second, "place 1");
        vm.assertEq(seatIds[2], third, "place 2");
    }
}
