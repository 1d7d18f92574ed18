// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {JobId, JobParams, JobState} from "../src/types/Job.sol";
import {Outcome} from "../src/types/Outcome.sol";
import {JobBuilder, OutcomeBuilder} from "./support/Builders.sol";
import {BurningCallback} from "./support/HostileCallbacks.sol";
import {PausableToken} from "./support/HostileTokens.sol";
import {RoundsTest} from "./support/RoundsTest.sol";
import {Act} from "./support/ScenarioTest.sol";
import {vm} from "./support/Vm.sol";

/*
Liveness: from every state that a job can be in, a stranger brings it to its end by `advance` and
the passage of time alone, with the token paused, the requester gone and no member acting again
├── Open, before, in and after its seed block, and after its expiry
├── Open, armed again
├── Committing, with any number of commits
├── Revealing, with any number of reveals
├── the same in a second round
└── then every seat leaves, every unit of credit is somebody's, and nothing is left
The stateful test does the same at the end of each of its runs, from wherever it got.
*/
contract LivenessTest is RoundsTest {
    using JobBuilder for JobParams;

    /// @dev More than any job needs: two draws, two ends, and draws that come up short.
    uint256 private constant MOST_STEPS = 8;

    PausableToken private pausable;

    /// @dev As many workers as both rounds need, in a market whose token can be paused.
    function setUp() public override {
        super.setUp();
        pausable = new PausableToken();
        useMarket(marketWith(address(pausable)));
        for (uint256 i = 0; i < WORKERS; ++i) {
            give(aWorker(i), BOND);
            vm.prank(aWorker(i));
            market.openSeats(modelId, 0, 1);
        }
        give(requester, 10 * BOND);
        mine(1);
    }

    // ─── First round ─────────────────────────────────────────────────────────────────────────

    function test_liveness_openAtAnyBlock_ends(uint256 blocks) external {
        post(aTwoRoundJob());
        mine(bounded(blocks, 0, 2 * DRAW_DEADLINE));
        assertEnds(aTwoRoundJob());
    }

    function test_liveness_armedAgain_ends() external {
        JobParams memory job = aTwoRoundJob();
        JobId jobId = post(job);
        rollTo(lens.roundOf(jobId).seedBlock + 200);
        vm.setBlockhash(lens.roundOf(jobId).seedBlock, 0);
        advance(job, NO_HEADER);
        assertState(jobId, JobState.Open);
        assertEnds(job);
    }

    function test_liveness_committingWithAnyCommits_ends(uint8 commits, uint256 wait) external {
        JobParams memory job = aTwoRoundJob();
        postAndDraw(job);
        commitSome(job, commits % 8, 3);
        secondsLater(wait % (COMMIT_WINDOW + REVEAL_WINDOW + 10));
        assertEnds(job);
    }

    function test_liveness_revealingWithAnyReveals_ends(uint8 reveals, uint256 wait) external {
        JobParams memory job = aTwoRoundJob();
        postAndDraw(job);
        commitSome(job, 7, 3);
        revealSome(job, reveals % 8, 3);
        secondsLater(wait % (REVEAL_WINDOW + 10));
        assertEnds(job);
    }

    // ─── Second round ────────────────────────────────────────────────────────────────────────

    function test_liveness_secondRoundAnywhere_ends(
        uint8[3] memory first,
        uint8 commits,
        uint8 reveals,
        uint256 wait
    ) external {
        Act[] memory list = new Act[](3);
        for (uint256 i = 0; i < 3; ++i) {
            list[i] = Act(first[i] % ACTS);
        }
        vm.assume(acceptedOf(list) == Act.Absent);
        JobParams memory job = aTwoRoundJob();
        playSplit(job, list);
        mine(wait % (DRAW_DEADLINE + 4));
        if (wait % 3 != 0 && vm.getBlockNumber() < lens.roundOf(market.jobIdOf(job)).expiryBlock) {
            draw(job);
            commitSome(job, commits % 32, 5);
            secondsLater(wait % (COMMIT_WINDOW + 2));
            if (isRevealing(job)) revealSome(job, reveals % 32, 5);
        }
        assertEnds(job);
    }

    /// @dev A callback that burns its gas keeps nobody from delivering, nor the job from its end.
    function test_liveness_hostileCallback_endsAndIsDelivered() external {
        JobParams memory job = aTwoRoundJob().withCallback(address(new BurningCallback()), 50_000);
        post(job);
        vm.recordLogs();
        rollTo(lens.roundOf(market.jobIdOf(job)).expiryBlock + 1);
        advance(job, NO_HEADER);
        market.deliver(job, OutcomeBuilder.none(), settledTranscript());
        assertNothingLeft();
    }

    // ─── Private ─────────────────────────────────────────────────────────────────────────────

    /// @dev What `docs/spec/invariants.md` promises of every reachable state.
    function assertEnds(JobParams memory job) private {
        pausable.pause();
        JobId jobId = market.jobIdOf(job);
        for (uint256 i = 0; i < MOST_STEPS && market.stateOf(jobId) <= JobState.Revealing; ++i) {
            waitUntilDue(jobId);
            vm.prank(stranger);
            market.advance(job, NO_HEADER);
        }
        JobState state = market.stateOf(jobId);
        vm.assertTrue(state == JobState.Accepted || state == JobState.Failed, "a job without end");
        pausable.unpause();
        assertNothingLeft();
    }

    /// @dev Nobody brings a header: a job ends even if its draws are never made.
    function waitUntilDue(JobId jobId) private {
        if (market.stateOf(jobId) == JobState.Open) {
            uint256 expiry = lens.roundOf(jobId).expiryBlock;
            if (vm.getBlockNumber() <= expiry) rollTo(expiry + 1);
            return;
        }
        // The end of the commits may open the reveals, which have a deadline of their own.
        while (vm.getBlockTimestamp() <= deadlineOf(jobId)) {
            vm.warp(deadlineOf(jobId) + 1);
        }
    }

    function assertNothingLeft() private {
        for (uint256 seatId = 1; seatId <= WORKERS; ++seatId) {
            address owner = lens.seatOf(seatId).owner;
            if (owner == address(0)) continue;
            vm.prank(owner);
            market.closeSeat(seatId);
        }
        mine(DRAW_DEADLINE + 2);
        for (uint256 seatId = 1; seatId <= WORKERS; ++seatId) {
            if (lens.seatOf(seatId).owner != address(0)) market.leaveSeat(seatId);
        }
        for (uint256 i = 0; i < WORKERS; ++i) {
            withdrawAll(aWorker(i));
        }
        address[6] memory others = [requester, keeper, stranger, treasury, sink, address(this)];
        for (uint256 i = 0; i < others.length; ++i) {
            withdrawAll(others[i]);
        }
        vm.assertEq(pausable.balanceOf(address(market)), 0, "tokens left behind");
        vm.assertEq(lens.rosterSize(modelId, 7), 0, "seats left behind");
    }

    function withdrawAll(address account) private {
        uint256 credit = market.creditOf(account);
        if (credit == 0) return;
        vm.prank(account);
        market.withdraw(credit, account);
    }

    /// @dev Those whose bit is set, each with another answer.
    function commitSome(JobParams memory job, uint256 bits, uint256 places) private {
        for (uint256 place = 0; place < places; ++place) {
            bool isFilled = lens.roundOf(market.jobIdOf(job)).seatIds[place] != 0;
            if ((bits >> place) & 1 == 1 && isFilled) commit(job, place, answerAt(place));
        }
    }

    function revealSome(JobParams memory job, uint256 bits, uint256 places) private {
        for (uint256 place = 0; place < places; ++place) {
            if ((bits >> place) & 1 == 0 || !isRevealing(job)) continue;
            uint256 committed = lens.roundOf(market.jobIdOf(job)).committed;
            if ((committed >> place) & 1 == 1) reveal(job, place, answerAt(place));
        }
    }

    function isRevealing(JobParams memory job) private view returns (bool) {
        JobId jobId = market.jobIdOf(job);
        return
            market.stateOf(jobId) == JobState.Revealing &&
            vm.getBlockTimestamp() <= deadlineOf(jobId);
    }

    function answerAt(uint256 place) private pure returns (Outcome memory) {
        return place % 3 == 0 ? outcomeOf(Act.Honest) : outcomeOf(Act(2 + (place % 4)));
    }

    function give(address account, uint256 amount) private {
        pausable.mint(account, amount);
        vm.startPrank(account);
        pausable.approve(address(market), type(uint256).max);
        market.deposit(amount);
        vm.stopPrank();
    }
}
