// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IMarketplace} from "./interfaces/IMarketplace.sol";
import {IMarketplaceLens, SeatView} from "./interfaces/IMarketplaceLens.sol";
import {OutputTree} from "./libraries/OutputTree.sol";
import {FirstRoundView, JobId, JobParams, JobState, RoundView} from "./types/Job.sol";
import {ModelId} from "./types/Model.sol";
import {Outcome, Outcomes} from "./types/Outcome.sol";
import {RosterEntries} from "./types/RosterEntry.sol";
import {FirstRound, Phase, Rounds, RoundWord} from "./types/RoundWord.sol";
import {SeatWord} from "./types/SeatWord.sol";

/// @title MarketplaceLens
contract MarketplaceLens is IMarketplaceLens {
    using Outcomes for Outcome;

    /// @inheritdoc IMarketplaceLens
    IMarketplace public immutable marketplace;

    uint256 private immutable _revealWindowSeconds;

    constructor(IMarketplace market) {
        marketplace = market;
        _revealWindowSeconds = market.config().revealWindowSeconds;
    }

    /// @inheritdoc IMarketplaceLens
    function roundOf(JobId jobId) external view returns (RoundView memory view_) {
        RoundWord round = marketplace.roundWordOf(jobId);
        view_.state = marketplace.stateOf(jobId);
        view_.round = round.number();
        if (view_.state == JobState.Open) {
            view_.seedBlock = round.seedBlock();
            view_.expiryBlock = round.time();
        } else if (view_.state == JobState.Committing || view_.state == JobState.Revealing) {
            view_.deadline = _deadlineOf(round, view_.state);
            view_.seatIds = _seatIdsOf(round);
            view_.committed = round.committed();
            view_.revealed = round.revealed();
        } else {
            view_.record = round.record();
            view_.isDelivered = round.isDelivered();
        }
    }

    /// @inheritdoc IMarketplaceLens
    function firstRoundOf(JobId jobId) external view returns (FirstRoundView memory) {
        FirstRound memory first = marketplace.firstRoundOf(jobId);
        return
            FirstRoundView({
                seatIds: _seatIdsOf(first.kept),
                expelled: first.expelled,
                bountiesPaid: first.kept.time(),
                transcript: first.transcript
            });
    }

    /// @inheritdoc IMarketplaceLens
    function seatOf(uint256 seatId) external view returns (SeatView memory empty) {
        (SeatWord word, , ModelId modelId, uint256 closeRequestedBlock) = marketplace.seatRecordOf(
            seatId
        );
        if (word.owner() == address(0)) return empty;
        return
            SeatView({
                owner: word.owner(),
                modelId: modelId,
                tick: word.tick(),
                index: word.index(),
                isBusy: word.isBusy(),
                isClosing: word.isClosing(),
                arrivedBlock: marketplace
                    .rosterEntryOf(modelId, word.tick(), word.index())
                    .arrivedBlock(),
                drawnBlock: word.drawnBlock(),
                releasedBlock: word.releasedBlock(),
                closeRequestedBlock: closeRequestedBlock
            });
    }

    /// @inheritdoc IMarketplaceLens
    function seatAt(ModelId modelId, uint256 tick, uint256 index) external view returns (uint256) {
        return marketplace.rosterEntryOf(modelId, tick, index).seatId();
    }

    /// @inheritdoc IMarketplaceLens
    function rosterSize(ModelId modelId, uint256 tick) external view returns (uint256) {
        return RosterEntries.sizeUpTo(marketplace.rosterLengthsOf(modelId), tick);
    }

    /// @inheritdoc IMarketplaceLens
    function isRecorded(
        JobId jobId,
        Outcome calldata outcome,
        bytes32 transcript
    ) public view returns (bool) {
        RoundWord round = marketplace.roundWordOf(jobId);
        if (round.phase() != Phase.Accepted) return false;
        return round.hasRecord(Rounds.recordOf(outcome.toAnswer(outcome.hash()), transcript));
    }

    /// @inheritdoc IMarketplaceLens
    function verifyOutput(
        JobParams calldata params,
        Outcome calldata outcome,
        bytes32 transcript,
        uint256 index,
        bytes32 outputHash,
        bytes32[] calldata siblings
    ) external view returns (bool) {
        if (!isRecorded(marketplace.jobIdOf(params), outcome, transcript)) return false;
        bytes32 root = OutputTree.rootOf(index, params.promptCount, outputHash, siblings);
        return root != 0 && root == outcome.resultsRoot;
    }

    // ─── Private ─────────────────────────────────────────────────────────────────────────────

    /// @dev Last second of the window that is open.
    function _deadlineOf(RoundWord round, JobState state) private view returns (uint256) {
        bool hasTimedOut = state == JobState.Revealing && round.phase() == Phase.Committing;
        return hasTimedOut ? round.time() + _revealWindowSeconds : round.time();
    }

    function _seatIdsOf(RoundWord round) private pure returns (uint256[] memory seatIds) {
        seatIds = new uint256[](Rounds.MAX_PLACES);
        for (uint256 place = 0; place < Rounds.MAX_PLACES; ++place) {
            seatIds[place] = round.seatAt(place);
        }
    }
}
