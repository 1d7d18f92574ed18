// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {JobId} from "../../src/types/Job.sol";

/// @notice Where the probes of a draw land, written down a second time.
library DrawModel {
    uint256 internal constant MAX_PROBES = 64;

    function seedOf(bytes32 prevRandao, JobId jobId) internal pure returns (bytes32) {
        return seedOf(prevRandao, jobId, 1);
    }

    function seedOf(
        bytes32 prevRandao,
        JobId jobId,
        uint256 round
    ) internal pure returns (bytes32) {
        return keccak256(abi.encode(prevRandao, jobId, round));
    }

    /// @dev Hashes in scratch space: a search tries many, and memory is never given back.
    function positionOf(
        bytes32 seed,
        uint256 probe,
        uint256 size
    ) internal pure returns (uint256 position) {
        assembly ("memory-safe") {
            mstore(0x00, seed)
            mstore(0x20, probe)
            position := mod(keccak256(0x00, 0x40), size)
        }
    }

    /// @notice A value of `prevRandao` whose first probes land on `wanted`, in that order.
    function randaoFor(
        JobId jobId,
        uint256 size,
        uint256[] memory wanted
    ) internal pure returns (bytes32 prevRandao) {
        uint256 freeMemory;
        assembly ("memory-safe") {
            freeMemory := mload(0x40)
        }
        for (uint256 attempt = 0; ; ++attempt) {
            assembly ("memory-safe") {
                mstore(0x40, freeMemory)
            }
            prevRandao = keccak256(abi.encode("attempt", attempt));
            if (_lands(seedOf(prevRandao, jobId), size, wanted)) return prevRandao;
        }
    }

    /// @notice A value of `prevRandao` whose first `count` probes land on distinct positions.
    function randaoOfDistinct(
        JobId jobId,
        uint256 size,
        uint256 count
    ) internal pure returns (bytes32 prevRandao) {
        for (uint256 attempt = 0; ; ++attempt) {
            prevRandao = keccak256(abi.encode("distinct", attempt));
            bytes32 seed = seedOf(prevRandao, jobId);
            uint256 hit = 0;
            for (uint256 probe = 0; probe < count; ++probe) {
                uint256 bit = 1 << positionOf(seed, probe, size);
                if (hit & bit != 0) break;
                hit |= bit;
                if (probe + 1 == count) return prevRandao;
            }
        }
    }

    function _lands(
        bytes32 seed,
        uint256 size,
        uint256[] memory wanted
    ) private pure returns (bool) {
        for (uint256 probe = 0; probe < wanted.length; ++probe) {
            if (positionOf(seed, probe, size) != wanted[probe]) return false;
        }
        return true;
    }
}

function listOf(uint256 a, uint256 b, uint256 c) pure returns (uint256[] memory list) {
    list = new uint256[](3);
    (list[0], list[1], list[2]) = (a, b, c);
}

function listOf(uint256 a, uint256 b, uint256 c, uint256 d) pure returns (uint256[] memory list) {
    list = new uint256[](4);
    (list[0], list[1], list[2], list[3]) = (a, b, c, d);
}
