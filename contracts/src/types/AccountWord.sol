// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @notice An account's money and record in one storage word.
/// ```text
/// bits   0..95  credit       bits  96..127 completed   bits 128..159 missed
/// bits 160..191 slashed      bits 192..223 seats       bits 224..255 posted
/// ```
/// @dev No count can overflow into its neighbour: a count grows by one in a round or a posting, and
/// 32 bits of them take 136 years at one a second.
type AccountWord is uint256;

using AccountWords for AccountWord global;

/// @notice Reading and writing of a packed account.
library AccountWords {
    /// @dev One of each count.
    uint256 internal constant COMPLETED = 1 << 96;
    uint256 internal constant MISSED = 1 << 128;
    uint256 internal constant SLASHED = 1 << 160;
    uint256 internal constant SEAT = 1 << 192;
    uint256 internal constant POSTED = 1 << 224;

    function credit(AccountWord word) internal pure returns (uint256) {
        return uint96(AccountWord.unwrap(word));
    }

    function completed(AccountWord word) internal pure returns (uint32) {
        return uint32(AccountWord.unwrap(word) >> 96);
    }

    function missed(AccountWord word) internal pure returns (uint32) {
        return uint32(AccountWord.unwrap(word) >> 128);
    }

    function slashed(AccountWord word) internal pure returns (uint32) {
        return uint32(AccountWord.unwrap(word) >> 160);
    }

    function seats(AccountWord word) internal pure returns (uint32) {
        return uint32(AccountWord.unwrap(word) >> 192);
    }

    function posted(AccountWord word) internal pure returns (uint32) {
        return uint32(AccountWord.unwrap(word) >> 224);
    }

    /// @param amount Credit, or any sum of the counts above. The caller has checked that it fits.
    function plus(AccountWord word, uint256 amount) internal pure returns (AccountWord) {
        return AccountWord.wrap(AccountWord.unwrap(word) + amount);
    }

    /// @param amount As in `plus`. The caller has checked that so much is there.
    function minus(AccountWord word, uint256 amount) internal pure returns (AccountWord) {
        return AccountWord.wrap(AccountWord.unwrap(word) - amount);
    }
}
