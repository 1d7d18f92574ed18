// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Terms} from "./Terms.sol";
import {MarketConfig} from "./interfaces/IMarketplace.sol";
import {SlashReason} from "./interfaces/ISeats.sol";
import {JobId, JobParams, JobState} from "./types/Job.sol";
import {Answer, NO_ANSWER, Outcomes, OutcomeStatus} from "./types/Outcome.sol";
import {FirstRound, Phase, Rounds, RoundWord} from "./types/RoundWord.sol";

/// @title Settlement
/// @dev What a round's end makes of its answers: the job's end, or a further round.
abstract contract Settlement is Terms {
    using Outcomes for Answer;

    /// @dev A round at its end, and what the job has paid so far.
    struct Ending {
        JobId jobId;
        RoundWord round;
        uint256 places;
        uint256 bounty;
        address[] workers;
        bytes32[] answers;
        Answer accepted;
        uint256 votes;
        bytes32 transcript;
        uint256 price;
        uint256 paid;
    }

    /// @dev A block's `prevRandao` follows from its parent's proposer. With two blocks in between,
    /// whoever builds the arming's block does not know the seed.
    uint256 internal constant SEED_DELAY = 2;

    mapping(JobId jobId => RoundWord) internal _rounds;
    mapping(JobId jobId => FirstRound) internal _firstRounds;

    constructor(MarketConfig memory settings) Terms(settings) {}

    /// @dev Fixes the seed block and the roster's lengths.
    function _arm(
        JobParams calldata params,
        JobId jobId,
        uint256 number,
        uint256 expiryBlock
    ) internal {
        uint256 seedBlock = block.number + SEED_DELAY;
        uint256 lengths = _lengthsOf(params.modelId);
        _rounds[jobId] = Rounds.arm(number, expiryBlock, seedBlock, lengths);
        emit DrawArmed(jobId, number, seedBlock, expiryBlock, lengths);
    }

    /// @dev A drawn round with the owners and answers of all places. A vacant place has no owner, and
    /// one that never committed no answer.
    /// @param bounty What the caller earns by ending it.
    function _endingOf(
        JobParams calldata params,
        JobId jobId,
        RoundWord round,
        uint256 bounty
    ) internal view returns (Ending memory e) {
        (e.jobId, e.round, e.bounty) = (jobId, round, bounty);
        e.places = _places(params, round.number());
        e.workers = new address[](e.places);
        e.answers = new bytes32[](e.places);
        uint256 committed = round.committed();
        for (uint256 place = 0; place < e.places; ++place) {
            uint256 seatId = round.seatAt(place);
            if (seatId == 0) continue;
            Seat storage seat = _seats[seatId];
            e.workers[place] = seat.word.owner();
            if (_has(committed, place)) e.answers[place] = seat.answer;
        }
    }

    /// @dev Ends a drawn round: settles the job, or goes on to the next round if one was bought.
    function _endRound(JobParams calldata params, Ending memory e) internal {
        bool hadInput = _writeTranscript(e);
        _judge(e, hadInput);
        if (e.accepted == NO_ANSWER && e.round.number() < params.maxRounds) {
            _split(params, e);
        } else {
            (e.price, ) = _termsOf(params);
            e.paid = _bounty; // of the draw
            _payAndPunish(e);
            _finish(params, e);
        }
    }

    /// @dev Ends a job whose committee was not drawn in time.
    function _expire(JobParams calldata params, JobId jobId, RoundWord round) internal {
        Ending memory e;
        (e.jobId, e.round, e.bounty) = (jobId, round, _bounty);
        _writeTranscript(e);
        (e.price, ) = _termsOf(params);
        _finish(params, e);
    }

    function _payBounty(JobId jobId, uint256 amount) internal {
        emit BountyPaid(jobId, msg.sender, amount);
        _credit(msg.sender, amount);
    }

    function _has(uint256 bitmap, uint256 place) internal pure returns (bool) {
        return (bitmap >> place) & 1 == 1;
    }

    // ─── Private: judging ────────────────────────────────────────────────────────────────────

    /// @return hadInput Whether somebody had the bytes in an earlier round.
    function _writeTranscript(Ending memory e) private view returns (bool hadInput) {
        bytes32 earlier = 0;
        if (e.round.number() == 2) {
            FirstRound storage first = _firstRounds[e.jobId];
            (earlier, hadInput) = (first.transcript, first.kept.filled() != 0);
        }
        e.transcript = keccak256(abi.encode(earlier, e.round, e.workers, e.answers));
    }

    /// @dev Finds the answer of a quorum, if there is one. Unavailability stands only if nobody had
    /// the bytes, in an earlier round either.
    function _judge(Ending memory e, bool hadInput) private pure {
        (Answer candidate, bool hasInput) = _candidate(e);
        uint256 revealed = e.round.revealed();
        uint256 votes = 0;
        for (uint256 place = 0; place < e.places; ++place) {
            if (_has(revealed, place) && Answer.wrap(e.answers[place]) == candidate) ++votes;
        }
        bool isOverruled =
            (hadInput || hasInput) && candidate.status() == OutcomeStatus.InputUnavailable;
        if (votes < _quorum(e.places) || isOverruled) return;
        (e.accepted, e.votes) = (candidate, votes);
    }

    /// @dev The one answer that can be a majority's (Boyer and Moore), and whether anybody had the
    /// bytes.
    function _candidate(Ending memory e) private pure returns (Answer candidate, bool hasInput) {
        uint256 revealed = e.round.revealed();
        uint256 lead = 0;
        for (uint256 place = 0; place < e.places; ++place) {
            if (!_has(revealed, place)) continue;
            Answer answer = Answer.wrap(e.answers[place]);
            if (answer.status() != OutcomeStatus.InputUnavailable) hasInput = true;
            if (lead == 0) candidate = answer;
            if (answer == candidate) ++lead;
            else --lead;
        }
    }

    // ─── Private: a split ────────────────────────────────────────────────────────────────────

    /// @dev Punishes who did not act, keeps the answers of those who had the bytes, and arms the
    /// second round's draw. Nobody is slashed for an answer: the second round decides.
    function _split(JobParams calldata params, Ending memory e) private {
        FirstRound storage first = _firstRounds[e.jobId];
        uint256 kept = 0;
        for (uint256 place = 0; place < e.places; ++place) {
            uint256 seatId = e.round.seatAt(place);
            if (seatId == 0) continue;
            bool isKept =
                _has(e.round.revealed(), place) &&
                    Answer.wrap(e.answers[place]).status() != OutcomeStatus.InputUnavailable;
            if (isKept) {
                kept |= 1 << place;
                _seats[seatId].answer = e.answers[place];
            } else {
                first.expelled.push(e.workers[place]);
                _expel(e, place, seatId);
            }
        }
        // One bounty was paid for the draw.
        first.kept = e.round.keep(kept, e.bounty == 0 ? 1 : 2);
        first.transcript = e.transcript;
        emit RoundSplit(e.jobId, e.round.number(), e.transcript);
        _arm(
            params,
            e.jobId,
            e.round.number() + 1,
            block.number + SEED_DELAY + _drawDeadlineBlocks
        );
        if (e.bounty != 0) _payBounty(e.jobId, e.bounty);
    }

    /// @dev What becomes of a member that gave no answer to judge.
    function _expel(Ending memory e, uint256 place, uint256 seatId) private {
        if (!_has(e.round.committed(), place)) {
            _slash(e.jobId, seatId, e.workers[place], SlashReason.NoShow);
        } else if (!_has(e.round.revealed(), place)) {
            _slash(e.jobId, seatId, e.workers[place], SlashReason.NotRevealed);
        } else {
            _dismiss(seatId);
        }
    }

    // ─── Private: a job's end ────────────────────────────────────────────────────────────────

    /// @dev Writes the end down and lets the money go: what is neither paid nor fee returns.
    function _finish(JobParams calldata params, Ending memory e) private {
        if (e.round.number() == 2) _settleFirstRound(e);
        bool isAccepted = e.accepted != NO_ANSWER;
        Phase last = isAccepted ? Phase.Accepted : Phase.Failed;
        _rounds[e.jobId] = Rounds.finish(
            last,
            e.round.number(),
            Rounds.recordOf(e.accepted, e.transcript)
        );
        if (isAccepted && !e.round.isAccepted()) {
            emit ResultAccepted(e.jobId, e.round.number(), Answer.unwrap(e.accepted));
        }
        if (e.bounty != 0) _payBounty(e.jobId, e.bounty);
        uint256 paid = e.paid + e.bounty;
        if (params.callback != address(0)) paid += _bounty; // waits for the delivery
        uint256 fee = isAccepted ? _feeOn(paid) : 0;
        // INVARIANT I1: escrowed = paid + refunded + fee, to the unit; dust stays with the requester.
        uint256 refunded = _escrow(params, e.price) - paid - fee;
        emit JobSettled(e.jobId, JobState(uint8(last)), paid, refunded, fee, e.transcript);
        if (fee != 0) _credit(_treasury, fee);
        if (refunded != 0) _credit(params.requester, refunded);
    }

    function _payAndPunish(Ending memory e) private {
        uint256 revealed = e.round.revealed();
        for (uint256 place = 0; place < e.places; ++place) {
            uint256 seatId = e.round.seatAt(place);
            if (seatId == 0) continue;
            Answer answer = Answer.wrap(e.answers[place]);
            bool isUnavailable =
                answer.status() == OutcomeStatus.InputUnavailable && answer != e.accepted;
            if (!_has(revealed, place) || isUnavailable) _expel(e, place, seatId);
            else _payOrSlash(e, seatId, e.workers[place], answer, true);
        }
    }

    /// @dev The members that a split left waiting. First answers are public, so a second round can
    /// copy one: it condemns another only by two thirds of its places [P7].
    function _settleFirstRound(Ending memory e) private {
        FirstRound storage first = _firstRounds[e.jobId];
        RoundWord kept = first.kept;
        // INVARIANT I18: a later round slashes an earlier answer by two thirds of its places only.
        bool canSlash = 3 * e.votes >= 2 * e.places;
        for (uint256 place = 0; place < Rounds.MAX_PLACES; ++place) {
            uint256 seatId = kept.seatAt(place);
            if (seatId == 0) continue;
            Seat storage seat = _seats[seatId];
            _payOrSlash(e, seatId, seat.word.owner(), Answer.wrap(seat.answer), canSlash);
        }
        e.paid += kept.time() * _bounty;
        delete _firstRounds[e.jobId];
    }

    /// @dev What becomes of a member that revealed Ok or InputInvalid, or the accepted answer.
    function _payOrSlash(
        Ending memory e,
        uint256 seatId,
        address worker,
        Answer answer,
        bool canSlash
    ) private {
        if (answer == e.accepted) {
            _pay(e, seatId, worker, _baseFee + answer.tokenCount() * e.price, true);
        } else if (canSlash && e.accepted != NO_ANSWER) {
            _slash(e.jobId, seatId, worker, SlashReason.WrongResult);
        } else {
            // A split by itself slashes nobody, and an honest answer is not unpaid work.
            _pay(e, seatId, worker, answer.status() == OutcomeStatus.Ok ? _baseFee : 0, false);
        }
    }

    function _pay(
        Ending memory e,
        uint256 seatId,
        address worker,
        uint256 amount,
        bool hasCompleted
    ) private {
        e.paid += amount;
        if (amount != 0) emit WorkerPaid(e.jobId, worker, amount);
        _release(seatId, worker, amount, hasCompleted);
    }
}
