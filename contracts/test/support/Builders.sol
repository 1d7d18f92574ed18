// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {JobParams} from "../../src/types/Job.sol";
import {ModelId, ModelSpec} from "../../src/types/Model.sol";
import {Outcome, OutcomeStatus} from "../../src/types/Outcome.sol";

/// @notice Changes to the defaults of `aJob()`, chained: `aJob().withRedundancy(5)`.
library JobBuilder {
    function by(JobParams memory job, address requester) internal pure returns (JobParams memory) {
        job.requester = requester;
        return job;
    }

    function withNonce(
        JobParams memory job,
        uint64 nonce
    ) internal pure returns (JobParams memory) {
        job.nonce = nonce;
        return job;
    }

    function withModel(
        JobParams memory job,
        ModelId modelId
    ) internal pure returns (JobParams memory) {
        job.modelId = modelId;
        return job;
    }

    function withTick(JobParams memory job, uint8 tick) internal pure returns (JobParams memory) {
        job.tick = tick;
        return job;
    }

    function withPromptCount(
        JobParams memory job,
        uint32 count
    ) internal pure returns (JobParams memory) {
        job.promptCount = count;
        return job;
    }

    function withMaxTokens(
        JobParams memory job,
        uint32 maxTokens
    ) internal pure returns (JobParams memory) {
        job.maxTokens = maxTokens;
        return job;
    }

    function withRedundancy(
        JobParams memory job,
        uint8 redundancy
    ) internal pure returns (JobParams memory) {
        job.redundancy = redundancy;
        return job;
    }

    function withRounds(
        JobParams memory job,
        uint8 maxRounds
    ) internal pure returns (JobParams memory) {
        job.maxRounds = maxRounds;
        return job;
    }

    function withCallback(
        JobParams memory job,
        address callback,
        uint32 gasLimit
    ) internal pure returns (JobParams memory) {
        (job.callback, job.callbackGasLimit) = (callback, gasLimit);
        return job;
    }

    function withMinSeats(
        JobParams memory job,
        uint32 minSeats
    ) internal pure returns (JobParams memory) {
        job.minSeats = minSeats;
        return job;
    }
}

/// @notice Outcomes as workers claim them.
/// @dev Builders call nothing, not even the SHA-256 precompile: a call would be taken for the one
/// that an expectation or a prank is meant for.
library OutcomeBuilder {
    /// @notice An honest answer; another `label` stands for another text.
    function ok(uint32 tokenCount, string memory label) internal pure returns (Outcome memory) {
        return
            Outcome({
                status: OutcomeStatus.Ok,
                tokenCount: tokenCount,
                resultsRoot: keccak256(bytes.concat("root of ", bytes(label))),
                resultsDigest: keccak256(bytes(label)),
                fingerprint: 0
            });
    }

    function failed(OutcomeStatus status) internal pure returns (Outcome memory) {
        return
            Outcome({
                status: status,
                tokenCount: 0,
                resultsRoot: 0,
                resultsDigest: 0,
                fingerprint: 0
            });
    }

    /// @notice What a failed job is delivered with.
    function none() internal pure returns (Outcome memory) {
        return failed(OutcomeStatus.Unset);
    }

    function unavailable() internal pure returns (Outcome memory) {
        return failed(OutcomeStatus.InputUnavailable);
    }

    function invalid() internal pure returns (Outcome memory) {
        return failed(OutcomeStatus.InputInvalid);
    }
}

/// @notice A small model with the devnet's terms.
function aModel() pure returns (ModelSpec memory) {
    return
        ModelSpec({
            packageDigest: keccak256("model package"),
            weightsRoot: 0,
            profile: "float-dev",
            vocabSize: 50_257,
            contextLength: 1024,
            msPerToken: 5,
            basePrice: 2
        });
}
