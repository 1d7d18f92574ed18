// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Marketplace} from "../src/Marketplace.sol";
import {IMarketplace} from "../src/interfaces/IMarketplace.sol";
import {RevealEntry} from "../src/types/Calls.sol";
import {JobId, JobParams, JobState} from "../src/types/Job.sol";
import {ModelSpec} from "../src/types/Model.sol";
import {Outcome} from "../src/types/Outcome.sol";
import {AttackTest} from "./support/AttackTest.sol";
import {JobBuilder, aModel} from "./support/Builders.sol";
import {Act} from "./support/ScenarioTest.sol";
import {vm} from "./support/Vm.sol";

/*
Attacks on answers and money, with what they cost the attacker. Elsewhere: hostile tokens
(tokenRules.t.sol, deposit.t.sol, withdraw.t.sol, R7), hostile callbacks (deliver.t.sol, C1)
├── C1  copying a commitment, wherever it is from      → cannot be opened: the bond is lost
├── C1  revealing what another has revealed            → cannot be opened: the bond is lost
├── P5  withholding the last reveal                    → the bond is lost
├── P1  a cartel of quorum minus one lies              → all its bonds are lost, nobody gains
├── P7  a second round copies a first round's lie      → the honest keep bond and base fee
├── R2  forcing a split for free results               → costs a bond a seat, or does not split
├── E1  claiming an unavailable input to save the work → unpaid, the seat is lost
├── E1  prompts that nobody, or not everybody, can get → the requester pays, nobody loses a bond
├── E1  no prompts for the second round                → the first round keeps its bonds
├── C2  ending a round under another's batch           → the batch goes through
├── R5  taking a bounty from under its keeper          → changes nobody else's money
├── R6  dust                                           → less than a unit a job
├── T6  price times tokens beyond all bits             → refused
└── P8  acting in the last second, or just after       → as the deadline says
*/
contract AttacksOnAnswersTest is AttackTest {
    using JobBuilder for JobParams;

    uint256 private constant TRUE_PAY = BASE_FEE + TRUE_TOKENS * PRICE;

    // ─── Copying ─────────────────────────────────────────────────────────────────────────────

    function test_attack_C1_copiedCommitment_losesTheBond() external {
        string[5] memory sources = [
            "same job",
            "other job",
            "other round",
            "other deployment",
            "other chain"
        ];
        for (uint256 i = 0; i < sources.length; ++i) {
            uint256 state = vm.snapshotState();
            copyFrom(i);
            assertNoProfit(string.concat("C1 copied commitment, ", sources[i]));
            vm.revertToState(state);
        }
    }

    /// @dev Knows the answer once it is revealed, and has committed to something else.
    function test_attack_C1_anothersOutcome_losesTheBond() external {
        JobId jobId = drawnJob();
        attackBy(aWorker(1));
        commit(aJob(), 0, outcomeOf(Act.Honest));
        vm.prank(aWorker(1));
        market.commitResult(jobId, 1, keccak256("to be decided"));
        commit(aJob(), 2, outcomeOf(Act.Honest));
        reveal(aJob(), 0, outcomeOf(Act.Honest));
        tryReveal(1, outcomeOf(Act.Honest), aSalt(aWorker(0)));
        tryReveal(1, outcomeOf(Act.Honest), aSalt(aWorker(1)));
        reveal(aJob(), 2, outcomeOf(Act.Honest));
        endNow(aJob());
        assertState(jobId, JobState.Accepted);
        assertNoProfit("C1 another's outcome");
    }

    // ─── Withholding, lying ──────────────────────────────────────────────────────────────────

    /// @dev The last of three, when the other two differ, decides alone whether there is a quorum.
    function test_attack_P5_withheldLastReveal_losesTheBond() external {
        JobId jobId = drawnJob();
        attackBy(aWorker(2));
        playDrawn(aJob(), acts(Act.Honest, Act.Liar, Act.Silent));
        assertState(jobId, JobState.Failed);
        assertNoProfit("P5 withheld last reveal");
    }

    /// @dev Of committees of three, five and seven, the largest minority lies alike.
    function test_attack_P1_cartelOfQuorumMinusOne_losesItsBonds() external {
        for (uint256 size = 3; size <= 7; size += 2) {
            uint256 state = vm.snapshotState();
            JobParams memory job = aJob().withRedundancy(uint8(size));
            JobId jobId = postAndDraw(job);
            address[] memory workers = workersOf(jobId, size);
            attackBy(workers, size / 2);
            Act[] memory list = allOf(Act.Honest, size);
            for (uint256 i = 0; i < size / 2; ++i) {
                list[i] = Act.Liar;
            }
            playDrawn(job, list);
            assertState(jobId, JobState.Accepted);
            assertCredit(workers[size - 1], TRUE_PAY);
            assertCredit(sink, (size / 2) * BOND);
            assertNoProfit(string.concat("P1 cartel of quorum minus one, of ", vm.toString(size)));
            vm.revertToState(state);
        }
    }

    /// @dev One of three lies first, so that a second round's quorum can copy it. The honest ones
    /// lose nothing, and the liar is paid: from a quorum on a cartel can lie, and not harm.
    function test_attack_P7_secondRoundCopiesALie_honestKeepTheirBonds() external {
        JobParams memory job = aTwoRoundJob();
        post(job);
        drawAt(job, 0, 1, 2);
        playDrawn(job, acts(Act.Liar, Act.Honest, Act.Silent));
        draw(job);
        playDrawn(job, acts(Act.Liar, Act.Liar, Act.Liar, Act.Honest, Act.Honest));
        assertCredit(aWorker(1), BASE_FEE);
        vm.assertEq(market.accountOf(aWorker(1)).seats, 1, "seat");
    }

    /// @dev Below its quorum, the second round's cartel loses its bonds and the first round's liar's.
    function test_attack_P7_minorityCopiesALie_losesAllBonds() external {
        JobParams memory job = aTwoRoundJob();
        JobId jobId = post(job);
        drawAt(job, 0, 1, 2);
        playDrawn(job, acts(Act.Liar, Act.Honest, Act.Invalid));
        draw(job);
        address[] memory others = workersOf(jobId, 5);
        attackBy(aWorker(0), others[0]);
        playDrawn(job, acts(Act.Liar, Act.Honest, Act.Honest, Act.Honest, Act.Honest));
        assertCredit(aWorker(1), TRUE_PAY);
        assertNoProfit("P7 minority copies a lie");
    }

    // ─── Free results ────────────────────────────────────────────────────────────────────────

    /// @dev The requester's own seat cannot keep two honest ones from their quorum.
    function test_attack_R2_requesterWithOneSeat_paysAndLosesTheBond() external {
        attackBy(requester, aWorker(0));
        JobId jobId = drawnJob();
        playDrawn(aJob(), acts(Act.Liar, Act.Honest, Act.Honest));
        assertState(jobId, JobState.Accepted);
        assertNoProfit("R2 requester with one seat of three");
    }

    /// @dev With two of three seats silent, the third's work is had for a base fee, and two bonds.
    function test_attack_R2_requesterWithTwoSilentSeats_losesTwoBonds() external {
        attackBy(requester, aWorker(0), aWorker(1));
        JobId jobId = drawnJob();
        playDrawn(aJob(), acts(Act.Silent, Act.Silent, Act.Honest));
        assertState(jobId, JobState.Failed);
        assertCredit(aWorker(2), BASE_FEE);
        assertNoProfit("R2 requester with two silent seats of three");
    }

    /// @dev Two different lies split the round; the second round condemns both.
    function test_attack_R2_splitByTwoLies_losesTwoBonds() external {
        attackBy(requester, aWorker(0), aWorker(1));
        JobParams memory job = aTwoRoundJob();
        JobId jobId = post(job);
        drawAt(job, 0, 1, 2);
        playDrawn(job, acts(Act.Liar, Act.Invalid, Act.Honest));
        assertState(jobId, JobState.Open);
        vm.prank(requester);
        (bool isDone, ) = address(market).call(abi.encodeCall(market.cancelJob, (job)));
        vm.assertFalse(isDone, "cancelled");
        playSecond(job, allOf(Act.Honest, 5));
        assertState(jobId, JobState.Accepted);
        assertCredit(aWorker(2), TRUE_PAY);
        assertNoProfit("R2 split by two lies, judged by a second round");
    }

    // ─── Unavailable inputs ──────────────────────────────────────────────────────────────────

    /// @dev Two of three save themselves the work; the third did it.
    function test_attack_E1_lazyMajority_isNotPaid() external {
        JobId jobId = drawnJob();
        attackBy(aWorker(0), aWorker(1));
        playDrawn(aJob(), acts(Act.Unavailable, Act.Unavailable, Act.Honest));
        assertState(jobId, JobState.Failed);
        assertCredit(aWorker(2), BASE_FEE);
        vm.assertEq(market.accountOf(aWorker(0)).seats, 0, "seat");
        assertNoProfit("E1 lazy majority");
    }

    function test_attack_E1_promptsThatNobodyCanFetch_costTheRequester() external {
        attackBy(requester);
        JobId jobId = drawnJob();
        playDrawn(aJob(), allOf(Act.Unavailable, 3));
        assertState(jobId, JobState.Accepted);
        for (uint256 i = 0; i < 3; ++i) {
            assertCredit(aWorker(i), BASE_FEE);
        }
        assertNoProfit("E1 prompts that nobody can fetch");
    }

    /// @dev One honest worker is kept from the bytes: it loses its seat, and gets its bond back.
    function test_attack_E1_promptsServedToSomeOnly_costTheRequester() external {
        attackBy(requester, aWorker(0), aWorker(1));
        JobId jobId = drawnJob();
        playDrawn(aJob(), acts(Act.Honest, Act.Honest, Act.Unavailable));
        assertState(jobId, JobState.Accepted);
        assertCredit(aWorker(2), BOND);
        assertNoProfit("E1 prompts served to some only");
    }

    function test_attack_E1_noPromptsForTheSecondRound_costTheRequester() external {
        attackBy(requester);
        JobParams memory job = aTwoRoundJob();
        JobId jobId = post(job);
        drawAt(job, 0, 1, 2);
        playDrawn(job, acts(Act.Honest, Act.Liar, Act.Silent));
        playSecond(job, allOf(Act.Unavailable, 5));
        assertState(jobId, JobState.Failed);
        assertCredit(aWorker(0), BASE_FEE);
        assertNoProfit("E1 no prompts for the second round");
    }

    // ─── Batches, bounties ───────────────────────────────────────────────────────────────────

    /// @dev The victim's entry for job 1 is made stale in the block of its batch: it is its last
    /// block, and another has the round ended. The entry for job 2 is revealed all the same.
    function test_attack_C2_poisonedBatch_goesThrough() external {
        openSeats(aWorker(0), 0, 1);
        mine(1);
        JobParams memory other = aJob().withNonce(2);
        post(aJob());
        JobId otherId = post(other);
        drawAt(aJob(), 0, 1, 2);
        drawAt(other, WORKERS, 3, 4);
        attackBy(aWorker(1));
        commitAll(aJob(), three(anOutcome(), anOutcome(), anOutcome()));
        vm.warp(deadlineOf(market.jobIdOf(aJob())) - 30);
        commitAll(other, three(anOutcome(), anOutcome(), anOutcome()));
        endNow(aJob());
        RevealEntry[] memory entries = new RevealEntry[](2);
        entries[0] = RevealEntry(aJob(), 0, anOutcome(), aSalt(aWorker(0)));
        entries[1] = RevealEntry(other, 0, anOutcome(), aSalt(aWorker(0)));
        vm.prank(aWorker(0));
        market.revealResults(entries);
        vm.assertEq(lens.roundOf(otherId).revealed, 1, "revealed");
        assertNoProfit("C2 poisoned batch");
    }

    /// @dev Whoever is first has the bounty; all others end up with the same money.
    function test_attack_R5_stolenBounty_changesNobodyElse() external {
        uint256[2] memory costs;
        for (uint256 i = 0; i < 2; ++i) {
            uint256 state = vm.snapshotState();
            address caller = i == 0 ? keeper : stranger;
            uint256 before = wealthOf(requester);
            JobId jobId = drawnJob();
            playCommits(aJob(), acts(Act.Honest, Act.Honest, Act.Silent));
            playReveals(aJob(), acts(Act.Honest, Act.Honest, Act.Silent));
            vm.warp(deadlineOf(jobId) + 1);
            vm.prank(caller);
            market.advance(aJob(), NO_HEADER);
            assertCredit(caller, caller == keeper ? 2 * BOUNTY : BOUNTY);
            assertCredit(aWorker(0), TRUE_PAY);
            costs[i] = before - wealthOf(requester);
            vm.revertToState(state);
        }
        vm.assertEq(costs[0], costs[1], "cost of the job");
    }

    // ─── Amounts ─────────────────────────────────────────────────────────────────────────────

    /// @dev The fee is rounded down: a hundred tiny jobs save less than a hundred units, and cost
    /// their bounties and base fees.
    function test_attack_R6_dust_isLessThanAUnitAJob() external {
        attackBy(requester);
        JobParams memory job = aJob().withRedundancy(1).withMaxTokens(1);
        for (uint64 i = 0; i < 100; ++i) {
            job.nonce = i;
            uint256 fees = market.creditOf(treasury);
            run(job, single(okOf(1)));
            uint256 paid = BASE_FEE + PRICE + BOUNTY;
            uint256 fee = market.creditOf(treasury) - fees;
            vm.assertLe(paid * FEE_BPS, (fee + 1) * 10_000, "a whole unit was saved");
            mine(1);
        }
        assertNoProfit("R6 dust of a hundred jobs");
    }

    function test_attack_T6_priceBeyondAllBits_isRefused(uint96 price, uint8 tick) external {
        ModelSpec memory spec = aModel();
        spec.basePrice = uint96(bounded(price, BOND, type(uint96).max));
        spec.profile = "dear";
        JobParams memory job = aJob().withModel(registry.registerModel(spec)).withTick(tick % 8);
        job.maxTokens = MAX_JOB_TOKENS;
        uint256 pay = BASE_FEE + (uint256(spec.basePrice) << (tick % 8)) * MAX_JOB_TOKENS;
        vm.expectRevert(abi.encodeWithSelector(IMarketplace.PayAboveBond.selector, pay, BOND));
        post(job);
    }

    // ─── Deadlines [P8] ──────────────────────────────────────────────────────────────────────

    /// @dev Nobody can be cut off in the last second, nor act in the one after.
    function test_attack_P8_lastSecond_belongsToTheMember() external {
        JobId jobId = drawnJob();
        uint256 deadline = deadlineOf(jobId);
        vm.warp(deadline);
        refused(stranger, abi.encodeCall(market.advance, (aJob(), NO_HEADER)));
        commit(aJob(), 0, outcomeOf(Act.Honest));
        commit(aJob(), 1, outcomeOf(Act.Honest));
        vm.warp(deadline + 1);
        bytes32 late = commitmentOf(jobId, aWorker(2), outcomeOf(Act.Honest));
        refused(aWorker(2), abi.encodeCall(market.commitResult, (jobId, 2, late)));
        vm.warp(deadline + REVEAL_WINDOW);
        refused(stranger, abi.encodeCall(market.advance, (aJob(), NO_HEADER)));
        reveal(aJob(), 0, outcomeOf(Act.Honest));
        vm.warp(deadline + REVEAL_WINDOW + 1);
        tryReveal(1, outcomeOf(Act.Honest), aSalt(aWorker(1)));
        advance(aJob(), NO_HEADER);
        assertCredit(aWorker(0), BASE_FEE);
        assertCredit(aWorker(1), 0);
    }

    // ─── Private ─────────────────────────────────────────────────────────────────────────────

    /// @dev Worker 1 commits to what it did not work out, and tries to open it with all it knows.
    function copyFrom(uint256 source) private {
        JobId jobId = drawnJob();
        attackBy(aWorker(1));
        commit(aJob(), 0, outcomeOf(Act.Honest));
        bytes32 copied = copiedFrom(source, jobId);
        vm.prank(aWorker(1));
        market.commitResult(jobId, 1, copied);
        commit(aJob(), 2, outcomeOf(Act.Honest));
        reveal(aJob(), 0, outcomeOf(Act.Honest));
        tryReveal(1, outcomeOf(Act.Honest), aSalt(aWorker(0)));
        tryReveal(1, outcomeOf(Act.Honest), aSalt(aWorker(1)));
        reveal(aJob(), 2, outcomeOf(Act.Honest));
        endNow(aJob());
        assertState(jobId, JobState.Accepted);
    }

    function copiedFrom(uint256 source, JobId jobId) private returns (bytes32 copied) {
        Outcome memory outcome = outcomeOf(Act.Honest);
        address own = aWorker(1);
        if (source == 0) return commitmentOf(jobId, aWorker(0), outcome);
        if (source == 1) {
            return commitmentOf(market.jobIdOf(aJob().withNonce(2)), own, outcome);
        }
        if (source == 2) return commitmentOf(jobId, 2, own, outcome, aSalt(own));
        if (source == 3) {
            Marketplace home = market;
            useMarket(deployMarket(devnetConfig()));
            copied = commitmentOf(jobId, own, outcome);
            useMarket(home);
            return copied;
        }
        uint256 chain = block.chainid;
        vm.chainId(chain + 1);
        copied = commitmentOf(jobId, own, outcome);
        vm.chainId(chain);
    }

    function tryReveal(uint256 place, Outcome memory outcome, bytes32 salt) private {
        refused(
            aWorker(place),
            abi.encodeCall(market.revealResult, (aJob(), place, outcome, salt))
        );
    }

    function endNow(JobParams memory job) private {
        vm.warp(deadlineOf(market.jobIdOf(job)) + 1);
        advance(job, NO_HEADER);
    }

    function single(Outcome memory outcome) private pure returns (Outcome[] memory list) {
        list = new Outcome[](1);
        list[0] = outcome;
    }

    function okOf(uint32 tokens) private pure returns (Outcome memory outcome) {
        outcome = anOutcome();
        outcome.tokenCount = tokens;
    }
}
