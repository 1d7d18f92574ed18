// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IMarketplace} from "../src/interfaces/IMarketplace.sol";
import {JobParams} from "../src/types/Job.sol";
import {JobBuilder} from "./support/Builders.sol";
import {DrawModel, listOf} from "./support/DrawModel.sol";
import {DrawTest} from "./support/DrawTest.sol";
import {Act} from "./support/ScenarioTest.sol";
import {vm} from "./support/Vm.sol";

/*
Places whose seat has left since the roster was frozen [S1]: they stay vacant and nobody's,
whoever moved into them, and count neither for nor against anybody's other seats.
├── given a seat that left                              → both its and the moved seat's are vacant
├── given its id opened again                           → its place stays vacant
├── given a member's second seat moved into a place     → the place stays vacant
└── given another's second seat moved into it           → that one keeps the place of its first
    ├── with the move in the frozen block itself
    └── with the moved seat drawn and released since
*/
contract VacancyRulesTest is DrawTest {
    using JobBuilder for JobParams;

    /// @dev Worker 0's seat is taken by another job and slashed, and worker 2's second seat moves
    /// into its place. That must not cost worker 2 the place of its first seat, for worker 3.
    function test_draw_vacantPlaceOfAMovedSeat_doesNotEvictItsOwner_S1() external {
        openSeat(aWorker(2), 0);
        mine(1);
        JobParams memory other = aJob().withNonce(2).withRedundancy(1);
        post(other);
        jobId = post(aJob());
        bytes32 randao = DrawModel.randaoFor(jobId, 7, listOf(0, 1, 2, 3));
        drawAt(other, 0);
        playDrawn(other, oneAct(Act.Absent));
        vm.assertEq(lens.seatAt(modelId, 0, 0), 7, "moved seat");

        uint256 seedBlock = lens.roundOf(jobId).seedBlock;
        bytes memory header = mineSeedBlock(jobId, randao);
        address[] memory workers = new address[](3);
        (workers[1], workers[2]) = (aWorker(1), aWorker(2));
        vm.expectEmit(address(market));
        emit IMarketplace.CommitteeDrawn(
            jobId,
            1,
            seedBlock,
            DrawModel.seedOf(randao, jobId),
            listOf(0, 2, 3),
            workers,
            vm.getBlockTimestamp() + COMMIT_WINDOW
        );
        advance(aJob(), header);
        assertSeats(0, 2, 3);
    }

    /// @dev Worker 1's seat is slashed, and the second seat of worker 0, who holds place 0, moves
    /// into its place. The place stays vacant; worker 3 does not get it.
    function test_draw_seatOfAMemberMovedIntoAPlace_leavesItVacant_S1() external {
        openSeat(aWorker(0), 0);
        mine(1);
        JobParams memory other = aJob().withNonce(2).withRedundancy(1);
        post(other);
        jobId = post(aJob());
        bytes32 randao = DrawModel.randaoFor(jobId, 7, listOf(0, 1, 2, 3));
        drawAt(other, 1);
        playDrawn(other, oneAct(Act.Absent));
        vm.assertEq(lens.seatAt(modelId, 0, 1), 7, "moved seat");

        draw(aJob(), randao);
        assertSeats(1, 0, 3);
    }

    /// @dev The same, with the moved seat drawn and released again before the draw: its stamps
    /// look like those of a seat that has been there all along.
    function test_draw_movedSeatThatServedSince_doesNotEvictItsOwner_S1() external {
        openSeat(aWorker(2), 0);
        mine(1);
        JobParams memory first = aJob().withNonce(2).withRedundancy(1);
        post(first);
        jobId = post(aJob());
        bytes32 randao = DrawModel.randaoFor(jobId, 7, listOf(0, 1, 2, 3));
        bytes memory header = mineSeedBlock(jobId, randao);
        drawAt(first, 0);
        playDrawn(first, oneAct(Act.Absent));
        mine(1);
        JobParams memory second = aJob().withNonce(3).withRedundancy(1);
        post(second);
        drawAt(second, 0);
        vm.assertTrue(lens.seatOf(7).isBusy, "the moved seat serves");
        mine(1);
        serve(second);

        mine(1);
        headerOf(lens.roundOf(jobId).seedBlock, randao);
        advance(aJob(), header);
        assertSeats(0, 2, 3);
    }

    /// @dev Seat 2 leaves; seat 6, the last, takes its place in the list. Neither is drawn.
    function test_draw_seatThatLeftSince_leavesBothPlacesVacant_S1() external {
        close(2);
        mine(DRAW_DEADLINE + 1);
        JobParams memory five = aJob().withRedundancy(5);
        jobId = post(five);
        mine(1);
        market.leaveSeat(2);
        uint256[] memory positions = new uint256[](5);
        (positions[0], positions[1], positions[2], positions[3], positions[4]) = (0, 1, 2, 5, 3);
        draw(five, DrawModel.randaoFor(jobId, 6, positions));
        uint256[] memory seatIds = lens.roundOf(jobId).seatIds;
        vm.assertEq(seatIds[0], 1, "place 0");
        vm.assertEq(seatIds[1], 0, "place of the seat that left");
        vm.assertEq(seatIds[2], 3, "place 2");
        vm.assertEq(seatIds[3], 0, "place of the seat that moved");
        vm.assertEq(seatIds[4], 4, "place 4");
    }

    /// @dev The freed id is opened again, by another owner, at the same place of the list.
    function test_draw_seatReopenedSince_leavesItsPlaceVacant_S1() external {
        close(6);
        mine(DRAW_DEADLINE + 1);
        jobId = post(aJob());
        mine(1);
        market.leaveSeat(6);
        vm.assertEq(openSeat(stranger, 0), 6, "the freed id");
        draw(aJob(), DrawModel.randaoFor(jobId, 6, listOf(0, 5, 2, 3)));
        assertSeats(1, 0, 3);
    }

    /// @dev The same by a seat that may leave, in the very block before which the roster is frozen.
    function test_draw_seatMovedInFrozenBlock_doesNotEvictItsOwner_S1() external {
        openSeat(aWorker(2), 0);
        close(1);
        mine(DRAW_DEADLINE + 1);
        jobId = post(aJob());
        mine(1);
        vm.assertEq(vm.getBlockNumber(), lens.roundOf(jobId).seedBlock - 1, "block of the move");
        market.leaveSeat(1);
        vm.assertEq(lens.seatAt(modelId, 0, 0), 7, "moved seat");
        draw(aJob(), DrawModel.randaoFor(jobId, 7, listOf(0, 1, 2, 3)));
        assertSeats(0, 2, 3);
    }
}
