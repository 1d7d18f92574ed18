// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @notice A seat in one storage word.
/// ```text
/// bits   0..159 owner
/// bits 160..191 block in which it was drawn last   bits 192..223 block of its last release
/// bits 224..243 index in its list   bits 244..246 tick   bit 247 busy   bit 248 closing
/// ```
/// @dev 32 bits of block number last 136 years at a block a second.
type SeatWord is uint256;

using SeatWords for SeatWord global;

/// @notice Reading and writing of a packed seat.
library SeatWords {
    uint256 private constant DRAWN_AT = 160;
    uint256 private constant RELEASED_AT = 192;
    uint256 private constant INDEX_AT = 224;
    uint256 private constant TICK_AT = 244;
    uint256 private constant BUSY = 1 << 247;
    uint256 private constant CLOSING = 1 << 248;
    uint256 private constant STAMP_MASK = type(uint32).max;
    uint256 private constant INDEX_MASK = 0xfffff;

    function open(
        address seatOwner,
        uint256 seatTick,
        uint256 listIndex
    ) internal pure returns (SeatWord) {
        return
            SeatWord.wrap(
                uint256(uint160(seatOwner)) | (listIndex << INDEX_AT) | (seatTick << TICK_AT)
            );
    }

    function owner(SeatWord word) internal pure returns (address) {
        return address(uint160(SeatWord.unwrap(word)));
    }

    function drawnBlock(SeatWord word) internal pure returns (uint256) {
        return uint32(SeatWord.unwrap(word) >> DRAWN_AT);
    }

    function releasedBlock(SeatWord word) internal pure returns (uint256) {
        return uint32(SeatWord.unwrap(word) >> RELEASED_AT);
    }

    function index(SeatWord word) internal pure returns (uint256) {
        return (SeatWord.unwrap(word) >> INDEX_AT) & INDEX_MASK;
    }

    function tick(SeatWord word) internal pure returns (uint256) {
        return (SeatWord.unwrap(word) >> TICK_AT) & 7;
    }

    function isBusy(SeatWord word) internal pure returns (bool) {
        return SeatWord.unwrap(word) & BUSY != 0;
    }

    function isClosing(SeatWord word) internal pure returns (bool) {
        return SeatWord.unwrap(word) & CLOSING != 0;
    }

    function drawn(SeatWord word, uint256 blockNumber) internal pure returns (SeatWord) {
        uint256 kept = SeatWord.unwrap(word) & ~(STAMP_MASK << DRAWN_AT);
        return SeatWord.wrap(kept | (blockNumber << DRAWN_AT) | BUSY);
    }

    function released(SeatWord word, uint256 blockNumber) internal pure returns (SeatWord) {
        uint256 kept = SeatWord.unwrap(word) & ~(BUSY | (STAMP_MASK << RELEASED_AT));
        return SeatWord.wrap(kept | (blockNumber << RELEASED_AT));
    }

    function moved(SeatWord word, uint256 listIndex) internal pure returns (SeatWord) {
        uint256 kept = SeatWord.unwrap(word) & ~(INDEX_MASK << INDEX_AT);
        return SeatWord.wrap(kept | (listIndex << INDEX_AT));
    }

    function closing(SeatWord word) internal pure returns (SeatWord) {
        return SeatWord.wrap(SeatWord.unwrap(word) | CLOSING);
    }
}
