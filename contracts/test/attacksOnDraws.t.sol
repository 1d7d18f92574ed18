// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {DrawSeed} from "../src/libraries/DrawSeed.sol";
import {IMarketplace, MarketConfig} from "../src/interfaces/IMarketplace.sol";
import {JobId, JobParams, JobState} from "../src/types/Job.sol";
import {ModelSpec} from "../src/types/Model.sol";
import {AttackTest} from "./support/AttackTest.sol";
import {JobBuilder, aModel} from "./support/Builders.sol";
import {Headers} from "./support/Headers.sol";
import {History} from "./support/History.sol";
import {Act} from "./support/ScenarioTest.sol";
import {vm} from "./support/Vm.sol";

/*
Attacks on who is drawn and when, with what they cost the attacker
├── S1  re-rolling a known seed with own seats         → never a place more than without
├── S1  re-rolling by the order of own armed jobs      → never a place more than without
├── S2  another header, to choose the seed             → refused
├── S3  cancelling once the committee can be known     → refused, in both rounds
├── S4  choosing the block of the draw                 → the same committee in every block
├── S4  keeping everybody silent for 256 blocks        → the same committee, by EIP-2935
├── T1  dear seats in the roster                       → never drawn, never probed
├── T1  dead seats in the roster                       → each draw costs them a part and the seat
├── T2  a thin roster of one's own                     → refused where minSeats is set
├── T3  many seats of one worker                       → one place of a round, one round of a job
├── T5  leaving before the slash                       → refused, the bond is lost
└── P2  windows too short for the work                 → follow from the work; no-shows pay nobody
*/
contract AttacksOnDrawsTest is AttackTest {
    using JobBuilder for JobParams;

    /// @dev Of the seventeen workers, the last five are the attacker's.
    uint256 private constant OWN = 5;
    uint256 private constant SEEDS = 12;

    // ─── S1: a known seed ────────────────────────────────────────────────────────────────────

    /// @dev In the block before the seed block its proposer knows the seed. It tries every subset of
    /// its own seats, for each of: closing, leaving after an earlier request, opening another.
    function test_attack_S1_anySubsetOfOwnSeats_winsNoPlace() external {
        closeLater(WORKERS - 1);
        closeLater(WORKERS);
        mine(DRAW_DEADLINE + 1);
        JobId jobId = post(aJob());
        mine(1); // the frozen block, whose proposer knows the seed
        uint256 known = vm.snapshotState();
        for (uint256 i = 0; i < SEEDS; ++i) {
            bytes32 randao = keccak256(abi.encode("known", i));
            uint256 fair = ownPlaces(jobId, aJob(), randao);
            vm.revertToState(known);
            for (uint256 moves = 1; moves < 32; ++moves) {
                playMoves(moves);
                vm.assertLe(ownPlaces(jobId, aJob(), randao), fair, "places won by a re-roll");
                vm.revertToState(known);
            }
        }
    }

    /// @dev Jobs of its own, armed in the same block: it draws any of them first.
    function test_attack_S1_orderOfOwnJobs_winsNoPlace() external {
        JobId jobId = post(aJob());
        JobParams[] memory others = new JobParams[](4);
        for (uint64 i = 0; i < 4; ++i) {
            others[i] = aJob().withNonce(10 + i).withRedundancy(1);
            post(others[i]);
        }
        mine(SEED_DELAY + 1);
        uint256 known = vm.snapshotState();
        for (uint256 i = 0; i < SEEDS; ++i) {
            bytes32 randao = keccak256(abi.encode("known", i));
            uint256 fair = ownPlaces(jobId, aJob(), randao);
            vm.revertToState(known);
            for (uint256 subset = 1; subset < 16; ++subset) {
                for (uint256 k = 0; k < 4; ++k) {
                    if ((subset >> k) & 1 == 1) draw(others[k], randao);
                }
                vm.assertLe(ownPlaces(jobId, aJob(), randao), fair, "places won by an order");
                vm.revertToState(known);
            }
        }
    }

    // ─── S2, S4: the seed ────────────────────────────────────────────────────────────────────

    function test_attack_S2_headerOfChoice_isRefused(bytes32 wanted) external {
        JobId jobId = post(aJob());
        bytes memory header = mineSeedBlock(jobId, "seed");
        uint256 seedBlock = lens.roundOf(jobId).seedBlock;
        vm.assume(wanted != "seed");
        bytes memory other = Headers.encode(seedBlock, wanted);
        vm.expectRevert(
            abi.encodeWithSelector(
                DrawSeed.WrongHeader.selector,
                seedBlock,
                keccak256(header),
                keccak256(other)
            )
        );
        advance(aJob(), other);
    }

    /// @dev Stalling changes nothing: whoever draws last draws the same.
    function test_attack_S4_anyBlockOfTheDraw_givesTheSameCommittee(uint256 wait) external {
        JobId jobId = post(aJob());
        bytes memory header = mineSeedBlock(jobId, "seed");
        uint256 state = vm.snapshotState();
        advance(aJob(), header);
        bytes memory first = abi.encode(lens.roundOf(jobId).seatIds);
        vm.revertToState(state);
        mine(bounded(wait, 1, DRAW_DEADLINE - 1));
        advance(aJob(), header);
        vm.assertEq(abi.encode(lens.roundOf(jobId).seatIds), first, "committee");
    }

    /// @dev A deployment whose draws may take longer than the opcode remembers hashes.
    function test_attack_S4_silenceBeyond256Blocks_isNoReroll() external {
        JobId jobId = postWithLongDeadline();
        bytes memory header = mineSeedBlock(jobId, "seed");
        uint256 seedBlock = lens.roundOf(jobId).seedBlock;
        History.install();
        History.remember(seedBlock, keccak256(header));
        uint256 state = vm.snapshotState();
        advance(aJob(), header);
        bytes memory first = abi.encode(lens.roundOf(jobId).seatIds);
        vm.revertToState(state);
        rollTo(seedBlock + 5_000);
        advance(aJob(), header);
        vm.assertEq(abi.encode(lens.roundOf(jobId).seatIds), first, "committee");
    }

    /// @dev Where the chain has forgotten the hash, and only there, the draw is armed again, for no
    /// bounty and not beyond its expiry, and no header is looked at.
    function test_attack_S4_seedForgotten_armsAgainForNothing() external {
        JobId jobId = postWithLongDeadline();
        uint256 expiry = lens.roundOf(jobId).expiryBlock;
        rollTo(lens.roundOf(jobId).seedBlock + 257);
        uint256 seedBlock = vm.getBlockNumber() + SEED_DELAY;
        vm.expectEmit(address(market));
        emit IMarketplace.DrawArmed(jobId, 1, seedBlock, expiry, 3);
        advance(aJob(), "no header at all");
        assertCredit(keeper, 0);
        draw(aJob());
        assertState(jobId, JobState.Committing);
    }

    // ─── S3: declining a committee ───────────────────────────────────────────────────────────

    function test_attack_S3_cancelledAfterTheSeed_isRefused() external {
        attackBy(requester);
        JobId jobId = post(aJob());
        mine(SEED_DELAY);
        refused(requester, abi.encodeCall(market.cancelJob, (aJob())));
        mineSeedBlock(jobId, "an unwelcome committee");
        refused(requester, abi.encodeCall(market.cancelJob, (aJob())));
        draw(aJob(), "an unwelcome committee");
        playDrawn(aJob(), allOf(Act.Honest, 3));
        assertNoProfit("S3 cancelled after the seed");
    }

    // ─── Rosters ─────────────────────────────────────────────────────────────────────────────

    /// @dev Nobody needs the dear seats, so nobody probes them: the draw is the same to the gas.
    function test_attack_T1_dearSeats_areNeverProbed() external {
        uint256 state = vm.snapshotState();
        uint256 without = gasOfDraw();
        vm.revertToState(state);
        attackBy(stranger);
        for (uint256 i = 0; i < 4; ++i) {
            openSeats(stranger, 7, 64);
        }
        uint256 with256 = gasOfDraw();
        vm.assertLe(with256, without + without / 50, "gas of a draw");
        vm.assertEq(market.accountOf(stranger).completed, 0, "served");
    }

    /// @dev Seats that never answer are paid for by their owner, and gone once drawn.
    function test_attack_T1_deadSeats_payForEachDraw() external {
        attackBy(aWorker(0));
        JobId jobId = drawnJob();
        playDrawn(aJob(), acts(Act.Absent, Act.Honest, Act.Honest));
        assertState(jobId, JobState.Accepted);
        vm.assertEq(lens.rosterSize(modelId, 0), WORKERS - 1, "roster");
        assertNoProfit("T1 dead seat, each time it is drawn");
    }

    /// @dev A copy of the model, served by nobody but the attacker.
    function test_attack_T2_ownRoster_isRefused() external {
        ModelSpec memory spec = aModel();
        spec.weightsRoot = "one byte changed";
        JobParams memory job = aJob().withModel(registry.registerModel(spec)).withMinSeats(10);
        fundAndDeposit(stranger, 9 * BOND);
        attackBy(stranger);
        vm.startPrank(stranger);
        market.openSeats(job.modelId, 0, 9);
        vm.stopPrank();
        vm.expectRevert(abi.encodeWithSelector(IMarketplace.RosterTooThin.selector, 9, 10));
        post(job);
        assertNoProfit("T2 roster of one's own");
    }

    /// @dev Four of five seats are one owner's: it holds one place of the first round and then none.
    function test_attack_T3_manySeats_holdOnePlace(bytes32 first, bytes32 second) external {
        for (uint256 i = 0; i < 2; ++i) {
            openSeats(stranger, 0, 34);
        }
        mine(1);
        JobParams memory job = aTwoRoundJob();
        JobId jobId = post(job);
        draw(job, first);
        uint256 places = placesOf(jobId, stranger);
        vm.assertLe(places, 1, "places in the first round");
        playDrawn(job, acts(Act.Honest, Act.Liar, Act.Invalid));
        draw(job, second);
        vm.assertLe(places + placesOf(jobId, stranger), 1, "places in both rounds");
    }

    function test_attack_T5_leavingBeforeTheSlash_isRefused() external {
        attackBy(aWorker(0));
        JobId jobId = drawnJob();
        vm.prank(aWorker(0));
        market.closeSeat(1);
        playCommits(aJob(), acts(Act.Liar, Act.Honest, Act.Honest));
        playReveals(aJob(), acts(Act.Absent, Act.Honest, Act.Absent));
        refused(aWorker(0), abi.encodeCall(market.leaveSeat, (1)));
        refused(aWorker(0), abi.encodeCall(market.withdraw, (1, aWorker(0))));
        mine(2 * DRAW_DEADLINE);
        refused(aWorker(0), abi.encodeCall(market.leaveSeat, (1)));
        advance(aJob(), NO_HEADER);
        assertState(jobId, JobState.Failed);
        assertNoProfit("T5 leaving before the slash");
    }

    /// @dev The window is derived; a requester cannot make drawn workers fail, and gains nothing by
    /// those who do.
    function test_attack_P2_hopingForNoShows_costsTheRequester() external {
        attackBy(requester);
        JobParams memory job = aJob().withMaxTokens(MAX_JOB_TOKENS);
        JobId jobId = post(job);
        drawAt(job, 0, 1, 2);
        uint256 window = COMMIT_FLOOR + (uint256(MAX_JOB_TOKENS) * MS_PER_TOKEN) / 1000;
        vm.assertEq(deadlineOf(jobId) - vm.getBlockTimestamp(), window, "window");
        playDrawn(job, allOf(Act.Absent, 3));
        assertCredit(sink, 3 * NO_SHOW_PENALTY);
        assertNoProfit("P2 hoping for no-shows");
    }

    // ─── Private ─────────────────────────────────────────────────────────────────────────────

    function closeLater(uint256 seatId) private {
        address owner = lens.seatOf(seatId).owner;
        vm.prank(owner);
        market.closeSeat(seatId);
    }

    /// @dev One bit a move: two leave, one closes, one opens a seat, one takes a draw of its own.
    function playMoves(uint256 moves) private {
        if (moves & 1 != 0) market.leaveSeat(WORKERS - 1);
        if (moves & 2 != 0) market.leaveSeat(WORKERS);
        if (moves & 4 != 0) closeLater(WORKERS - 2);
        if (moves & 8 != 0) openSeat(aWorker(WORKERS - 1), 0);
        if (moves & 16 != 0) openSeat(aWorker(WORKERS - 3), 0);
    }

    /// @dev Places that the attacker's workers hold once the job is drawn; none if it is not.
    function ownPlaces(
        JobId jobId,
        JobParams memory job,
        bytes32 randao
    ) private returns (uint256 places) {
        draw(job, randao);
        if (market.stateOf(jobId) == JobState.Open) return 0;
        for (uint256 i = WORKERS - OWN; i < WORKERS; ++i) {
            places += placesOf(jobId, aWorker(i));
        }
    }

    function placesOf(JobId jobId, address owner) private view returns (uint256 places) {
        address[] memory workers = workersOf(jobId, 9);
        for (uint256 place = 0; place < 9; ++place) {
            if (workers[place] == owner) ++places;
        }
    }

    function gasOfDraw() private returns (uint256) {
        JobId jobId = post(aJob());
        bytes memory header = mineSeedBlock(jobId, "a seed");
        vm.prank(keeper);
        uint256 before = gasleft();
        market.advance(aJob(), header);
        return before - gasleft();
    }

    /// @dev In a market of its own, with three workers.
    function postWithLongDeadline() private returns (JobId) {
        MarketConfig memory config = devnetConfig();
        config.drawDeadlineBlocks = 8_191;
        useMarket(deployMarket(config));
        openWorkers(3);
        fund(requester, JOB_ESCROW);
        mine(1);
        return post(aJob());
    }
}
