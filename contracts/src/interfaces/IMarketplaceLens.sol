// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {FirstRoundView, JobId, JobParams, RoundView} from "../types/Job.sol";
import {ModelId} from "../types/Model.sol";
import {Outcome} from "../types/Outcome.sol";
import {IMarketplace} from "./IMarketplace.sol";

/// @notice Readable form of a seat.
/// @param owner Zero when there is no such seat.
/// @param index Position in its model's list of its tick.
/// @param arrivedBlock Block in which it came to that position.
/// @param drawnBlock Block in which it was drawn last.
/// @param releasedBlock Block in which it was released last.
/// @param closeRequestedBlock Block in which it was asked to close.
struct SeatView {
    address owner;
    ModelId modelId;
    uint256 tick;
    uint256 index;
    bool isBusy;
    bool isClosing;
    uint256 arrivedBlock;
    uint256 drawnBlock;
    uint256 releasedBlock;
    uint256 closeRequestedBlock;
}

/// @title Readable forms of a marketplace's storage, and proofs against it
/// @dev Holds nothing and can do nothing: anybody may deploy another one for the same marketplace.
interface IMarketplaceLens {
    /// @notice The marketplace that is read.
    function marketplace() external view returns (IMarketplace);

    /// @notice State and round of a job.
    function roundOf(JobId jobId) external view returns (RoundView memory);

    /// @notice What is left of a first round that was split, until the job ends.
    function firstRoundOf(JobId jobId) external view returns (FirstRoundView memory);

    /// @notice A seat by its id; the zero owner means there is none.
    function seatOf(uint256 seatId) external view returns (SeatView memory);

    /// @notice Seat at a position of a model's list of one tick; zero when there is none.
    function seatAt(ModelId modelId, uint256 tick, uint256 index) external view returns (uint256);

    /// @notice Seats in a model's roster at or under a tick, busy and closing ones included.
    function rosterSize(ModelId modelId, uint256 tick) external view returns (uint256);

    /// @notice Whether `outcome` is the accepted one of a job, given the transcript from JobSettled.
    function isRecorded(
        JobId jobId,
        Outcome calldata outcome,
        bytes32 transcript
    ) external view returns (bool);

    /// @notice Whether an output stands at `index` of an accepted job's results.
    /// @param outputHash Keccak-256 of the output's canonical JSON.
    /// @param siblings Merkle proof, lowest first.
    function verifyOutput(
        JobParams calldata params,
        Outcome calldata outcome,
        bytes32 transcript,
        uint256 index,
        bytes32 outputHash,
        bytes32[] calldata siblings
    ) external view returns (bool);
}
