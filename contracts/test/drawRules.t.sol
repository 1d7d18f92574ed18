// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {JobId, JobParams, JobState, RoundView} from "../src/types/Job.sol";
import {ModelSpec} from "../src/types/Model.sol";
import {JobBuilder, aModel} from "./support/Builders.sol";
import {DrawModel, listOf} from "./support/DrawModel.sol";
import {DrawTest} from "./support/DrawTest.sol";
import {Act} from "./support/ScenarioTest.sol";
import {vm} from "./support/Vm.sol";

/*
Who is drawn once the roster is frozen [S1], a block before the seed. Nothing done since can change a pick but
to a vacant place, and a vacant place is never passed on.
├── given a seat opened after arming            → it is not in the draw
├── given a seat asked to close before arming   → it is passed over
├── given a seat asked to close since           → it is drawn all the same
├── given a seat released since                 → it is passed over, as it was busy
├── given a seat drawn for another job since    → its place stays vacant
├── given a seat that has left since            → see vacancyRules.t.sol
├── given all of it in any order                → whoever is drawn would have been drawn before
└── given too few distinct owners [T3]          → 64 probes, then the job waits and ends
*/
contract DrawRulesTest is DrawTest {
    using JobBuilder for JobParams;

    uint64 private constant BESIDE = 4;
    /// @dev Asked to close long ago, and still there.
    uint256 private constant LEAVING = 4;

    // ─── One change at a time [S1] ───────────────────────────────────────────────────────────

    function test_draw_seatsOpenedAfterArming_changeNothing_S1() external {
        jobId = post(aJob());
        bytes32 randao = DrawModel.randaoFor(jobId, 6, listOf(5, 0, 3));
        // In the block of arming, in the frozen block, and after.
        openSeats(stranger, 0, 9);
        mine(1);
        openSeats(stranger, 0, 9);
        mine(1);
        openSeats(stranger, 0, 9);
        draw(aJob(), randao);
        assertSeats(6, 1, 4);
    }

    function test_draw_seatClosingBeforeArming_isPassedOver_S1() external {
        close(1);
        mine(1);
        jobId = post(aJob());
        draw(aJob(), DrawModel.randaoFor(jobId, 6, listOf(0, 1, 2, 3)));
        assertSeats(2, 3, 4);
    }

    /// @dev The seed is not known to anybody yet: like a request in the block before.
    function test_draw_seatClosingInBlockOfArming_isPassedOver_S1() external {
        jobId = post(aJob());
        close(1);
        draw(aJob(), DrawModel.randaoFor(jobId, 6, listOf(0, 1, 2, 3)));
        assertSeats(2, 3, 4);
    }

    function test_draw_seatClosingInFrozenBlock_isDrawn_S1() external {
        jobId = post(aJob());
        mine(1);
        close(1);
        draw(aJob(), DrawModel.randaoFor(jobId, 6, listOf(0, 1, 2, 3)));
        assertSeats(1, 2, 3);
    }

    function test_draw_seatClosingAfterFrozenBlock_isDrawn_S1() external {
        jobId = post(aJob());
        mine(100);
        close(1);
        draw(aJob(), DrawModel.randaoFor(jobId, 6, listOf(0, 1, 2, 3)));
        assertSeats(1, 2, 3);
    }

    function test_draw_seatReleasedBeforeArming_isDrawn_S1() external {
        JobParams memory other = takeSeat(1, 2);
        serve(other);
        mine(1);
        jobId = post(aJob());
        draw(aJob(), DrawModel.randaoFor(jobId, 6, listOf(0, 1, 2, 3)));
        assertSeats(1, 2, 3);
    }

    function test_draw_seatReleasedInFrozenBlock_isPassedOver_S1() external {
        JobParams memory other = takeSeat(1, 2);
        jobId = post(aJob());
        mine(1);
        serve(other);
        draw(aJob(), DrawModel.randaoFor(jobId, 6, listOf(0, 1, 2, 3)));
        assertSeats(2, 3, 4);
    }

    function test_draw_seatBusyAllAlong_isPassedOver_S1() external {
        takeSeat(1, 2);
        jobId = post(aJob());
        draw(aJob(), DrawModel.randaoFor(jobId, 6, listOf(0, 1, 2, 3)));
        assertSeats(2, 3, 4);
    }

    function test_draw_seatTakenByAnotherJobSince_leavesItsPlaceVacant_S1() external {
        JobParams memory other = aJob().withNonce(2).withRedundancy(1);
        post(other);
        jobId = post(aJob());
        drawAt(other, 1);
        draw(aJob(), DrawModel.randaoFor(jobId, 6, listOf(0, 1, 2, 3)));
        assertSeats(1, 0, 3);
    }

    function test_draw_seatTakenInFrozenBlock_leavesItsPlaceVacant_S1() external {
        JobParams memory other = aJob().withNonce(2).withRedundancy(1);
        post(other);
        mine(2);
        jobId = post(aJob());
        drawAt(other, 1);
        vm.assertEq(vm.getBlockNumber(), lens.roundOf(jobId).seedBlock - 1, "block of the draw");
        draw(aJob(), DrawModel.randaoFor(jobId, 6, listOf(0, 1, 2, 3)));
        assertSeats(1, 0, 3);
    }

    function test_draw_seatTakenAndReleasedSince_leavesItsPlaceVacant_S1() external {
        JobParams memory other = aJob().withNonce(2).withRedundancy(1);
        post(other);
        jobId = post(aJob());
        drawAt(other, 1);
        serve(other);
        draw(aJob(), DrawModel.randaoFor(jobId, 6, listOf(0, 1, 2, 3)));
        assertSeats(1, 0, 3);
    }

    // ─── All of it, in any order [S1] ────────────────────────────────────────────────────────

    /// @dev A roster of eight owners, some with several seats, jobs armed beside the one under
    /// test, and a script of changes. Whoever is drawn after them would have been drawn before.
    function test_draw_anyChangesSinceTheSeed_onlyVacate_S1(
        bytes32 randao,
        uint8[5] memory script
    ) external {
        for (uint256 i = 0; i < 8; ++i) {
            openSeat(aWorker(i), 0);
        }
        close(LEAVING);
        mine(DRAW_DEADLINE);
        for (uint64 i = 0; i < BESIDE; ++i) {
            post(beside(i));
        }
        jobId = post(aJob());
        bytes memory header = mineSeedBlock(jobId, randao);

        uint256 state = vm.snapshotState();
        advance(aJob(), header);
        bool wasDrawn = market.stateOf(jobId) == JobState.Committing;
        address[] memory before = wasDrawn ? workersOf(jobId, 3) : new address[](0);
        vm.revertToState(state);

        for (uint256 i = 0; i < script.length; ++i) {
            change(script[i], keccak256(abi.encode(randao, i)));
        }
        RoundView memory round = lens.roundOf(jobId);
        if (vm.getBlockNumber() > round.expiryBlock) return; // the script took too long
        advance(aJob(), headerOf(round.seedBlock, randao));
        if (market.stateOf(jobId) != JobState.Committing) return;
        vm.assertTrue(wasDrawn, "changes turned a short draw into a full one");
        assertOnlyVacated(before, workersOf(jobId, 3));
    }

    // ─── Few owners [T3] ─────────────────────────────────────────────────────────────────────

    function test_draw_oneOwnerOfAllSeats_isNoQuorum_T3(bytes32 randao) external {
        JobParams memory job = aJob().withTick(0).withModel(registry.registerModel(otherModel()));
        fundAndDeposit(stranger, 40 * BOND);
        vm.prank(stranger);
        market.openSeats(job.modelId, 0, 40);
        mine(1);
        jobId = post(job);
        uint256 expiry = lens.roundOf(jobId).expiryBlock;
        draw(job, randao);
        assertState(jobId, JobState.Open);
        rollTo(expiry + 1);
        advance(job, NO_HEADER);
        assertState(jobId, JobState.Failed);
    }

    // ─── Private ─────────────────────────────────────────────────────────────────────────────

    function otherModel() private pure returns (ModelSpec memory spec) {
        spec = aModel();
        spec.weightsRoot = "other weights";
    }

    function beside(uint64 number) private view returns (JobParams memory) {
        uint8 redundancy = number % 2 == 0 ? 3 : 1;
        return aJob().withNonce(10 + number).withMaxTokens(1).withRedundancy(redundancy);
    }

    /// @dev One change that anybody can make once the seed is known.
    function change(uint8 code, bytes32 randomness) private {
        uint256 kind = code % 8;
        uint64 number = uint64(code / 8) % BESIDE;
        if (kind == 0) tryLeave();
        if (kind == 1) openSeat(aWorker(code % 8), 0);
        if (kind == 2) tryClose(1 + (code % 14));
        if (kind == 3) serveNew(1_000 + uint64(code), randomness);
        if (kind > 3) drawBeside(number, randomness);
        if (kind > 4) finishBeside(number, randomness);
    }

    function tryLeave() private {
        (bool isDone, ) = address(market).call(abi.encodeCall(market.leaveSeat, (LEAVING)));
        isDone; // refused when it has left already
    }

    function tryClose(uint256 seatId) private {
        vm.prank(lens.seatOf(seatId).owner);
        (bool isDone, ) = address(market).call(abi.encodeCall(market.closeSeat, (seatId)));
        isDone; // refused when it is closing already
    }

    /// @dev A job posted since, served at once: its seat is taken and released again.
    function serveNew(uint64 nonce, bytes32 randomness) private {
        JobParams memory job = aJob().withNonce(nonce).withRedundancy(1);
        JobId id = market.jobIdOf(job);
        if (market.stateOf(id) != JobState.Nonexistent) return;
        if (lens.rosterSize(modelId, 0) == 0) return;
        post(job);
        draw(job, randomness);
        mine(1);
        if (market.stateOf(id) == JobState.Committing) serve(job);
    }

    function drawBeside(uint64 number, bytes32 randomness) private {
        JobId id = market.jobIdOf(beside(number));
        if (market.stateOf(id) != JobState.Open) return;
        if (vm.getBlockNumber() <= lens.roundOf(id).expiryBlock) draw(beside(number), randomness);
    }

    /// @dev Ends a job beside: members are slashed or dismissed, and their seats removed.
    function finishBeside(uint64 number, bytes32 randomness) private {
        JobParams memory job = beside(number);
        JobId id = market.jobIdOf(job);
        if (market.stateOf(id) != JobState.Committing) return;
        if (vm.getBlockTimestamp() > deadlineOf(id)) return advance(job, NO_HEADER);
        address[] memory workers = workersOf(id, job.redundancy);
        Act[] memory list = new Act[](job.redundancy);
        for (uint256 place = 0; place < list.length; ++place) {
            uint256 act = uint256(keccak256(abi.encode(randomness, place))) % 4;
            if (workers[place] == address(0) || act > 1) list[place] = Act.Absent;
            else list[place] = act == 1 ? Act.Unavailable : Act.Liar;
        }
        finish(job, list);
    }

    function finish(JobParams memory job, Act[] memory list) private {
        for (uint256 place = 0; place < list.length; ++place) {
            if (list[place] == Act.Liar) commit(job, place, anOutcome());
            if (list[place] == Act.Unavailable) commit(job, place, outcomeOf(list[place]));
        }
        JobId id = market.jobIdOf(job);
        secondsLater(COMMIT_FLOOR + 1);
        for (uint256 place = 0; place < list.length; ++place) {
            if (list[place] == Act.Unavailable) reveal(job, place, outcomeOf(list[place]));
        }
        if (market.stateOf(id) > JobState.Revealing) return;
        secondsLater(REVEAL_WINDOW);
        advance(job, NO_HEADER);
    }

    function assertOnlyVacated(address[] memory before, address[] memory later) private pure {
        for (uint256 place = 0; place < later.length; ++place) {
            bool isKnown = later[place] == address(0);
            for (uint256 i = 0; i < before.length; ++i) {
                isKnown = isKnown || before[i] == later[place];
            }
            vm.assertTrue(isKnown, "somebody got a place that was not theirs");
        }
    }
}
