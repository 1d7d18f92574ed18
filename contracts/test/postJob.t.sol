// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IERC20Errors} from "@openzeppelin/contracts/interfaces/draft-IERC6093.sol";
import {IMarketplace} from "../src/interfaces/IMarketplace.sol";
import {IModelRegistry} from "../src/interfaces/IModelRegistry.sol";
import {ISeats} from "../src/interfaces/ISeats.sol";
import {JobId, JobParams, JobState, RoundView} from "../src/types/Job.sol";
import {ModelId, ModelSpec} from "../src/types/Model.sol";
import {JobBuilder, aModel} from "./support/Builders.sol";
import {MarketTest} from "./support/MarketTest.sol";
import {vm} from "./support/Vm.sol";

/*
postJob
├── given another requester than the caller    → reverts NotRequester
├── given no prompts digest or no prompts      → reverts InvalidPrompts
├── given a tick above 7                       → reverts InvalidTick
├── given no tokens or too many                → reverts InvalidMaxTokens
├── given an even redundancy or too large      → reverts InvalidRedundancy
├── given no rounds, or more than two          → reverts InvalidRounds
├── given a callback without gas or with too
│   much, or gas without a callback            → reverts InvalidCallback
├── given an unknown model                     → reverts UnknownModel
├── given pay above the bond                   → reverts PayAboveBond
├── given a commit window above 30 days        → reverts WindowTooLong [P2]
├── given fewer seats than workers or minSeats → reverts RosterTooThin
├── given a job posted before, in any state    → reverts JobAlreadyPosted
├── given too little money                     → reverts with the token's error
└── given a sound job                          → emits JobPosted and DrawArmed
    ├── with enough credit                     → takes no tokens
    ├── with some credit                       → takes it first, the rest in tokens
    └── with no credit                         → takes tokens
*/
contract PostJobTest is MarketTest {
    using JobBuilder for JobParams;

    function setUp() public override {
        super.setUp();
        openWorkers(7);
    }

    // ─── Refused ─────────────────────────────────────────────────────────────────────────────

    function test_postJob_notByRequester_reverts() external {
        expectRefusal(
            abi.encodeWithSelector(IMarketplace.NotRequester.selector, requester, keeper)
        );
        vm.prank(keeper);
        market.postJob(aJob());
    }

    function test_postJob_noPromptsDigest_reverts() external {
        JobParams memory job = aJob();
        job.promptsDigest = 0;
        expectRefusal(abi.encodeWithSelector(IMarketplace.InvalidPrompts.selector, bytes32(0), 4));
        post(job);
    }

    function test_postJob_noPrompts_reverts() external {
        JobParams memory job = aJob().withPromptCount(0);
        expectRefusal(
            abi.encodeWithSelector(IMarketplace.InvalidPrompts.selector, job.promptsDigest, 0)
        );
        post(job);
    }

    function test_postJob_tickAboveSeven_reverts(uint8 tick) external {
        tick = uint8(bounded(tick, 8, type(uint8).max));
        expectRefusal(abi.encodeWithSelector(ISeats.InvalidTick.selector, tick));
        post(aJob().withTick(tick));
    }

    function test_postJob_noTokens_reverts() external {
        expectRefusal(
            abi.encodeWithSelector(IMarketplace.InvalidMaxTokens.selector, 0, MAX_JOB_TOKENS)
        );
        post(aJob().withMaxTokens(0));
    }

    function test_postJob_tooManyTokens_reverts(uint32 tokens) external {
        tokens = uint32(bounded(tokens, MAX_JOB_TOKENS + 1, type(uint32).max));
        expectRefusal(
            abi.encodeWithSelector(IMarketplace.InvalidMaxTokens.selector, tokens, MAX_JOB_TOKENS)
        );
        post(aJob().withMaxTokens(tokens));
    }

    function test_postJob_evenOrTooLargeRedundancy_reverts(uint8 redundancy) external {
        vm.assume(redundancy % 2 == 0 || redundancy > MAX_REDUNDANCY);
        expectRefusal(
            abi.encodeWithSelector(
                IMarketplace.InvalidRedundancy.selector,
                redundancy,
                MAX_REDUNDANCY
            )
        );
        post(aJob().withRedundancy(redundancy));
    }

    function test_postJob_noRoundsOrMoreThanTwo_reverts(uint8 rounds) external {
        vm.assume(rounds == 0 || rounds > MAX_ROUNDS);
        JobParams memory job = aJob();
        job.maxRounds = rounds;
        expectRefusal(
            abi.encodeWithSelector(IMarketplace.InvalidRounds.selector, rounds, MAX_ROUNDS)
        );
        post(job);
    }

    function test_postJob_callbackWithoutGas_reverts() external {
        expectInvalidCallback(stranger, 0);
    }

    function test_postJob_callbackWithTooMuchGas_reverts(uint32 gasLimit) external {
        gasLimit = uint32(bounded(gasLimit, MAX_CALLBACK_GAS + 1, type(uint32).max));
        expectInvalidCallback(stranger, gasLimit);
    }

    function test_postJob_gasWithoutCallback_reverts(uint32 gasLimit) external {
        expectInvalidCallback(address(0), uint32(bounded(gasLimit, 1, type(uint32).max)));
    }

    function test_postJob_callbackWithAllGasAllowed_locksOneBountyMore() external {
        uint256 most = 3 * JOB_PAY + 3 * BOUNTY;
        expectEscrow(aJob().withCallback(stranger, MAX_CALLBACK_GAS), most + most / 100);
    }

    function test_postJob_unknownModel_reverts() external {
        ModelId unknown = ModelId.wrap(keccak256("unknown"));
        expectRefusal(abi.encodeWithSelector(IModelRegistry.UnknownModel.selector, unknown));
        post(aJob().withModel(unknown));
    }

    function test_postJob_payOneUnitAboveBond_reverts() external {
        (JobParams memory job, uint256 pay) = aJobPaying(BOND + 1);
        expectRefusal(abi.encodeWithSelector(IMarketplace.PayAboveBond.selector, pay, BOND));
        post(job);
    }

    function test_postJob_payEqualToBond_posts() external {
        (JobParams memory job, ) = aJobPaying(BOND);
        assertState(post(job), JobState.Open);
    }

    function test_postJob_windowOfThirtyDays_posts_P2() external {
        assertState(post(aSlowJob(30 days)), JobState.Open);
    }

    function test_postJob_windowOneSecondLonger_reverts_P2() external {
        JobParams memory job = aSlowJob(30 days + 1);
        expectRefusal(
            abi.encodeWithSelector(IMarketplace.WindowTooLong.selector, 30 days + 1, 30 days)
        );
        post(job);
    }

    /// @dev A deadline of more than 40 bits would change the seat ids that stand above it.
    function test_postJob_windowBeyondItsBits_reverts_P2() external {
        JobParams memory job = aSlowJob(2 ** 32);
        job.maxTokens = MAX_JOB_TOKENS;
        uint256 window = COMMIT_FLOOR + (MAX_JOB_TOKENS * (2 ** 32 - COMMIT_FLOOR)) / 1000;
        expectRefusal(abi.encodeWithSelector(IMarketplace.WindowTooLong.selector, window, 30 days));
        post(job);
    }

    function test_postJob_fewerSeatsThanRedundancy_reverts() external {
        // Seats above the job's tick do not count.
        ModelId other = anotherModel(3);
        seatsFor(other, 0, 4);
        seatsFor(other, 1, 3);
        expectRefusal(abi.encodeWithSelector(IMarketplace.RosterTooThin.selector, 4, 5));
        post(aJob().withModel(other).withRedundancy(5));
    }

    function test_postJob_asManySeatsAsRedundancy_posts() external {
        ModelId other = anotherModel(3);
        seatsFor(other, 0, 2);
        seatsFor(other, 1, 3);
        assertState(post(aJob().withModel(other).withRedundancy(5).withTick(1)), JobState.Open);
    }

    function test_postJob_sameParamsAgain_reverts() external {
        JobId jobId = post(aJob());
        expectPostedBefore(jobId);
        post(aJob());
    }

    function test_postJob_afterCancel_reverts() external {
        JobId jobId = post(aJob());
        vm.prank(requester);
        market.cancelJob(aJob());
        expectPostedBefore(jobId);
        post(aJob());
    }

    function test_postJob_afterSettlement_reverts() external {
        JobId jobId = run(aJob(), three(anOutcome(), anOutcome(), anOutcome()));
        assertState(jobId, JobState.Accepted);
        expectPostedBefore(jobId);
        post(aJob());
    }

    function test_postJob_allowanceTooSmall_reverts() external {
        vm.prank(requester);
        token.approve(address(market), JOB_ESCROW - 1);
        expectRefusal(
            abi.encodeWithSelector(
                IERC20Errors.ERC20InsufficientAllowance.selector,
                address(market),
                JOB_ESCROW - 1,
                JOB_ESCROW
            )
        );
        post(aJob());
    }

    // ─── Posted ──────────────────────────────────────────────────────────────────────────────

    function test_postJob_soundJob_emitsJobPostedAndDrawArmed() external {
        JobParams memory job = aJob();
        JobId jobId = market.jobIdOf(job);
        uint256 seedBlock = START_BLOCK + SEED_DELAY;

        vm.expectEmit(address(market));
        emit IMarketplace.JobPosted(jobId, requester, modelId, job, JOB_ESCROW);
        vm.expectEmit(address(market));
        emit IMarketplace.DrawArmed(jobId, 1, seedBlock, seedBlock + DRAW_DEADLINE, 7);
        JobId posted = post(job);

        vm.assertEq(JobId.unwrap(posted), JobId.unwrap(jobId), "job id");
    }

    function test_postJob_seatsAtManyTicks_armsWithEveryLength() external {
        for (uint256 tick = 1; tick < 8; ++tick) {
            openSeats(aWorker(10 + tick), tick, tick);
        }
        uint256 lengths = 7;
        for (uint256 tick = 1; tick < 8; ++tick) {
            lengths |= tick << (20 * tick);
        }
        JobId jobId = market.jobIdOf(aJob());
        vm.expectEmit(address(market));
        emit IMarketplace.DrawArmed(
            jobId,
            1,
            START_BLOCK + SEED_DELAY,
            START_BLOCK + SEED_DELAY + DRAW_DEADLINE,
            lengths
        );
        post(aJob());
    }

    function test_postJob_soundJob_isOpen() external {
        JobId jobId = post(aJob());

        RoundView memory round = lens.roundOf(jobId);
        assertState(jobId, JobState.Open);
        vm.assertEq(uint256(round.state), uint256(JobState.Open), "state in the view");
        vm.assertEq(round.round, 1, "round");
        vm.assertEq(round.seedBlock, START_BLOCK + SEED_DELAY, "seed block");
        vm.assertEq(round.expiryBlock, START_BLOCK + SEED_DELAY + DRAW_DEADLINE, "expiry block");
        vm.assertEq(round.deadline, 0, "deadline");
        vm.assertEq(round.seatIds.length, 0, "places");
        vm.assertEq(round.record, 0, "record");
    }

    function test_postJob_noCredit_takesTokens() external {
        uint256 before = token.balanceOf(requester);
        post(aJob());
        vm.assertEq(token.balanceOf(requester), before - JOB_ESCROW, "tokens");
        assertCredit(requester, 0);
    }

    function test_postJob_someCredit_takesItFirst(uint256 credit) external {
        credit = bounded(credit, 1, 2 * JOB_ESCROW);
        vm.prank(requester);
        market.deposit(credit);
        uint256 before = token.balanceOf(requester);

        post(aJob());

        uint256 fromCredit = credit < JOB_ESCROW ? credit : JOB_ESCROW;
        assertCredit(requester, credit - fromCredit);
        vm.assertEq(token.balanceOf(requester), before - (JOB_ESCROW - fromCredit), "tokens");
    }

    function test_postJob_fullyInCredit_movesNoToken() external {
        vm.startPrank(requester);
        market.deposit(JOB_ESCROW);
        token.approve(address(market), 0);
        vm.stopPrank();
        assertState(post(aJob()), JobState.Open);
        assertCredit(requester, 0);
    }

    function test_postJob_anySize_locksItsWholePossibleCost(
        uint32 tokens,
        uint8 tick,
        uint8 redundancy
    ) external {
        JobParams memory job = aJobOfSize(tokens, tick, redundancy);
        uint256 pay = BASE_FEE + job.maxTokens * (PRICE << job.tick);
        uint256 most = job.redundancy * pay + 2 * BOUNTY;
        expectEscrow(job, most + (most * FEE_BPS) / 10_000);
    }

    /// @dev Every seat of both rounds, and twice the bounties [R1].
    function test_postJob_twoRoundsOfAnySize_locksBoth_R1(
        uint32 tokens,
        uint8 tick,
        uint8 redundancy,
        bool hasCallback
    ) external {
        JobParams memory job = aJobOfSize(tokens, tick, redundancy).withRounds(2);
        if (hasCallback) job = job.withCallback(stranger, 1);
        fund(requester, 20 * BOND);
        uint256 pay = BASE_FEE + job.maxTokens * (PRICE << job.tick);
        uint256 bounties = hasCallback ? 5 * BOUNTY : 4 * BOUNTY;
        uint256 most = (2 * uint256(job.redundancy) + 2) * pay + bounties;
        expectEscrow(job, most + (most * FEE_BPS) / 10_000);
    }

    function test_escrowOf_unknownModel_reverts() external {
        ModelId unknown = ModelId.wrap(keccak256("unknown"));
        vm.expectRevert(abi.encodeWithSelector(IModelRegistry.UnknownModel.selector, unknown));
        market.escrowOf(aJob().withModel(unknown));
    }

    function test_stateOf_neverPosted_isNonexistent() external view {
        JobId jobId = market.jobIdOf(aJob());
        assertState(jobId, JobState.Nonexistent);
        vm.assertEq(lens.roundOf(jobId).round, 0, "round");
    }

    // ─── Private ─────────────────────────────────────────────────────────────────────────────

    function expectRefusal(bytes memory reason) private {
        vm.expectRevert(reason);
    }

    function expectInvalidCallback(address callback, uint32 gasLimit) private {
        expectRefusal(
            abi.encodeWithSelector(
                IMarketplace.InvalidCallback.selector,
                callback,
                gasLimit,
                MAX_CALLBACK_GAS
            )
        );
        post(aJob().withCallback(callback, gasLimit));
    }

    function expectEscrow(JobParams memory job, uint256 expected) private {
        uint256 before = token.balanceOf(address(market));
        vm.assertEq(market.escrowOf(job), expected, "escrowOf");
        post(job);
        vm.assertEq(token.balanceOf(address(market)) - before, expected, "escrowed");
    }

    function aJobOfSize(
        uint32 tokens,
        uint8 tick,
        uint8 redundancy
    ) private view returns (JobParams memory) {
        uint256 affordable = (BOND - BASE_FEE) / (PRICE << (tick % 8));
        uint256 most = affordable < MAX_JOB_TOKENS ? affordable : MAX_JOB_TOKENS;
        return
            aJob()
                .withMaxTokens(uint32(bounded(tokens, 1, most)))
                .withTick(tick % 8)
                .withRedundancy(1 + 2 * (redundancy % 4));
    }

    function expectPostedBefore(JobId jobId) private {
        expectRefusal(abi.encodeWithSelector(IMarketplace.JobAlreadyPosted.selector, jobId));
    }

    function anotherModel(uint96 basePrice) private returns (ModelId) {
        ModelSpec memory spec = aModel();
        spec.basePrice = basePrice;
        return registry.registerModel(spec);
    }

    function seatsFor(ModelId id, uint256 tick, uint256 count) private {
        fundAndDeposit(stranger, count * BOND);
        vm.prank(stranger);
        market.openSeats(id, tick, count);
    }

    /// @dev A thousand tokens at a pace that makes the commit window that long.
    function aSlowJob(uint256 window) private returns (JobParams memory) {
        ModelSpec memory spec = aModel();
        uint256 pace = window - COMMIT_FLOOR;
        spec.msPerToken = uint32(pace < 2 ** 32 ? pace : 2 ** 32 - 1);
        spec.basePrice = 1;
        ModelId slow = registry.registerModel(spec);
        seatsFor(slow, 0, 3);
        return aJob().withModel(slow).withMaxTokens(1_000);
    }

    /// @dev A token costs what is left of `pay` when the base fee is off, so one token is enough.
    function aJobPaying(uint256 pay) private returns (JobParams memory job, uint256) {
        ModelId dear = anotherModel(uint96(pay - BASE_FEE));
        seatsFor(dear, 0, 3);
        fund(requester, 4 * BOND);
        return (aJob().withModel(dear).withMaxTokens(1), pay);
    }
}
