// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @notice An account's money and record in one storage word.
/// ```text
/// bits   0..95  credit       bits  96..135 completed   bits 136..175 missed
/// bits 176..215 slashed      bits 216..255 seats
/// ```
/// @dev No count can overflow into its neighbour: a count grows by one in a round, and 40 bits of
/// rounds take 34,000 years at one a second.
type AccountWord is uint256;

using AccountWords for AccountWord global;

/// @notice Reading and writing of a packed account.
library AccountWords {
    /// @dev One of each count.
    uint256 internal constant COMPLETED = 1 << 96;
    uint256 internal constant MISSED = 1 << 136;
    uint256 internal constant SLASHED = 1 << 176;
    uint256 internal constant SEAT = 1 << 216;

    function credit(AccountWord word) internal pure returns (uint256) {
        return uint96(AccountWord.unwrap(word));
    }

    function completed(AccountWord word) internal pure returns (uint40) {
        return uint40(AccountWord.unwrap(word) >> 96);
    }

    function missed(AccountWord word) internal pure returns (uint40) {
        return uint40(AccountWord.unwrap(word) >> 136);
    }

    function slashed(AccountWord word) internal pure returns (uint40) {
        return uint40(AccountWord.unwrap(word) >> 176);
    }

    function seats(AccountWord word) internal pure returns (uint40) {
        return uint40(AccountWord.unwrap(word) >> 216);
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
