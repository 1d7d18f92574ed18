// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {IInferenceConsumer} from "../interfaces/IInferenceConsumer.sol";
import {IMarketplace} from "../interfaces/IMarketplace.sol";
import {JobId, JobParams, JobState} from "../types/Job.sol";
import {Outcome} from "../types/Outcome.sol";

/// @title AnswerBook
/// @notice An example of a contract that asks for inference and is called back: it keeps the root
/// of every accepted job's outputs. Whoever brings an output proves it by
/// `MarketplaceLens.verifyOutput`.
contract AnswerBook is IInferenceConsumer {
    using SafeERC20 for IERC20;

    /// @notice How a job ended for this book.
    /// @param state Nonexistent until the result was delivered.
    /// @param resultsRoot Root of the outputs; zero unless the accepted outcome is Ok.
    struct Answer {
        JobState state;
        bytes32 resultsRoot;
    }

    /// @notice The marketplace that is asked, and the only one that may call back.
    IMarketplace public immutable marketplace;

    mapping(JobId jobId => address) private _askers;
    mapping(JobId jobId => Answer) private _answers;

    /// @notice An answer came in.
    event AnswerReceived(JobId indexed jobId, JobState state, bytes32 resultsRoot);

    /// @notice Only the marketplace calls back.
    error NotMarketplace(address caller);
    /// @notice The job was not asked for here.
    error UnknownJob(JobId jobId);

    constructor(IMarketplace market) {
        marketplace = market;
    }

    /// @notice Posts a job in this contract's name, paid by the caller.
    /// @param params Its requester and callback must be this contract.
    function ask(JobParams calldata params) external returns (JobId jobId) {
        IERC20 token = IERC20(marketplace.config().token);
        uint256 escrow = marketplace.escrowOf(params);
        token.safeTransferFrom(msg.sender, address(this), escrow);
        token.forceApprove(address(marketplace), escrow);
        jobId = marketplace.postJob(params);
        _askers[jobId] = msg.sender;
    }

    /// @inheritdoc IInferenceConsumer
    function onInference(JobId jobId, JobState state, Outcome calldata outcome) external {
        if (msg.sender != address(marketplace)) revert NotMarketplace(msg.sender);
        // Anybody can post a job that names this contract as its callback.
        if (_askers[jobId] == address(0)) revert UnknownJob(jobId);
        _answers[jobId] = Answer(state, outcome.resultsRoot);
        emit AnswerReceived(jobId, state, outcome.resultsRoot);
    }

    /// @notice What is known about a job that was asked for here.
    function answerOf(JobId jobId) external view returns (Answer memory) {
        return _answers[jobId];
    }
}
