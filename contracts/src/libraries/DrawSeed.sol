// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {BlockHeader} from "@openzeppelin/contracts/utils/BlockHeader.sol";
import {Blockhash} from "@openzeppelin/contracts/utils/Blockhash.sol";

/// @notice Where a draw's randomness comes from: the `prevRandao` (EIP-4399) of a block that
/// did not exist when the draw was armed.
/// @dev The header is checked against the block hash (opcode, then EIP-2935), so whoever passes
/// it has no choice. A proposer can skip its block, no more; a block hash could be ground.
library DrawSeed {
    /// @notice The passed bytes are not the header of the seed block.
    error WrongHeader(uint256 seedBlock, bytes32 expectedHash, bytes32 actualHash);

    /// @param seedBlock Number of the block, mined already.
    /// @param header RLP encoding of that block's header.
    function read(uint256 seedBlock, bytes calldata header) internal view returns (bytes32) {
        bytes32 expected = Blockhash.blockHash(seedBlock);
        bytes32 actual = keccak256(header);
        if (actual != expected) revert WrongHeader(seedBlock, expected, actual);
        return BlockHeader.getPrevRandao(header);
    }
}
