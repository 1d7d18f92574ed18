// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Blockhash} from "@openzeppelin/contracts/utils/Blockhash.sol";

/// @notice Where a draw's randomness comes from: the `prevRandao` (EIP-4399) of a block that
/// did not exist when the draw was armed.
/// @dev The header is checked against the block hash (opcode, then EIP-2935), so whoever passes
/// it has no choice. A proposer can skip its block, no more; a block hash could be ground.
library DrawSeed {
    /// @dev Bytes of the fields before the difficulty, each with its prefix: five hashes and the
    /// coinbase, then the logs' bloom of 256 bytes. Their sizes are the same in every block.
    uint256 private constant FIXED_FIELDS = 5 * 33 + 21 + 259;
    /// @dev From the difficulty to the extra data; `prevRandao` comes next.
    uint256 private constant VARYING_FIELDS = 6;
    uint256 private constant SHORT_STRING = 0x80;
    uint256 private constant LONG_STRING = 0xb7;
    uint256 private constant LONG_LIST = 0xf7;

    /// @notice The passed bytes are not the header of the seed block.
    error WrongHeader(uint256 seedBlock, bytes32 expectedHash, bytes32 actualHash);

    /// @param seedBlock Number of the block, mined already.
    /// @param header RLP encoding of that block's header; not looked at when the hash is gone.
    /// @return isKnown Whether the chain still knows the block's hash. A caller cannot hide it by
    /// bringing little gas: what a call to EIP-2935 that runs out leaves pays for nothing more.
    /// @return prevRandao The seed.
    function read(
        uint256 seedBlock,
        bytes calldata header
    ) internal view returns (bool isKnown, bytes32 prevRandao) {
        bytes32 expected = Blockhash.blockHash(seedBlock);
        if (expected == 0) return (false, 0);
        bytes32 actual = keccak256(header);
        if (actual != expected) revert WrongHeader(seedBlock, expected, actual);
        return (true, _prevRandao(header));
    }

    /// @dev The hash vouches for the encoding, so the walk need not: a header is a long list whose
    /// first fields are strings, and `prevRandao` is one of 32 bytes.
    function _prevRandao(bytes calldata header) private pure returns (bytes32) {
        // Cannot overflow: an offset stays within the header, for reading outside it reverts.
        // 900 gas less.
        unchecked {
            uint256 offset = 1 + uint8(header[0]) - LONG_LIST + FIXED_FIELDS;
            for (uint256 i = 0; i < VARYING_FIELDS; ++i) {
                offset += _lengthOf(header, offset);
            }
            return bytes32(header[offset + 1:]);
        }
    }

    /// @dev Bytes that the string at `offset` takes, its prefix included.
    function _lengthOf(bytes calldata header, uint256 offset) private pure returns (uint256) {
        uint256 prefix = uint8(header[offset]);
        // Cannot overflow: a size is a header's or less, and the prefix is above what is taken off.
        unchecked {
            if (prefix < SHORT_STRING) return 1;
            if (prefix <= LONG_STRING) return 1 + prefix - SHORT_STRING;
            uint256 sizeLength = prefix - LONG_STRING;
            uint256 size = uint256(bytes32(header[offset + 1:])) >> (256 - 8 * sizeLength);
            return 1 + sizeLength + size;
        }
    }
}
