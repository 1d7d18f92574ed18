// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {SeatView} from "../src/interfaces/IMarketplaceLens.sol";
import {ISeats} from "../src/interfaces/ISeats.sol";
import {MarketTest} from "./support/MarketTest.sol";
import {vm} from "./support/Vm.sol";

/*
closeSeat
├── given another's seat, or none      → reverts NotSeatOwner
├── given a seat asked to close before → reverts SeatAlreadyClosing
├── given a busy seat                  → it closes, and goes on serving
└── given an idle seat                 → emits SeatClosing; it stays listed
*/
contract CloseSeatTest is MarketTest {
    function test_closeSeat_notOwner_reverts() external {
        uint256 seatId = openSeat(stranger, 0);
        expectNotOwner(seatId, keeper);
        vm.prank(keeper);
        market.closeSeat(seatId);
    }

    function test_closeSeat_neverOpened_reverts(uint256 seatId) external {
        expectNotOwner(seatId, stranger);
        vm.prank(stranger);
        market.closeSeat(seatId);
    }

    function test_closeSeat_afterItLeft_reverts() external {
        uint256 seatId = openSeat(stranger, 0);
        close(seatId, stranger);
        mine(DRAW_DEADLINE + 2);
        market.leaveSeat(seatId);
        expectNotOwner(seatId, stranger);
        close(seatId, stranger);
    }

    function test_closeSeat_twice_reverts() external {
        uint256 seatId = openSeat(stranger, 0);
        close(seatId, stranger);
        mine(5);
        vm.expectRevert(abi.encodeWithSelector(ISeats.SeatAlreadyClosing.selector, seatId));
        close(seatId, stranger);
    }

    function test_closeSeat_idleSeat_emitsAndStaysListed() external {
        uint256 seatId = openSeat(stranger, 2);
        mine(9);
        vm.expectEmit(address(market));
        emit ISeats.SeatClosing(seatId, stranger);
        close(seatId, stranger);

        SeatView memory seat = lens.seatOf(seatId);
        vm.assertTrue(seat.isClosing, "closing");
        vm.assertEq(seat.closeRequestedBlock, START_BLOCK + 9, "close request");
        vm.assertEq(seat.arrivedBlock, START_BLOCK, "a request does not move the seat");
        vm.assertEq(lens.seatAt(modelId, 2, 0), seatId, "roster entry");
        assertCredit(stranger, 0);
    }

    function test_closeSeat_busySeat_goesOnServing() external {
        openWorkers(3);
        postAndDraw(aJob());
        close(1, aWorker(0));
        vm.assertTrue(lens.seatOf(1).isBusy, "busy");
        commitAll(aJob(), three(anOutcome(), anOutcome(), anOutcome()));
        revealAll(aJob(), three(anOutcome(), anOutcome(), anOutcome()));

        SeatView memory seat = lens.seatOf(1);
        vm.assertFalse(seat.isBusy, "busy after the job");
        vm.assertTrue(seat.isClosing, "closing after the job");
        assertCredit(aWorker(0), BASE_FEE + anOutcome().tokenCount * PRICE);
    }

    function close(uint256 seatId, address owner) private {
        vm.prank(owner);
        market.closeSeat(seatId);
    }

    function expectNotOwner(uint256 seatId, address caller) private {
        vm.expectRevert(abi.encodeWithSelector(ISeats.NotSeatOwner.selector, seatId, caller));
    }
}
