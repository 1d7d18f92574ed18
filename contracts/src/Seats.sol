// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {IModelRegistry} from "./interfaces/IModelRegistry.sol";
import {Account, ISeats, SeatView, SlashReason} from "./interfaces/ISeats.sol";
import {JobId} from "./types/Job.sol";
import {ModelId} from "./types/Model.sol";
import {RosterEntries, RosterEntry} from "./types/RosterEntry.sol";
import {SeatWord, SeatWords} from "./types/SeatWord.sol";

/// @title Seats
/// @dev The balance sheet and the rosters. Knows what a draw needs, nothing of a job's life.
abstract contract Seats is ISeats, ReentrancyGuardTransient {
    using SafeERC20 for IERC20;

    /// @dev `answer` is reused by every job the seat serves: it holds the commitment, then the
    /// revealed answer. A seat serves one job at a time, so one slot is enough.
    struct Seat {
        SeatWord word;
        bytes32 answer;
        ModelId modelId;
        uint256 closeRequestedBlock;
    }

    /// @dev Seats of a committee in the making.
    struct Picks {
        uint256 places;
        uint256 filled;
        uint256[] seatIds;
        address[] workers;
    }

    uint256 internal constant TICKS = 8;
    uint256 internal constant BPS = 10_000;
    uint256 private constant LENGTH_BITS = 20;
    uint256 private constant LENGTH_MASK = (1 << LENGTH_BITS) - 1;
    uint256 private constant MAX_SEAT_ID = (1 << 20) - 1;
    uint256 private constant MAX_OPENED_AT_ONCE = 64;
    uint256 private constant MAX_PROBES = 64;

    IERC20 internal immutable _token;
    IModelRegistry internal immutable _registry;
    address internal immutable _sink;
    uint256 internal immutable _seatBond;
    uint256 internal immutable _noShowPenalty;
    uint256 internal immutable _drawDeadlineBlocks;

    mapping(address account => Account) private _accounts;
    mapping(uint256 seatId => Seat) internal _seats;
    mapping(ModelId modelId => mapping(uint256 tickAndIndex => RosterEntry)) private _rosters;
    mapping(ModelId modelId => uint256 lengths) private _rosterLengths;
    uint256[] private _freeSeatIds;
    uint256 private _lastSeatId;

    constructor(
        IERC20 token,
        IModelRegistry registry,
        address sink,
        uint256 seatBond,
        uint256 noShowBps,
        uint256 drawDeadlineBlocks
    ) {
        _token = token;
        _registry = registry;
        _sink = sink;
        _seatBond = seatBond;
        _noShowPenalty = (seatBond * noShowBps) / BPS;
        _drawDeadlineBlocks = drawDeadlineBlocks;
    }

    // ─── Money ───────────────────────────────────────────────────────────────────────────────

    /// @inheritdoc ISeats
    function deposit(uint256 amount) external nonReentrant {
        if (amount == 0) revert InvalidAmount(amount);
        _credit(msg.sender, amount);
        emit StakeDeposited(msg.sender, amount);
        _pull(msg.sender, amount);
    }

    /// @inheritdoc ISeats
    function withdraw(uint256 amount, address to) external nonReentrant {
        if (amount == 0) revert InvalidAmount(amount);
        if (to == address(0)) revert ZeroAddress();
        _debit(msg.sender, amount);
        emit Withdrawn(msg.sender, to, amount);
        _token.safeTransfer(to, amount);
    }

    // ─── Seats ───────────────────────────────────────────────────────────────────────────────

    /// @inheritdoc ISeats
    function openSeats(
        ModelId modelId,
        uint256 tick,
        uint256 count
    ) external returns (uint256[] memory seatIds) {
        if (tick >= TICKS) revert InvalidTick(tick);
        if (count == 0 || count > MAX_OPENED_AT_ONCE) revert InvalidSeatCount(count);
        _registry.termsOf(modelId);
        // INVARIANT I3: an open seat has its whole bond locked.
        _debit(msg.sender, count * _seatBond);
        _accounts[msg.sender].seats += uint40(count);
        seatIds = new uint256[](count);
        for (uint256 i = 0; i < count; ++i) {
            seatIds[i] = _openSeat(modelId, tick);
        }
    }

    /// @inheritdoc ISeats
    function closeSeat(uint256 seatId) external {
        Seat storage seat = _seats[seatId];
        SeatWord word = seat.word;
        if (word.owner() != msg.sender) revert NotSeatOwner(seatId, msg.sender);
        if (word.isClosing()) revert SeatAlreadyClosing(seatId);
        seat.word = word.closing();
        seat.closeRequestedBlock = block.number;
        emit SeatClosing(seatId, msg.sender);
    }

    /// @inheritdoc ISeats
    function leaveSeat(uint256 seatId) external {
        Seat storage seat = _seats[seatId];
        SeatWord word = seat.word;
        uint256 leaveBlock = seat.closeRequestedBlock + _drawDeadlineBlocks + 2;
        // INVARIANT I8: no seat leaves while a draw armed before its request can still pick it.
        bool isLeaving = word.isClosing() && !word.isBusy() && block.number >= leaveBlock;
        if (!isLeaving) revert SeatNotLeaving(seatId, word.isClosing(), word.isBusy(), leaveBlock);
        _removeSeat(seatId, _seatBond);
    }

    // ─── Views ───────────────────────────────────────────────────────────────────────────────

    /// @inheritdoc ISeats
    function accountOf(address account) external view returns (Account memory) {
        return _accounts[account];
    }

    /// @inheritdoc ISeats
    function creditOf(address account) external view returns (uint256) {
        return _accounts[account].credit;
    }

    /// @inheritdoc ISeats
    function seatOf(uint256 seatId) external view returns (SeatView memory empty) {
        Seat storage seat = _seats[seatId];
        SeatWord word = seat.word;
        if (word.owner() == address(0)) return empty;
        return
            SeatView({
                owner: word.owner(),
                modelId: seat.modelId,
                tick: word.tick(),
                index: word.index(),
                isBusy: word.isBusy(),
                isClosing: word.isClosing(),
                arrivedBlock: _rosters[seat.modelId][_rosterKey(word.tick(), word.index())]
                    .arrivedBlock(),
                drawnBlock: word.drawnBlock(),
                releasedBlock: word.releasedBlock(),
                closeRequestedBlock: seat.closeRequestedBlock
            });
    }

    /// @inheritdoc ISeats
    function rosterSize(ModelId modelId, uint256 tick) external view returns (uint256) {
        return _sizeUpTo(_rosterLengths[modelId], tick);
    }

    /// @inheritdoc ISeats
    function seatAt(ModelId modelId, uint256 tick, uint256 index) external view returns (uint256) {
        return _rosters[modelId][_rosterKey(tick, index)].seatId();
    }

    // ─── For the marketplace: money ──────────────────────────────────────────────────────────

    function _credit(address account, uint256 amount) internal {
        uint256 credit = _accounts[account].credit;
        if (amount > type(uint96).max - credit) revert InvalidAmount(amount);
        // Safe: the sum fits, as just checked.
        _accounts[account].credit = uint96(credit + amount);
    }

    function _debit(address account, uint256 amount) internal {
        uint256 credit = _accounts[account].credit;
        // INVARIANT I2: nobody spends or withdraws more than is owed to them.
        if (credit < amount) revert CreditTooSmall(account, credit, amount);
        // Safe: the difference is no more than the 96-bit credit.
        _accounts[account].credit = uint96(credit - amount);
    }

    /// @dev Takes an amount from the caller's credit first, the rest in tokens.
    function _collect(address account, uint256 amount) internal {
        uint256 fromCredit = Math.min(_accounts[account].credit, amount);
        if (fromCredit != 0) _debit(account, fromCredit);
        if (fromCredit != amount) _pull(account, amount - fromCredit);
    }

    // ─── For the marketplace: rosters and draws ──────────────────────────────────────────────

    function _lengthsOf(ModelId modelId) internal view returns (uint256) {
        return _rosterLengths[modelId];
    }

    /// @dev Seats in the lists at or under a tick.
    function _sizeUpTo(uint256 lengths, uint256 tick) internal pure returns (uint256 size) {
        for (uint256 i = 0; i <= tick && i < TICKS; ++i) {
            size += (lengths >> (LENGTH_BITS * i)) & LENGTH_MASK;
        }
    }

    /// @dev Reads only the seed and the roster as it stood before the frozen block, so nobody
    /// re-rolls a known seed. A probe of a seat that changed since leaves its place vacant.
    function _pickSeats(
        ModelId modelId,
        uint256 tick,
        uint256 lengths,
        uint256 frozenBlock,
        bytes32 seed,
        uint256 redundancy
    ) internal view returns (Picks memory picks) {
        uint256 size = _sizeUpTo(lengths, tick);
        picks.seatIds = new uint256[](redundancy);
        picks.workers = new address[](redundancy);
        if (size == 0) return picks;
        for (uint256 probe = 0; probe < MAX_PROBES && picks.places < redundancy; ++probe) {
            uint256 position = uint256(keccak256(abi.encode(seed, probe))) % size;
            _consider(picks, _rosters[modelId][_keyOfPosition(lengths, position)], frozenBlock);
        }
    }

    /// @dev Marks the seats of a drawn committee as busy; a vacant place has no worker.
    /// @return packed Seat ids of 20 bits, place 0 lowest.
    function _occupy(Picks memory picks) internal returns (uint256 packed) {
        for (uint256 place = 0; place < picks.seatIds.length; ++place) {
            uint256 seatId = picks.seatIds[place];
            if (seatId == 0) {
                picks.workers[place] = address(0);
                continue;
            }
            // INVARIANT I7: a seat serves at most one job.
            _seats[seatId].word = _seats[seatId].word.drawn(block.number);
            packed |= seatId << (LENGTH_BITS * place);
        }
    }

    // ─── For the marketplace: what becomes of a member ───────────────────────────────────────

    /// @dev The seat did its duty: idle again, `pay` credited, counted if it agreed.
    function _release(uint256 seatId, address owner, uint256 pay, bool hasCompleted) internal {
        _seats[seatId].word = _seats[seatId].word.released(block.number);
        if (hasCompleted) ++_accounts[owner].completed;
        if (pay != 0) _credit(owner, pay);
    }

    /// @dev The seat could not serve and costs no bond: off the roster.
    function _dismiss(uint256 seatId, address owner) internal {
        ++_accounts[owner].missed;
        _removeSeat(seatId, _seatBond);
    }

    /// @dev Takes a bond, or the no-show's part of it, to the sink; the seat leaves its roster.
    function _slash(JobId jobId, uint256 seatId, address owner, SlashReason reason) internal {
        bool isNoShow = reason == SlashReason.NoShow;
        // INVARIANT I4: a slash never exceeds the bond, and goes to the sink alone.
        uint256 penalty = isNoShow ? _noShowPenalty : _seatBond;
        if (isNoShow) ++_accounts[owner].missed;
        else ++_accounts[owner].slashed;
        emit SeatSlashed(jobId, owner, seatId, reason, penalty);
        _credit(_sink, penalty);
        _removeSeat(seatId, _seatBond - penalty);
    }

    // ─── Private ─────────────────────────────────────────────────────────────────────────────

    function _pull(address from, uint256 amount) private {
        uint256 before = _token.balanceOf(address(this));
        _token.safeTransferFrom(from, address(this), amount);
        uint256 received = _token.balanceOf(address(this)) - before;
        // INVARIANT I1: every unit booked has arrived.
        if (received != amount) revert TokenDeltaMismatch(amount, received);
    }

    function _openSeat(ModelId modelId, uint256 tick) private returns (uint256 seatId) {
        seatId = _nextSeatId();
        uint256 lengths = _rosterLengths[modelId];
        uint256 index = (lengths >> (LENGTH_BITS * tick)) & LENGTH_MASK;
        // Cannot overflow 20 bits: a list is no longer than there are seat ids.
        _rosterLengths[modelId] = lengths + (1 << (LENGTH_BITS * tick));
        _rosters[modelId][_rosterKey(tick, index)] = RosterEntries.arrive(seatId, block.number);
        Seat storage seat = _seats[seatId];
        seat.word = SeatWords.open(msg.sender, tick, index);
        seat.modelId = modelId;
        emit SeatOpened(seatId, msg.sender, modelId, tick);
    }

    function _nextSeatId() private returns (uint256 seatId) {
        uint256 free = _freeSeatIds.length;
        if (free != 0) {
            seatId = _freeSeatIds[free - 1];
            _freeSeatIds.pop();
            return seatId;
        }
        seatId = ++_lastSeatId;
        if (seatId > MAX_SEAT_ID) revert NoSeatLeft();
    }

    /// @dev Swap and pop; the roster entry says since when the moved seat stands there.
    function _removeSeat(uint256 seatId, uint256 returned) private {
        Seat storage seat = _seats[seatId];
        SeatWord word = seat.word;
        (address owner, ModelId modelId) = (word.owner(), seat.modelId);
        _unlist(modelId, word.tick(), word.index(), seatId);
        seat.word = SeatWord.wrap(0);
        seat.closeRequestedBlock = 0;
        _freeSeatIds.push(seatId);
        --_accounts[owner].seats;
        emit SeatClosed(seatId, owner, returned);
        if (returned != 0) _credit(owner, returned);
    }

    function _unlist(ModelId modelId, uint256 tick, uint256 index, uint256 seatId) private {
        uint256 lengths = _rosterLengths[modelId];
        uint256 last = ((lengths >> (LENGTH_BITS * tick)) & LENGTH_MASK) - 1;
        _rosterLengths[modelId] = lengths - (1 << (LENGTH_BITS * tick));
        uint256 lastKey = _rosterKey(tick, last);
        uint256 movedId = _rosters[modelId][lastKey].seatId();
        _rosters[modelId][lastKey] = RosterEntry.wrap(0);
        if (movedId == seatId) return;
        _rosters[modelId][_rosterKey(tick, index)] = RosterEntries.arrive(movedId, block.number);
        _seats[movedId].word = _seats[movedId].word.moved(index);
    }

    /// @dev One probe of a draw: picks the seat, leaves the place vacant, or does neither.
    function _consider(Picks memory picks, RosterEntry entry, uint256 frozenBlock) private view {
        uint256 seatId = entry.seatId();
        SeatWord word = _seats[seatId].word;
        // Who stood here when the roster froze is not known any more.
        bool hasArrived = seatId == 0 || entry.arrivedBlock() >= frozenBlock;
        address owner = hasArrived ? address(0) : word.owner();
        // INVARIANT I6: a worker is on a round at most once.
        if (_holds(picks, owner)) return;
        // INVARIANT I5: what changed since the roster froze leaves a vacant place, and is
        // never passed on.
        bool hasChanged = hasArrived || word.drawnBlock() >= frozenBlock;
        if (!hasChanged && !_wasIdle(word, seatId, frozenBlock)) return;
        picks.workers[picks.places] = owner;
        if (!hasChanged) {
            picks.seatIds[picks.places] = seatId;
            ++picks.filled;
        }
        ++picks.places;
    }

    /// @dev Whether a seat that has not been drawn since was idle, and not asked to close, when the
    /// roster froze.
    function _wasIdle(
        SeatWord word,
        uint256 seatId,
        uint256 frozenBlock
    ) private view returns (bool) {
        // INVARIANT I7: busy when the roster froze, even if released since: as if it were not there.
        if (word.isBusy() || word.releasedBlock() >= frozenBlock) return false;
        return !word.isClosing() || _seats[seatId].closeRequestedBlock >= frozenBlock;
    }

    function _holds(Picks memory picks, address owner) private pure returns (bool) {
        if (owner == address(0)) return false;
        for (uint256 i = 0; i < picks.places; ++i) {
            if (picks.workers[i] == owner) return true;
        }
        return false;
    }

    /// @dev Position over all lists at or under a tick, as the key of one list's entry.
    function _keyOfPosition(uint256 lengths, uint256 position) private pure returns (uint256) {
        uint256 tick = 0;
        while (true) {
            uint256 length = (lengths >> (LENGTH_BITS * tick)) & LENGTH_MASK;
            if (position < length) return _rosterKey(tick, position);
            position -= length;
            ++tick;
        }
        return 0;
    }

    function _rosterKey(uint256 tick, uint256 index) private pure returns (uint256) {
        return (tick << LENGTH_BITS) | index;
    }
}
