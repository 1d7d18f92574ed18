// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Marketplace} from "../../src/Marketplace.sol";
import {MarketplaceLens} from "../../src/MarketplaceLens.sol";
import {ModelRegistry} from "../../src/ModelRegistry.sol";
import {TestDollar} from "../../src/TestDollar.sol";
import {IMarketplace, MarketConfig} from "../../src/interfaces/IMarketplace.sol";
import {JobId, JobParams, JobState, RoundView} from "../../src/types/Job.sol";
import {ModelId} from "../../src/types/Model.sol";
import {Outcome} from "../../src/types/Outcome.sol";
import {JobBuilder, OutcomeBuilder, aModel} from "./Builders.sol";
import {Headers} from "./Headers.sol";
import {Vm, vm} from "./Vm.sol";

/// @notice The one fixture: token, registry, a model and a marketplace with the devnet's values,
/// named actors, and the moves that most tests are made of.
abstract contract MarketTest {
    using JobBuilder for JobParams;

    // ─── The devnet's values ─────────────────────────────────────────────────────────────────

    uint256 internal constant BOND = 50_000_000;
    uint256 internal constant NO_SHOW_PENALTY = BOND / 10;
    uint256 internal constant BASE_FEE = 20_000;
    uint256 internal constant BOUNTY = 10_000;
    uint256 internal constant FEE_BPS = 100;
    uint256 internal constant PRICE = 2;
    uint256 internal constant MS_PER_TOKEN = 5;
    uint256 internal constant COMMIT_FLOOR = 10;
    uint256 internal constant REVEAL_WINDOW = 60;
    uint256 internal constant DRAW_DEADLINE = 256;
    uint256 internal constant SEED_DELAY = 2;
    uint32 internal constant MAX_JOB_TOKENS = 262_144;
    uint8 internal constant MAX_REDUNDANCY = 7;
    uint8 internal constant MAX_ROUNDS = 2;
    uint32 internal constant MAX_CALLBACK_GAS = 1_000_000;

    // ─── The default job ─────────────────────────────────────────────────────────────────────

    uint32 internal constant JOB_TOKENS = 10_000;
    /// @dev 10 s + 10,000 tokens of 5 ms.
    uint256 internal constant COMMIT_WINDOW = 60;
    uint256 internal constant JOB_PAY = BASE_FEE + JOB_TOKENS * PRICE;
    /// @dev Three seats and two bounties, and 1% on top.
    uint256 internal constant JOB_ESCROW = ((3 * JOB_PAY + 2 * BOUNTY) * 101) / 100;

    uint256 internal constant START_BLOCK = 1_000;
    uint256 internal constant START_TIME = 1_700_000_000;
    uint256 internal constant BLOCK_SECONDS = 2;
    bytes internal constant NO_HEADER = "";

    TestDollar internal token;
    ModelRegistry internal registry;
    Marketplace internal market;
    MarketplaceLens internal lens;
    ModelId internal modelId;

    address internal requester = anActor("requester");
    address internal keeper = anActor("keeper");
    address internal stranger = anActor("stranger");
    address internal treasury = anActor("treasury");
    address internal sink = anActor("sink");

    function setUp() public virtual {
        vm.roll(START_BLOCK);
        vm.warp(START_TIME);
        token = TestDollar(vm.deployCode("TestDollar.sol:TestDollar"));
        registry = ModelRegistry(vm.deployCode("ModelRegistry.sol:ModelRegistry"));
        modelId = registry.registerModel(aModel());
        useMarket(deployMarket(devnetConfig()));
        fund(requester, 1_000_000_000);
    }

    // ─── Builders ────────────────────────────────────────────────────────────────────────────

    function anActor(string memory name) internal returns (address account) {
        account = address(uint160(uint256(keccak256(bytes(name)))));
        vm.label(account, name);
    }

    /// @dev Workers are numbered from 0.
    function aWorker(uint256 number) internal returns (address) {
        return anActor(string.concat("worker ", vm.toString(number)));
    }

    function devnetConfig() internal view returns (MarketConfig memory) {
        return
            MarketConfig({
                token: address(token),
                registry: address(registry),
                treasury: treasury,
                sink: sink,
                seatBond: uint96(BOND),
                baseFee: uint96(BASE_FEE),
                bounty: uint96(BOUNTY),
                feeBps: uint16(FEE_BPS),
                noShowBps: 1_000,
                maxRedundancy: MAX_REDUNDANCY,
                maxRounds: MAX_ROUNDS,
                maxJobTokens: MAX_JOB_TOKENS,
                maxCallbackGas: MAX_CALLBACK_GAS,
                commitFloorSeconds: uint32(COMMIT_FLOOR),
                revealWindowSeconds: uint32(REVEAL_WINDOW),
                drawDeadlineBlocks: uint32(DRAW_DEADLINE)
            });
    }

    function deployMarket(MarketConfig memory config) internal returns (Marketplace) {
        return Marketplace(vm.deployCode("Marketplace.sol:Marketplace", abi.encode(config)));
    }

    /// @dev The one that the moves below go to, read through a lens of its own.
    function useMarket(Marketplace chosen) internal {
        market = chosen;
        lens = MarketplaceLens(
            vm.deployCode("MarketplaceLens.sol:MarketplaceLens", abi.encode(chosen))
        );
    }

    /// @dev The devnet's market for another token.
    function marketWith(address otherToken) internal returns (Marketplace) {
        MarketConfig memory config = devnetConfig();
        config.token = otherToken;
        return deployMarket(config);
    }

    function aJob() internal view returns (JobParams memory) {
        return
            JobParams({
                requester: requester,
                nonce: 1,
                modelId: modelId,
                tick: 0,
                promptsDigest: keccak256("prompts"),
                promptCount: 4,
                maxTokens: JOB_TOKENS,
                redundancy: 3,
                maxRounds: 1,
                minSeats: 0,
                callback: address(0),
                callbackGasLimit: 0
            });
    }

    function anOutcome() internal pure returns (Outcome memory) {
        return OutcomeBuilder.ok(1_000, "the answer");
    }

    function aSalt(address worker) internal pure returns (bytes32) {
        return keccak256(abi.encode("salt", worker));
    }

    // ─── Money and seats ─────────────────────────────────────────────────────────────────────

    /// @dev Tokens and an unlimited allowance.
    function fund(address account, uint256 amount) internal {
        vm.startPrank(account);
        token.faucet(amount);
        token.approve(address(market), type(uint256).max);
        vm.stopPrank();
    }

    function fundAndDeposit(address account, uint256 amount) internal {
        fund(account, amount);
        vm.prank(account);
        market.deposit(amount);
    }

    function openSeat(address owner, uint256 tick) internal returns (uint256) {
        return openSeats(owner, tick, 1)[0];
    }

    function openSeats(
        address owner,
        uint256 tick,
        uint256 count
    ) internal returns (uint256[] memory) {
        fundAndDeposit(owner, count * BOND);
        vm.prank(owner);
        return market.openSeats(modelId, tick, count);
    }

    /// @dev Workers 0 to count - 1, one seat each at tick 0; seat of worker i has id i + 1 if
    /// nobody opened one before.
    function openWorkers(uint256 count) internal {
        for (uint256 i = 0; i < count; ++i) {
            openSeat(aWorker(i), 0);
        }
    }

    // ─── Time ────────────────────────────────────────────────────────────────────────────────

    function mine(uint256 blocks) internal {
        vm.roll(vm.getBlockNumber() + blocks);
        vm.warp(vm.getBlockTimestamp() + blocks * BLOCK_SECONDS);
    }

    function rollTo(uint256 number) internal {
        mine(number - vm.getBlockNumber());
    }

    function secondsLater(uint256 duration) internal {
        vm.warp(vm.getBlockTimestamp() + duration);
        vm.roll(vm.getBlockNumber() + (duration + BLOCK_SECONDS - 1) / BLOCK_SECONDS);
    }

    // ─── A job's life ────────────────────────────────────────────────────────────────────────

    function post(JobParams memory job) internal returns (JobId) {
        vm.prank(job.requester);
        return market.postJob(job);
    }

    /// @dev Makes `header` the header of the job's seed block, one block in the past or more.
    function mineSeedBlock(JobId jobId, bytes32 prevRandao) internal returns (bytes memory header) {
        uint256 seedBlock = lens.roundOf(jobId).seedBlock;
        if (vm.getBlockNumber() <= seedBlock) rollTo(seedBlock + 1);
        header = headerOf(seedBlock, prevRandao);
    }

    /// @dev Fixes the header of a block of the past.
    function headerOf(uint256 number, bytes32 prevRandao) internal returns (bytes memory header) {
        header = Headers.encode(number, prevRandao);
        vm.setBlockhash(number, keccak256(header));
    }

    function draw(JobParams memory job) internal {
        draw(job, keccak256(abi.encode("randao", vm.getBlockNumber(), job.nonce)));
    }

    function draw(JobParams memory job, bytes32 prevRandao) internal {
        bytes memory header = mineSeedBlock(market.jobIdOf(job), prevRandao);
        advance(job, header);
    }

    function advance(JobParams memory job, bytes memory header) internal {
        vm.prank(keeper);
        market.advance(job, header);
    }

    /// @dev A job with its committee drawn, out of at least as many workers.
    function postAndDraw(JobParams memory job) internal returns (JobId jobId) {
        jobId = post(job);
        draw(job);
        assertState(jobId, JobState.Committing);
    }

    function commitmentOf(
        JobId jobId,
        address worker,
        Outcome memory outcome
    ) internal view returns (bytes32) {
        return commitmentOf(jobId, 1, worker, outcome, aSalt(worker));
    }

    function commitmentOf(
        JobId jobId,
        uint256 round,
        address worker,
        Outcome memory outcome,
        bytes32 salt
    ) internal view returns (bytes32) {
        bytes memory where = abi.encode(
            keccak256("assay.commitment.v1"),
            block.chainid,
            address(market),
            jobId
        );
        bytes memory what = abi.encode(round, worker, keccak256(abi.encode(outcome)), salt);
        return keccak256(bytes.concat(where, what));
    }

    /// @dev Owner of a place, which must be filled.
    function workerAt(JobId jobId, uint256 place) internal view returns (address) {
        uint256 seatId = lens.roundOf(jobId).seatIds[place];
        vm.assertTrue(seatId != 0, "the place is vacant");
        return lens.seatOf(seatId).owner;
    }

    function commit(JobParams memory job, uint256 place, Outcome memory outcome) internal {
        JobId jobId = market.jobIdOf(job);
        address worker = workerAt(jobId, place);
        uint256 round = lens.roundOf(jobId).round;
        bytes32 commitment = commitmentOf(jobId, round, worker, outcome, aSalt(worker));
        vm.prank(worker);
        market.commitResult(jobId, place, commitment);
    }

    function reveal(JobParams memory job, uint256 place, Outcome memory outcome) internal {
        address worker = workerAt(market.jobIdOf(job), place);
        vm.prank(worker);
        market.revealResult(job, place, outcome, aSalt(worker));
    }

    function commitAll(JobParams memory job, Outcome[] memory outcomes) internal {
        for (uint256 place = 0; place < outcomes.length; ++place) {
            commit(job, place, outcomes[place]);
        }
    }

    function revealAll(JobParams memory job, Outcome[] memory outcomes) internal {
        for (uint256 place = 0; place < outcomes.length; ++place) {
            reveal(job, place, outcomes[place]);
        }
    }

    /// @dev Draws, commits and reveals: place i answers `outcomes[i]`. Ends the job.
    function run(JobParams memory job, Outcome[] memory outcomes) internal returns (JobId jobId) {
        jobId = postAndDraw(job);
        commitAll(job, outcomes);
        revealAll(job, outcomes);
    }

    function three(
        Outcome memory first,
        Outcome memory second,
        Outcome memory third
    ) internal pure returns (Outcome[] memory outcomes) {
        outcomes = new Outcome[](3);
        (outcomes[0], outcomes[1], outcomes[2]) = (first, second, third);
    }

    // ─── What the contract must have made of it, computed here ───────────────────────────────

    /// @dev Storage slot of `_rounds`; contracts/snapshots/storage.json names it.
    uint256 private constant ROUNDS_SLOT = 5;

    function storedRound(JobId jobId) internal view returns (uint256) {
        bytes32 slot = keccak256(abi.encode(jobId, ROUNDS_SLOT));
        return uint256(vm.load(address(market), slot));
    }

    /// @dev The word that stands for an outcome: 222 bits of its hash, 32 of count, 2 of status.
    function answerOf(Outcome memory outcome) internal pure returns (bytes32) {
        uint256 hash = uint256(keccak256(abi.encode(outcome)));
        return
            bytes32(
                (hash - (hash % 2 ** 34)) +
                    4 * uint256(outcome.tokenCount) +
                    uint256(outcome.status)
            );
    }

    /// @dev Of a first round.
    function transcriptOf(
        uint256 roundWord,
        address[] memory workers,
        bytes32[] memory answers
    ) internal pure returns (bytes32) {
        return transcriptOf(0, roundWord, workers, answers);
    }

    /// @param earlier Transcript of the round before, zero for the first.
    function transcriptOf(
        bytes32 earlier,
        uint256 roundWord,
        address[] memory workers,
        bytes32[] memory answers
    ) internal pure returns (bytes32) {
        return keccak256(abi.encode(earlier, roundWord, workers, answers));
    }

    function recordOf(bytes32 answer, bytes32 transcript) internal pure returns (bytes32) {
        uint256 hash = uint256(keccak256(bytes.concat(answer, transcript)));
        return bytes32(hash - (hash % 256));
    }

    /// @dev Owners of all places; zero for a vacant one.
    function workersOf(
        JobId jobId,
        uint256 places
    ) internal view returns (address[] memory owners) {
        owners = new address[](places);
        uint256[] memory seatIds = lens.roundOf(jobId).seatIds;
        for (uint256 place = 0; place < places; ++place) {
            if (seatIds[place] != 0) owners[place] = lens.seatOf(seatIds[place]).owner;
        }
    }

    // ─── Expectations ────────────────────────────────────────────────────────────────────────

    function assertState(JobId jobId, JobState expected) internal view {
        vm.assertEq(uint256(market.stateOf(jobId)), uint256(expected), "state of the job");
    }

    function assertCredit(address account, uint256 expected) internal view {
        vm.assertEq(market.creditOf(account), expected, "credit");
    }

    /// @dev Ends the recording of logs that the test began.
    function assertNotEmitted(bytes32 topic) internal {
        Vm.Log[] memory logs = vm.getRecordedLogs();
        for (uint256 i = 0; i < logs.length; ++i) {
            vm.assertTrue(logs[i].topics[0] != topic, "an event that must not be emitted");
        }
    }

    /// @dev From the logs that the test has recorded; ends the recording.
    function lastDataOf(bytes32 topic) internal returns (bytes memory data) {
        Vm.Log[] memory logs = vm.getRecordedLogs();
        for (uint256 i = 0; i < logs.length; ++i) {
            if (logs[i].topics[0] == topic) data = logs[i].data;
        }
        vm.assertTrue(data.length != 0, "the event was not emitted");
    }

    /// @dev Of the JobSettled in the recorded logs.
    function settledTranscript() internal returns (bytes32 transcript) {
        (, , , , transcript) = abi.decode(
            lastDataOf(IMarketplace.JobSettled.selector),
            (JobState, uint256, uint256, uint256, bytes32)
        );
    }

    function expectUnexpectedState(JobId jobId, JobState state) internal {
        vm.expectRevert(
            abi.encodeWithSelector(IMarketplace.UnexpectedJobState.selector, jobId, state)
        );
    }

    function expectDeadlinePassed(JobId jobId, uint256 deadline) internal {
        vm.expectRevert(
            abi.encodeWithSelector(IMarketplace.DeadlinePassed.selector, jobId, deadline)
        );
    }

    function deadlineOf(JobId jobId) internal view returns (uint256) {
        RoundView memory round = lens.roundOf(jobId);
        return round.deadline;
    }

    function bounded(uint256 value, uint256 low, uint256 high) internal pure returns (uint256) {
        return low + (value % (high - low + 1));
    }
}
