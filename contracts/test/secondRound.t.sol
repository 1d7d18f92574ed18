// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IMarketplace} from "../src/interfaces/IMarketplace.sol";
import {ISeats, SlashReason} from "../src/interfaces/ISeats.sol";
import {FirstRoundView, JobId, JobParams, JobState, RoundView} from "../src/types/Job.sol";
import {JobBuilder} from "./support/Builders.sol";
import {DrawModel, listOf} from "./support/DrawModel.sol";
import {RoundsTest} from "./support/RoundsTest.sol";
import {Act} from "./support/ScenarioTest.sol";
import {vm} from "./support/Vm.sol";

/*
A first round without a quorum, where a second one was bought
├── at the split
│   ├── given Ok or InputInvalid answers  → their seats stay busy, unpaid and unpunished
│   ├── given absence, silence            → punished at once
│   ├── given InputUnavailable            → the seat closes, no bond is lost [E1]
│   ├── in any case                       → emits RoundSplit, DrawArmed with an expiry of its own
│   ├── brought about by advance          → emits BountyPaid
│   └── brought about by the last reveal  → pays no bounty
├── while the second round is armed       → cannot be cancelled, by nobody at no time [S3, R2]
├── its committee                         → two places more, no owner of the first one's
├── at the end
│   ├── given its quorum says the same    → an earlier answer is paid like an agreeing one
│   ├── given two thirds against it       → an earlier answer is slashed [P7]
│   ├── given a lesser quorum against it  → an earlier answer is released [P7]
│   ├── given a second split              → every Ok of both rounds earns the base fee [R2]
│   ├── given no committee in time        → the same [R3]
│   ├── given an unavailable quorum       → does not stand if anybody had the bytes before [E1]
│   └── given any behaviour of all        → as the model says, to the unit
└── in any case                           → the record chains the transcripts of both rounds
*/
contract SecondRoundTest is RoundsTest {
    using JobBuilder for JobParams;

    uint256 private constant TRUE_PAY = BASE_FEE + TRUE_TOKENS * PRICE;
    uint256 private constant ESCROW = ((8 * JOB_PAY + 4 * BOUNTY) * 101) / 100;

    // ─── At the split ────────────────────────────────────────────────────────────────────────

    function test_secondRound_answersAtSplit_stayBusyAndUnpaid() external {
        (JobId jobId, address[] memory workers) = playSplit(
            aTwoRoundJob(),
            acts(Act.Honest, Act.Liar, Act.Invalid)
        );
        FirstRoundView memory first = lens.firstRoundOf(jobId);
        for (uint256 place = 0; place < 3; ++place) {
            assertCredit(workers[place], 0);
            vm.assertEq(lens.seatOf(first.seatIds[place]).owner, workers[place], "owner");
            vm.assertTrue(lens.seatOf(first.seatIds[place]).isBusy, "busy");
            vm.assertEq(market.accountOf(workers[place]).completed, 0, "completed");
        }
        vm.assertEq(first.seatIds.length, 9, "places");
        vm.assertEq(first.expelled.length, 0, "expelled");
        vm.assertEq(first.bountiesPaid, 1, "bounties");
        assertCredit(sink, 0);
    }

    /// @dev Place 0 reveals, 1 commits only, 2 is absent.
    function test_secondRound_absentAndSilent_punishedAtSplit_P5() external {
        JobParams memory job = aTwoRoundJob();
        JobId jobId = post(job);
        draw(job, DrawModel.randaoFor(jobId, WORKERS, listOf(0, 1, 2)));
        playCommits(job, acts(Act.Honest, Act.Silent, Act.Absent));
        playReveals(job, acts(Act.Honest, Act.Silent, Act.Absent));
        vm.warp(deadlineOf(jobId) + 1);
        bytes32[] memory answers = new bytes32[](3);
        answers[0] = answerOf(outcomeOf(Act.Honest));
        answers[1] = commitmentOf(jobId, aWorker(1), outcomeOf(Act.Silent));
        bytes32 transcript = transcriptOf(storedRound(jobId), workersOf(jobId, 3), answers);

        expectSlash(jobId, aWorker(1), 2, SlashReason.NotRevealed, BOND);
        expectSlash(jobId, aWorker(2), 3, SlashReason.NoShow, NO_SHOW_PENALTY);
        vm.expectEmit(address(market));
        emit IMarketplace.RoundSplit(jobId, 1, transcript);
        expectArmed(jobId, WORKERS - 2);
        vm.expectEmit(address(market));
        emit IMarketplace.BountyPaid(jobId, keeper, BOUNTY);
        advance(job, NO_HEADER);

        FirstRoundView memory first = lens.firstRoundOf(jobId);
        vm.assertEq(first.transcript, transcript, "transcript");
        vm.assertEq(first.bountiesPaid, 2, "bounties");
        vm.assertEq(first.expelled.length, 2, "expelled");
        vm.assertEq(first.expelled[0], aWorker(1), "silent");
        vm.assertEq(first.expelled[1], aWorker(2), "absent");
        vm.assertEq(first.seatIds[0], 1, "kept");
        vm.assertEq(first.seatIds[1] + first.seatIds[2], 0, "not kept");
        assertCredit(aWorker(1), 0);
        assertCredit(aWorker(2), BOND - NO_SHOW_PENALTY);
    }

    function test_secondRound_unavailableAtSplit_closesSeatOnly_E1() external {
        (JobId jobId, address[] memory workers) = playSplit(
            aTwoRoundJob(),
            acts(Act.Unavailable, Act.Honest, Act.Unavailable)
        );
        assertCredit(workers[0], BOND);
        vm.assertEq(market.accountOf(workers[0]).missed, 1, "missed");
        vm.assertEq(market.accountOf(workers[0]).seats, 0, "seats");
        assertCredit(sink, 0);
        vm.assertEq(lens.firstRoundOf(jobId).expelled.length, 2, "expelled");
    }

    function test_secondRound_nobodyCommitted_isSplitToo_P6() external {
        JobParams memory job = aTwoRoundJob();
        (JobId jobId, ) = playSplit(job, allOf(Act.Absent, 3));
        vm.assertEq(lens.firstRoundOf(jobId).expelled.length, 3, "expelled");
        playSecond(job, allOf(Act.Honest, 5));
        assertState(jobId, JobState.Accepted);
    }

    /// @dev The seat of place 0 was drawn for another job first: nobody is kept or expelled for it.
    function test_secondRound_vacantPlace_isNobodys() external {
        JobParams memory other = aJob().withNonce(2).withRedundancy(1);
        JobParams memory job = aTwoRoundJob();
        JobId otherId = post(other);
        JobId jobId = post(job);
        draw(other, DrawModel.randaoFor(otherId, WORKERS, new uint256[](1)));
        draw(job, DrawModel.randaoFor(jobId, WORKERS, listOf(0, 1, 2)));
        vm.assertEq(lens.roundOf(jobId).seatIds[0], 0, "vacant place");
        commit(job, 1, outcomeOf(Act.Honest));
        commit(job, 2, outcomeOf(Act.Liar));
        reveal(job, 1, outcomeOf(Act.Honest));
        reveal(job, 2, outcomeOf(Act.Liar));

        FirstRoundView memory first = lens.firstRoundOf(jobId);
        vm.assertEq(first.expelled.length, 0, "expelled");
        vm.assertEq(first.seatIds[0], 0, "vacant place");
        vm.assertEq(first.seatIds[1], 2, "place 1");
        vm.assertEq(first.seatIds[2], 3, "place 2");
        playSecond(job, allOf(Act.Honest, 5));
        assertState(jobId, JobState.Accepted);
        assertCredit(sink, BOND);
    }

    function test_secondRound_splitByLastReveal_paysNoBounty() external {
        playSplit(aTwoRoundJob(), acts(Act.Honest, Act.Liar, Act.Invalid));
        assertCredit(keeper, BOUNTY);
    }

    function test_secondRound_quorumInFirst_endsTheJob() external {
        JobId jobId = play(aTwoRoundJob(), acts(Act.Honest, Act.Honest, Act.Liar));
        assertState(jobId, JobState.Accepted);
        vm.assertEq(lens.roundOf(jobId).round, 1, "round");
        uint256 paid = 2 * TRUE_PAY + BOUNTY;
        assertCredit(requester, ESCROW - paid - paid / 100);
    }

    /// @dev Without any committee nothing is known that a second round could judge.
    function test_secondRound_firstNeverDrawn_failsTheJob_R3() external {
        JobParams memory job = aTwoRoundJob();
        JobId jobId = post(job);
        rollTo(lens.roundOf(jobId).expiryBlock + 1);
        advance(job, NO_HEADER);
        assertState(jobId, JobState.Failed);
        assertCredit(requester, ESCROW - BOUNTY);
    }

    function test_secondRound_oneBought_failsAtOnce() external {
        JobId jobId = play(aJob(), acts(Act.Honest, Act.Liar, Act.Invalid));
        assertState(jobId, JobState.Failed);
        vm.assertEq(lens.firstRoundOf(jobId).transcript, 0, "no first round is left");
    }

    // ─── While armed ─────────────────────────────────────────────────────────────────────────

    function test_secondRound_armed_isOpenWithAnExpiryOfItsOwn() external {
        (JobId jobId, ) = playSplit(aTwoRoundJob(), acts(Act.Honest, Act.Liar, Act.Invalid));
        RoundView memory round = lens.roundOf(jobId);
        vm.assertEq(uint256(round.state), uint256(JobState.Open), "state");
        vm.assertEq(round.round, 2, "round");
        vm.assertEq(round.seedBlock, vm.getBlockNumber() + SEED_DELAY, "seed block");
        vm.assertEq(round.expiryBlock, round.seedBlock + DRAW_DEADLINE, "expiry");
    }

    /// @dev Its answers are out: whoever could cancel now would have them for nothing [R2].
    function test_secondRound_anyBlockOfItsDraw_cannotBeCancelled_R2(uint256 blocks) external {
        JobParams memory job = aTwoRoundJob();
        (JobId jobId, ) = playSplit(job, acts(Act.Honest, Act.Liar, Act.Invalid));
        RoundView memory round = lens.roundOf(jobId);
        mine(bounded(blocks, 1, 2 * DRAW_DEADLINE));
        vm.expectRevert(
            abi.encodeWithSelector(
                IMarketplace.NotCancellable.selector,
                jobId,
                round.seedBlock,
                round.expiryBlock
            )
        );
        vm.prank(requester);
        market.cancelJob(job);
    }

    function test_secondRound_seatsOfFirst_cannotLeave() external {
        (JobId jobId, address[] memory workers) = playSplit(
            aTwoRoundJob(),
            acts(Act.Honest, Act.Liar, Act.Invalid)
        );
        uint256 seatId = lens.firstRoundOf(jobId).seatIds[0];
        vm.prank(workers[0]);
        market.closeSeat(seatId);
        uint256 leaveBlock = vm.getBlockNumber() + DRAW_DEADLINE + 2;
        mine(2 * DRAW_DEADLINE);
        vm.expectRevert(
            abi.encodeWithSelector(ISeats.SeatNotLeaving.selector, seatId, true, true, leaveBlock)
        );
        market.leaveSeat(seatId);
    }

    /// @dev A first-round place is no place of the second.
    function test_secondRound_memberOfFirst_cannotCommitAgain() external {
        JobParams memory job = aTwoRoundJob();
        (JobId jobId, address[] memory workers) = playSplit(
            job,
            acts(Act.Honest, Act.Liar, Act.Invalid)
        );
        draw(job);
        for (uint256 place = 0; place < 5; ++place) {
            vm.expectRevert(
                abi.encodeWithSelector(
                    IMarketplace.NotOnCommittee.selector,
                    jobId,
                    workers[0],
                    place
                )
            );
            vm.prank(workers[0]);
            market.commitResult(jobId, place, keccak256("again"));
        }
    }

    // ─── The committee ───────────────────────────────────────────────────────────────────────

    /// forge-config: default.fuzz.runs = 100
    function test_secondRound_anySeed_isLargerAndDisjoint(
        uint8[3] memory seeds,
        bytes32 randao
    ) external {
        // Owners with several seats are kept out by owner, not by seat.
        for (uint256 i = 0; i < WORKERS; ++i) {
            openSeats(aWorker(i), 0, 2);
        }
        mine(1);
        Act[] memory first = new Act[](3);
        for (uint256 i = 0; i < 3; ++i) {
            first[i] = Act(seeds[i] % ACTS);
        }
        vm.assume(acceptedOf(first) == Act.Absent);
        JobParams memory job = aTwoRoundJob();
        (JobId jobId, address[] memory workers) = playSplit(job, first);
        draw(job, randao);
        assertState(jobId, JobState.Committing);
        address[] memory others = workersOf(jobId, 9);
        for (uint256 i = 0; i < 9; ++i) {
            vm.assertEq(others[i] != address(0), i < 5, "a place is filled");
            for (uint256 k = 0; k < 3; ++k) {
                vm.assertTrue(others[i] != workers[k], "a worker in both rounds");
            }
        }
    }

    function test_secondRound_ofSeven_hasNinePlaces() external {
        JobParams memory job = aTwoRoundJob().withRedundancy(7);
        (JobId jobId, ) = playSplit(
            job,
            acts(Act.Honest, Act.Liar, Act.Invalid, Act.Honest, Act.Liar, Act.Invalid, Act.Honest)
        );
        address[] memory others = playSecond(job, allOf(Act.Honest, 9));
        assertState(jobId, JobState.Accepted);
        assertCredit(others[8], TRUE_PAY);
    }

    function test_secondRound_seed_isOfItsRound_S4() external {
        JobParams memory job = aTwoRoundJob();
        (JobId jobId, ) = playSplit(job, acts(Act.Honest, Act.Liar, Act.Invalid));
        vm.recordLogs();
        draw(job, "randao");
        (uint256 round, , bytes32 seed, , , ) = abi.decode(
            lastDataOf(IMarketplace.CommitteeDrawn.selector),
            (uint256, uint256, bytes32, uint256[], address[], uint256)
        );
        vm.assertEq(round, 2, "round");
        vm.assertEq(seed, DrawModel.seedOf("randao", jobId, 2), "seed");
    }

    // ─── At the end [P7] ─────────────────────────────────────────────────────────────────────

    function test_secondRound_agreesWithEarlierAnswer_paysItAlike_P7() external {
        JobParams memory job = aTwoRoundJob();
        (, address[] memory workers) = playSplit(job, acts(Act.Honest, Act.Liar, Act.Silent));
        address[] memory others = playSecond(job, allOf(Act.Honest, 5));
        assertCredit(workers[0], TRUE_PAY);
        assertCredit(others[0], TRUE_PAY);
        vm.assertEq(market.accountOf(workers[0]).completed, 1, "completed");
        vm.assertFalse(lens.seatOf(seatOf(workers[0])).isBusy, "busy");
    }

    function test_secondRound_invalidQuorum_paysEarlierInvalid_P7() external {
        JobParams memory job = aTwoRoundJob();
        (, address[] memory workers) = playSplit(job, acts(Act.Honest, Act.Liar, Act.Invalid));
        playSecond(job, allOf(Act.Invalid, 5));
        assertCredit(workers[2], BASE_FEE);
        vm.assertEq(market.accountOf(workers[2]).completed, 1, "completed");
        assertCredit(sink, 2 * BOND);
    }

    /// @dev Four of five are two thirds.
    function test_secondRound_twoThirdsAgainst_slashesEarlierAnswer_P7() external {
        JobParams memory job = aTwoRoundJob();
        JobId jobId = post(job);
        draw(job, DrawModel.randaoFor(jobId, WORKERS, listOf(0, 1, 2)));
        playDrawn(job, acts(Act.Honest, Act.Liar, Act.Invalid));
        draw(job);
        Act[] memory second = acts(Act.Honest, Act.Honest, Act.Honest, Act.Honest, Act.Liar);
        playCommits(job, second);
        for (uint256 place = 0; place < 4; ++place) {
            reveal(job, place, outcomeOf(Act.Honest));
        }
        address last = workerAt(jobId, 4);
        expectSlash(jobId, aWorker(1), 2, SlashReason.WrongResult, BOND);
        expectSlash(jobId, aWorker(2), 3, SlashReason.WrongResult, BOND);
        vm.prank(last);
        market.revealResult(job, 4, outcomeOf(Act.Liar), aSalt(last));
        assertCredit(aWorker(1), 0);
        assertCredit(sink, 3 * BOND);
    }

    /// @dev Three of five are a quorum and no two thirds: the focal answer may be a copied lie.
    function test_secondRound_bareQuorumAgainst_releasesEarlierAnswer_P7() external {
        JobParams memory job = aTwoRoundJob();
        (, address[] memory workers) = playSplit(job, acts(Act.Honest, Act.Liar, Act.Invalid));
        playSecond(job, acts(Act.Liar, Act.Liar, Act.Liar, Act.Honest, Act.Silent));
        assertCredit(workers[0], BASE_FEE);
        assertCredit(workers[1], BASE_FEE + FALSE_TOKENS * PRICE);
        assertCredit(workers[2], 0);
        for (uint256 i = 0; i < 3; ++i) {
            vm.assertEq(market.accountOf(workers[i]).seats, 1, "seats");
        }
        assertCredit(sink, 2 * BOND); // of the second round's minority
    }

    /// @dev Two of three are exactly two thirds.
    function test_secondRound_ofOne_judgesByTwoOfThree_P7() external {
        JobParams memory job = aTwoRoundJob().withRedundancy(1);
        (, address[] memory workers) = playSplit(job, oneAct(Act.Silent));
        assertCredit(workers[0], 0);
        playSecond(job, acts(Act.Honest, Act.Honest, Act.Liar));
        assertState(market.jobIdOf(job), JobState.Accepted);
    }

    function test_secondRound_splitAgain_paysBaseFeeForEveryOk_R2() external {
        JobParams memory job = aTwoRoundJob();
        (JobId jobId, address[] memory workers) = playSplit(
            job,
            acts(Act.Honest, Act.Liar, Act.Invalid)
        );
        address[] memory others = playSecond(
            job,
            acts(Act.Honest, Act.Honest, Act.Liar, Act.Liar, Act.Invalid)
        );
        assertState(jobId, JobState.Failed);
        assertCredit(workers[0], BASE_FEE);
        assertCredit(workers[1], BASE_FEE);
        assertCredit(workers[2], 0);
        for (uint256 i = 0; i < 4; ++i) {
            assertCredit(others[i], BASE_FEE);
        }
        assertCredit(sink, 0);
        assertCredit(treasury, 0);
        assertCredit(requester, ESCROW - 6 * BASE_FEE - 2 * BOUNTY);
    }

    function test_secondRound_noCommitteeInTime_paysBaseFeeForEveryOk_R3() external {
        JobParams memory job = aTwoRoundJob();
        (JobId jobId, address[] memory workers) = playSplit(
            job,
            acts(Act.Honest, Act.Liar, Act.Invalid)
        );
        bytes32 earlier = lens.firstRoundOf(jobId).transcript;
        rollTo(lens.roundOf(jobId).expiryBlock + 1);
        bytes32 transcript = transcriptOf(
            earlier,
            storedRound(jobId),
            new address[](0),
            new bytes32[](0)
        );
        uint256 paid = 2 * BASE_FEE + 2 * BOUNTY;
        vm.expectEmit(address(market));
        emit IMarketplace.JobSettled(jobId, JobState.Failed, paid, ESCROW - paid, 0, transcript);
        advance(job, NO_HEADER);

        assertCredit(workers[0], BASE_FEE);
        assertCredit(workers[1], BASE_FEE);
        assertCredit(workers[2], 0);
        for (uint256 i = 0; i < 3; ++i) {
            vm.assertFalse(lens.seatOf(seatOf(workers[i])).isBusy, "busy");
        }
        vm.assertEq(lens.firstRoundOf(jobId).transcript, 0, "nothing is left of the first round");
        vm.assertEq(lens.roundOf(jobId).record, recordOf(0, transcript), "record");
    }

    /// @dev Three workers are no roster for a second round of five.
    function test_secondRound_rosterTooThin_failsAtItsExpiry_R3() external {
        JobParams memory job = aTwoRoundJob().withMinSeats(WORKERS);
        (JobId jobId, ) = playSplit(job, acts(Act.Absent, Act.Honest, Act.Liar));
        for (uint256 i = 0; i < 3; ++i) {
            draw(job);
            assertState(jobId, JobState.Open);
            vm.assertEq(lens.roundOf(jobId).round, 2, "round");
        }
        rollTo(lens.roundOf(jobId).expiryBlock + 1);
        advance(job, NO_HEADER);
        assertState(jobId, JobState.Failed);
    }

    /// @dev A requester who stops serving the prompts cannot have the first round's slashed [E1].
    function test_secondRound_unavailableQuorumAfterAnswers_doesNotStand_E1() external {
        JobParams memory job = aTwoRoundJob();
        (JobId jobId, address[] memory workers) = playSplit(
            job,
            acts(Act.Honest, Act.Liar, Act.Silent)
        );
        address[] memory others = playSecond(job, allOf(Act.Unavailable, 5));
        assertState(jobId, JobState.Failed);
        assertCredit(workers[0], BASE_FEE);
        assertCredit(others[0], BOND);
    }

    function test_secondRound_unavailableQuorumAfterNone_stands_E1() external {
        JobParams memory job = aTwoRoundJob();
        (JobId jobId, ) = playSplit(job, acts(Act.Unavailable, Act.Silent, Act.Absent));
        address[] memory others = playSecond(job, allOf(Act.Unavailable, 5));
        assertState(jobId, JobState.Accepted);
        assertCredit(others[0], BASE_FEE);
    }

    /// @dev The record chains both transcripts, so both rounds can be proved.
    function test_secondRound_accepted_recordsBothTranscripts() external {
        JobParams memory job = aTwoRoundJob();
        (JobId jobId, ) = playSplit(job, acts(Act.Honest, Act.Liar, Act.Invalid));
        bytes32 earlier = lens.firstRoundOf(jobId).transcript;
        draw(job);
        Act[] memory second = acts(Act.Honest, Act.Honest, Act.Honest, Act.Silent, Act.Absent);
        playCommits(job, second);
        playReveals(job, second);
        vm.warp(deadlineOf(jobId) + 1);
        bytes32[] memory answers = new bytes32[](5);
        for (uint256 place = 0; place < 3; ++place) {
            answers[place] = answerOf(outcomeOf(Act.Honest));
        }
        address silent = workerAt(jobId, 3);
        answers[3] = commitmentOf(jobId, 2, silent, outcomeOf(Act.Silent), aSalt(silent));
        bytes32 transcript = transcriptOf(
            earlier,
            storedRound(jobId),
            workersOf(jobId, 5),
            answers
        );
        advance(job, NO_HEADER);
        vm.assertEq(lens.roundOf(jobId).record, recordOf(answers[0], transcript), "record");
        vm.assertTrue(lens.isRecorded(jobId, outcomeOf(Act.Honest), transcript), "recorded");
        vm.assertEq(lens.roundOf(jobId).round, 2, "round");
    }

    // ─── Any behaviour ───────────────────────────────────────────────────────────────────────

    /// forge-config: default.fuzz.runs = 100
    function test_secondRound_threeAndFiveOfAnyBehaviour_followTheRules(
        uint8[3] memory first,
        uint8[5] memory second
    ) external {
        Act[] memory early = new Act[](3);
        Act[] memory late = new Act[](5);
        for (uint256 i = 0; i < 3; ++i) {
            early[i] = Act(first[i] % ACTS);
        }
        vm.assume(acceptedOf(early) == Act.Absent);
        for (uint256 i = 0; i < 5; ++i) {
            // Honest more often than not, so that quorums occur.
            late[i] = second[i] < 140 ? Act.Honest : Act(second[i] % ACTS);
        }
        playBothAndCheck(aTwoRoundJob(), early, late);
    }

    /// forge-config: default.fuzz.runs = 100
    function test_secondRound_fiveAndSevenOfAnyBehaviour_followTheRules(
        uint8[5] memory first,
        uint8[7] memory second
    ) external {
        Act[] memory early = new Act[](5);
        Act[] memory late = new Act[](7);
        for (uint256 i = 0; i < 5; ++i) {
            early[i] = Act(first[i] % ACTS);
        }
        vm.assume(acceptedOf(early) == Act.Absent);
        for (uint256 i = 0; i < 7; ++i) {
            late[i] = second[i] < 140 ? Act.Liar : Act(second[i] % ACTS);
        }
        playBothAndCheck(aTwoRoundJob().withRedundancy(5), early, late);
    }

    // ─── Private ─────────────────────────────────────────────────────────────────────────────

    /// @dev Workers have a seat each, numbered alike.
    function seatOf(address worker) private returns (uint256) {
        for (uint256 i = 0; i < WORKERS; ++i) {
            if (aWorker(i) == worker) return i + 1;
        }
        return 0;
    }

    function expectArmed(JobId jobId, uint256 lengths) private {
        uint256 seedBlock = vm.getBlockNumber() + SEED_DELAY;
        vm.expectEmit(address(market));
        emit IMarketplace.DrawArmed(jobId, 2, seedBlock, seedBlock + DRAW_DEADLINE, lengths);
    }

    function expectSlash(
        JobId jobId,
        address worker,
        uint256 seatId,
        SlashReason reason,
        uint256 penalty
    ) private {
        vm.expectEmit(address(market));
        emit ISeats.SeatSlashed(jobId, worker, seatId, reason, penalty);
        vm.expectEmit(address(market));
        emit ISeats.SeatClosed(seatId, worker, BOND - penalty);
    }
}
