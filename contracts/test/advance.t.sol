// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IMarketplace} from "../src/interfaces/IMarketplace.sol";
import {DrawSeed} from "../src/libraries/DrawSeed.sol";
import {JobId, JobParams, JobState, RoundView} from "../src/types/Job.sol";
import {ModelId, ModelSpec} from "../src/types/Model.sol";
import {JobBuilder, aModel} from "./support/Builders.sol";
import {DrawModel, listOf} from "./support/DrawModel.sol";
import {Headers} from "./support/Headers.sol";
import {Act, ScenarioTest} from "./support/ScenarioTest.sol";
import {vm} from "./support/Vm.sol";

/*
advance
├── given a job never posted, or final              → reverts UnexpectedJobState
├── given an Open job
│   ├── with its seed block not in the past         → reverts NothingDue
│   ├── with a header that is not the seed block's  → reverts WrongHeader [S2]
│   ├── with the header, enough places filled       → emits CommitteeDrawn and BountyPaid
│   ├── with the header, too few places filled      → emits DrawArmed, pays nothing [S4]
│   └── after its expiry                            → emits BountyPaid and JobSettled, Failed
└── given a drawn job                               → see advanceEnd.t.sol
*/
contract AdvanceTest is ScenarioTest {
    using JobBuilder for JobParams;

    uint256 private constant SEED_BLOCK = START_BLOCK + SEED_DELAY;
    uint256 private constant EXPIRY = SEED_BLOCK + DRAW_DEADLINE;

    JobId private jobId;

    function setUp() public override {
        super.setUp();
        openWorkers(3);
        jobId = post(aJob());
    }

    // ─── Wrong states ────────────────────────────────────────────────────────────────────────

    function test_advance_neverPosted_reverts() external {
        JobParams memory other = aJob().withNonce(2);
        expectUnexpectedState(market.jobIdOf(other), JobState.Nonexistent);
        advance(other, NO_HEADER);
    }

    function test_advance_cancelled_reverts() external {
        vm.prank(requester);
        market.cancelJob(aJob());
        expectUnexpectedState(jobId, JobState.Cancelled);
        advance(aJob(), NO_HEADER);
    }

    function test_advance_failed_reverts() external {
        rollTo(EXPIRY + 1);
        advance(aJob(), NO_HEADER);
        expectUnexpectedState(jobId, JobState.Failed);
        advance(aJob(), NO_HEADER);
    }

    function test_advance_accepted_reverts() external {
        draw(aJob());
        playDrawn(aJob(), acts(Act.Honest, Act.Honest, Act.Honest));
        expectUnexpectedState(jobId, JobState.Accepted);
        advance(aJob(), NO_HEADER);
    }

    /// @dev Parameters are checked by their hash: any change is another job.
    function test_advance_paramsChanged_reverts() external {
        JobParams memory other = aJob().withRedundancy(1);
        expectUnexpectedState(market.jobIdOf(other), JobState.Nonexistent);
        advance(other, NO_HEADER);
    }

    // ─── Open ────────────────────────────────────────────────────────────────────────────────

    function test_advance_inBlockOfPosting_reverts() external {
        expectNothingDue(JobState.Open);
        advance(aJob(), NO_HEADER);
    }

    function test_advance_inSeedBlock_reverts() external {
        bytes memory header = Headers.encode(SEED_BLOCK, "seed");
        rollTo(SEED_BLOCK);
        expectNothingDue(JobState.Open);
        advance(aJob(), header);
    }

    function test_advance_firstBlockPossible_draws() external {
        bytes memory header = mineSeedBlock(jobId, "seed");
        vm.assertEq(vm.getBlockNumber(), SEED_BLOCK + 1, "block");
        advance(aJob(), header);
        assertState(jobId, JobState.Committing);
    }

    function test_advance_lastBlockPossible_draws() external {
        rollTo(EXPIRY);
        advance(aJob(), headerOf(SEED_BLOCK, "seed"));
        assertState(jobId, JobState.Committing);
    }

    function test_advance_seedKnown_emitsCommitteeDrawnAndBountyPaid() external {
        // Seats 3, 1 and 2 stand at positions 2, 0 and 1.
        bytes32 randao = DrawModel.randaoFor(jobId, 3, listOf(2, 0, 1));
        bytes memory header = mineSeedBlock(jobId, randao);
        address[] memory workers = new address[](3);
        (workers[0], workers[1], workers[2]) = (aWorker(2), aWorker(0), aWorker(1));
        uint256 deadline = vm.getBlockTimestamp() + COMMIT_WINDOW;

        vm.expectEmit(address(market));
        emit IMarketplace.CommitteeDrawn(
            jobId,
            1,
            SEED_BLOCK,
            DrawModel.seedOf(randao, jobId),
            listOf(3, 1, 2),
            workers,
            deadline
        );
        vm.expectEmit(address(market));
        emit IMarketplace.BountyPaid(jobId, keeper, BOUNTY);
        advance(aJob(), header);

        assertCredit(keeper, BOUNTY);
    }

    /// @dev Some chains put signatures into a header: the seed stands behind them.
    function test_advance_headerWithLongExtraData_drawsTheSame_S2(uint256 length) external {
        assertDrawnWith(new bytes(bounded(length, 0, 400)));
    }

    /// @dev A small number or a single byte is its own encoding.
    function test_advance_headerWithOneByteOfExtraData_drawsTheSame_S2() external {
        assertDrawnWith(hex"7f");
    }

    function test_advance_seedKnown_makesSeatsBusyAndCommitting() external {
        bytes32 randao = DrawModel.randaoFor(jobId, 3, listOf(2, 0, 1));
        draw(aJob(), randao);

        RoundView memory round = lens.roundOf(jobId);
        vm.assertEq(uint256(round.state), uint256(JobState.Committing), "state");
        vm.assertEq(round.round, 1, "round");
        vm.assertEq(round.seedBlock, 0, "seed block");
        vm.assertEq(round.expiryBlock, 0, "expiry block");
        vm.assertEq(round.deadline, vm.getBlockTimestamp() + COMMIT_WINDOW, "deadline");
        vm.assertEq(round.seatIds.length, 9, "places");
        vm.assertEq(round.seatIds[0], 3, "place 0");
        vm.assertEq(round.seatIds[1], 1, "place 1");
        vm.assertEq(round.seatIds[2], 2, "place 2");
        vm.assertEq(round.seatIds[3], 0, "place 3");
        vm.assertEq(round.committed, 0, "committed");
        vm.assertEq(round.revealed, 0, "revealed");
        for (uint256 seatId = 1; seatId <= 3; ++seatId) {
            vm.assertTrue(lens.seatOf(seatId).isBusy, "busy");
            vm.assertEq(lens.seatOf(seatId).drawnBlock, vm.getBlockNumber(), "stamp");
        }
    }

    function test_advance_anySize_windowFollowsTheWork_P2(uint32 tokens) external {
        tokens = uint32(bounded(tokens, 1, MAX_JOB_TOKENS));
        JobParams memory job = aJob().withNonce(2).withMaxTokens(tokens);
        JobId id = postAndDraw(job);
        uint256 window = COMMIT_FLOOR + (uint256(tokens) * MS_PER_TOKEN) / 1000;
        vm.assertEq(lens.roundOf(id).deadline - vm.getBlockTimestamp(), window, "window");
    }

    /// @dev Up to the longest window that can be posted: the word of a round holds 40 bits of it,
    /// and seat ids right above.
    function test_advance_anyPace_windowFollowsTheWork_P2(uint32 pace, uint32 tokens) external {
        ModelSpec memory spec = aModel();
        tokens = uint32(bounded(tokens, 1, MAX_JOB_TOKENS));
        uint256 most = ((30 days - COMMIT_FLOOR) * 1000) / tokens;
        spec.msPerToken = uint32(bounded(pace, 1, most < 2 ** 32 ? most : 2 ** 32 - 1));
        spec.basePrice = 1;
        JobParams memory job = aJob()
            .withModel(registry.registerModel(spec))
            .withMaxTokens(tokens)
            .withRedundancy(1);
        openSeatFor(job.modelId);
        JobId id = post(job);
        draw(job);
        uint256 window = COMMIT_FLOOR + (uint256(tokens) * spec.msPerToken) / 1000;
        vm.assertEq(deadlineOf(id), vm.getBlockTimestamp() + window, "deadline");
        vm.assertEq(lens.roundOf(id).seatIds[0], 4, "seat");
    }

    function test_advance_anyRedundancy_drawsThatManyDistinctWorkers(
        uint8 redundancy,
        bytes32 randao
    ) external {
        openSeats(aWorker(0), 0, 3);
        for (uint256 i = 3; i < 12; ++i) {
            openSeat(aWorker(i), 0);
        }
        redundancy = 1 + 2 * (redundancy % 4);
        JobParams memory job = aJob().withNonce(2).withRedundancy(redundancy);
        JobId id = post(job);
        draw(job, randao);

        address[] memory workers = workersOf(id, 9);
        for (uint256 place = 0; place < 9; ++place) {
            vm.assertEq(workers[place] != address(0), place < redundancy, "a place is filled");
            for (uint256 other = 0; other < place && place < redundancy; ++other) {
                vm.assertTrue(workers[other] != workers[place], "a worker holds two places");
            }
        }
    }

    /// @dev Seats above the job's tick are never probed [T1].
    function test_advance_dearerSeatsInRoster_drawsOnlyAffordable_T1(bytes32 randao) external {
        for (uint256 i = 3; i < 12; ++i) {
            openSeat(aWorker(i), 1 + (i % 7));
        }
        JobParams memory job = aJob().withNonce(2).withTick(3);
        JobId id = post(job);
        draw(job, randao);
        for (uint256 place = 0; place < 3; ++place) {
            uint256 seatId = lens.roundOf(id).seatIds[place];
            vm.assertLe(lens.seatOf(seatId).tick, 3, "tick");
        }
    }

    function test_advance_afterExpiry_failsAndPaysBounty_S4() external {
        rollTo(EXPIRY + 1);
        uint256 refund = JOB_ESCROW - BOUNTY;
        bytes32 transcript = transcriptOf(storedRound(jobId), new address[](0), new bytes32[](0));

        vm.expectEmit(address(market));
        emit IMarketplace.BountyPaid(jobId, keeper, BOUNTY);
        vm.expectEmit(address(market));
        emit IMarketplace.JobSettled(jobId, JobState.Failed, BOUNTY, refund, 0, transcript);
        advance(aJob(), NO_HEADER);

        assertState(jobId, JobState.Failed);
        assertCredit(keeper, BOUNTY);
        assertCredit(requester, refund);
        assertCredit(treasury, 0);
        vm.assertEq(lens.roundOf(jobId).record, recordOf(0, transcript), "record");
    }

    // ─── The header [S2] ─────────────────────────────────────────────────────────────────────

    function test_advance_headerOfAnotherBlock_reverts_S2() external {
        bytes memory header = mineSeedBlock(jobId, "seed");
        mine(1);
        bytes memory other = headerOf(SEED_BLOCK + 1, "another seed");
        expectWrongHeader(keccak256(header), keccak256(other));
        advance(aJob(), other);
    }

    function test_advance_headerTamperedWith_reverts_S2(uint256 offset, uint8 change) external {
        bytes memory header = mineSeedBlock(jobId, "seed");
        bytes32 expected = keccak256(header);
        vm.assume(change != 0);
        offset = offset % header.length;
        header[offset] = bytes1(uint8(header[offset]) ^ change);
        expectWrongHeader(expected, keccak256(header));
        advance(aJob(), header);
    }

    function test_advance_noHeader_reverts_S2() external {
        bytes memory header = mineSeedBlock(jobId, "seed");
        expectWrongHeader(keccak256(header), keccak256(""));
        advance(aJob(), NO_HEADER);
    }

    // ─── A short draw [S4] ───────────────────────────────────────────────────────────────────

    function test_advance_tooFewPlacesFilled_armsAgainWithoutBounty_S4() external {
        occupyTwoSeats();
        bytes32 randao = DrawModel.randaoFor(jobId, 3, listOf(0, 1, 2));
        bytes memory header = mineSeedBlock(jobId, randao);
        uint256 before = market.creditOf(keeper);

        vm.expectEmit(address(market));
        emit IMarketplace.DrawArmed(jobId, 1, vm.getBlockNumber() + SEED_DELAY, EXPIRY, 3);
        advance(aJob(), header);

        assertState(jobId, JobState.Open);
        assertCredit(keeper, before);
        vm.assertFalse(lens.seatOf(3).isBusy, "the one seat it could have is left alone");
    }

    function test_advance_armedAgain_drawsOnceSeatsAreFree_S4() external {
        JobParams[] memory others = occupyTwoSeats();
        draw(aJob(), DrawModel.randaoFor(jobId, 3, listOf(0, 1, 2)));
        mine(1);
        for (uint256 i = 0; i < 2; ++i) {
            commit(others[i], 0, anOutcome());
            reveal(others[i], 0, anOutcome());
        }
        draw(aJob());
        // Busy when the roster froze: not there for this draw either.
        assertState(jobId, JobState.Open);
        draw(aJob());
        assertState(jobId, JobState.Committing);
    }

    /// @dev Arming again never moves the expiry, so the job ends.
    function test_advance_armedAgainInLastBlock_failsOneBlockLater_S4() external {
        occupyTwoSeats();
        bytes32 randao = DrawModel.randaoFor(jobId, 3, listOf(0, 1, 2));
        rollTo(EXPIRY);
        advance(aJob(), headerOf(SEED_BLOCK, randao));
        assertState(jobId, JobState.Open);
        expectNothingDue(JobState.Open);
        advance(aJob(), NO_HEADER);
        mine(1);
        advance(aJob(), NO_HEADER);
        assertState(jobId, JobState.Failed);
    }

    /// @dev Two of three places filled are a quorum: drawn, with one place vacant.
    function test_advance_onePlaceVacant_drawsTheOthers() external {
        JobParams memory other = aJob().withNonce(2).withRedundancy(1);
        JobId otherId = post(other);
        uint256[] memory first = new uint256[](1);
        draw(other, DrawModel.randaoFor(otherId, 3, first));
        vm.assertEq(lens.roundOf(otherId).seatIds[0], 1, "seat of the other job");

        draw(aJob(), DrawModel.randaoFor(jobId, 3, listOf(0, 1, 2)));

        assertState(jobId, JobState.Committing);
        uint256[] memory seatIds = lens.roundOf(jobId).seatIds;
        vm.assertEq(seatIds[0], 0, "vacant place");
        vm.assertEq(seatIds[1], 2, "place 1");
        vm.assertEq(seatIds[2], 3, "place 2");
    }

    function test_advance_rosterThinnedBeforeArmingAgain_neverDraws_T2() external {
        openSeat(aWorker(3), 0);
        JobParams memory thick = aJob().withNonce(9).withMinSeats(4);
        JobId thickId = post(thick);
        JobParams memory all = aJob().withNonce(2);
        post(all);
        draw(all); // takes three of the four seats
        draw(thick, DrawModel.randaoFor(thickId, 4, listOf(0, 1, 2, 3)));
        assertState(thickId, JobState.Open);
        mine(1); // what is released from now on was busy when the roster froze
        playDrawn(all, acts(Act.Silent, Act.Honest, Act.Honest)); // closes one of them
        draw(thick);
        vm.assertEq(lens.rosterSize(modelId, 0), 3, "roster");

        for (uint256 i = 0; i < 3; ++i) {
            draw(thick);
            assertState(thickId, JobState.Open);
        }
    }

    function test_advance_rosterEmptied_armsAgainUntilItExpires_S4() external {
        JobParams memory other = aJob().withNonce(2);
        postAndDraw(other);
        playDrawn(other, acts(Act.Absent, Act.Absent, Act.Absent));
        vm.assertEq(lens.rosterSize(modelId, 7), 0, "roster");
        for (uint256 i = 0; i < 3; ++i) {
            draw(aJob());
            assertState(jobId, JobState.Open);
        }
        rollTo(EXPIRY + 1);
        advance(aJob(), NO_HEADER);
        assertState(jobId, JobState.Failed);
    }

    // ─── Private ─────────────────────────────────────────────────────────────────────────────

    /// @dev Seat 4, of a model other than the default one.
    function openSeatFor(ModelId id) private {
        fundAndDeposit(aWorker(3), BOND);
        vm.prank(aWorker(3));
        market.openSeats(id, 0, 1);
    }

    function expectNothingDue(JobState state) private {
        vm.expectRevert(abi.encodeWithSelector(IMarketplace.NothingDue.selector, jobId, state));
    }

    function expectWrongHeader(bytes32 expected, bytes32 actual) private {
        vm.expectRevert(
            abi.encodeWithSelector(DrawSeed.WrongHeader.selector, SEED_BLOCK, expected, actual)
        );
    }

    /// @dev Seats 1 and 2 serve other jobs, drawn after this job's roster froze.
    function occupyTwoSeats() private returns (JobParams[] memory others) {
        others = new JobParams[](2);
        for (uint64 i = 0; i < 2; ++i) {
            others[i] = aJob().withNonce(2 + i).withRedundancy(1);
            post(others[i]);
        }
        for (uint256 i = 0; i < 2; ++i) {
            uint256[] memory position = new uint256[](1);
            position[0] = i;
            draw(others[i], DrawModel.randaoFor(market.jobIdOf(others[i]), 3, position));
            vm.assertTrue(lens.seatOf(i + 1).isBusy, "busy");
        }
    }

    function assertDrawnWith(bytes memory extraData) private {
        bytes32 randao = DrawModel.randaoFor(jobId, 3, listOf(2, 0, 1));
        bytes memory header = Headers.encode(SEED_BLOCK, randao, extraData);
        rollTo(SEED_BLOCK + 1);
        vm.setBlockhash(SEED_BLOCK, keccak256(header));
        advance(aJob(), header);
        uint256[] memory seatIds = lens.roundOf(jobId).seatIds;
        vm.assertEq(seatIds[0], 3, "place 0");
        vm.assertEq(seatIds[1], 1, "place 1");
        vm.assertEq(seatIds[2], 2, "place 2");
    }
}
