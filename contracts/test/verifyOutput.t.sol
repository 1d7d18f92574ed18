// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {JobId, JobParams, JobState} from "../src/types/Job.sol";
import {Outcome} from "../src/types/Outcome.sol";
import {JobBuilder} from "./support/Builders.sol";
import {ScenarioTest} from "./support/ScenarioTest.sol";
import {Trees} from "./support/Trees.sol";
import {vm} from "./support/Vm.sol";

/*
verifyOutput [C5]
├── given a job that was not accepted            → false
├── given another outcome or transcript          → false
├── given another output, index or sibling       → false
├── given an index outside the job               → false
├── given a proof too short or too long          → false
├── given a node of the tree as an output        → false
└── given an output and its proof                → true, for every index of every count
*/
contract VerifyOutputTest is ScenarioTest {
    using JobBuilder for JobParams;

    Outcome private accepted;
    bytes32 private transcript;
    uint256 private count;

    function setUp() public override {
        super.setUp();
        openWorkers(3);
    }

    function test_verifyOutput_everyIndexOfSmallCounts_true_C5() external {
        for (uint32 size = 1; size <= 9; ++size) {
            accept(size);
            for (uint256 index = 0; index < size; ++index) {
                assertVerdict(index, Trees.outputHash(index), Trees.proofOf(index, size), true);
            }
        }
    }

    function test_verifyOutput_anyIndexOfAnyCount_true_C5(uint32 size, uint256 index) external {
        size = uint32(bounded(size, 1, 200));
        accept(size);
        index = index % size;
        assertVerdict(index, Trees.outputHash(index), Trees.proofOf(index, size), true);
    }

    function test_verifyOutput_anotherIndex_false_C5(
        uint32 size,
        uint256 index,
        uint256 other
    ) external {
        size = uint32(bounded(size, 2, 40));
        accept(size);
        index = index % size;
        vm.assume(other != index);
        bytes32[] memory proof = Trees.proofOf(index, size);
        assertVerdict(other, Trees.outputHash(index), proof, false);
        other = other % size;
        if (other != index) assertVerdict(other, Trees.outputHash(index), proof, false);
    }

    function test_verifyOutput_indexOutsideJob_false_C5() external {
        accept(5);
        assertVerdict(5, Trees.outputHash(5), Trees.proofOf(4, 5), false);
        assertVerdict(type(uint256).max, Trees.outputHash(0), Trees.proofOf(0, 5), false);
    }

    function test_verifyOutput_anotherOutput_false_C5(bytes32 output) external {
        accept(5);
        vm.assume(output != Trees.outputHash(2));
        assertVerdict(2, output, Trees.proofOf(2, 5), false);
    }

    function test_verifyOutput_siblingChanged_false_C5(uint256 which, uint256 bit) external {
        accept(9);
        bytes32[] memory proof = Trees.proofOf(3, 9);
        which = which % proof.length;
        proof[which] ^= bytes32(1 << (bit % 256));
        assertVerdict(3, Trees.outputHash(3), proof, false);
    }

    function test_verifyOutput_proofTooLong_false_C5() external {
        accept(5);
        for (uint256 index = 0; index < 5; ++index) {
            bytes32[] memory proof = Trees.append(Trees.proofOf(index, 5), 0);
            assertVerdict(index, Trees.outputHash(index), proof, false);
        }
    }

    function test_verifyOutput_proofTooShort_false_C5() external {
        accept(5);
        for (uint256 index = 0; index < 5; ++index) {
            bytes32[] memory full = Trees.proofOf(index, 5);
            bytes32[] memory proof = new bytes32[](full.length - 1);
            for (uint256 i = 0; i < proof.length; ++i) {
                proof[i] = full[i];
            }
            assertVerdict(index, Trees.outputHash(index), proof, false);
        }
    }

    /// @dev Two siblings hashed are a node, and no leaf of a smaller tree.
    function test_verifyOutput_nodeAsOutput_false_C5() external {
        accept(4);
        bytes32[] memory first = Trees.proofOf(0, 4);
        bytes32[] memory upper = new bytes32[](1);
        upper[0] = first[1];
        assertVerdict(0, Trees.rootOf(2), upper, false);
        assertVerdict(0, Trees.rootOf(4), new bytes32[](0), false);
    }

    function test_verifyOutput_anotherOutcome_false() external {
        accept(3);
        accepted.tokenCount += 1;
        assertVerdict(0, Trees.outputHash(0), Trees.proofOf(0, 3), false);
    }

    function test_verifyOutput_anotherTranscript_false() external {
        accept(3);
        transcript ^= bytes32(uint256(1));
        assertVerdict(0, Trees.outputHash(0), Trees.proofOf(0, 3), false);
    }

    function test_verifyOutput_anotherJob_false() external {
        accept(3);
        JobParams memory other = aJobOf(3);
        other.nonce += 1;
        vm.assertFalse(verdict(other, 0, Trees.outputHash(0), Trees.proofOf(0, 3)), "verdict");
    }

    function test_verifyOutput_openJob_false() external {
        accept(3);
        JobParams memory job = aJobOf(3).withNonce(77);
        post(job);
        vm.assertFalse(verdict(job, 0, Trees.outputHash(0), Trees.proofOf(0, 3)), "verdict");
    }

    /// @dev A failed job keeps a record too, of no outcome at all.
    function test_isRecorded_failedJob_false() external {
        Outcome[] memory outcomes = three(anOutcome(), outcomeNamed("b"), outcomeNamed("c"));
        vm.recordLogs();
        JobId jobId = run(aJob(), outcomes);
        transcript = settledTranscript();
        assertState(jobId, JobState.Failed);
        for (uint256 i = 0; i < 3; ++i) {
            vm.assertFalse(lens.isRecorded(jobId, outcomes[i], transcript), "recorded");
        }
        vm.assertEq(lens.roundOf(jobId).record, recordOf(0, transcript), "record");
    }

    function test_isRecorded_neverPosted_false(bytes32 anything) external {
        JobId jobId = JobId.wrap(anything);
        vm.assertFalse(lens.isRecorded(jobId, anOutcome(), anything), "recorded");
    }

    // ─── Private ─────────────────────────────────────────────────────────────────────────────

    function aJobOf(uint32 size) private view returns (JobParams memory) {
        return aJob().withNonce(size).withPromptCount(size);
    }

    function outcomeNamed(string memory label) private pure returns (Outcome memory outcome) {
        outcome = anOutcome();
        outcome.resultsDigest = keccak256(bytes(label));
    }

    /// @dev A job of `size` prompts, accepted with the root of their outputs.
    function accept(uint32 size) private {
        Outcome memory outcome = anOutcome();
        outcome.resultsRoot = Trees.rootOf(size);
        (accepted, count) = (outcome, size);
        mine(1);
        vm.recordLogs();
        run(aJobOf(size), three(outcome, outcome, outcome));
        transcript = settledTranscript();
    }

    function verdict(
        JobParams memory job,
        uint256 index,
        bytes32 output,
        bytes32[] memory siblings
    ) private view returns (bool) {
        return lens.verifyOutput(job, accepted, transcript, index, output, siblings);
    }

    function assertVerdict(
        uint256 index,
        bytes32 output,
        bytes32[] memory siblings,
        bool expected
    ) private view {
        bool actual = verdict(aJobOf(uint32(count)), index, output, siblings);
        vm.assertEq(actual, expected, "verdict");
    }
}
