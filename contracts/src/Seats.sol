// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {Hashes} from "@openzeppelin/contracts/utils/cryptography/Hashes.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {IModelRegistry} from "./interfaces/IModelRegistry.sol";
import {Account, ISeats, SlashReason} from "./interfaces/ISeats.sol";
import {AccountWord, AccountWords} from "./types/AccountWord.sol";
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

    /// @dev A model's eight lists, 20 bits of length each, and its terms, noted when its first seat
    /// opens: they never change, and the registry is dearer to ask.
    struct Roster {
        uint256 lengths;
        uint96 basePrice;
        uint32 msPerToken;
        mapping(uint256 tickAndIndex => RosterEntry) entries;
    }

    /// @dev What a draw goes by, and the committee in the making. Places are filled or vacant from
    /// 0 to `places`; a place's owner is known even if the place is vacant.
    struct Draw {
        uint256 lengths;
        uint256 tick;
        uint256 frozenBlock;
        bytes32 seed;
        address[] barred;
        uint256 places;
        uint256 filled;
        uint256[] seatIds;
        address[] workers;
    }

    uint256 internal constant TICKS = RosterEntries.TICKS;
    uint256 internal constant BPS = 10_000;
    uint256 private constant MAX_SEAT_ID = (1 << 20) - 1;
    uint256 private constant MAX_OPENED_AT_ONCE = 64;
    uint256 private constant MAX_PROBES = 64;

    IERC20 internal immutable _token;
    IModelRegistry internal immutable _registry;
    address internal immutable _sink;
    uint256 internal immutable _seatBond;
    uint256 internal immutable _noShowPenalty;
    uint256 internal immutable _drawDeadlineBlocks;

    mapping(address account => AccountWord) private _accounts;
    mapping(uint256 seatId => Seat) internal _seats;
    mapping(ModelId modelId => Roster) private _rosters;
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
        // INVARIANT I1: what goes out as tokens does not stay in the contract, owed to nobody.
        if (to == address(0) || to == address(this)) revert InvalidReceiver(to);
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
        _noteTerms(modelId);
        // INVARIANT I3: an open seat has its whole bond locked.
        _debit(msg.sender, count * _seatBond);
        _accounts[msg.sender] = _accounts[msg.sender].plus(count * AccountWords.SEAT);
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
        _removeSeat(seatId, _seatBond, 0);
    }

    // ─── Views ───────────────────────────────────────────────────────────────────────────────

    /// @inheritdoc ISeats
    function accountOf(address account) external view returns (Account memory) {
        AccountWord word = _accounts[account];
        return
            Account({
                credit: uint96(word.credit()), // Safe: it is 96 bits of the word.
                completed: word.completed(),
                missed: word.missed(),
                slashed: word.slashed(),
                seats: word.seats(),
                posted: word.posted()
            });
    }

    /// @inheritdoc ISeats
    function creditOf(address account) external view returns (uint256) {
        return _accounts[account].credit();
    }

    /// @inheritdoc ISeats
    function seatRecordOf(
        uint256 seatId
    )
        external
        view
        returns (SeatWord word, bytes32 answer, ModelId modelId, uint256 closeRequestedBlock)
    {
        Seat storage seat = _seats[seatId];
        return (seat.word, seat.answer, seat.modelId, seat.closeRequestedBlock);
    }

    /// @inheritdoc ISeats
    function rosterLengthsOf(ModelId modelId) external view returns (uint256) {
        return _lengthsOf(modelId);
    }

    /// @inheritdoc ISeats
    function rosterEntryOf(
        ModelId modelId,
        uint256 tick,
        uint256 index
    ) external view returns (RosterEntry) {
        return _rosters[modelId].entries[RosterEntries.key(tick, index)];
    }

    // ─── For the marketplace: money ──────────────────────────────────────────────────────────

    function _credit(address account, uint256 amount) internal {
        _accounts[account] = _credited(account, amount);
    }

    function _debit(address account, uint256 amount) internal {
        AccountWord word = _accounts[account];
        // INVARIANT I2: nobody spends or withdraws more than is owed to them.
        if (word.credit() < amount) revert CreditTooSmall(account, word.credit(), amount);
        _accounts[account] = word.minus(amount);
    }

    /// @dev Takes a posting's price from the caller's credit first, the rest in tokens. The count of
    /// postings also keeps the word from ever being zero again: a refund is then 17,100 gas cheaper.
    function _collect(address account, uint256 amount) internal {
        AccountWord word = _accounts[account];
        uint256 fromCredit = Math.min(word.credit(), amount);
        _accounts[account] = word.plus(AccountWords.POSTED).minus(fromCredit);
        if (fromCredit != amount) _pull(account, amount - fromCredit);
    }

    // ─── For the marketplace: rosters and draws ──────────────────────────────────────────────

    function _lengthsOf(ModelId modelId) internal view returns (uint256) {
        return _rosters[modelId].lengths;
    }

    /// @dev What a model costs and how fast it is: noted here once it has seats, else asked for.
    function _modelTerms(
        ModelId modelId
    ) internal view returns (uint256 basePrice, uint256 msPerToken) {
        Roster storage roster = _rosters[modelId];
        (basePrice, msPerToken) = (roster.basePrice, roster.msPerToken);
        if (basePrice == 0) return _registry.termsOf(modelId);
    }

    /// @dev Fills `places` places. Reads only the seed and the roster as it stood before the frozen
    /// block, so nobody re-rolls a known seed. A probe of a seat that changed since leaves its place
    /// vacant.
    function _pickSeats(Draw memory draw, ModelId modelId, uint256 places) internal view {
        draw.seatIds = new uint256[](places);
        draw.workers = new address[](places);
        uint256 size = RosterEntries.sizeUpTo(draw.lengths, draw.tick);
        if (size == 0) return;
        Roster storage roster = _rosters[modelId];
        for (uint256 probe = 0; probe < MAX_PROBES && draw.places < places; ++probe) {
            uint256 position = uint256(Hashes.efficientKeccak256(draw.seed, bytes32(probe))) % size;
            _consider(draw, roster.entries[RosterEntries.keyOf(draw.lengths, position)]);
        }
    }

    /// @dev Marks the seats of a drawn committee as busy; a vacant place has no worker.
    /// @return packed Seat ids of 20 bits, place 0 lowest.
    function _occupy(Draw memory draw) internal returns (uint256 packed) {
        for (uint256 place = draw.seatIds.length; place > 0; --place) {
            uint256 seatId = draw.seatIds[place - 1];
            packed = (packed << RosterEntries.LENGTH_BITS) | seatId;
            if (seatId == 0) {
                draw.workers[place - 1] = address(0);
                continue;
            }
            Seat storage seat = _seats[seatId];
            // INVARIANT I7: a seat serves at most one job.
            seat.word = seat.word.drawn(block.number);
        }
    }

    // ─── For the marketplace: what becomes of a member ───────────────────────────────────────

    /// @dev The seat did its duty: idle again, `pay` credited, counted if it agreed.
    function _release(uint256 seatId, address owner, uint256 pay, bool hasCompleted) internal {
        Seat storage seat = _seats[seatId];
        seat.word = seat.word.released(block.number);
        if (hasCompleted) _accounts[owner] = _credited(owner, pay).plus(AccountWords.COMPLETED);
        else if (pay != 0) _credit(owner, pay);
    }

    /// @dev The seat could not serve and costs no bond: off the roster.
    function _dismiss(uint256 seatId) internal {
        _removeSeat(seatId, _seatBond, AccountWords.MISSED);
    }

    /// @dev Takes a bond, or the no-show's part of it, to the sink; the seat leaves its roster.
    function _slash(JobId jobId, uint256 seatId, address owner, SlashReason reason) internal {
        bool isNoShow = reason == SlashReason.NoShow;
        // INVARIANT I4: a slash never exceeds the bond, and goes to the sink alone.
        uint256 penalty = isNoShow ? _noShowPenalty : _seatBond;
        emit SeatSlashed(jobId, owner, seatId, reason, penalty);
        _credit(_sink, penalty);
        uint256 count = isNoShow ? AccountWords.MISSED : AccountWords.SLASHED;
        _removeSeat(seatId, _seatBond - penalty, count);
    }

    // ─── Private ─────────────────────────────────────────────────────────────────────────────

    function _pull(address from, uint256 amount) private {
        uint256 before = _token.balanceOf(address(this));
        _token.safeTransferFrom(from, address(this), amount);
        uint256 received = _token.balanceOf(address(this)) - before;
        // INVARIANT I1: every unit booked has arrived.
        if (received != amount) revert TokenDeltaMismatch(amount, received);
    }

    function _credited(address account, uint256 amount) private view returns (AccountWord word) {
        word = _accounts[account];
        if (amount > type(uint96).max - word.credit()) {
            revert CreditOverflow(account, word.credit(), amount);
        }
        return word.plus(amount);
    }

    function _noteTerms(ModelId modelId) private {
        Roster storage roster = _rosters[modelId];
        if (roster.basePrice != 0) return;
        (roster.basePrice, roster.msPerToken) = _registry.termsOf(modelId);
    }

    function _openSeat(ModelId modelId, uint256 tick) private returns (uint256 seatId) {
        seatId = _nextSeatId();
        Roster storage roster = _rosters[modelId];
        uint256 index = RosterEntries.lengthAt(roster.lengths, tick);
        // Cannot overflow 20 bits: a list is no longer than there are seat ids.
        roster.lengths += RosterEntries.oneAt(tick);
        roster.entries[RosterEntries.key(tick, index)] = RosterEntries.arrive(seatId, block.number);
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
    /// @param count What its owner's record gains: one of `AccountWords`' counts, or nothing.
    function _removeSeat(uint256 seatId, uint256 returned, uint256 count) private {
        Seat storage seat = _seats[seatId];
        SeatWord word = seat.word;
        address owner = word.owner();
        _unlist(_rosters[seat.modelId], word.tick(), word.index(), seatId);
        seat.word = SeatWord.wrap(0);
        if (word.isClosing()) seat.closeRequestedBlock = 0;
        _freeSeatIds.push(seatId);
        emit SeatClosed(seatId, owner, returned);
        _accounts[owner] = _credited(owner, returned).plus(count).minus(AccountWords.SEAT);
    }

    function _unlist(Roster storage roster, uint256 tick, uint256 index, uint256 seatId) private {
        uint256 lengths = roster.lengths - RosterEntries.oneAt(tick);
        roster.lengths = lengths;
        uint256 lastKey = RosterEntries.key(tick, RosterEntries.lengthAt(lengths, tick));
        uint256 movedId = roster.entries[lastKey].seatId();
        roster.entries[lastKey] = RosterEntry.wrap(0);
        if (movedId == seatId) return;
        roster.entries[RosterEntries.key(tick, index)] = RosterEntries.arrive(
            movedId,
            block.number
        );
        _seats[movedId].word = _seats[movedId].word.moved(index);
    }

    /// @dev One probe of a draw: picks the seat, leaves the place vacant, or does neither.
    function _consider(Draw memory draw, RosterEntry entry) private view {
        uint256 seatId = entry.seatId();
        SeatWord word = _seats[seatId].word;
        // Who stood here when the roster froze is not known any more.
        bool hasArrived = seatId == 0 || entry.arrivedBlock() >= draw.frozenBlock;
        address owner = hasArrived ? address(0) : word.owner();
        // INVARIANT I6: a worker is on a round at most once, and on one round of a job.
        if (_isBarred(draw, owner)) return;
        // INVARIANT I5: what changed since the roster froze leaves a vacant place, and is
        // never passed on.
        bool hasChanged = hasArrived || word.drawnBlock() >= draw.frozenBlock;
        if (!hasChanged && !_wasIdle(word, seatId, draw.frozenBlock)) return;
        draw.workers[draw.places] = owner;
        if (!hasChanged) {
            draw.seatIds[draw.places] = seatId;
            ++draw.filled;
        }
        ++draw.places;
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

    /// @dev Whether an owner holds a place already, or took part in an earlier round.
    function _isBarred(Draw memory draw, address owner) private pure returns (bool) {
        if (owner == address(0)) return false;
        for (uint256 i = 0; i < draw.places; ++i) {
            if (draw.workers[i] == owner) return true;
        }
        for (uint256 i = 0; i < draw.barred.length; ++i) {
            if (draw.barred[i] == owner) return true;
        }
        return false;
    }
}
