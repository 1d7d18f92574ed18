// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Commitments} from "../../src/libraries/Commitments.sol";
import {OutputTree} from "../../src/libraries/OutputTree.sol";
import {JobId, JobParams, Jobs} from "../../src/types/Job.sol";
import {Answer, Outcome, Outcomes} from "../../src/types/Outcome.sol";
import {Rounds} from "../../src/types/RoundWord.sol";

/*
Hashes, for every input; Keccak-256 is taken to have no collisions.
├── Commitments.hash → equal only if job, round, worker, outcome and salt are
├── Jobs.idOf        → what abi.encode and keccak256 give
├── Outcomes.hash    → what abi.encode and keccak256 give
├── Rounds.recordOf  → what abi.encode and keccak256 give
└── OutputTree       → a proof fits one output of one position; a node is no leaf
*/
contract SymbolicHashes {
    using Outcomes for Outcome;

    function check_commitment_bindsEverything(
        bytes32[2] calldata jobIds,
        uint256[2] calldata rounds,
        address[2] calldata workers,
        bytes32[2] calldata outcomes,
        bytes32[2] calldata salts
    ) external view {
        bytes32[2] memory hashes;
        for (uint256 i = 0; i < 2; ++i) {
            JobId jobId = JobId.wrap(jobIds[i]);
            hashes[i] = Commitments.hash(jobId, rounds[i], workers[i], outcomes[i], salts[i]);
        }
        bool isSame =
            jobIds[0] == jobIds[1] &&
                rounds[0] == rounds[1] &&
                workers[0] == workers[1] &&
                outcomes[0] == outcomes[1] &&
                salts[0] == salts[1];
        assert((hashes[0] == hashes[1]) == isSame);
    }

    function check_jobId_isTheHashOfTheEncoding(JobParams calldata params) external view {
        bytes32 expected = keccak256(abi.encode(block.chainid, address(this), params));
        assert(JobId.unwrap(Jobs.idOf(params)) == expected);
    }

    function check_outcome_isTheHashOfTheEncoding(Outcome calldata outcome) external pure {
        assert(outcome.hash() == keccak256(abi.encode(outcome)));
    }

    function check_record_isTheHashOfTheEncoding(bytes32 answer, bytes32 transcript) external pure {
        bytes32 record = Rounds.recordOf(Answer.wrap(answer), transcript);
        assert(record == keccak256(abi.encode(answer, transcript)));
    }

    function check_outputTree_proofFitsOneOutput(
        uint256 index,
        bytes32[2] calldata outputs,
        bytes32[2] calldata siblings
    ) external view {
        if (index > 3) return;
        bytes32 first = rootOfFour(index, outputs[0], siblings);
        bytes32 second = rootOfFour(index, outputs[1], siblings);
        assert(first != 0);
        assert((first == second) == (outputs[0] == outputs[1]));
    }

    function check_outputTree_proofFitsOnePosition(
        uint256[2] calldata indices,
        bytes32 output,
        bytes32[2] calldata siblings
    ) external view {
        if (indices[0] > 3 || indices[1] > 3 || indices[0] == indices[1]) return;
        assert(
            rootOfFour(indices[0], output, siblings) != rootOfFour(indices[1], output, siblings)
        );
    }

    function check_outputTree_nodeIsNoLeaf(
        uint256 index,
        uint256 count,
        bytes32 output,
        bytes32 left,
        bytes32 right
    ) external pure {
        bytes32 node = keccak256(abi.encode(OutputTree.NODE, left, right));
        assert(OutputTree.leaf(index, count, output) != node);
    }

    function rootOfFour(
        uint256 index,
        bytes32 output,
        bytes32[2] calldata siblings
    ) private view returns (bytes32) {
        bytes32[] memory proof = new bytes32[](2);
        (proof[0], proof[1]) = (siblings[0], siblings[1]);
        return this.rootOf(index, 4, output, proof);
    }

    function rootOf(
        uint256 index,
        uint256 count,
        bytes32 output,
        bytes32[] calldata siblings
    ) external pure returns (bytes32) {
        return OutputTree.rootOf(index, count, output, siblings);
    }
}
