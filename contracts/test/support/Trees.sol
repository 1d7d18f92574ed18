// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @notice Builds the Merkle tree over a job's outputs from all of them, level by level; the
/// contract only ever walks one path.
library Trees {
    bytes32 private constant LEAF = keccak256("assay.output.leaf.v1");
    bytes32 private constant NODE = keccak256("assay.output.node.v1");

    function outputHash(uint256 index) internal pure returns (bytes32) {
        return keccak256(abi.encode("output", index));
    }

    function rootOf(uint256 count) internal pure returns (bytes32) {
        bytes32[] memory level = leaves(count);
        while (level.length > 1) {
            level = parents(level);
        }
        return level[0];
    }

    function proofOf(uint256 index, uint256 count) internal pure returns (bytes32[] memory proof) {
        bytes32[] memory level = leaves(count);
        while (level.length > 1) {
            uint256 sibling = index % 2 == 0 ? index + 1 : index - 1;
            if (sibling < level.length) proof = append(proof, level[sibling]);
            level = parents(level);
            index /= 2;
        }
    }

    function leaves(uint256 count) private pure returns (bytes32[] memory level) {
        level = new bytes32[](count);
        for (uint256 i = 0; i < count; ++i) {
            level[i] = keccak256(bytes.concat(LEAF, bytes32(i), bytes32(count), outputHash(i)));
        }
    }

    function parents(bytes32[] memory level) private pure returns (bytes32[] memory next) {
        next = new bytes32[]((level.length + 1) / 2);
        for (uint256 i = 0; i < next.length; ++i) {
            bool isAlone = 2 * i + 1 == level.length;
            next[i] =
                isAlone
                    ? level[2 * i]
                    : keccak256(bytes.concat(NODE, level[2 * i], level[2 * i + 1]));
        }
    }

    function append(
        bytes32[] memory list,
        bytes32 item
    ) internal pure returns (bytes32[] memory longer) {
        longer = new bytes32[](list.length + 1);
        for (uint256 i = 0; i < list.length; ++i) {
            longer[i] = list[i];
        }
        longer[list.length] = item;
    }
}
