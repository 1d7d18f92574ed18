// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {JobId} from "../types/Job.sol";
import {ModelId} from "../types/Model.sol";
import {RosterEntry} from "../types/RosterEntry.sol";
import {SeatWord} from "../types/SeatWord.sol";

/// @notice Why a seat lost its bond or part of it.
/// @custom:value0 NoShow Drawn, did not commit: loses a part and the seat.
/// @custom:value1 NotRevealed Committed, did not reveal: loses the whole bond.
/// @custom:value2 WrongResult Revealed against the quorum: loses the whole bond.
enum SlashReason {
    NoShow,
    NotRevealed,
    WrongResult
}

/// @notice One account's money and record.
/// @param credit Withdrawable at once, in units of the escrow token.
/// @param completed Rounds in which the account agreed with the quorum.
/// @param missed Rounds in which it did not commit or could not fetch the input.
/// @param slashed Rounds in which it lost a whole bond.
/// @param seats Seats now open.
/// @param posted Jobs posted by the account.
struct Account {
    uint96 credit;
    uint32 completed;
    uint32 missed;
    uint32 slashed;
    uint32 seats;
    uint32 posted;
}

/// @title Seats and the balance sheet
/// @notice A seat is one entry in a model's roster: a bond, a unit of capacity and a lottery ticket.
/// @dev Free stake and earnings are one balance, `credit`. Tokens move in `deposit` and `withdraw`
/// (and in the posting of a job); everything else moves credit.
/// Warning: rebasing tokens are not supported; fee-taking ones are refused on the way in. The
/// token's supply must stay below 2**96 units, for a credit holds no more.
interface ISeats {
    /// @notice Tokens came in and became credit.
    event StakeDeposited(address indexed account, uint256 amount);
    /// @notice Credit went out as tokens.
    event Withdrawn(address indexed account, address indexed to, uint256 amount);
    /// @notice A seat joined a roster; its bond is locked.
    event SeatOpened(
        uint256 indexed seatId,
        address indexed owner,
        ModelId indexed modelId,
        uint256 tick
    );
    /// @notice Its owner asked to close it; it takes no draw armed from now on.
    event SeatClosing(uint256 indexed seatId, address indexed owner);
    /// @notice A seat left its roster; `returned` of its bond became credit.
    event SeatClosed(uint256 indexed seatId, address indexed owner, uint256 returned);
    /// @notice A seat lost `amount` of its bond to the sink.
    event SeatSlashed(
        JobId indexed jobId,
        address indexed worker,
        uint256 indexed seatId,
        SlashReason reason,
        uint256 amount
    );

    /// @notice An amount of zero.
    error InvalidAmount(uint256 amount);
    /// @notice A credit holds no more than 96 bits.
    error CreditOverflow(address account, uint256 credit, uint256 amount);
    /// @notice Less credit than asked for.
    error CreditTooSmall(address account, uint256 credit, uint256 required);
    /// @notice The token delivered another amount than it was told to.
    error TokenDeltaMismatch(uint256 expected, uint256 received);
    /// @notice Ticks are 0 to 7.
    error InvalidTick(uint256 tick);
    /// @notice A call opens 1 to 64 seats.
    error InvalidSeatCount(uint256 count);
    /// @notice The 20-bit space of seat ids is used up.
    error NoSeatLeft();
    /// @notice The caller does not own the seat.
    error NotSeatOwner(uint256 seatId, address caller);
    /// @notice The seat has been asked to close before.
    error SeatAlreadyClosing(uint256 seatId);
    /// @notice The seat cannot leave: it must be closing, idle, and past `leaveBlock`.
    error SeatNotLeaving(uint256 seatId, bool isClosing, bool isBusy, uint256 leaveBlock);
    /// @notice Tokens sent to the zero address or to the marketplace itself would be lost.
    error InvalidReceiver(address to);

    /// @notice Turns the caller's tokens into credit.
    /// @dev Throws InvalidAmount, CreditOverflow, TokenDeltaMismatch. Emits StakeDeposited.
    function deposit(uint256 amount) external;

    /// @notice Pays the caller's credit out to `to`. Never blocked by anybody.
    /// @dev Throws InvalidAmount, CreditTooSmall, InvalidReceiver. Emits Withdrawn.
    function withdraw(uint256 amount, address to) external;

    /// @notice Opens `count` seats for a model at a price tick, each locking one bond of credit.
    /// @dev A seat never changes model or tick: close and reopen. Throws UnknownModel, InvalidTick,
    /// InvalidSeatCount, CreditTooSmall, NoSeatLeft. Emits SeatOpened.
    function openSeats(
        ModelId modelId,
        uint256 tick,
        uint256 count
    ) external returns (uint256[] memory seatIds);

    /// @notice Asks a seat to close. It still serves draws armed before this block.
    /// @dev Throws NotSeatOwner, SeatAlreadyClosing. Emits SeatClosing.
    function closeSeat(uint256 seatId) external;

    /// @notice Takes a closing seat off its roster and returns the bond as credit. Anyone may call.
    /// @dev Allowed once it is idle and one draw deadline has passed since it was asked to close.
    /// Throws SeatNotLeaving. Emits SeatClosed.
    function leaveSeat(uint256 seatId) external;

    /// @notice Money and record of an account.
    function accountOf(address account) external view returns (Account memory);

    /// @notice Withdrawable balance of an account.
    function creditOf(address account) external view returns (uint256);

    /// @notice A seat as it is stored; MarketplaceLens makes it readable.
    /// @return word Zero when there is no such seat.
    /// @return answer Commitment or revealed answer of the round it serves; else what is left of one.
    /// @return modelId Model that it serves.
    /// @return closeRequestedBlock Block in which it was asked to close; zero if it was not.
    function seatRecordOf(
        uint256 seatId
    )
        external
        view
        returns (SeatWord word, bytes32 answer, ModelId modelId, uint256 closeRequestedBlock);

    /// @notice Lengths of a model's eight lists, 20 bits each, tick 0 lowest; busy and closing seats
    /// included.
    function rosterLengthsOf(ModelId modelId) external view returns (uint256);

    /// @notice A position of a model's list of one tick; zero when there is none.
    function rosterEntryOf(
        ModelId modelId,
        uint256 tick,
        uint256 index
    ) external view returns (RosterEntry);
}
