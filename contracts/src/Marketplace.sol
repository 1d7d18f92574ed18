// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Permit.sol";
import {LowLevelCall} from "@openzeppelin/contracts/utils/LowLevelCall.sol";
import {Announcements} from "./Announcements.sol";
import {Settlement} from "./Settlement.sol";
import {IInferenceConsumer} from "./interfaces/IInferenceConsumer.sol";
import {IMarketplace, MarketConfig} from "./interfaces/IMarketplace.sol";
import {Commitments} from "./libraries/Commitments.sol";
import {DrawSeed} from "./libraries/DrawSeed.sol";
import {CommitEntry, PermitSignature, RevealEntry} from "./types/Calls.sol";
import {JobId, JobParams, Jobs, JobState} from "./types/Job.sol";
import {Answer, NO_ANSWER, Outcome, Outcomes, OutcomeStatus} from "./types/Outcome.sol";
import {RosterEntries} from "./types/RosterEntry.sol";
import {FirstRound, Phase, Rounds, RoundWord} from "./types/RoundWord.sol";

/// @title Marketplace
/// @dev A job's life: posting, draw, commits, reveals, delivery. `Settlement` ends rounds, `Terms`
/// knows prices and bounds, `Seats` the money and the rosters.
contract Marketplace is Settlement, Announcements {
    using Outcomes for Outcome;
    using Outcomes for Answer;

    /// @dev A call passes on 63 of 64 parts of the gas at most.
    uint256 private constant CALL_PARTS = 64;
    /// @dev For the call itself, with the callback's code never touched before, and the event after.
    uint256 private constant CALLBACK_RESERVE = 10_000;

    constructor(MarketConfig memory settings) Settlement(settings) {}

    // ─── Posting ─────────────────────────────────────────────────────────────────────────────

    /// @inheritdoc IMarketplace
    function postJob(JobParams calldata params) external nonReentrant returns (JobId) {
        return _post(params);
    }

    /// @inheritdoc IMarketplace
    function postJobWithPermit(
        JobParams calldata params,
        PermitSignature calldata permit
    ) external nonReentrant returns (JobId) {
        try
            IERC20Permit(address(_token)).permit(
                msg.sender,
                address(this),
                permit.value,
                permit.deadline,
                permit.v,
                permit.r,
                permit.s
            )
        {} catch {}
        return _post(params);
    }

    /// @inheritdoc IMarketplace
    function cancelJob(JobParams calldata params) external {
        if (params.requester != msg.sender) revert NotRequester(params.requester, msg.sender);
        JobId jobId = jobIdOf(params);
        RoundWord round = _rounds[jobId];
        if (round.phase() != Phase.Armed) revert UnexpectedJobState(jobId, _stateOf(round));
        // INVARIANT I12: a committee that can be known cannot be declined, nor answers that are out.
        bool isSeedKnown = block.number >= round.seedBlock() && block.number <= round.time();
        if (isSeedKnown || round.number() != 1) {
            revert NotCancellable(jobId, round.seedBlock(), round.time());
        }
        _rounds[jobId] = Rounds.finish(Phase.Cancelled, round.number(), 0);
        uint256 refunded = escrowOf(params);
        emit JobCancelled(jobId, refunded);
        _credit(params.requester, refunded);
    }

    // ─── The one door forward ────────────────────────────────────────────────────────────────

    /// @inheritdoc IMarketplace
    function advance(JobParams calldata params, bytes calldata header) external {
        JobId jobId = jobIdOf(params);
        RoundWord round = _rounds[jobId];
        Phase phase = round.phase();
        if (phase == Phase.Armed) {
            if (block.number > round.time()) _expire(params, jobId, round);
            else if (block.number > round.seedBlock()) _draw(params, jobId, round, header);
            else revert NothingDue(jobId, JobState.Open);
        } else if (phase == Phase.Committing || phase == Phase.Revealing) {
            if (block.timestamp <= _lastDeadline(round)) revert NothingDue(jobId, _stateOf(round));
            _endRound(params, _endingOf(params, jobId, round, _bounty));
        } else {
            revert UnexpectedJobState(jobId, _stateOf(round));
        }
    }

    // ─── Committing and revealing ────────────────────────────────────────────────────────────

    /// @inheritdoc IMarketplace
    function commitResult(JobId jobId, uint256 place, bytes32 commitment) external {
        bytes memory fault = _commit(jobId, place, commitment);
        if (fault.length != 0) LowLevelCall.bubbleRevert(fault);
    }

    /// @inheritdoc IMarketplace
    function commitResults(CommitEntry[] calldata entries) external {
        for (uint256 i = 0; i < entries.length; ++i) {
            CommitEntry calldata entry = entries[i];
            bytes memory fault = _commit(entry.jobId, entry.place, entry.commitment);
            if (fault.length != 0) _skip(entry.jobId, entry.place, fault);
        }
    }

    /// @inheritdoc IMarketplace
    function revealResult(
        JobParams calldata params,
        uint256 place,
        Outcome calldata outcome,
        bytes32 salt
    ) external {
        bytes memory fault = _reveal(jobIdOf(params), params, place, outcome, salt);
        if (fault.length != 0) LowLevelCall.bubbleRevert(fault);
    }

    /// @inheritdoc IMarketplace
    function revealResults(RevealEntry[] calldata entries) external {
        for (uint256 i = 0; i < entries.length; ++i) {
            RevealEntry calldata entry = entries[i];
            JobId jobId = jobIdOf(entry.params);
            bytes memory fault = _reveal(
                jobId,
                entry.params,
                entry.place,
                entry.outcome,
                entry.salt
            );
            if (fault.length != 0) _skip(jobId, entry.place, fault);
        }
    }

    // ─── Delivery ────────────────────────────────────────────────────────────────────────────

    /// @inheritdoc IMarketplace
    function deliver(
        JobParams calldata params,
        Outcome calldata outcome,
        bytes32 transcript
    ) external {
        JobId jobId = jobIdOf(params);
        if (params.callback == address(0)) revert NoCallback(jobId);
        RoundWord last = _rounds[jobId];
        JobState state = _stateOf(last);
        if (state != JobState.Accepted && state != JobState.Failed) {
            revert UnexpectedJobState(jobId, state);
        }
        // INVARIANT I19: a result is delivered once, and only the one that is recorded.
        if (last.isDelivered()) revert AlreadyDelivered(jobId);
        _checkRecord(jobId, last, outcome, transcript);
        _rounds[jobId] = last.withDelivered();
        _payBounty(jobId, _bounty);
        bool hasSucceeded = _callBack(params, jobId, state, outcome);
        emit ResultDelivered(jobId, params.callback, hasSucceeded);
    }

    // ─── Views ───────────────────────────────────────────────────────────────────────────────

    /// @inheritdoc IMarketplace
    function jobIdOf(JobParams calldata params) public view returns (JobId) {
        return Jobs.idOf(params);
    }

    /// @inheritdoc IMarketplace
    function stateOf(JobId jobId) external view returns (JobState) {
        return _stateOf(_rounds[jobId]);
    }

    /// @inheritdoc IMarketplace
    function roundWordOf(JobId jobId) external view returns (RoundWord) {
        return _rounds[jobId];
    }

    /// @inheritdoc IMarketplace
    function firstRoundOf(JobId jobId) external view returns (FirstRound memory) {
        return _firstRounds[jobId];
    }

    // ─── Private: posting and drawing ────────────────────────────────────────────────────────

    function _post(JobParams calldata params) private returns (JobId jobId) {
        // INVARIANT I9: money is taken from nobody but the caller.
        if (params.requester != msg.sender) revert NotRequester(params.requester, msg.sender);
        _checkParams(params);
        jobId = jobIdOf(params);
        // INVARIANT I10: a job is posted once; no id leaves a final state.
        if (_rounds[jobId].phase() != Phase.None) revert JobAlreadyPosted(jobId);
        uint256 escrowed = _checkTerms(params);
        uint256 available = RosterEntries.sizeUpTo(_lengthsOf(params.modelId), params.tick);
        uint256 required = _requiredSeats(params, params.redundancy);
        if (available < required) revert RosterTooThin(available, required);
        emit JobPosted(jobId, msg.sender, params.modelId, params, escrowed);
        _arm(params, jobId, 1, block.number + SEED_DELAY + _drawDeadlineBlocks);
        _collect(msg.sender, escrowed);
    }

    /// @dev Draws the committee. Arms again when the seed is lost, when the roster is too thin, or
    /// when fewer places than the quorum could be filled.
    function _draw(
        JobParams calldata params,
        JobId jobId,
        RoundWord round,
        bytes calldata header
    ) private {
        (bool isKnown, bytes32 prevRandao) = DrawSeed.read(round.seedBlock(), header);
        Draw memory draw;
        uint256 places = _places(params, round.number());
        if (isKnown) {
            draw.lengths = round.lengths();
            draw.tick = params.tick;
            // The block before the seed block: its proposer knows the seed.
            draw.frozenBlock = round.seedBlock() - 1;
            draw.seed = keccak256(abi.encode(prevRandao, jobId, round.number()));
            if (round.number() == 2) draw.barred = _membersOf(_firstRounds[jobId]);
            _pickSeats(draw, params.modelId, places);
        }
        bool isThin =
            RosterEntries.sizeUpTo(draw.lengths, draw.tick) < _requiredSeats(params, places);
        if (isThin || draw.filled < _quorum(places)) {
            _arm(params, jobId, round.number(), round.time());
        } else {
            _seat(params, jobId, round, draw);
        }
    }

    /// @dev The committee takes its places.
    function _seat(
        JobParams calldata params,
        JobId jobId,
        RoundWord round,
        Draw memory draw
    ) private {
        (, uint256 msPerToken) = _termsOf(params);
        uint256 deadline = block.timestamp + _commitSeconds(params, msPerToken);
        _rounds[jobId] = Rounds.open(round.number(), deadline, _occupy(draw));
        emit CommitteeDrawn(
            jobId,
            round.number(),
            round.seedBlock(),
            draw.seed,
            draw.seatIds,
            draw.workers,
            deadline
        );
        _payBounty(jobId, _bounty);
    }

    /// @dev Owners of all seats that a first round had.
    function _membersOf(FirstRound storage first) private view returns (address[] memory owners) {
        RoundWord kept = first.kept;
        uint256 count = first.expelled.length;
        owners = new address[](count + Rounds.MAX_PLACES);
        for (uint256 i = 0; i < count; ++i) {
            owners[i] = first.expelled[i];
        }
        for (uint256 place = 0; place < Rounds.MAX_PLACES; ++place) {
            uint256 seatId = kept.seatAt(place);
            if (seatId != 0) owners[count + place] = _seats[seatId].word.owner();
        }
    }

    // ─── Private: committing and revealing ───────────────────────────────────────────────────

    /// @dev Commits, or says in an error's encoding why it cannot.
    function _commit(
        JobId jobId,
        uint256 place,
        bytes32 commitment
    ) private returns (bytes memory) {
        RoundWord round = _rounds[jobId];
        if (round.phase() != Phase.Committing) {
            return abi.encodeWithSelector(UnexpectedJobState.selector, jobId, _stateOf(round));
        }
        // INVARIANT I13: nobody commits once anybody may reveal.
        if (block.timestamp > round.time()) {
            return abi.encodeWithSelector(DeadlinePassed.selector, jobId, round.time());
        }
        uint256 seatId = round.seatAt(place);
        if (seatId == 0 || _seats[seatId].word.owner() != msg.sender) {
            return abi.encodeWithSelector(NotOnCommittee.selector, jobId, msg.sender, place);
        }
        if (_has(round.committed(), place)) {
            return abi.encodeWithSelector(AlreadyCommitted.selector, jobId, place);
        }
        if (commitment == 0) return abi.encodeWithSelector(EmptyCommitment.selector, jobId);
        _seats[seatId].answer = commitment;
        round = round.withCommitted(place);
        emit ResultCommitted(jobId, msg.sender, round.number(), place, commitment);
        if (round.committed() == round.filled()) {
            uint256 deadline = block.timestamp + _revealWindowSeconds;
            round = round.toRevealing(deadline);
            emit RevealOpened(jobId, round.number(), deadline);
        }
        _rounds[jobId] = round;
        return "";
    }

    /// @dev Reveals, or says in an error's encoding why it cannot.
    function _reveal(
        JobId jobId,
        JobParams calldata params,
        uint256 place,
        Outcome calldata outcome,
        bytes32 salt
    ) private returns (bytes memory fault) {
        RoundWord round = _rounds[jobId];
        fault = _whyNoReveal(jobId, round, place);
        if (fault.length != 0) return fault;
        // INVARIANT I15: no outcome is paid beyond maxTokens, and an error outcome claims nothing.
        if (!_isPlausible(outcome, params.maxTokens)) {
            return abi.encodeWithSelector(InvalidOutcome.selector, jobId, outcome);
        }
        bytes32 outcomeHash = outcome.hash();
        Seat storage seat = _seats[round.seatAt(place)];
        fault = _whyNoMatch(jobId, round.number(), seat.answer, outcomeHash, salt);
        if (fault.length != 0) return fault;
        Answer answer = outcome.toAnswer(outcomeHash);
        round = round.withRevealed(place);
        emit ResultRevealed(jobId, msg.sender, round.number(), place, outcome, salt);
        // Nobody commits any more while Revealing, so nobody else is left to reveal either.
        if (round.revealed() == round.committed()) {
            Ending memory e = _endingOf(params, jobId, round, 0);
            e.answers[place] = Answer.unwrap(answer);
            _endRound(params, e);
        } else {
            seat.answer = Answer.unwrap(answer);
            _rounds[jobId] = _tallied(jobId, round, answer, _places(params, round.number()));
        }
    }

    function _whyNoReveal(
        JobId jobId,
        RoundWord round,
        uint256 place
    ) private view returns (bytes memory) {
        JobState state = _stateOf(round);
        if (state != JobState.Revealing) {
            return abi.encodeWithSelector(UnexpectedJobState.selector, jobId, state);
        }
        uint256 deadline = _lastDeadline(round);
        if (block.timestamp > deadline) {
            return abi.encodeWithSelector(DeadlinePassed.selector, jobId, deadline);
        }
        if (!_has(round.committed(), place)) {
            return abi.encodeWithSelector(CommitmentNotFound.selector, jobId, place);
        }
        if (_has(round.revealed(), place)) {
            return abi.encodeWithSelector(AlreadyRevealed.selector, jobId, place);
        }
        return "";
    }

    function _whyNoMatch(
        JobId jobId,
        uint256 number,
        bytes32 expected,
        bytes32 outcomeHash,
        bytes32 salt
    ) private view returns (bytes memory) {
        bytes32 actual = Commitments.hash(jobId, number, msg.sender, outcomeHash, salt);
        // INVARIANT I16: what is revealed is what was committed, by the one who committed: the hash
        // holds the caller, so nobody needs to look up whose the place is.
        if (actual == expected) return "";
        return abi.encodeWithSelector(CommitmentMismatch.selector, jobId, expected, actual);
    }

    function _isPlausible(Outcome calldata outcome, uint256 maxTokens) private pure returns (bool) {
        if (outcome.status == OutcomeStatus.Unset || outcome.fingerprint != 0) return false;
        bool hasResults = outcome.resultsRoot != 0 && outcome.resultsDigest != 0;
        if (outcome.status == OutcomeStatus.Ok)
            return hasResults && outcome.tokenCount <= maxTokens;
        return outcome.tokenCount == 0 && outcome.resultsRoot == 0 && outcome.resultsDigest == 0;
    }

    /// @dev Marks the round as accepted when this answer makes a quorum. An unavailable input is
    /// accepted at the end only, when nobody can reveal Ok any more.
    function _tallied(
        JobId jobId,
        RoundWord round,
        Answer answer,
        uint256 places
    ) private returns (RoundWord) {
        if (round.isAccepted() || answer.status() == OutcomeStatus.InputUnavailable) return round;
        uint256 revealed = round.revealed();
        uint256 votes = 0;
        for (uint256 place = 0; place < places; ++place) {
            if (!_has(revealed, place)) continue;
            if (Answer.wrap(_seats[round.seatAt(place)].answer) == answer) ++votes;
        }
        if (votes < _quorum(places)) return round;
        emit ResultAccepted(jobId, round.number(), Answer.unwrap(answer));
        return round.withAccepted();
    }

    function _skip(JobId jobId, uint256 place, bytes memory fault) private {
        // Safe: an error's encoding begins with its selector.
        emit EntrySkipped(jobId, msg.sender, place, bytes4(fault));
    }

    // ─── Private: delivery ───────────────────────────────────────────────────────────────────

    function _checkRecord(
        JobId jobId,
        RoundWord last,
        Outcome calldata outcome,
        bytes32 transcript
    ) private pure {
        Answer accepted = NO_ANSWER;
        if (last.phase() == Phase.Accepted) {
            accepted = outcome.toAnswer(outcome.hash());
        } else if (!outcome.isZero()) {
            revert InvalidOutcome(jobId, outcome);
        }
        bytes32 record = Rounds.recordOf(accepted, transcript);
        if (!last.hasRecord(record)) revert RecordMismatch(jobId, last.record(), record);
    }

    /// @dev A callback without code fails; nothing that one returns is looked at or copied.
    function _callBack(
        JobParams calldata params,
        JobId jobId,
        JobState state,
        Outcome calldata outcome
    ) private returns (bool hasSucceeded) {
        if (params.callback.code.length == 0) return false;
        uint256 limit = params.callbackGasLimit;
        uint256 required = (limit * CALL_PARTS) / (CALL_PARTS - 1) + CALLBACK_RESERVE;
        // INVARIANT I20: a callback gets all of its gas, so no caller can make it fail.
        if (gasleft() < required) revert CallbackGasTooLow(gasleft(), required);
        try IInferenceConsumer(params.callback).onInference{gas: limit}(jobId, state, outcome) {
            return true;
        } catch {
            return false;
        }
    }

    // ─── Private: time ───────────────────────────────────────────────────────────────────────

    function _stateOf(RoundWord round) private view returns (JobState) {
        Phase phase = round.phase();
        bool hasCommitsOnly =
            phase == Phase.Committing && block.timestamp > round.time() && round.committed() != 0;
        // The members of both enums stand in the same order.
        return hasCommitsOnly ? JobState.Revealing : JobState(uint8(phase));
    }

    /// @dev Last second in which a member can still act.
    function _lastDeadline(RoundWord round) private view returns (uint256) {
        bool canReveal = round.phase() == Phase.Committing && round.committed() != 0;
        return canReveal ? round.time() + _revealWindowSeconds : round.time();
    }
}
