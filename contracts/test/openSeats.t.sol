// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IModelRegistry} from "../src/interfaces/IModelRegistry.sol";
import {SeatView} from "../src/interfaces/IMarketplaceLens.sol";
import {ISeats} from "../src/interfaces/ISeats.sol";
import {ModelId} from "../src/types/Model.sol";
import {MarketTest} from "./support/MarketTest.sol";
import {vm} from "./support/Vm.sol";

/*
openSeats
├── given a tick above 7          → reverts InvalidTick
├── given no seats or above 64    → reverts InvalidSeatCount
├── given an unknown model        → reverts UnknownModel
├── given too little credit       → reverts CreditTooSmall
├── given no seat id left         → reverts NoSeatLeft
├── given the id of a closed seat → uses it again
└── given credit for all bonds    → emits SeatOpened for each, locks the bonds, lists the seats
*/
contract OpenSeatsTest is MarketTest {
    /// @dev Storage slot of `_lastSeatId`; contracts/snapshots/storage.json names it.
    uint256 private constant LAST_SEAT_ID_SLOT = 4;
    uint256 private constant MAX_SEAT_ID = 2 ** 20 - 1;

    function test_openSeats_tickAboveSeven_reverts(uint256 tick) external {
        tick = bounded(tick, 8, type(uint256).max - 1);
        vm.expectRevert(abi.encodeWithSelector(ISeats.InvalidTick.selector, tick));
        market.openSeats(modelId, tick, 1);
    }

    function test_openSeats_none_reverts() external {
        vm.expectRevert(abi.encodeWithSelector(ISeats.InvalidSeatCount.selector, 0));
        market.openSeats(modelId, 0, 0);
    }

    function test_openSeats_above64_reverts(uint256 count) external {
        count = bounded(count, 65, type(uint256).max - 1);
        vm.expectRevert(abi.encodeWithSelector(ISeats.InvalidSeatCount.selector, count));
        market.openSeats(modelId, 0, count);
    }

    function test_openSeats_exactly64_opensThem() external {
        openSeats(stranger, 0, 64);
        vm.assertEq(lens.rosterSize(modelId, 0), 64, "roster");
    }

    function test_openSeats_unknownModel_reverts() external {
        ModelId unknown = ModelId.wrap(keccak256("unknown"));
        vm.expectRevert(abi.encodeWithSelector(IModelRegistry.UnknownModel.selector, unknown));
        market.openSeats(unknown, 0, 1);
    }

    function test_openSeats_oneUnitShort_reverts() external {
        fundAndDeposit(stranger, 3 * BOND - 1);
        vm.expectRevert(
            abi.encodeWithSelector(ISeats.CreditTooSmall.selector, stranger, 3 * BOND - 1, 3 * BOND)
        );
        vm.prank(stranger);
        market.openSeats(modelId, 0, 3);
    }

    function test_openSeats_idsUsedUp_reverts() external {
        fundAndDeposit(stranger, 2 * BOND);
        vm.store(address(market), bytes32(LAST_SEAT_ID_SLOT), bytes32(MAX_SEAT_ID - 1));
        vm.startPrank(stranger);
        uint256[] memory seatIds = market.openSeats(modelId, 0, 1);
        vm.assertEq(seatIds[0], MAX_SEAT_ID, "the last id");
        vm.expectRevert(abi.encodeWithSelector(ISeats.NoSeatLeft.selector));
        market.openSeats(modelId, 0, 1);
        vm.stopPrank();
    }

    function test_openSeats_severalAtATick_emitsAndLocksBonds() external {
        fundAndDeposit(stranger, 2 * BOND + 7);
        vm.expectEmit(address(market));
        emit ISeats.SeatOpened(1, stranger, modelId, 3);
        vm.expectEmit(address(market));
        emit ISeats.SeatOpened(2, stranger, modelId, 3);
        vm.prank(stranger);
        uint256[] memory seatIds = market.openSeats(modelId, 3, 2);

        vm.assertEq(seatIds.length, 2, "ids");
        vm.assertEq(seatIds[0], 1, "first id");
        vm.assertEq(seatIds[1], 2, "second id");
        assertCredit(stranger, 7);
        vm.assertEq(market.accountOf(stranger).seats, 2, "seats of the account");
    }

    function test_openSeats_newSeat_isListedAndIdle() external {
        openSeat(keeper, 5);
        uint256 seatId = openSeat(stranger, 5);

        SeatView memory seat = lens.seatOf(seatId);
        vm.assertEq(seat.owner, stranger, "owner");
        vm.assertEq(ModelId.unwrap(seat.modelId), ModelId.unwrap(modelId), "model");
        vm.assertEq(seat.tick, 5, "tick");
        vm.assertEq(seat.index, 1, "index");
        vm.assertFalse(seat.isBusy, "busy");
        vm.assertFalse(seat.isClosing, "closing");
        vm.assertEq(seat.arrivedBlock, START_BLOCK, "arrived block");
        vm.assertEq(seat.drawnBlock, 0, "drawn block");
        vm.assertEq(seat.releasedBlock, 0, "released block");
        vm.assertEq(seat.closeRequestedBlock, 0, "close request");
        vm.assertEq(lens.seatAt(modelId, 5, 1), seatId, "roster entry");
        vm.assertEq(lens.seatAt(modelId, 5, 2), 0, "entry beyond the list");
    }

    function test_openSeats_manyTicks_rosterCountsThoseAtOrUnder_T1() external {
        for (uint256 tick = 0; tick < 8; ++tick) {
            openSeats(stranger, tick, tick + 1);
        }
        for (uint256 tick = 0; tick < 8; ++tick) {
            vm.assertEq(
                lens.rosterSize(modelId, tick),
                ((tick + 1) * (tick + 2)) / 2,
                "roster at a tick"
            );
        }
    }

    function test_openSeats_afterOneLeft_usesItsId() external {
        openWorkers(3);
        address owner = aWorker(1);
        vm.prank(owner);
        market.closeSeat(2);
        mine(DRAW_DEADLINE + 2);
        market.leaveSeat(2);

        vm.assertEq(openSeat(stranger, 1), 2, "the freed id");
        SeatView memory seat = lens.seatOf(2);
        vm.assertEq(seat.owner, stranger, "owner");
        vm.assertFalse(seat.isClosing, "closing");
        vm.assertEq(seat.closeRequestedBlock, 0, "close request");
        vm.assertEq(openSeat(stranger, 1), 4, "a new id");
    }
}
