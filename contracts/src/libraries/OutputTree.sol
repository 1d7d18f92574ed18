// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @notice Merkle tree over a job's outputs, in the order of its prompts.
/// @dev Leaves and nodes are tagged apart, a leaf holds its index and the count, and an odd node
/// is promoted, never doubled: so a proof fits one position of one tree only.
library OutputTree {
    bytes32 internal constant LEAF = keccak256("assay.output.leaf.v1");
    bytes32 internal constant NODE = keccak256("assay.output.node.v1");

    /// @param outputHash Keccak-256 of the output's canonical JSON.
    function leaf(
        uint256 index,
        uint256 count,
        bytes32 outputHash
    ) internal pure returns (bytes32) {
        return keccak256(abi.encode(LEAF, index, count, outputHash));
    }

    /// @notice Root that follows from a leaf and its siblings, lowest first; zero when the proof's
    /// length does not fit the position.
    function rootOf(
        uint256 index,
        uint256 count,
        bytes32 outputHash,
        bytes32[] calldata siblings
    ) internal pure returns (bytes32 node) {
        if (index >= count) return 0;
        node = leaf(index, count, outputHash);
        uint256 used = 0;
        for (uint256 width = count; width > 1; width = (width + 1) / 2) {
            bool isPromoted = index == width - 1 && width % 2 == 1;
            if (!isPromoted) {
                if (used == siblings.length) return 0;
                bytes32 sibling = siblings[used++];
                node =
                    index % 2 == 0
                        ? keccak256(abi.encode(NODE, node, sibling))
                        : keccak256(abi.encode(NODE, sibling, node));
            }
            index /= 2;
        }
        return used == siblings.length ? node : bytes32(0);
    }
}
