// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Marketplace} from "../../src/Marketplace.sol";
import {MarketplaceLens} from "../../src/MarketplaceLens.sol";
import {TestDollar} from "../../src/TestDollar.sol";
import {CommitEntry, RevealEntry} from "../../src/types/Calls.sol";
import {JobId, JobParams, JobState, RoundView} from "../../src/types/Job.sol";
import {Outcome} from "../../src/types/Outcome.sol";
import {JobBuilder, OutcomeBuilder} from "./Builders.sol";
import {
    BurningCallback,
    ListeningCallback,
    ReturningCallback,
    RevertingCallback
} from "./HostileCallbacks.sol";
import {Ledger} from "./Ledger.sol";
import {Act, ScenarioTest} from "./ScenarioTest.sol";
import {vm} from "./Vm.sol";

/// @notice What the stateful test may do: every role, honest and hostile, one move a call.
/// @dev It fails (reverts) as soon as a hostile move goes through or a job takes a forbidden step.
contract MarketHandler is ScenarioTest {
    using JobBuilder for JobParams;

    uint256 private constant WORKERS = 14;
    uint256 private constant REQUESTERS = 2;
    uint256 private constant MOST_LIVE = 6;
    uint256 private constant MOST_SEATS = 36;

    Ledger public ledger;

    address[] private _accounts;
    JobParams[] private _live;
    JobParams[] private _undelivered;
    mapping(JobId jobId => mapping(uint256 roundAndPlace => Act)) private _acts;
    mapping(JobId jobId => JobState) private _lastState;
    mapping(JobId jobId => uint256) private _lastRound;
    address[5] private _callbacks;
    uint64 private _posted;

    /// @notice How often something came up that a test must have met to mean anything.
    uint256 public moves;
    uint256 public vacantPlaces;
    uint256 public shortDraws;
    uint256 public refusedAttacks;
    uint256 public skippedEntries;
    uint256 public secondDraws;

    function setUp() public override {
        super.setUp();
        ledger = new Ledger(BOND, BOUNTY, sink, treasury);
        _accounts.push(sink);
        _accounts.push(treasury);
        _accounts.push(keeper);
        _accounts.push(stranger);
        for (uint256 i = 0; i < REQUESTERS; ++i) {
            _accounts.push(aRequester(i));
            fund(aRequester(i), 500_000_000);
        }
        _callbacks = [
            address(new ListeningCallback()),
            address(new BurningCallback()),
            address(new RevertingCallback(1_000)),
            address(new ReturningCallback(1_000)),
            stranger
        ];
        vm.recordLogs();
        for (uint256 i = 0; i < WORKERS; ++i) {
            _accounts.push(aWorker(i));
            fundAndDeposit(aWorker(i), 6 * BOND);
            vm.prank(aWorker(i));
            market.openSeats(modelId, i % 3, 1);
        }
        mine(2);
        _book();
    }

    // ─── Requesters ──────────────────────────────────────────────────────────────────────────

    function postJob(uint256 who, uint256 size, uint256 tokens) external booked {
        if (_live.length == MOST_LIVE) return;
        uint8 redundancy = uint8(1 + 2 * (size % 3));
        if (lens.rosterSize(modelId, size % 8) < redundancy) return;
        JobParams memory job = aJob().by(aRequester(who % REQUESTERS)).withNonce(++_posted);
        job = job.withTick(uint8(size % 8)).withRedundancy(redundancy);
        job.maxTokens = uint32(bounded(tokens, JOB_TOKENS, 10 * JOB_TOKENS));
        job.maxRounds = uint8(1 + ((size >> 8) % 2));
        if (who % 3 == 0) job = job.withCallback(_callbacks[(who / 3) % 5], 30_000);
        uint256 cost = market.escrowOf(job);
        uint256 means = market.creditOf(job.requester) + token.balanceOf(job.requester);
        if (means < cost) fund(job.requester, cost - means);
        post(job);
        _live.push(job);
    }

    function cancelJob(uint256 which) external booked {
        if (_live.length == 0) return;
        JobParams memory job = _live[which % _live.length];
        RoundView memory round = lens.roundOf(market.jobIdOf(job));
        uint256 height = vm.getBlockNumber();
        bool isOpen =
            round.state == JobState.Open &&
                round.round == 1 &&
                (height < round.seedBlock || height > round.expiryBlock);
        bool isDone = _try(job.requester, abi.encodeCall(market.cancelJob, (job)));
        vm.assertEq(isDone, isOpen, "a cancellation");
    }

    // ─── A job's next step ───────────────────────────────────────────────────────────────────

    /// @dev Draws, commits, reveals or ends: whatever the job waits for. Called most.
    function step(uint256 which, uint256 place, uint256 randomness) external booked {
        _step(which, place, randomness);
    }

    function stepAgain(uint256 which, uint256 place, uint256 randomness) external booked {
        _step(which, place, randomness);
    }

    function finishRound(uint256 which, uint256 randomness) external booked {
        if (_live.length == 0) return;
        which = which % _live.length;
        JobParams memory job = _live[which];
        for (uint256 i = 0; i < 2 * uint256(job.redundancy) + 5; ++i) {
            if (market.stateOf(market.jobIdOf(job)) > JobState.Revealing) return;
            _step(which, i, uint256(keccak256(abi.encode(randomness, i))));
        }
    }

    /// @dev Somebody calls too early or in time; who is right is the contract's to say.
    function advanceBlindly(uint256 which) external booked {
        if (_live.length == 0) return;
        JobParams memory job = _live[which % _live.length];
        RoundView memory round = lens.roundOf(market.jobIdOf(job));
        bool isDue =
            round.state == JobState.Open
                ? vm.getBlockNumber() > round.expiryBlock
                : vm.getBlockTimestamp() > round.deadline;
        bool isDone = _try(keeper, abi.encodeCall(market.advance, (job, NO_HEADER)));
        vm.assertEq(isDone, isDue, "an end");
    }

    function passBlocks(uint256 blocks) external booked {
        mine(bounded(blocks, 1, 12));
    }

    function passTime(uint256 duration) external booked {
        secondsLater(bounded(duration, 1, REVEAL_WINDOW + COMMIT_WINDOW));
    }

    function passLongTime(uint256 blocks) external booked {
        if (blocks % 8 == 0) mine(DRAW_DEADLINE + 2);
    }

    // ─── Seats and money ─────────────────────────────────────────────────────────────────────

    function openSeats(uint256 who, uint256 tick, uint256 count) external booked {
        address worker = aWorker(who % WORKERS);
        count = bounded(count, 1, 3);
        if (lens.rosterSize(modelId, 7) + count > MOST_SEATS) return;
        if (market.creditOf(worker) < count * BOND) fundAndDeposit(worker, count * BOND);
        vm.prank(worker);
        market.openSeats(modelId, tick % 8, count);
    }

    function closeSeat(uint256 which) external booked {
        uint256 seatId = 1 + (which % MOST_SEATS);
        address owner = lens.seatOf(seatId).owner;
        bool canClose = owner != address(0) && !lens.seatOf(seatId).isClosing;
        bytes memory closing = abi.encodeCall(market.closeSeat, (seatId));
        bool isDone = _try(owner == address(0) ? stranger : owner, closing);
        vm.assertEq(isDone, canClose, "a closing");
    }

    function leaveSeat(uint256 which) external booked {
        uint256 seatId = 1 + (which % MOST_SEATS);
        bool canLeave = lens.seatOf(seatId).isClosing && !lens.seatOf(seatId).isBusy;
        bool isDone = _try(stranger, abi.encodeCall(market.leaveSeat, (seatId)));
        vm.assertTrue(!isDone || canLeave, "a leaving");
    }

    function deposit(uint256 who, uint256 amount) external booked {
        fundAndDeposit(_accounts[who % _accounts.length], bounded(amount, 1, 1_000_000));
    }

    function withdraw(uint256 who, uint256 amount) external booked {
        address account = _accounts[who % _accounts.length];
        uint256 credit = market.creditOf(account);
        if (credit == 0) return;
        vm.prank(account);
        market.withdraw(bounded(amount, 1, credit), account);
    }

    // ─── Attacks: nothing of it may go through ───────────────────────────────────────────────

    function attackMoney(uint256 who, uint256 excess) external booked {
        address account = _accounts[who % _accounts.length];
        uint256 amount = market.creditOf(account) + bounded(excess, 1, BOND);
        _refused(account, abi.encodeCall(market.withdraw, (amount, account)));
    }

    /// @dev Acts in another's name or place, or posts, draws or ends what is not there.
    function attackJob(uint256 which, uint256 place, uint256 kind) external booked {
        if (_live.length == 0) return;
        JobParams memory job = _live[which % _live.length];
        JobId jobId = market.jobIdOf(job);
        place = place % 10;
        bytes32 salt = aSalt(aWorker(which % WORKERS));
        if (kind % 6 == 0) _refused(stranger, abi.encodeCall(market.cancelJob, (job)));
        if (kind % 6 == 1) _refused(job.requester, abi.encodeCall(market.postJob, (job)));
        if (kind % 6 == 2) {
            _refused(stranger, abi.encodeCall(market.commitResult, (jobId, place, salt)));
        }
        if (kind % 6 == 3) {
            Outcome memory outcome = outcomeOf(Act.Liar);
            _refused(stranger, abi.encodeCall(market.revealResult, (job, place, outcome, salt)));
        }
        if (kind % 6 == 4) {
            bytes memory header = "not the header";
            bool isDue =
                market.stateOf(jobId) != JobState.Open ||
                    vm.getBlockNumber() > lens.roundOf(jobId).expiryBlock;
            if (!isDue) _refused(stranger, abi.encodeCall(market.advance, (job, header)));
        }
        if (kind % 6 == 5) {
            job.maxTokens += 1;
            _refused(stranger, abi.encodeCall(market.advance, (job, NO_HEADER)));
        }
    }

    function attackSeat(uint256 which) external booked {
        uint256 seatId = 1 + (which % MOST_SEATS);
        _refused(stranger, abi.encodeCall(market.closeSeat, (seatId)));
    }

    /// @dev A member reveals with the words of another, after having copied its commitment.
    function attackByCopying(uint256 which) external booked {
        if (_live.length == 0) return;
        JobParams memory job = _live[which % _live.length];
        JobId jobId = market.jobIdOf(job);
        RoundView memory round = lens.roundOf(jobId);
        if (round.state != JobState.Committing || round.seatIds[1] == 0) return;
        if (round.seatIds[0] == 0 || round.committed & 3 != 0) return;
        if (vm.getBlockTimestamp() > round.deadline) return;
        commit(job, 0, outcomeOf(Act.Honest));
        _acts[jobId][key(round.round, 0)] = Act.Honest;
        address copycat = workerAt(jobId, 1);
        address copied = workerAt(jobId, 0);
        bytes32 commitment = commitmentOf(
            jobId,
            round.round,
            copied,
            outcomeOf(Act.Honest),
            aSalt(copied)
        );
        vm.prank(copycat);
        market.commitResult(jobId, 1, commitment);
        _acts[jobId][key(round.round, 1)] = Act.Silent;
    }

    // ─── Batches and deliveries ──────────────────────────────────────────────────────────────

    /// @dev A worker commits wherever it has a place, and where it has none: what applies is done.
    function commitBatch(uint256 who, uint256 randomness) external booked {
        address worker = aWorker(who % (WORKERS - 1));
        CommitEntry[] memory entries = new CommitEntry[](_live.length);
        bool[] memory applies = new bool[](_live.length);
        for (uint256 i = 0; i < entries.length; ++i) {
            Act act = (randomness >> (2 * i)) & 3 == 0 ? Act.Liar : Act.Honest;
            (entries[i], applies[i]) = _commitEntry(worker, market.jobIdOf(_live[i]), act);
        }
        vm.prank(worker);
        market.commitResults(entries);
        for (uint256 i = 0; i < entries.length; ++i) {
            uint256 committed = lens.roundOf(entries[i].jobId).committed;
            if (!applies[i]) ++skippedEntries;
            else vm.assertTrue((committed >> entries[i].place) & 1 == 1, "a lost commit");
        }
    }

    /// @dev The same with reveals. The last reveal of a round ends it, whoever is in the batch.
    function revealBatch(uint256 who) external booked {
        address worker = aWorker(who % WORKERS);
        RevealEntry[] memory entries = new RevealEntry[](_live.length);
        bool[] memory applies = new bool[](_live.length);
        for (uint256 i = 0; i < entries.length; ++i) {
            (entries[i], applies[i]) = _revealEntry(worker, _live[i]);
        }
        vm.prank(worker);
        market.revealResults(entries);
        for (uint256 i = 0; i < entries.length; ++i) {
            RoundView memory round = lens.roundOf(market.jobIdOf(entries[i].params));
            bool hasEnded = round.state != JobState.Revealing;
            bool isRevealed = hasEnded || (round.revealed >> entries[i].place) & 1 == 1;
            if (applies[i]) vm.assertTrue(isRevealed, "a lost reveal");
            else ++skippedEntries;
        }
    }

    /// @dev Brings a result to its callback, whatever that does.
    function deliver(uint256 which) external booked {
        if (_undelivered.length == 0) return;
        _deliver(which % _undelivered.length);
    }

    /// @dev With another outcome, a job that is not ended, or a second time.
    function attackDelivery(uint256 which, uint256 kind) external booked {
        bool isLive = kind % 2 == 0;
        if (isLive ? _live.length == 0 : _undelivered.length == 0) return;
        JobParams memory job =
            isLive ? _live[which % _live.length] : _undelivered[which % _undelivered.length];
        bytes32 transcript = ledger.transcriptOf(JobId.unwrap(market.jobIdOf(job)));
        Outcome memory outcome = OutcomeBuilder.ok(7, "not what was revealed");
        _refused(stranger, abi.encodeCall(market.deliver, (job, outcome, transcript)));
    }

    // ─── For the invariants ──────────────────────────────────────────────────────────────────

    function accounts() external view returns (address[] memory) {
        return _accounts;
    }

    function liveJobs() external view returns (JobParams[] memory) {
        return _live;
    }

    function fixtures() external view returns (Marketplace, MarketplaceLens, TestDollar) {
        return (market, lens, token);
    }

    function mostSeats() external pure returns (uint256) {
        return MOST_SEATS;
    }

    function seatWhere(uint256 tick, uint256 index) external view returns (uint256) {
        return lens.seatAt(modelId, tick, index);
    }

    function rosterSize() external view returns (uint256) {
        return lens.rosterSize(modelId, 7);
    }

    /// @notice By time and `advance` alone, every job ends.
    function endAllJobs() external booked {
        // A first round's end, and the expiry of the second one's draw.
        for (uint256 rounds = 0; rounds < 2; ++rounds) {
            mine(DRAW_DEADLINE + 2);
            secondsLater(11 * COMMIT_WINDOW + REVEAL_WINDOW);
            for (uint256 i = 0; i < _live.length; ++i) {
                JobId jobId = market.jobIdOf(_live[i]);
                if (market.stateOf(jobId) <= JobState.Revealing) advance(_live[i], NO_HEADER);
            }
        }
        for (uint256 i = 0; i < _live.length; ++i) {
            JobState state = market.stateOf(market.jobIdOf(_live[i]));
            vm.assertTrue(state > JobState.Revealing, "a job that does not end");
        }
    }

    /// @notice Whoever wants the bounties calls the callbacks.
    function deliverAll() external booked {
        while (_undelivered.length != 0) {
            _deliver(_undelivered.length - 1);
        }
    }

    /// @notice Then every seat leaves and everybody takes what is theirs.
    function withdrawAll() external booked {
        for (uint256 seatId = 1; seatId <= MOST_SEATS; ++seatId) {
            address owner = lens.seatOf(seatId).owner;
            if (owner == address(0) || lens.seatOf(seatId).isClosing) continue;
            vm.prank(owner);
            market.closeSeat(seatId);
        }
        mine(DRAW_DEADLINE + 2);
        for (uint256 seatId = 1; seatId <= MOST_SEATS; ++seatId) {
            if (lens.seatOf(seatId).owner != address(0)) market.leaveSeat(seatId);
        }
        for (uint256 i = 0; i < _accounts.length; ++i) {
            uint256 credit = market.creditOf(_accounts[i]);
            if (credit == 0) continue;
            vm.prank(_accounts[i]);
            market.withdraw(credit, _accounts[i]);
        }
    }

    // ─── Private ─────────────────────────────────────────────────────────────────────────────

    modifier booked() {
        _;
        ++moves;
        _book();
    }

    /// @dev Enters the events in the ledger, checks each job's step, and forgets ended jobs.
    function _book() private {
        ledger.book(vm.getRecordedLogs(), address(market));
        for (uint256 i = _live.length; i > 0; --i) {
            JobId jobId = market.jobIdOf(_live[i - 1]);
            JobState state = market.stateOf(jobId);
            uint256 round = lens.roundOf(jobId).round;
            _checkStep(jobId, round, state);
            _checkEvents(jobId, round);
            (_lastState[jobId], _lastRound[jobId]) = (state, round);
            if (state <= JobState.Revealing) continue;
            bool isDelivered = _live[i - 1].callback == address(0) || state == JobState.Cancelled;
            if (!isDelivered) _undelivered.push(_live[i - 1]);
            _live[i - 1] = _live[_live.length - 1];
            _live.pop();
        }
    }

    /// @dev docs/spec/invariants.md, forbidden transitions. Several allowed steps may lie between
    /// two looks, so what is checked is their closure.
    function _checkStep(JobId jobId, uint256 round, JobState to) private view {
        JobState from = _lastState[jobId];
        uint256 earlier = _lastRound[jobId];
        bool isNextRound = round == earlier + 1 && from <= JobState.Revealing;
        bool isForward = isNextRound || (round == earlier && to >= from);
        bool isCancelledLate = to == JobState.Cancelled && (from > JobState.Open || round > 1);
        vm.assertTrue(isForward && !isCancelledLate && round <= 2, "a forbidden transition");
    }

    /// @dev Where a job stands follows from its events (and the clock, which opens reveals).
    function _checkEvents(JobId jobId, uint256 round) private view {
        uint256 phase = uint256(market.roundWordOf(jobId).phase());
        bytes32 id = JobId.unwrap(jobId);
        vm.assertEq(uint256(ledger.stateOf(id)), phase, "state by the events");
        vm.assertEq(ledger.roundOf(id), round, "round by the events");
    }

    function _deliver(uint256 which) private {
        JobParams memory job = _undelivered[which];
        bytes32 jobId = JobId.unwrap(market.jobIdOf(job));
        Outcome memory outcome = OutcomeBuilder.none();
        for (uint256 act = uint256(Act.Honest); act < ACTS; ++act) {
            bool isIt = ledger.acceptedOf(jobId) == answerOf(outcomeOf(Act(act)));
            if (isIt) outcome = outcomeOf(Act(act));
        }
        bytes memory delivery = abi.encodeCall(
            market.deliver,
            (job, outcome, ledger.transcriptOf(jobId))
        );
        vm.assertTrue(_try(keeper, delivery), "a delivery");
        _refused(keeper, delivery);
        _undelivered[which] = _undelivered[_undelivered.length - 1];
        _undelivered.pop();
    }

    /// @dev `applies` says whether the contract must take it.
    function _commitEntry(
        address worker,
        JobId jobId,
        Act act
    ) private returns (CommitEntry memory entry, bool applies) {
        RoundView memory round = lens.roundOf(jobId);
        bytes32 salt = aSalt(worker);
        entry.jobId = jobId;
        entry.place = _placeOf(worker, round);
        entry.commitment = commitmentOf(jobId, round.round, worker, outcomeOf(act), salt);
        applies =
            round.state == JobState.Committing &&
            vm.getBlockTimestamp() <= round.deadline &&
            entry.place < 9 &&
            (round.committed >> entry.place) & 1 == 0;
        if (applies) _acts[jobId][key(round.round, entry.place)] = act;
    }

    /// @dev `applies` says whether the contract must take it.
    function _revealEntry(
        address worker,
        JobParams memory job
    ) private view returns (RevealEntry memory entry, bool applies) {
        RoundView memory round = lens.roundOf(market.jobIdOf(job));
        uint256 place = _placeOf(worker, round);
        Act act = _acts[market.jobIdOf(job)][key(round.round, place)];
        entry = RevealEntry(job, place, outcomeOf(act), aSalt(worker));
        applies =
            round.state == JobState.Revealing &&
            vm.getBlockTimestamp() <= round.deadline &&
            place < 9 &&
            act != Act.Silent &&
            ((round.committed & ~round.revealed) >> place) & 1 == 1;
    }

    /// @dev Outside the committee if the worker has no place.
    function _placeOf(address worker, RoundView memory round) private view returns (uint256) {
        for (uint256 place = 0; place < round.seatIds.length; ++place) {
            uint256 seatId = round.seatIds[place];
            if (seatId != 0 && ledger.ownerOf(seatId) == worker) return place;
        }
        return 9;
    }

    function key(uint256 round, uint256 place) private pure returns (uint256) {
        return 16 * round + place;
    }

    function _step(uint256 which, uint256 place, uint256 randomness) private {
        if (_live.length == 0) return;
        JobParams memory job = _live[which % _live.length];
        JobId jobId = market.jobIdOf(job);
        RoundView memory round = lens.roundOf(jobId);
        if (round.state == JobState.Open) {
            _drawOrExpire(job, round, randomness);
        } else if (vm.getBlockTimestamp() > round.deadline) {
            advance(job, NO_HEADER);
        } else if (round.state == JobState.Committing) {
            _commitPlace(job, round, place % placesOf(job, round), randomness);
        } else if (round.state == JobState.Revealing) {
            _revealPlace(job, round, place % placesOf(job, round));
        }
    }

    function _drawOrExpire(
        JobParams memory job,
        RoundView memory round,
        uint256 randomness
    ) private {
        JobId jobId = market.jobIdOf(job);
        if (vm.getBlockNumber() > round.expiryBlock) return advance(job, NO_HEADER);
        if (round.round == 2) ++secondDraws;
        if (round.seedBlock >= round.expiryBlock) return mine(1);
        draw(job, bytes32(randomness));
        if (market.stateOf(jobId) == JobState.Open) {
            ++shortDraws;
            return;
        }
        uint256[] memory seatIds = lens.roundOf(jobId).seatIds;
        for (uint256 i = 0; i < placesOf(job, round); ++i) {
            if (seatIds[i] == 0) ++vacantPlaces;
        }
    }

    function placesOf(JobParams memory job, RoundView memory round) private pure returns (uint256) {
        return round.round == 2 ? job.redundancy + 2 : job.redundancy;
    }

    /// @dev Two of three are honest; the last worker never commits, the one before it often does not
    /// reveal.
    function _commitPlace(
        JobParams memory job,
        RoundView memory round,
        uint256 place,
        uint256 randomness
    ) private {
        if (round.seatIds[place] == 0 || (round.committed >> place) & 1 == 1) return;
        JobId jobId = market.jobIdOf(job);
        Act act = randomness % 3 == 0 ? Act(1 + ((randomness / 3) % 5)) : Act.Honest;
        if (workerAt(jobId, place) == aWorker(WORKERS - 1)) return;
        if (workerAt(jobId, place) == aWorker(WORKERS - 2) && randomness % 5 < 2) act = Act.Silent;
        commit(job, place, outcomeOf(act));
        _acts[jobId][key(round.round, place)] = act;
    }

    function _revealPlace(JobParams memory job, RoundView memory round, uint256 place) private {
        if (round.seatIds[place] == 0 || (round.committed >> place) & 1 == 0) return;
        Act act = _acts[market.jobIdOf(job)][key(round.round, place)];
        if ((round.revealed >> place) & 1 == 1) {
            address worker = workerAt(market.jobIdOf(job), place);
            bytes memory again = abi.encodeCall(
                market.revealResult,
                (job, place, outcomeOf(act), aSalt(worker))
            );
            _refused(worker, again);
        } else if (act != Act.Silent) {
            reveal(job, place, outcomeOf(act));
        }
    }

    function _refused(address account, bytes memory callData) private {
        vm.assertFalse(_try(account, callData), "an attack went through");
        ++refusedAttacks;
    }

    function _try(address account, bytes memory callData) private returns (bool isDone) {
        vm.prank(account);
        (isDone, ) = address(market).call(callData);
    }

    function aRequester(uint256 number) private returns (address) {
        return anActor(string.concat("requester ", vm.toString(number)));
    }
}
