// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {JobId, JobState} from "../types/Job.sol";
import {Outcome} from "../types/Outcome.sol";

/// @title What a contract implements to be called back with a job's result
interface IInferenceConsumer {
    /// @notice A job ended. Called by the marketplace at most once, with the gas that the job's
    /// parameters grant; a revert is not repeated.
    /// @dev Check that the caller is the marketplace, and that the job is one of yours: anybody can
    /// post a job that names your contract.
    /// @param state Accepted or Failed.
    /// @param outcome The accepted one; all zero if Failed. Outputs are proved against its
    /// `resultsRoot` by MarketplaceLens.
    function onInference(JobId jobId, JobState state, Outcome calldata outcome) external;
}
