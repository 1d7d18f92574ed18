// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @notice How a job's execution ended.
/// @custom:value0 Unset Never valid.
/// @custom:value1 Ok Results exist under `resultsDigest`.
/// @custom:value2 InputInvalid The bytes under the prompts digest are no valid document.
/// @custom:value3 InputUnavailable The bytes could not be had in time.
enum OutcomeStatus {
    Unset,
    Ok,
    InputInvalid,
    InputUnavailable
}

/// @notice What a worker claims about a job; compared by hash.
/// @param status How it ended; every other field is zero unless Ok.
/// @param tokenCount Prompt and generated tokens over all prompts.
/// @param resultsRoot Merkle root over the outputs.
/// @param resultsDigest SHA-256 inside the CIDv0 of the results document.
/// @param fingerprint Room for a hash of trace values; zero for now.
struct Outcome {
    OutcomeStatus status;
    uint32 tokenCount;
    bytes32 resultsRoot;
    bytes32 resultsDigest;
    bytes32 fingerprint;
}

/// @notice One word that stands for a revealed outcome in a seat's answer slot:
/// the top 222 bits of the outcome's hash, then the token count, then the status.
/// Two outcomes have equal answers only if they are equal (a 111-bit collision aside).
type Answer is bytes32;

using {equals as ==, differs as !=} for Answer global;

function equals(Answer a, Answer b) pure returns (bool) {
    return Answer.unwrap(a) == Answer.unwrap(b);
}

function differs(Answer a, Answer b) pure returns (bool) {
    return Answer.unwrap(a) != Answer.unwrap(b);
}

/// @dev The answer where there is none.
Answer constant NO_ANSWER = Answer.wrap(0);

/// @notice Hashing and packing of outcomes.
library Outcomes {
    uint256 private constant TAIL_BITS = 34;

    /// @notice `keccak256(abi.encode(outcome))`.
    /// @dev The five words lie in calldata as `abi.encode` would write them, so they are copied as
    /// they are: 700 gas less. Whoever reads the members reverts on dirty high bits.
    function hash(Outcome calldata outcome) internal pure returns (bytes32 outcomeHash) {
        // solhint-disable-next-line no-inline-assembly
        assembly ("memory-safe") {
            let start := mload(0x40)
            calldatacopy(start, outcome, 0xa0)
            outcomeHash := keccak256(start, 0xa0)
        }
    }

    /// @notice Whether every field is zero.
    function isZero(Outcome calldata outcome) internal pure returns (bool) {
        Outcome memory none;
        return hash(outcome) == keccak256(abi.encode(none));
    }

    /// @notice The word compared in tallies.
    /// @param outcomeHash `hash(outcome)`.
    function toAnswer(
        Outcome calldata outcome,
        bytes32 outcomeHash
    ) internal pure returns (Answer) {
        uint256 head = (uint256(outcomeHash) >> TAIL_BITS) << TAIL_BITS;
        return
            Answer.wrap(
                bytes32(head | (uint256(outcome.tokenCount) << 2) | uint256(outcome.status))
            );
    }

    function status(Answer answer) internal pure returns (OutcomeStatus) {
        return OutcomeStatus(uint256(Answer.unwrap(answer)) & 3);
    }

    function tokenCount(Answer answer) internal pure returns (uint256) {
        return uint32(uint256(Answer.unwrap(answer)) >> 2);
    }
}
