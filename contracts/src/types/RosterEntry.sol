// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @notice One position of a roster's list: bits 0..19 the seat, bits 20..59 the block in which it
/// came to this position. Zero where the list has ended.
type RosterEntry is uint256;

using RosterEntries for RosterEntry global;

/// @notice Reading and writing of a packed roster entry.
library RosterEntries {
    uint256 private constant ARRIVED_AT = 20;
    uint256 private constant SEAT_MASK = (1 << ARRIVED_AT) - 1;

    function arrive(uint256 seat, uint256 blockNumber) internal pure returns (RosterEntry) {
        return RosterEntry.wrap(seat | (blockNumber << ARRIVED_AT));
    }

    function seatId(RosterEntry entry) internal pure returns (uint256) {
        return RosterEntry.unwrap(entry) & SEAT_MASK;
    }

    function arrivedBlock(RosterEntry entry) internal pure returns (uint256) {
        return uint40(RosterEntry.unwrap(entry) >> ARRIVED_AT);
    }
}
