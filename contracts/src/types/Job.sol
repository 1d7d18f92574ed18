// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ModelId} from "./Model.sol";

/// @notice Identity of a job: `keccak256(abi.encode(chainid, marketplace, JobParams))`.
type JobId is bytes32;

/// @notice What a requester asks for. Never stored: it travels in calldata and is
/// checked by its hash, the job id.
/// @param requester Who posts, pays and is refunded.
/// @param nonce Chosen by the requester, so that equal jobs have distinct ids.
/// @param modelId Registered model to run.
/// @param tick Price step, 0 to 7: the price of a token is the model's base price times 2**tick.
/// @param promptsDigest SHA-256 inside the CIDv0 of the prompts document.
/// @param promptCount Number of prompts in the document.
/// @param maxTokens Bound on the whole job: prompt tokens and new tokens over all prompts.
/// @param redundancy Workers per round; odd. The quorum is its strict majority.
/// @param maxRounds Rounds bought, 1 or 2. A second one has two more places.
/// @param minSeats Least number of seats in the roster at arming; a thinner one is refused.
/// @param callback Contract called back with the result; zero for none.
/// @param callbackGasLimit Gas for the callback; zero for none.
struct JobParams {
    address requester;
    uint64 nonce;
    ModelId modelId;
    uint8 tick;
    bytes32 promptsDigest;
    uint32 promptCount;
    uint32 maxTokens;
    uint8 redundancy;
    uint8 maxRounds;
    uint32 minSeats;
    address callback;
    uint32 callbackGasLimit;
}

/// @notice Hashing of job parameters.
library Jobs {
    /// @notice `keccak256(abi.encode(block.chainid, address(this), params))`.
    /// @dev The twelve words lie in calldata as `abi.encode` would write them, so they are copied as
    /// they are: 1,300 gas less. Words with dirty high bits make an id that no job has, for posting
    /// reads every member, which reverts on them.
    function idOf(JobParams calldata params) internal view returns (JobId jobId) {
        // solhint-disable-next-line no-inline-assembly
        assembly ("memory-safe") {
            let start := mload(0x40)
            mstore(start, chainid())
            mstore(add(start, 0x20), address())
            calldatacopy(add(start, 0x40), params, 0x180)
            jobId := keccak256(start, 0x1c0)
        }
    }
}

/// @notice Where a job stands. Derived from stored facts and the clock.
/// @custom:value0 Nonexistent Never posted.
/// @custom:value1 Open Escrow locked, committee of the round not drawn yet.
/// @custom:value2 Committing Committee drawn; its members may commit.
/// @custom:value3 Revealing Its committed members may reveal.
/// @custom:value4 Accepted Final: a quorum agreed, everyone is paid.
/// @custom:value5 Failed Final: no quorum in the last round, or no committee; the rest is refunded.
/// @custom:value6 Cancelled Final: withdrawn by the requester.
enum JobState {
    Nonexistent,
    Open,
    Committing,
    Revealing,
    Accepted,
    Failed,
    Cancelled
}

/// @notice Readable form of a job's current round.
/// @param state Derived state at this block's time.
/// @param round Number of the round, from 1.
/// @param seedBlock Block whose header gives the draw's seed; zero once drawn.
/// @param expiryBlock Last block in which the committee can be drawn; zero once drawn.
/// @param deadline Last second of the commit or reveal window; zero while Open or final.
/// @param seatIds Seat of each place; zero for a vacant place.
/// @param committed Bit i is set when place i has committed.
/// @param revealed Bit i is set when place i has revealed.
/// @param record Accepted and Failed only: what `isRecorded` proves against.
/// @param isDelivered Accepted and Failed only: whether the callback was called.
struct RoundView {
    JobState state;
    uint256 round;
    uint256 seedBlock;
    uint256 expiryBlock;
    uint256 deadline;
    uint256[] seatIds;
    uint256 committed;
    uint256 revealed;
    bytes32 record;
    bool isDelivered;
}

/// @notice Readable form of what is left of a first round that was split.
/// @param seatIds Seat of each place that revealed Ok or InputInvalid and waits for the job's end;
/// zero for the others.
/// @param expelled Owners of the members whose seats were closed. They and the owners of `seatIds`
/// take no part in the second round.
/// @param bountiesPaid Number of bounties that the round paid.
/// @param transcript Hash of the round's word, workers and answers; zero where no round was split.
struct FirstRoundView {
    uint256[] seatIds;
    address[] expelled;
    uint256 bountiesPaid;
    bytes32 transcript;
}
