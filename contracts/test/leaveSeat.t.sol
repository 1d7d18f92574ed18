// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {SeatView} from "../src/interfaces/IMarketplaceLens.sol";
import {ISeats} from "../src/interfaces/ISeats.sol";
import {JobId, JobState} from "../src/types/Job.sol";
import {MarketTest} from "./support/MarketTest.sol";
import {vm} from "./support/Vm.sol";

/*
leaveSeat
├── given a seat not asked to close              → reverts SeatNotLeaving
├── given a draw deadline not over since         → reverts SeatNotLeaving
├── given a busy seat                            → reverts SeatNotLeaving
├── given the last seat of its list              → emits SeatClosed, returns the bond
├── given a seat in the middle                   → the last seat takes its place, stamped
└── given a draw armed before the request [T5]   → the seat stays until that draw has expired
*/
contract LeaveSeatTest is MarketTest {
    uint256 private constant WAIT = DRAW_DEADLINE + 2;

    function test_leaveSeat_notClosing_reverts() external {
        uint256 seatId = openSeat(stranger, 0);
        expectNotLeaving(seatId, false, false, WAIT);
        market.leaveSeat(seatId);
    }

    function test_leaveSeat_neverOpened_reverts(uint256 seatId) external {
        expectNotLeaving(seatId, false, false, WAIT);
        market.leaveSeat(seatId);
    }

    function test_leaveSeat_oneBlockEarly_reverts_T5() external {
        uint256 seatId = openSeat(stranger, 0);
        close(seatId, stranger);
        mine(WAIT - 1);
        expectNotLeaving(seatId, true, false, START_BLOCK + WAIT);
        market.leaveSeat(seatId);
    }

    function test_leaveSeat_onTime_emitsAndReturnsBond_T5() external {
        uint256 seatId = openSeat(stranger, 4);
        close(seatId, stranger);
        mine(WAIT);
        vm.expectEmit(address(market));
        emit ISeats.SeatClosed(seatId, stranger, BOND);
        vm.prank(keeper);
        market.leaveSeat(seatId);

        assertCredit(stranger, BOND);
        vm.assertEq(market.accountOf(stranger).seats, 0, "seats of the account");
        vm.assertEq(lens.rosterSize(modelId, 7), 0, "roster");
        vm.assertEq(lens.seatAt(modelId, 4, 0), 0, "roster entry");
        vm.assertEq(lens.seatOf(seatId).owner, address(0), "owner");
    }

    function test_leaveSeat_twice_reverts() external {
        uint256 seatId = openSeat(stranger, 0);
        close(seatId, stranger);
        mine(WAIT);
        market.leaveSeat(seatId);
        expectNotLeaving(seatId, false, false, WAIT);
        market.leaveSeat(seatId);
    }

    function test_leaveSeat_busy_revertsUntilReleased() external {
        openWorkers(3);
        mine(1);
        JobId jobId = post(aJob());
        mine(1);
        close(1, aWorker(0));
        uint256 requested = vm.getBlockNumber();
        draw(aJob());
        assertState(jobId, JobState.Committing);

        mine(WAIT);
        expectNotLeaving(1, true, true, requested + WAIT);
        market.leaveSeat(1);

        advance(aJob(), NO_HEADER);
        vm.assertEq(lens.seatOf(1).owner, address(0), "a no-show's seat is gone");
    }

    function test_leaveSeat_seatInTheMiddle_lastTakesItsPlace_S1() external {
        openWorkers(4);
        close(2, aWorker(1));
        mine(WAIT);
        market.leaveSeat(2);

        SeatView memory moved = lens.seatOf(4);
        vm.assertEq(moved.index, 1, "index of the moved seat");
        vm.assertEq(moved.arrivedBlock, START_BLOCK + WAIT, "stamp of the moved seat");
        vm.assertEq(lens.seatAt(modelId, 0, 1), 4, "entry of the moved seat");
        vm.assertEq(lens.seatAt(modelId, 0, 3), 0, "old entry of the moved seat");
        vm.assertEq(lens.rosterSize(modelId, 0), 3, "roster");
        vm.assertEq(lens.seatOf(1).arrivedBlock, START_BLOCK, "stamp of another seat");
    }

    /// @dev Armed one block before the request: it expires one block before the seat may leave.
    function test_leaveSeat_drawArmedBefore_expiresFirst_T5() external {
        openWorkers(3);
        mine(1);
        JobId jobId = post(aJob());
        mine(1);
        close(1, aWorker(0));
        uint256 leaveBlock = vm.getBlockNumber() + WAIT;
        vm.assertEq(lens.roundOf(jobId).expiryBlock, leaveBlock - 1, "expiry of the draw");

        bytes memory header = mineSeedBlock(jobId, "seed");
        vm.roll(leaveBlock - 1);
        expectNotLeaving(1, true, false, leaveBlock);
        market.leaveSeat(1);
        headerOf(START_BLOCK + 2, "seed");
        advance(aJob(), header);
        vm.assertTrue(lens.seatOf(1).isBusy, "a closing seat serves an earlier draw");
    }

    function close(uint256 seatId, address owner) private {
        vm.prank(owner);
        market.closeSeat(seatId);
    }

    function expectNotLeaving(
        uint256 seatId,
        bool isClosing,
        bool isBusy,
        uint256 leaveBlock
    ) private {
        vm.expectRevert(
            abi.encodeWithSelector(
                ISeats.SeatNotLeaving.selector,
                seatId,
                isClosing,
                isBusy,
                leaveBlock
            )
        );
    }
}
