// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {CommitEntry, PermitSignature, RevealEntry} from "../types/Calls.sol";
import {JobId, JobParams, JobState} from "../types/Job.sol";
import {ModelId} from "../types/Model.sol";
import {Outcome} from "../types/Outcome.sol";
import {FirstRound, RoundWord} from "../types/RoundWord.sol";
import {IAnnouncements} from "./IAnnouncements.sol";
import {ISeats} from "./ISeats.sol";

/// @notice Constructor arguments; immutable afterwards.
/// @param token ERC-20 in which everything is paid.
/// @param registry Model registry.
/// @param treasury Receives the protocol fee.
/// @param sink Receives slashed bonds; a burn address or an immutable treasury.
/// @param seatBond Bond of a seat, token units.
/// @param baseFee Pay of an agreeing worker besides tokens; about the gas of commit and reveal.
/// @param bounty Pay of whoever moves a job forward: for a round's draw, its end, the delivery.
/// @param feeBps Protocol fee on what an accepted job paid, basis points.
/// @param noShowBps Part of the bond that a no-show costs, basis points.
/// @param maxRedundancy Most workers in a first round, odd; a second one has two more.
/// @param maxRounds Most rounds that can be bought, 1 or 2.
/// @param maxJobTokens Most tokens of a job.
/// @param maxCallbackGas Most gas of a callback; zero where callbacks are not served.
/// @param commitFloorSeconds Commit window of an empty job.
/// @param revealWindowSeconds Reveal window.
/// @param drawDeadlineBlocks Blocks after the first seed block in which a committee can be drawn.
struct MarketConfig {
    address token;
    address registry;
    address treasury;
    address sink;
    uint96 seatBond;
    uint96 baseFee;
    uint96 bounty;
    uint16 feeBps;
    uint16 noShowBps;
    uint8 maxRedundancy;
    uint8 maxRounds;
    uint32 maxJobTokens;
    uint32 maxCallbackGas;
    uint32 commitFloorSeconds;
    uint32 revealWindowSeconds;
    uint32 drawDeadlineBlocks;
}

/// @title The marketplace: escrow, draw, commit, reveal, quorum, settlement
/// @notice Security is the share of bonded seats a cartel holds: below a quorum every attack
/// costs more than it brings, at a quorum a cartel can lie.
/// @dev Nobody owns it, it cannot be paused or upgraded. Job parameters travel in calldata and are
/// checked by their hash, the job id.
interface IMarketplace is ISeats, IAnnouncements {
    /// @notice A job was posted and its escrow locked.
    event JobPosted(
        JobId indexed jobId,
        address indexed requester,
        ModelId indexed modelId,
        JobParams params,
        uint256 escrowed
    );
    /// @notice The draw's seed block and roster are fixed; `lengths` holds eight 20-bit lists' lengths.
    event DrawArmed(
        JobId indexed jobId,
        uint256 round,
        uint256 seedBlock,
        uint256 expiryBlock,
        uint256 lengths
    );
    /// @notice The committee is drawn; a zero seat id is a vacant place.
    event CommitteeDrawn(
        JobId indexed jobId,
        uint256 round,
        uint256 seedBlock,
        bytes32 seed,
        uint256[] seatIds,
        address[] workers,
        uint256 commitDeadline
    );
    /// @notice A member committed.
    event ResultCommitted(
        JobId indexed jobId,
        address indexed worker,
        uint256 round,
        uint256 place,
        bytes32 commitment
    );
    /// @notice Every member has committed: the reveal window opens early.
    event RevealOpened(JobId indexed jobId, uint256 round, uint256 revealDeadline);
    /// @notice A member opened its commitment.
    event ResultRevealed(
        JobId indexed jobId,
        address indexed worker,
        uint256 round,
        uint256 place,
        Outcome outcome,
        bytes32 salt
    );
    /// @notice A quorum agrees on this outcome; it will not change.
    event ResultAccepted(JobId indexed jobId, uint256 round, bytes32 answer);
    /// @notice A round ended without a quorum and another one was bought: its draw is armed. Who
    /// did not act is punished; revealed Ok and InputInvalid answers wait for the job's end.
    event RoundSplit(JobId indexed jobId, uint256 round, bytes32 transcript);
    /// @notice A member was paid, in credit.
    event WorkerPaid(JobId indexed jobId, address indexed worker, uint256 amount);
    /// @notice Whoever moved the job forward was paid, in credit.
    event BountyPaid(JobId indexed jobId, address indexed caller, uint256 amount);
    /// @notice A job ended, Accepted or Failed. `paid + refunded + fee` is what was escrowed; `paid`
    /// holds the delivery's bounty where a callback is set.
    event JobSettled(
        JobId indexed jobId,
        JobState state,
        uint256 paid,
        uint256 refunded,
        uint256 fee,
        bytes32 transcript
    );
    /// @notice A job was withdrawn before its draw.
    event JobCancelled(JobId indexed jobId, uint256 refunded);
    /// @notice The callback was called, once and for all; whether it succeeded changes nothing.
    event ResultDelivered(JobId indexed jobId, address indexed callback, bool hasSucceeded);
    /// @notice An entry of a batch does not apply; `reason` is the selector of what a single call
    /// would have reverted with.
    event EntrySkipped(JobId indexed jobId, address indexed worker, uint256 place, bytes4 reason);

    /// @notice A constructor argument makes no sense.
    error InvalidConfig(MarketConfig config);
    /// @notice The caller is not the requester named in the parameters.
    error NotRequester(address requester, address caller);
    /// @notice A job with these parameters was posted before; choose another nonce.
    error JobAlreadyPosted(JobId jobId);
    /// @notice Prompts digest or count is zero.
    error InvalidPrompts(bytes32 promptsDigest, uint256 promptCount);
    /// @notice `maxTokens` must be 1 to `maximum`.
    error InvalidMaxTokens(uint256 maxTokens, uint256 maximum);
    /// @notice Redundancy must be odd and 1 to `maximum`.
    error InvalidRedundancy(uint256 redundancy, uint256 maximum);
    /// @notice Rounds must be 1 to `maximum`.
    error InvalidRounds(uint256 maxRounds, uint256 maximum);
    /// @notice A callback needs gas of 1 to `maximum`, and no callback takes none.
    error InvalidCallback(address callback, uint256 callbackGasLimit, uint256 maximum);
    /// @notice A seat never serves a job that pays it more than its bond.
    error PayAboveBond(uint256 pay, uint256 seatBond);
    /// @notice At the model's pace the job would need a longer commit window than `maximum`.
    error WindowTooLong(uint256 commitSeconds, uint256 maximum);
    /// @notice The roster holds fewer seats than the job asks for.
    error RosterTooThin(uint256 available, uint256 required);
    /// @notice The job is in a state that does not allow the call.
    error UnexpectedJobState(JobId jobId, JobState state);
    /// @notice The window for the call has passed.
    error DeadlinePassed(JobId jobId, uint256 deadline);
    /// @notice From the seed block to the draw deadline only a draw moves the job; after a split,
    /// nothing but `advance` does.
    error NotCancellable(JobId jobId, uint256 seedBlock, uint256 expiryBlock);
    /// @notice Nothing is due before the clock moves or a member acts.
    error NothingDue(JobId jobId, JobState state);
    /// @notice The caller does not hold this place of the committee.
    error NotOnCommittee(JobId jobId, address caller, uint256 place);
    /// @notice This place has committed before.
    error AlreadyCommitted(JobId jobId, uint256 place);
    /// @notice A commitment must not be zero.
    error EmptyCommitment(JobId jobId);
    /// @notice This place has not committed.
    error CommitmentNotFound(JobId jobId, uint256 place);
    /// @notice This place has revealed before.
    error AlreadyRevealed(JobId jobId, uint256 place);
    /// @notice Outcome and salt do not open the commitment.
    error CommitmentMismatch(JobId jobId, bytes32 expected, bytes32 actual);
    /// @notice An outcome that no honest worker can produce for this job.
    error InvalidOutcome(JobId jobId, Outcome outcome);
    /// @notice The job named no callback.
    error NoCallback(JobId jobId);
    /// @notice The callback was called before.
    error AlreadyDelivered(JobId jobId);
    /// @notice Outcome and transcript are not those the job ended with.
    error RecordMismatch(JobId jobId, bytes32 expected, bytes32 actual);
    /// @notice The caller must bring this much gas, so that the callback gets all of its own.
    error CallbackGasTooLow(uint256 available, uint256 required);

    /// @notice Posts a job: locks its whole possible cost and arms the draw.
    /// @dev Takes the caller's credit first, the rest in tokens by allowance. Throws the errors above
    /// that name a parameter, UnknownModel, TokenDeltaMismatch. Emits JobPosted, DrawArmed.
    /// @return jobId Hash of chain, marketplace and parameters.
    function postJob(JobParams calldata params) external returns (JobId jobId);

    /// @notice The same, with an EIP-2612 permit in place of an earlier allowance.
    /// @dev A permit that fails is ignored: somebody may have sent it first [R7]. Throws as `postJob`.
    function postJobWithPermit(
        JobParams calldata params,
        PermitSignature calldata permit
    ) external returns (JobId jobId);

    /// @notice Withdraws a job and refunds all of it. Requester only; allowed before the seed block
    /// or after the draw deadline, not in between, and never after a split: a known committee cannot
    /// be re-rolled, and answers that are out are paid.
    /// @dev Throws NotRequester, UnexpectedJobState, NotCancellable. Emits JobCancelled.
    function cancelJob(JobParams calldata params) external;

    /// @notice Does whatever is due: draws the committee, arms again, starts the next round, settles,
    /// fails. Open to all.
    /// @dev Pays the caller a bounty in credit for a draw and for a round's end, none for arming
    /// again. Throws UnexpectedJobState, NothingDue, WrongHeader.
    /// @param header RLP header of the seed block; read only when a draw is due and the chain still
    /// knows the block's hash.
    function advance(JobParams calldata params, bytes calldata header) external;

    /// @notice Commits the caller's result. Allowed only while Committing.
    /// @dev Throws UnexpectedJobState, DeadlinePassed, NotOnCommittee, AlreadyCommitted,
    /// EmptyCommitment. Emits ResultCommitted, and RevealOpened after the last one.
    /// @param place Caller's place in the committee, from CommitteeDrawn.
    /// @param commitment `keccak256(abi.encode(domain, chainid, this, jobId, round, worker,
    /// outcomeHash, salt))`.
    function commitResult(JobId jobId, uint256 place, bytes32 commitment) external;

    /// @notice Commits to many jobs. An entry that `commitResult` would refuse is skipped with
    /// EntrySkipped and spoils nothing.
    function commitResults(CommitEntry[] calldata entries) external;

    /// @notice Opens the caller's commitment. Allowed only while Revealing.
    /// @dev The last reveal ends the round. Throws UnexpectedJobState, DeadlinePassed,
    /// NotOnCommittee, CommitmentNotFound, AlreadyRevealed, CommitmentMismatch, InvalidOutcome.
    /// Emits ResultRevealed, ResultAccepted.
    function revealResult(
        JobParams calldata params,
        uint256 place,
        Outcome calldata outcome,
        bytes32 salt
    ) external;

    /// @notice Reveals for many jobs. An entry that `revealResult` would refuse is skipped with
    /// EntrySkipped and spoils nothing.
    /// Warning: any of them may turn out to be its round's last reveal and cost the end's gas too.
    function revealResults(RevealEntry[] calldata entries) external;

    /// @notice Calls the job's callback with the result, once. Allowed once Accepted or Failed, to
    /// all, for a bounty. Whatever the callback does, the job's end stands.
    /// @dev The callback gets exactly `callbackGasLimit` of gas. Throws NoCallback,
    /// UnexpectedJobState, AlreadyDelivered, RecordMismatch, CallbackGasTooLow. Emits BountyPaid,
    /// ResultDelivered.
    /// @param outcome The accepted one; all zero for a Failed job.
    /// @param transcript From JobSettled.
    function deliver(
        JobParams calldata params,
        Outcome calldata outcome,
        bytes32 transcript
    ) external;

    /// @notice Id of a job with these parameters on this chain and contract.
    function jobIdOf(JobParams calldata params) external view returns (JobId);

    /// @notice Derived state of a job.
    function stateOf(JobId jobId) external view returns (JobState);

    /// @notice A job's current round as it is stored; MarketplaceLens makes it readable.
    function roundWordOf(JobId jobId) external view returns (RoundWord);

    /// @notice What is left of a first round that was split, until the job ends.
    function firstRoundOf(JobId jobId) external view returns (FirstRound memory);

    /// @notice What posting such a job would lock. Throws UnknownModel.
    function escrowOf(JobParams calldata params) external view returns (uint256);

    /// @notice The constructor's arguments.
    function config() external view returns (MarketConfig memory);
}
