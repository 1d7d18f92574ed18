// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {JobId, JobParams, JobState} from "../src/types/Job.sol";
import {JobBuilder} from "./support/Builders.sol";
import {MarketTest} from "./support/MarketTest.sol";
import {vm} from "./support/Vm.sol";

/*
Gas of drawing three workers out of rosters of very different sizes, at the same share of idle
seats, averaged over seeds [T4]
├── given nine of ten seats idle   → 10,000 seats cost what 10 do
└── given one of four seats idle   → 10,000 seats cost what 40 do, and no more than 12 do
*/
/// forge-config: default.isolate = true
contract RosterScaleTest is MarketTest {
    using JobBuilder for JobParams;

    uint256 private constant SEEDS = 60;
    uint256 private constant MANY = 10_000;
    uint256 private constant SEATS_OF_ONE = 50;
    /// @dev Slot of `_seats` and the busy bit of a seat's word: contracts/snapshots/storage.json.
    uint256 private constant SEATS_SLOT = 1;
    uint256 private constant BUSY = 1 << 247;

    function test_rosterScale_nineOfTenIdle_costsTheSame_T4() external {
        uint256 few = averageOf(10, 9, 10);
        uint256 many = averageOf(MANY, 9, 10);
        vm.snapshotValue("gas", "draw.10", few);
        vm.snapshotValue("gas", "draw.10000", many);
        assertNoDearer(many, few);
    }

    /// @dev Twelve seats are the least of which a quarter is a committee.
    function test_rosterScale_oneOfFourIdle_costsTheSame_T4() external {
        uint256 few = averageOf(12, 1, 4);
        uint256 some = averageOf(40, 1, 4);
        uint256 many = averageOf(MANY, 1, 4);
        vm.snapshotValue("gas", "drawBusy.12", few);
        vm.snapshotValue("gas", "drawBusy.40", some);
        vm.snapshotValue("gas", "drawBusy.10000", many);
        assertNoDearer(many, few);
        assertNoDearer(many, some);
    }

    // ─── Private ─────────────────────────────────────────────────────────────────────────────

    /// @dev Within a tenth.
    function assertNoDearer(uint256 many, uint256 few) private pure {
        vm.assertLe(10 * many, 11 * few, "a draw from the larger roster");
    }

    /// @dev Average gas of a draw from `size` seats of which `idle` in `parts` are idle.
    function averageOf(uint256 size, uint256 idle, uint256 parts) private returns (uint256) {
        uint256 fresh = vm.snapshotState();
        fillRoster(size);
        makeBusy(size, idle, parts);
        fundAndDeposit(keeper, 1);
        mine(1);
        JobId jobId = post(aJob());
        uint256 sum = 0;
        uint256 posted = vm.snapshotState();
        for (uint256 i = 0; i < SEEDS; ++i) {
            draw(aJob(), keccak256(abi.encode("seed", i)));
            sum += vm.lastCallGas().gasTotalUsed;
            assertState(jobId, JobState.Committing);
            vm.revertToState(posted);
        }
        vm.revertToState(fresh);
        return sum / SEEDS;
    }

    /// @dev Small rosters have an owner a seat, large ones at least one in fifty.
    function fillRoster(uint256 size) private {
        uint256 each = size > SEATS_OF_ONE ? SEATS_OF_ONE : 1;
        for (uint256 opened = 0; opened < size; opened += each) {
            openSeats(aWorker(opened), 0, each);
        }
        vm.assertEq(lens.rosterSize(modelId, 0), size, "roster");
    }

    /// @dev Spread over the list: seats 1 to `parts`, of which `idle` are, and so on.
    function makeBusy(uint256 size, uint256 idle, uint256 parts) private {
        for (uint256 seatId = 1; seatId <= size; ++seatId) {
            if ((seatId - 1) % parts < idle) continue;
            bytes32 slot = keccak256(abi.encode(seatId, SEATS_SLOT));
            uint256 word = uint256(vm.load(address(market), slot));
            vm.store(address(market), slot, bytes32(word | BUSY));
        }
    }
}
