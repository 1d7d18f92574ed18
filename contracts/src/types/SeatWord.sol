// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @notice A seat in one storage word.
/// ```text
/// bits   0..159 owner          bits 160..191 touched block: opened, moved or drawn last
/// bits 192..223 idle block: released last
/// bits 224..243 index in its list   bits 244..246 tick   bit 247 busy   bit 248 closing
/// ```
/// @dev 32 bits of block number last 136 years at a block a second.
type SeatWord is uint256;

using SeatWords for SeatWord global;

/// @notice Reading and writing of a packed seat.
library SeatWords {
    uint256 private constant TOUCHED_AT = 160;
    uint256 private constant IDLE_AT = 192;
    uint256 private constant INDEX_AT = 224;
    uint256 private constant TICK_AT = 244;
    uint256 private constant BUSY = 1 << 247;
    uint256 private constant CLOSING = 1 << 248;
    uint256 private constant STAMP_MASK = type(uint32).max;
    uint256 private constant INDEX_MASK = 0xfffff;

    function open(address seatOwner, uint256 seatTick, uint256 listIndex, uint256 blockNumber)
        internal
        pure
        returns (SeatWord)
    {
        return SeatWord.wrap(
            uint256(uint160(seatOwner)) | (blockNumber << TOUCHED_AT) | (listIndex << INDEX_AT) | (seatTick << TICK_AT)
        );
    }

    function owner(SeatWord word) internal pure returns (address) {
        return address(uint160(SeatWord.unwrap(word)));
    }

    function touchedBlock(SeatWord word) internal pure returns (uint256) {
        return uint32(SeatWord.unwrap(word) >> TOUCHED_AT);
    }

    function idleBlock(SeatWord word) internal pure returns (uint256) {
        return uint32(SeatWord.unwrap(word) >> IDLE_AT);
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
        return SeatWord.wrap(SeatWord.unwrap(touched(word, blockNumber)) | BUSY);
    }

    function released(SeatWord word, uint256 blockNumber) internal pure returns (SeatWord) {
        uint256 cleared = SeatWord.unwrap(word) & ~(BUSY | (STAMP_MASK << IDLE_AT));
        return SeatWord.wrap(cleared | (blockNumber << IDLE_AT));
    }

    function moved(SeatWord word, uint256 listIndex, uint256 blockNumber) internal pure returns (SeatWord) {
        uint256 cleared = SeatWord.unwrap(touched(word, blockNumber)) & ~(INDEX_MASK << INDEX_AT);
        return SeatWord.wrap(cleared | (listIndex << INDEX_AT));
    }

    function closing(SeatWord word) internal pure returns (SeatWord) {
        return SeatWord.wrap(SeatWord.unwrap(word) | CLOSING);
    }

    function touched(SeatWord word, uint256 blockNumber) private pure returns (SeatWord) {
        return SeatWord.wrap((SeatWord.unwrap(word) & ~(STAMP_MASK << TOUCHED_AT)) | (blockNumber << TOUCHED_AT));
    }
}
