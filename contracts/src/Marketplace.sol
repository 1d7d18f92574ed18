// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {Seats} from "./Seats.sol";
import {IMarketplace, MarketConfig} from "./interfaces/IMarketplace.sol";
import {IModelRegistry} from "./interfaces/IModelRegistry.sol";
import {SlashReason} from "./interfaces/ISeats.sol";
import {Commitments} from "./libraries/Commitments.sol";
import {DrawSeed} from "./libraries/DrawSeed.sol";
import {OutputTree} from "./libraries/OutputTree.sol";
import {JobId, JobParams, JobState, RoundView} from "./types/Job.sol";
import {Answer, Outcome, Outcomes, OutcomeStatus} from "./types/Outcome.sol";
import {Phase, Rounds, RoundWord} from "./types/RoundWord.sol";

/// @title Marketplace
contract Marketplace is IMarketplace, Seats {
    using Outcomes for Outcome;
    using Outcomes for Answer;

    /// @dev What a settlement works on, and what it has paid so far.
    struct Settlement {
        JobId jobId;
        RoundWord round;
        uint256 places;
        address[] workers;
        bytes32[] answers;
        Answer accepted;
        uint256 price;
        uint256 paid;
    }

    /// @dev Further rounds are designed for (`JobParams.maxRounds`) and not served yet.
    uint256 private constant MAX_ROUNDS = 1;
    uint256 private constant MS_PER_SECOND = 1000;
    uint256 private constant MAX_FEE_BPS = 2_000;
    uint256 private constant MAX_COMMIT_SECONDS = 30 days;
    /// @dev A block's `prevRandao` follows from its parent's proposer. With two blocks in between,
    /// whoever builds the posting's block does not know the seed.
    uint256 private constant SEED_DELAY = 2;
    Answer private constant NO_ANSWER = Answer.wrap(0);

    address private immutable _treasury;
    uint256 private immutable _baseFee;
    uint256 private immutable _bounty;
    uint256 private immutable _feeBps;
    uint256 private immutable _noShowBps;
    uint256 private immutable _maxRedundancy;
    uint256 private immutable _maxJobTokens;
    uint256 private immutable _commitFloorSeconds;
    uint256 private immutable _revealWindowSeconds;

    mapping(JobId jobId => RoundWord) private _rounds;

    constructor(
        MarketConfig memory settings
    )
        Seats(
            IERC20(settings.token),
            IModelRegistry(settings.registry),
            settings.sink,
            settings.seatBond,
            settings.noShowBps,
            settings.drawDeadlineBlocks
        )
    {
        if (!_isValid(settings)) revert InvalidConfig(settings);
        _treasury = settings.treasury;
        _baseFee = settings.baseFee;
        _bounty = settings.bounty;
        _feeBps = settings.feeBps;
        _noShowBps = settings.noShowBps;
        _maxRedundancy = settings.maxRedundancy;
        _maxJobTokens = settings.maxJobTokens;
        _commitFloorSeconds = settings.commitFloorSeconds;
        _revealWindowSeconds = settings.revealWindowSeconds;
    }

    // ─── A job's life ────────────────────────────────────────────────────────────────────────

    /// @inheritdoc IMarketplace
    function postJob(JobParams calldata params) external nonReentrant returns (JobId jobId) {
        // INVARIANT I9: money is taken from nobody but the caller.
        if (params.requester != msg.sender) revert NotRequester(params.requester, msg.sender);
        _checkParams(params);
        jobId = jobIdOf(params);
        // INVARIANT I10: a job is posted once; no id leaves a final state.
        if (_rounds[jobId].phase() != Phase.None) revert JobAlreadyPosted(jobId);
        (uint256 price, uint256 msPerToken) = _termsOf(params);
        uint256 pay = _payOf(params, price);
        // INVARIANT I11: what a wrong answer can earn is never above what it can lose.
        if (pay > _seatBond) revert PayAboveBond(pay, _seatBond);
        // INVARIANT I17: every deadline fits its bits, whatever pace a model is registered with.
        uint256 commitSeconds = _commitSeconds(params, msPerToken);
        if (commitSeconds > MAX_COMMIT_SECONDS)
            revert WindowTooLong(commitSeconds, MAX_COMMIT_SECONDS);
        _requireRoster(params);
        uint256 escrowed = _escrow(pay, params.redundancy);
        emit JobPosted(jobId, msg.sender, params.modelId, params, escrowed);
        _arm(params, jobId, 1, block.number + SEED_DELAY + _drawDeadlineBlocks);
        _collect(msg.sender, escrowed);
    }

    /// @inheritdoc IMarketplace
    function cancelJob(JobParams calldata params) external {
        if (params.requester != msg.sender) revert NotRequester(params.requester, msg.sender);
        JobId jobId = jobIdOf(params);
        RoundWord round = _rounds[jobId];
        if (round.phase() != Phase.Armed) revert UnexpectedJobState(jobId, stateOf(jobId));
        // INVARIANT I12: a committee that can be known cannot be declined.
        bool isSeedKnown = block.number >= round.seedBlock() && block.number <= round.time();
        if (isSeedKnown) revert NotCancellable(jobId, round.seedBlock(), round.time());
        _rounds[jobId] = Rounds.finish(Phase.Cancelled, round.number(), 0);
        uint256 refunded = escrowOf(params);
        emit JobCancelled(jobId, refunded);
        _credit(params.requester, refunded);
    }

    /// @inheritdoc IMarketplace
    function advance(JobParams calldata params, bytes calldata header) external {
        JobId jobId = jobIdOf(params);
        RoundWord round = _rounds[jobId];
        Phase phase = round.phase();
        if (phase == Phase.Armed) {
            if (block.number > round.time()) _settle(params, jobId, round, _bounty);
            else if (block.number > round.seedBlock()) _draw(params, jobId, round, header);
            else revert NothingDue(jobId, JobState.Open);
        } else if (phase == Phase.Committing || phase == Phase.Revealing) {
            if (block.timestamp <= _lastDeadline(round)) revert NothingDue(jobId, stateOf(jobId));
            _settle(params, jobId, round, _bounty);
        } else {
            revert UnexpectedJobState(jobId, stateOf(jobId));
        }
    }

    /// @inheritdoc IMarketplace
    function commitResult(JobId jobId, uint256 place, bytes32 commitment) external {
        RoundWord round = _rounds[jobId];
        if (round.phase() != Phase.Committing) revert UnexpectedJobState(jobId, stateOf(jobId));
        // INVARIANT I13: nobody commits once anybody may reveal.
        if (block.timestamp > round.time()) revert DeadlinePassed(jobId, round.time());
        uint256 seatId = _requireMember(jobId, round, place);
        if (_has(round.committed(), place)) revert AlreadyCommitted(jobId, place);
        if (commitment == 0) revert EmptyCommitment(jobId);
        _seats[seatId].answer = commitment;
        round = round.withCommitted(place);
        emit ResultCommitted(jobId, msg.sender, round.number(), place, commitment);
        if (round.committed() == round.filled()) {
            uint256 deadline = block.timestamp + _revealWindowSeconds;
            round = round.toRevealing(deadline);
            emit RevealOpened(jobId, round.number(), deadline);
        }
        _rounds[jobId] = round;
    }

    /// @inheritdoc IMarketplace
    function revealResult(
        JobParams calldata params,
        uint256 place,
        Outcome calldata outcome,
        bytes32 salt
    ) external {
        JobId jobId = jobIdOf(params);
        RoundWord round = _rounds[jobId];
        if (stateOf(jobId) != JobState.Revealing) revert UnexpectedJobState(jobId, stateOf(jobId));
        if (block.timestamp > _lastDeadline(round))
            revert DeadlinePassed(jobId, _lastDeadline(round));
        uint256 seatId = _requireMember(jobId, round, place);
        if (!_has(round.committed(), place)) revert CommitmentNotFound(jobId, place);
        if (_has(round.revealed(), place)) revert AlreadyRevealed(jobId, place);
        _checkOutcome(params, jobId, outcome);
        _openCommitment(jobId, round.number(), seatId, outcome, salt);
        Answer answer = outcome.toAnswer();
        uint256 before = _countEqual(round, params.redundancy, answer);
        _seats[seatId].answer = Answer.unwrap(answer);
        round = round.withRevealed(place);
        _rounds[jobId] = round;
        emit ResultRevealed(jobId, msg.sender, round.number(), place, outcome, salt);
        // An unavailable input is accepted at settlement only, when nobody can reveal Ok any more.
        bool isAccepted =
            before + 1 == _quorum(params) && outcome.status != OutcomeStatus.InputUnavailable;
        if (isAccepted) emit ResultAccepted(jobId, round.number(), Answer.unwrap(answer));
        // Nobody commits any more while Revealing, so nobody is left to reveal either.
        if (round.revealed() == round.committed()) _settle(params, jobId, round, 0);
    }

    // ─── Views ───────────────────────────────────────────────────────────────────────────────

    /// @inheritdoc IMarketplace
    function jobIdOf(JobParams calldata params) public view returns (JobId) {
        return JobId.wrap(keccak256(abi.encode(block.chainid, address(this), params)));
    }

    /// @inheritdoc IMarketplace
    function stateOf(JobId jobId) public view returns (JobState) {
        RoundWord round = _rounds[jobId];
        Phase phase = round.phase();
        bool hasCommitsOnly =
            phase == Phase.Committing && block.timestamp > round.time() && round.committed() != 0;
        // The members of both enums stand in the same order.
        return hasCommitsOnly ? JobState.Revealing : JobState(uint8(phase));
    }

    /// @inheritdoc IMarketplace
    function roundOf(JobId jobId) external view returns (RoundView memory view_) {
        RoundWord round = _rounds[jobId];
        view_.state = stateOf(jobId);
        view_.round = round.number();
        if (view_.state == JobState.Open) {
            view_.seedBlock = round.seedBlock();
            view_.expiryBlock = round.time();
        } else if (view_.state == JobState.Committing || view_.state == JobState.Revealing) {
            view_.deadline =
                view_.state == JobState.Revealing ? _lastDeadline(round) : round.time();
            view_.seatIds = new uint256[](Rounds.MAX_PLACES);
            for (uint256 place = 0; place < Rounds.MAX_PLACES; ++place) {
                view_.seatIds[place] = round.seatAt(place);
            }
            view_.committed = round.committed();
            view_.revealed = round.revealed();
        } else {
            view_.record = round.record();
        }
    }

    /// @inheritdoc IMarketplace
    function escrowOf(JobParams calldata params) public view returns (uint256) {
        (uint256 price, ) = _termsOf(params);
        return _escrow(_payOf(params, price), params.redundancy);
    }

    /// @inheritdoc IMarketplace
    function isRecorded(
        JobId jobId,
        Outcome calldata outcome,
        bytes32 transcript
    ) public view returns (bool) {
        RoundWord round = _rounds[jobId];
        RoundWord expected = Rounds.finish(
            Phase.Accepted,
            round.number(),
            _recordOf(outcome.toAnswer(), transcript)
        );
        return RoundWord.unwrap(round) == RoundWord.unwrap(expected);
    }

    /// @inheritdoc IMarketplace
    function verifyOutput(
        JobParams calldata params,
        Outcome calldata outcome,
        bytes32 transcript,
        uint256 index,
        bytes32 outputHash,
        bytes32[] calldata siblings
    ) external view returns (bool) {
        if (!isRecorded(jobIdOf(params), outcome, transcript)) return false;
        bytes32 root = OutputTree.rootOf(index, params.promptCount, outputHash, siblings);
        return root != 0 && root == outcome.resultsRoot;
    }

    /// @inheritdoc IMarketplace
    function config() external view returns (MarketConfig memory) {
        return
            MarketConfig({
                token: address(_token),
                registry: address(_registry),
                treasury: _treasury,
                sink: _sink,
                seatBond: uint96(_seatBond),
                baseFee: uint96(_baseFee),
                bounty: uint96(_bounty),
                feeBps: uint16(_feeBps),
                noShowBps: uint16(_noShowBps),
                maxRedundancy: uint8(_maxRedundancy),
                maxJobTokens: uint32(_maxJobTokens),
                commitFloorSeconds: uint32(_commitFloorSeconds),
                revealWindowSeconds: uint32(_revealWindowSeconds),
                drawDeadlineBlocks: uint32(_drawDeadlineBlocks)
            });
    }

    // ─── Private: posting ────────────────────────────────────────────────────────────────────

    function _isValid(MarketConfig memory settings) private view returns (bool) {
        bool hasAddresses =
            settings.token.code.length != 0 &&
                settings.registry.code.length != 0 &&
                settings.treasury != address(0) &&
                settings.sink != address(0);
        bool hasMoney =
            settings.seatBond != 0 &&
                settings.baseFee <= settings.seatBond &&
                settings.feeBps <= MAX_FEE_BPS &&
                settings.noShowBps <= BPS;
        bool hasSizes =
            settings.maxRedundancy % 2 == 1 &&
                settings.maxRedundancy <= Rounds.MAX_PLACES - 2 &&
                settings.maxJobTokens != 0;
        // The seed's header is read by its hash, which a block can see for 256 blocks without EIP-2935.
        bool hasTimes =
            settings.commitFloorSeconds != 0 &&
                settings.revealWindowSeconds != 0 &&
                settings.drawDeadlineBlocks != 0 &&
                settings.drawDeadlineBlocks <= 256;
        return hasAddresses && hasMoney && hasSizes && hasTimes;
    }

    function _checkParams(JobParams calldata params) private view {
        if (params.promptsDigest == 0 || params.promptCount == 0) {
            revert InvalidPrompts(params.promptsDigest, params.promptCount);
        }
        if (params.tick >= TICKS) revert InvalidTick(params.tick);
        if (params.maxTokens == 0 || params.maxTokens > _maxJobTokens) {
            revert InvalidMaxTokens(params.maxTokens, _maxJobTokens);
        }
        // INVARIANT I14: redundancy is odd, so that a strict majority is one seat over half.
        if (params.redundancy % 2 == 0 || params.redundancy > _maxRedundancy) {
            revert InvalidRedundancy(params.redundancy, _maxRedundancy);
        }
        if (params.maxRounds == 0 || params.maxRounds > MAX_ROUNDS) {
            revert InvalidRounds(params.maxRounds, MAX_ROUNDS);
        }
        if (params.callback != address(0) || params.callbackGasLimit != 0) {
            revert CallbackUnsupported(params.callback, params.callbackGasLimit);
        }
    }

    function _requireRoster(JobParams calldata params) private view {
        uint256 available = _sizeUpTo(_lengthsOf(params.modelId), params.tick);
        uint256 required = _requiredSeats(params);
        if (available < required) revert RosterTooThin(available, required);
    }

    function _requiredSeats(JobParams calldata params) private pure returns (uint256) {
        return params.minSeats > params.redundancy ? params.minSeats : params.redundancy;
    }

    function _termsOf(
        JobParams calldata params
    ) private view returns (uint256 price, uint256 msPerToken) {
        (price, msPerToken) = _registry.termsOf(params.modelId);
        price <<= params.tick;
    }

    /// @dev The most that one seat can earn.
    function _payOf(JobParams calldata params, uint256 price) private view returns (uint256) {
        return _baseFee + params.maxTokens * price;
    }

    function _commitSeconds(
        JobParams calldata params,
        uint256 msPerToken
    ) private view returns (uint256) {
        return _commitFloorSeconds + (params.maxTokens * msPerToken) / MS_PER_SECOND;
    }

    /// @dev Every seat's highest pay, two bounties, and the fee on all of it.
    function _escrow(uint256 pay, uint256 redundancy) private view returns (uint256) {
        uint256 most = redundancy * pay + 2 * _bounty;
        return most + (most * _feeBps) / BPS;
    }

    // ─── Private: drawing ────────────────────────────────────────────────────────────────────

    /// @dev Fixes the seed block and the roster's lengths.
    function _arm(
        JobParams calldata params,
        JobId jobId,
        uint256 number,
        uint256 expiryBlock
    ) private {
        uint256 seedBlock = block.number + SEED_DELAY;
        uint256 lengths = _lengthsOf(params.modelId);
        _rounds[jobId] = Rounds.arm(number, expiryBlock, seedBlock, lengths);
        emit DrawArmed(jobId, number, seedBlock, expiryBlock, lengths);
    }

    /// @dev Draws the committee, or arms again when fewer places than the quorum could be filled.
    function _draw(
        JobParams calldata params,
        JobId jobId,
        RoundWord round,
        bytes calldata header
    ) private {
        uint256 seedBlock = round.seedBlock();
        bytes32 seed = keccak256(
            abi.encode(DrawSeed.read(seedBlock, header), jobId, round.number())
        );
        Picks memory picks = _pickSeats(
            params.modelId,
            params.tick,
            round.lengths(),
            seedBlock - 1, // its proposer knows the seed, so the roster is frozen before it
            seed,
            params.redundancy
        );
        bool isThin = _sizeUpTo(round.lengths(), params.tick) < _requiredSeats(params);
        if (isThin || picks.filled < _quorum(params)) {
            _arm(params, jobId, round.number(), round.time());
            return;
        }
        (, uint256 msPerToken) = _termsOf(params);
        uint256 deadline = block.timestamp + _commitSeconds(params, msPerToken);
        _rounds[jobId] = Rounds.open(round.number(), deadline, _occupy(picks));
        emit CommitteeDrawn(
            jobId,
            round.number(),
            seedBlock,
            seed,
            picks.seatIds,
            picks.workers,
            deadline
        );
        _payBounty(jobId, _bounty);
    }

    // ─── Private: committing and revealing ───────────────────────────────────────────────────

    function _requireMember(
        JobId jobId,
        RoundWord round,
        uint256 place
    ) private view returns (uint256 seatId) {
        seatId = round.seatAt(place);
        if (seatId == 0 || _seats[seatId].word.owner() != msg.sender) {
            revert NotOnCommittee(jobId, msg.sender, place);
        }
    }

    function _checkOutcome(
        JobParams calldata params,
        JobId jobId,
        Outcome calldata outcome
    ) private pure {
        bool isOk = outcome.status == OutcomeStatus.Ok;
        bool isPlausible =
            isOk
                ? outcome.tokenCount <= params.maxTokens &&
                    outcome.resultsRoot != 0 &&
                    outcome.resultsDigest != 0
                : outcome.tokenCount == 0 && outcome.resultsRoot == 0 && outcome.resultsDigest == 0;
        // INVARIANT I15: no outcome is paid beyond maxTokens, and an error outcome claims nothing.
        if (!isPlausible || outcome.fingerprint != 0 || outcome.status == OutcomeStatus.Unset) {
            revert InvalidOutcome(jobId, outcome);
        }
    }

    function _openCommitment(
        JobId jobId,
        uint256 number,
        uint256 seatId,
        Outcome calldata outcome,
        bytes32 salt
    ) private view {
        bytes32 expected = _seats[seatId].answer;
        bytes32 actual = Commitments.hash(jobId, number, msg.sender, outcome.hash(), salt);
        // INVARIANT I16: what is revealed is what was committed, by the one who committed.
        if (actual != expected) revert CommitmentMismatch(jobId, expected, actual);
    }

    function _countEqual(
        RoundWord round,
        uint256 places,
        Answer answer
    ) private view returns (uint256 count) {
        for (uint256 place = 0; place < places; ++place) {
            if (!_has(round.revealed(), place)) continue;
            if (Answer.wrap(_seats[round.seatAt(place)].answer) == answer) ++count;
        }
    }

    // ─── Private: settling ───────────────────────────────────────────────────────────────────

    /// @dev Ends the job. With no committee drawn everything but the bounty returns.
    function _settle(
        JobParams calldata params,
        JobId jobId,
        RoundWord round,
        uint256 bounty
    ) private {
        Settlement memory s;
        (s.jobId, s.round) = (jobId, round);
        (s.price, ) = _termsOf(params);
        if (round.phase() != Phase.Armed) {
            _readAnswers(s, params.redundancy);
            s.accepted = _judge(s, _quorum(params));
            _payAndPunish(s);
            s.paid += _bounty; // of the draw
        }
        s.paid += bounty;
        bytes32 transcript = keccak256(abi.encode(round, s.workers, s.answers));
        bool isAccepted = s.accepted != NO_ANSWER;
        Phase last = isAccepted ? Phase.Accepted : Phase.Failed;
        _rounds[jobId] = Rounds.finish(last, round.number(), _recordOf(s.accepted, transcript));
        if (isAccepted && s.accepted.status() == OutcomeStatus.InputUnavailable) {
            emit ResultAccepted(jobId, round.number(), Answer.unwrap(s.accepted));
        }
        if (bounty != 0) _payBounty(jobId, bounty);
        uint256 fee = isAccepted ? (s.paid * _feeBps) / BPS : 0;
        // INVARIANT I1: escrowed = paid + refunded + fee, to the unit; dust stays with the requester.
        uint256 refunded = _escrow(_payOf(params, s.price), params.redundancy) - s.paid - fee;
        emit JobSettled(jobId, JobState(uint8(last)), s.paid, refunded, fee, transcript);
        if (fee != 0) _credit(_treasury, fee);
        if (refunded != 0) _credit(params.requester, refunded);
    }

    /// @dev Owners and answers of all places. The answer of a place that never committed is zero.
    function _readAnswers(Settlement memory s, uint256 redundancy) private view {
        s.places = redundancy;
        s.workers = new address[](redundancy);
        s.answers = new bytes32[](redundancy);
        for (uint256 place = 0; place < redundancy; ++place) {
            uint256 seatId = s.round.seatAt(place);
            if (seatId == 0) continue;
            s.workers[place] = _seats[seatId].word.owner();
            if (_has(s.round.committed(), place)) s.answers[place] = _seats[seatId].answer;
        }
    }

    /// @dev The answer of a quorum, or none. Unavailability stands only if nobody had the bytes.
    function _judge(Settlement memory s, uint256 quorum) private pure returns (Answer) {
        bool hadInput = false;
        Answer agreed = NO_ANSWER;
        for (uint256 place = 0; place < s.places; ++place) {
            if (!_has(s.round.revealed(), place)) continue;
            Answer answer = Answer.wrap(s.answers[place]);
            hadInput = hadInput || answer.status() != OutcomeStatus.InputUnavailable;
            if (agreed == NO_ANSWER && _votes(s, answer) >= quorum) agreed = answer;
        }
        bool isOverruled = hadInput && agreed.status() == OutcomeStatus.InputUnavailable;
        return isOverruled ? NO_ANSWER : agreed;
    }

    function _votes(Settlement memory s, Answer answer) private pure returns (uint256 votes) {
        for (uint256 place = 0; place < s.places; ++place) {
            if (_has(s.round.revealed(), place) && Answer.wrap(s.answers[place]) == answer) ++votes;
        }
    }

    function _payAndPunish(Settlement memory s) private {
        for (uint256 place = 0; place < s.places; ++place) {
            uint256 seatId = s.round.seatAt(place);
            if (seatId == 0) continue;
            if (!_has(s.round.committed(), place)) {
                _slash(s.jobId, seatId, s.workers[place], SlashReason.NoShow);
            } else if (!_has(s.round.revealed(), place)) {
                _slash(s.jobId, seatId, s.workers[place], SlashReason.NotRevealed);
            } else {
                _payOrPunishRevealed(s, seatId, s.workers[place], Answer.wrap(s.answers[place]));
            }
        }
    }

    function _payOrPunishRevealed(
        Settlement memory s,
        uint256 seatId,
        address worker,
        Answer answer
    ) private {
        bool isAccepted = s.accepted != NO_ANSWER;
        OutcomeStatus status = answer.status();
        if (isAccepted && answer == s.accepted) {
            _pay(s, seatId, worker, _baseFee + answer.tokenCount() * s.price, true);
        } else if (status == OutcomeStatus.InputUnavailable) {
            _dismiss(seatId, worker);
        } else if (isAccepted) {
            _slash(s.jobId, seatId, worker, SlashReason.WrongResult);
        } else {
            // A split by itself slashes nobody, and an honest answer is not unpaid work.
            _pay(s, seatId, worker, status == OutcomeStatus.Ok ? _baseFee : 0, false);
        }
    }

    function _pay(
        Settlement memory s,
        uint256 seatId,
        address worker,
        uint256 amount,
        bool hasCompleted
    ) private {
        s.paid += amount;
        if (amount != 0) emit WorkerPaid(s.jobId, worker, amount);
        _release(seatId, worker, amount, hasCompleted);
    }

    function _payBounty(JobId jobId, uint256 amount) private {
        emit BountyPaid(jobId, msg.sender, amount);
        _credit(msg.sender, amount);
    }

    /// @dev Last second in which a member can still act.
    function _lastDeadline(RoundWord round) private view returns (uint256) {
        bool canReveal = round.phase() == Phase.Committing && round.committed() != 0;
        return canReveal ? round.time() + _revealWindowSeconds : round.time();
    }

    function _recordOf(Answer accepted, bytes32 transcript) private pure returns (bytes32) {
        return keccak256(abi.encode(accepted, transcript));
    }

    /// @dev The strict majority of the committee's size, vacant places counted.
    function _quorum(JobParams calldata params) private pure returns (uint256) {
        return uint256(params.redundancy) / 2 + 1;
    }

    function _has(uint256 bitmap, uint256 place) private pure returns (bool) {
        return (bitmap >> place) & 1 == 1;
    }
}
