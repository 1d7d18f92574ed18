// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Commitments} from "../../src/libraries/Commitments.sol";
import {DrawSeed} from "../../src/libraries/DrawSeed.sol";
import {OutputTree} from "../../src/libraries/OutputTree.sol";
import {JobId} from "../../src/types/Job.sol";
import {Answer, Outcome, Outcomes} from "../../src/types/Outcome.sol";

/// @notice The internal libraries, callable.
contract Probe {
    using Outcomes for Outcome;

    function hashOf(Outcome calldata outcome) external pure returns (bytes32) {
        return outcome.hash();
    }

    function answerOf(Outcome calldata outcome) external pure returns (bytes32) {
        return Answer.unwrap(outcome.toAnswer(outcome.hash()));
    }

    function seedOf(
        uint256 seedBlock,
        bytes calldata header
    ) external view returns (bool isKnown, bytes32 prevRandao) {
        return DrawSeed.read(seedBlock, header);
    }

    /// @dev Bound to the address of this contract.
    function commitmentOf(
        JobId jobId,
        uint256 round,
        address worker,
        bytes32 outcomeHash,
        bytes32 salt
    ) external view returns (bytes32) {
        return Commitments.hash(jobId, round, worker, outcomeHash, salt);
    }

    function rootOf(
        uint256 index,
        uint256 count,
        bytes32 outputHash,
        bytes32[] calldata siblings
    ) external pure returns (bytes32) {
        return OutputTree.rootOf(index, count, outputHash, siblings);
    }
}
