// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IMarketplace} from "../src/interfaces/IMarketplace.sol";
import {ISeats, SlashReason} from "../src/interfaces/ISeats.sol";
import {JobId, JobParams, JobState} from "../src/types/Job.sol";
import {ModelSpec} from "../src/types/Model.sol";
import {Outcome} from "../src/types/Outcome.sol";
import {JobBuilder, OutcomeBuilder, aModel} from "./support/Builders.sol";
import {DrawModel, listOf} from "./support/DrawModel.sol";
import {PausableToken} from "./support/HostileTokens.sol";
import {Act, ScenarioTest} from "./support/ScenarioTest.sol";
import {vm} from "./support/Vm.sol";

/*
What a round pays and punishes, by the rules' codes
├── P1  a bond goes to the sink alone, never to whoever gains by the fall
├── P3  agreeing workers earn the base fee and every token
├── P5  no-show costs a part; silence and a wrong answer cost all
├── P6  fewer commits than a quorum: still revealed, then a split
├── E1  unavailability stands only if nobody had the bytes
├── R2  a failed job pays the base fee to whoever revealed Ok
├── R6  the fee is rounded down, and taken of accepted jobs only
├── R7  no state depends on tokens that move
└── any behaviour of any committee: as the model says, to the unit
*/
contract SettlementRulesTest is ScenarioTest {
    using JobBuilder for JobParams;

    uint256 private constant TRUE_PAY = BASE_FEE + TRUE_TOKENS * PRICE;

    function setUp() public override {
        super.setUp();
        openWorkers(7);
    }

    // ─── Any behaviour ───────────────────────────────────────────────────────────────────────

    function test_settlement_threeOfAnyBehaviour_followsTheRules(uint8[3] memory seeds) external {
        Act[] memory list = new Act[](3);
        for (uint256 i = 0; i < 3; ++i) {
            list[i] = Act(seeds[i] % ACTS);
        }
        playAndCheck(aJob(), list);
    }

    function test_settlement_sevenOfAnyBehaviour_followsTheRules(uint8[7] memory seeds) external {
        Act[] memory list = new Act[](7);
        for (uint256 i = 0; i < 7; ++i) {
            // Honest more often than not, so that quorums occur.
            list[i] = seeds[i] < 128 ? Act.Honest : Act(seeds[i] % ACTS);
        }
        playAndCheck(aJob().withRedundancy(7), list);
    }

    function test_settlement_oneOfAnyBehaviour_followsTheRules() external {
        for (uint8 act = 0; act < ACTS; ++act) {
            Act[] memory list = new Act[](1);
            list[0] = Act(act);
            uint256 state = vm.snapshotState();
            playAndCheck(aJob().withRedundancy(1), list);
            vm.revertToState(state);
        }
    }

    // ─── P1: no one gains by another's fall ──────────────────────────────────────────────────

    function test_settlement_liarSlashed_bondGoesToSinkAlone_P1() external {
        playAndCheck(aJob(), acts(Act.Honest, Act.Honest, Act.Liar));
        assertCredit(sink, BOND);
    }

    /// @dev Requester, winners, keeper and treasury get the same whether or not the third falls.
    function test_settlement_othersFate_changesNobodysPay_P1() external {
        Act[3] memory fates = [Act.Liar, Act.Silent, Act.Absent];
        for (uint256 i = 0; i < fates.length; ++i) {
            uint256 state = vm.snapshotState();
            JobId jobId = postAndDraw(aJob());
            address[] memory workers = workersOf(jobId, 3);
            playDrawn(aJob(), acts(Act.Honest, Act.Honest, fates[i]));
            assertCredit(workers[0], TRUE_PAY);
            assertCredit(workers[1], TRUE_PAY);
            bool byReveal = fates[i] != Act.Silent;
            uint256 bounties = byReveal ? BOUNTY : 2 * BOUNTY;
            uint256 paid = 2 * TRUE_PAY + bounties;
            assertCredit(keeper, bounties);
            assertCredit(treasury, paid / 100);
            assertCredit(requester, JOB_ESCROW - paid - paid / 100);
            vm.revertToState(state);
        }
    }

    function test_settlement_wrongResult_emitsSeatSlashed_P5() external {
        JobId jobId = post(aJob());
        draw(aJob(), DrawModel.randaoFor(jobId, 7, listOf(4, 2, 6)));
        Act[] memory list = acts(Act.Honest, Act.Liar, Act.Honest);
        playCommits(aJob(), list);
        reveal(aJob(), 0, outcomeOf(Act.Honest));
        reveal(aJob(), 1, outcomeOf(Act.Liar));
        address last = aWorker(6);

        vm.expectEmit(address(market));
        emit ISeats.SeatSlashed(jobId, aWorker(2), 3, SlashReason.WrongResult, BOND);
        vm.expectEmit(address(market));
        emit ISeats.SeatClosed(3, aWorker(2), 0);
        vm.prank(last);
        market.revealResult(aJob(), 2, outcomeOf(Act.Honest), aSalt(last));
    }

    // ─── P3, P5, P6 ──────────────────────────────────────────────────────────────────────────

    function test_settlement_agreeing_earnsBaseFeeAndTokens_P3() external {
        JobId jobId = postAndDraw(aJob());
        address worker = workerAt(jobId, 0);
        playDrawn(aJob(), acts(Act.Honest, Act.Honest, Act.Honest));
        assertCredit(worker, TRUE_PAY);
    }

    /// @dev Withholding, even as the last who could make a quorum, is as dear as lying.
    function test_settlement_silentAndLiar_loseTheSame_P5() external {
        Act[2] memory fates = [Act.Silent, Act.Liar];
        for (uint256 i = 0; i < 2; ++i) {
            uint256 state = vm.snapshotState();
            JobId jobId = postAndDraw(aJob());
            address worker = workerAt(jobId, 2);
            playDrawn(aJob(), acts(Act.Honest, Act.Honest, fates[i]));
            assertCredit(worker, 0);
            assertCredit(sink, BOND);
            vm.revertToState(state);
        }
    }

    function test_settlement_oneCommitOfThree_isRevealedAndSplit_P6() external {
        JobId jobId = postAndDraw(aJob());
        address worker = workerAt(jobId, 1);
        playDrawn(aJob(), acts(Act.Absent, Act.Honest, Act.Absent));
        assertState(jobId, JobState.Failed);
        assertCredit(worker, BASE_FEE);
        assertCredit(sink, 2 * NO_SHOW_PENALTY);
    }

    // ─── E1: errors are outcomes ─────────────────────────────────────────────────────────────

    function test_settlement_allUnavailable_accepts_E1() external {
        JobId jobId = playAndCheck(aJob(), acts(Act.Unavailable, Act.Unavailable, Act.Unavailable));
        assertState(jobId, JobState.Accepted);
    }

    function test_settlement_unavailableQuorum_acceptedOnlyAtTheEnd_E1() external {
        JobId jobId = postAndDraw(aJob());
        Act[] memory list = acts(Act.Unavailable, Act.Unavailable, Act.Unavailable);
        playCommits(aJob(), list);
        vm.recordLogs();
        reveal(aJob(), 0, outcomeOf(Act.Unavailable));
        reveal(aJob(), 1, outcomeOf(Act.Unavailable));
        assertNotEmitted(IMarketplace.ResultAccepted.selector);

        address last = workerAt(jobId, 2);
        bytes32 answer = answerOf(outcomeOf(Act.Unavailable));
        vm.expectEmit(address(market));
        emit IMarketplace.ResultAccepted(jobId, 1, answer);
        vm.prank(last);
        market.revealResult(aJob(), 2, outcomeOf(Act.Unavailable), aSalt(last));
    }

    /// @dev Two lazy ones of three cannot kill a job that the third could serve.
    function test_settlement_unavailableQuorumAgainstOk_isSplit_E1() external {
        JobId jobId = playAndCheck(aJob(), acts(Act.Unavailable, Act.Honest, Act.Unavailable));
        assertState(jobId, JobState.Failed);
        assertCredit(sink, 0);
        vm.assertEq(lens.rosterSize(modelId, 0), 5, "the lazy ones' seats are closed");
    }

    /// @dev Who calls the bytes invalid had them.
    function test_settlement_unavailableQuorumAgainstInvalid_isSplit_E1() external {
        JobId jobId = playAndCheck(aJob(), acts(Act.Unavailable, Act.Invalid, Act.Unavailable));
        assertState(jobId, JobState.Failed);
    }

    function test_settlement_unavailableQuorumAndSilence_accepts_E1() external {
        JobId jobId = playAndCheck(aJob(), acts(Act.Unavailable, Act.Silent, Act.Unavailable));
        assertState(jobId, JobState.Accepted);
    }

    function test_settlement_unavailableMinority_losesSeatNotBond_E1() external {
        JobId jobId = postAndDraw(aJob());
        address worker = workerAt(jobId, 2);
        playDrawn(aJob(), acts(Act.Honest, Act.Honest, Act.Unavailable));
        assertState(jobId, JobState.Accepted);
        assertCredit(worker, BOND);
        assertCredit(sink, 0);
        vm.assertEq(market.accountOf(worker).missed, 1, "missed");
    }

    function test_settlement_invalidQuorum_slashesOk_E1() external {
        JobId jobId = playAndCheck(aJob(), acts(Act.Invalid, Act.Honest, Act.Invalid));
        assertState(jobId, JobState.Accepted);
        assertCredit(sink, BOND);
    }

    // ─── R2: a split ─────────────────────────────────────────────────────────────────────────

    /// @dev Three answers: nobody is slashed by a split alone, and no fee is taken.
    function test_settlement_threeAnswers_paysBaseFeeForOk_R2() external {
        JobId jobId = postAndDraw(aJob());
        address[] memory workers = workersOf(jobId, 3);
        playDrawn(aJob(), acts(Act.Honest, Act.Liar, Act.Invalid));
        assertState(jobId, JobState.Failed);
        assertCredit(workers[0], BASE_FEE);
        assertCredit(workers[1], BASE_FEE);
        assertCredit(workers[2], 0);
        assertCredit(sink, 0);
        assertCredit(treasury, 0);
        assertCredit(requester, JOB_ESCROW - 2 * BASE_FEE - BOUNTY);
        vm.assertEq(market.accountOf(workers[0]).completed, 0, "completed");
    }

    /// @dev Two of five are the most voted answer, and no quorum.
    function test_settlement_pluralityBelowQuorum_isSplit_R2() external {
        JobId jobId = playAndCheck(
            aJob().withRedundancy(5),
            acts(Act.Honest, Act.Honest, Act.Liar, Act.Silent, Act.Invalid)
        );
        assertState(jobId, JobState.Failed);
    }

    // ─── Vacant places ───────────────────────────────────────────────────────────────────────

    /// @dev Two members of a committee of three agree: that is its majority.
    function test_settlement_onePlaceVacant_twoOfThreeAccept() external {
        JobId jobId = drawWithVacancy();
        address[] memory workers = workersOf(jobId, 3);
        commit(aJob(), 1, outcomeOf(Act.Honest));
        commit(aJob(), 2, outcomeOf(Act.Honest));
        reveal(aJob(), 1, outcomeOf(Act.Honest));
        reveal(aJob(), 2, outcomeOf(Act.Honest));

        assertState(jobId, JobState.Accepted);
        vm.assertEq(workers[0], address(0), "vacant place");
        assertCredit(workers[1], TRUE_PAY);
        assertCredit(workers[2], TRUE_PAY);
        assertCredit(sink, 0);
        uint256 paid = 2 * TRUE_PAY + BOUNTY;
        assertCredit(requester, JOB_ESCROW - paid - paid / 100);
    }

    /// @dev One of the two is half of the members, and no majority of three.
    function test_settlement_onePlaceVacantOneAbsent_isSplit() external {
        JobId jobId = drawWithVacancy();
        address[] memory workers = workersOf(jobId, 3);
        commit(aJob(), 1, outcomeOf(Act.Honest));
        vm.warp(deadlineOf(jobId) + 1);
        reveal(aJob(), 1, outcomeOf(Act.Honest));

        assertState(jobId, JobState.Failed);
        assertCredit(workers[1], BASE_FEE);
        assertCredit(sink, NO_SHOW_PENALTY);
        vm.assertEq(market.accountOf(workers[2]).missed, 1, "missed");
    }

    // ─── R6: the fee ─────────────────────────────────────────────────────────────────────────

    /// @dev The requester keeps the dust.
    function test_settlement_feeWithDust_isRoundedDown_R6() external {
        ModelSpec memory spec = aModel();
        spec.basePrice = 1;
        JobParams memory job = aJob().withModel(registry.registerModel(spec)).withRedundancy(1);
        job.maxTokens = 3;
        fundAndDeposit(aWorker(7), BOND);
        vm.prank(aWorker(7));
        market.openSeats(job.modelId, 0, 1);
        mine(1);
        JobId jobId = postAndDraw(job);
        commit(job, 0, outcomeOfTokens(3));
        reveal(job, 0, outcomeOfTokens(3));

        assertState(jobId, JobState.Accepted);
        uint256 paid = BASE_FEE + 3 + BOUNTY;
        assertCredit(treasury, 300);
        vm.assertEq((paid * FEE_BPS) / 10_000, 300, "30,003 units at 1%, rounded down");
        assertCredit(requester, market.escrowOf(job) - paid - 300);
    }

    function test_settlement_feeOfAnyTokenCount_neverExceedsEscrow_R6(uint32 tokens) external {
        tokens = uint32(bounded(tokens, 0, JOB_TOKENS));
        JobId jobId = run(
            aJob(),
            three(outcomeOfTokens(tokens), outcomeOfTokens(tokens), outcomeOfTokens(tokens))
        );
        assertState(jobId, JobState.Accepted);
        uint256 paid = 3 * (BASE_FEE + tokens * PRICE) + BOUNTY;
        assertCredit(treasury, paid / 100);
        assertCredit(requester, JOB_ESCROW - paid - paid / 100);
    }

    // ─── R7: a paused token blocks nothing but tokens ────────────────────────────────────────

    function test_settlement_tokenPaused_jobEndsAllTheSame_R7() external {
        PausableToken pausable = new PausableToken();
        useMarket(marketWith(address(pausable)));
        for (uint256 i = 0; i < 3; ++i) {
            depositPausable(pausable, aWorker(i), BOND);
            vm.prank(aWorker(i));
            market.openSeats(modelId, 0, 1);
        }
        depositPausable(pausable, requester, JOB_ESCROW);
        mine(1);
        pausable.pause();
        JobId jobId = play(aJob(), acts(Act.Honest, Act.Honest, Act.Liar));
        assertState(jobId, JobState.Accepted);
    }

    // ─── Private ─────────────────────────────────────────────────────────────────────────────

    function outcomeOfTokens(uint32 tokens) private pure returns (Outcome memory) {
        return OutcomeBuilder.ok(tokens, "an answer");
    }

    /// @dev The seat of place 0 was drawn for another job first.
    function drawWithVacancy() private returns (JobId jobId) {
        JobParams memory other = aJob().withNonce(2).withRedundancy(1).withMaxTokens(1);
        other.requester = stranger;
        fund(stranger, JOB_ESCROW);
        uint256[] memory position = new uint256[](1);
        JobId otherId = post(other);
        jobId = post(aJob());
        draw(other, DrawModel.randaoFor(otherId, 7, position));
        draw(aJob(), DrawModel.randaoFor(jobId, 7, listOf(0, 1, 2)));
        assertState(jobId, JobState.Committing);
        vm.assertEq(lens.roundOf(jobId).seatIds[0], 0, "vacant place");
    }

    function depositPausable(PausableToken pausable, address account, uint256 amount) private {
        pausable.mint(account, amount);
        vm.startPrank(account);
        pausable.approve(address(market), amount);
        market.deposit(amount);
        vm.stopPrank();
    }
}
