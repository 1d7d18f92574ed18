// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {SeatView} from "../src/interfaces/IMarketplaceLens.sol";
import {CommitEntry} from "../src/types/Calls.sol";
import {JobId, JobParams, JobState} from "../src/types/Job.sol";
import {JobBuilder} from "./support/Builders.sol";
import {DrawModel, listOf} from "./support/DrawModel.sol";
import {ScenarioTest} from "./support/ScenarioTest.sol";
import {vm} from "./support/Vm.sol";

/*
Gas of a job, every call a transaction of its own, in the steady state: accounts, seats and
allowance have been used before, no probe of the draw is wasted. Kept in
contracts/snapshots/gas.json; a dot in a name is a level of what `python -m benchmarks.gas` writes.
├── given committees of 1, 3, 5 and 7        → each whole job, and what a further worker adds
├── given a committee of 3                   → each step
├── given a thousand prompts                 → each prompt's part
├── given a requester who pays from credit   → the posting
└── given ten jobs of one worker             → a commit in a batch, per job
*/
/// forge-config: default.isolate = true
contract GasTest is ScenarioTest {
    using JobBuilder for JobParams;

    /// @dev The project's promises.
    uint256 private constant JOB_BUDGET = 600_000;
    uint256 private constant WORKER_BUDGET = 130_000;
    uint256 private constant PROMPT_BUDGET = 1_000;
    uint256 private constant COMMIT_BUDGET = 30_000;

    uint256 private constant SEATS = 9;
    uint256 private constant BATCH = 10;

    function setUp() public override {
        super.setUp();
        openWorkers(SEATS);
        mine(1);
        fundAndDeposit(keeper, 1);
        fundAndDeposit(treasury, 1);
        for (uint64 i = 0; i < SEATS / 3; ++i) {
            JobParams memory job = aJob().withNonce(100 + i);
            uint256 first = 3 * i;
            JobId jobId = post(job);
            draw(job, DrawModel.randaoFor(jobId, SEATS, listOf(first, first + 1, first + 2)));
            commitAll(job, three(anOutcome(), anOutcome(), anOutcome()));
            revealAll(job, three(anOutcome(), anOutcome(), anOutcome()));
            assertState(jobId, JobState.Accepted);
        }
        drainRequester();
        mine(1);
    }

    // ─── Whole jobs ──────────────────────────────────────────────────────────────────────────

    function test_gas_wholeJobs_stayWithinBudgets() external {
        uint256[] memory totals = new uint256[](8);
        for (uint8 size = 1; size <= 7; size += 2) {
            uint256 state = vm.snapshotState();
            totals[size] = total(measure(aJob().withRedundancy(size)));
            vm.revertToState(state);
            vm.snapshotValue(
                "gas",
                string.concat("job.", vm.toString(uint256(size))),
                totals[size]
            );
        }
        vm.assertLe(totals[3], JOB_BUDGET, "a job of three");
        vm.assertLe((totals[7] - totals[3]) / 4, WORKER_BUDGET, "a further worker");
    }

    function test_gas_stepsOfThree_areRecorded() external {
        uint256[] memory steps = measure(aJob());
        string[8] memory names = [
            "post",
            "draw",
            "commitFirst",
            "commitSecond",
            "commitLast",
            "revealFirst",
            "revealAccepting",
            "revealLast"
        ];
        for (uint256 i = 0; i < names.length; ++i) {
            vm.snapshotValue("gas", string.concat("phases.3.", names[i]), steps[i]);
        }
    }

    function test_gas_thousandPrompts_costNoMorePerPrompt() external {
        JobParams memory job = aJob().withPromptCount(1_000).withMaxTokens(MAX_JOB_TOKENS);
        uint256 perPrompt = (total(measure(job)) + 999) / 1_000;
        vm.snapshotValue("gas", "perPrompt1000", perPrompt);
        vm.assertLe(perPrompt, PROMPT_BUDGET, "a prompt of a thousand");
    }

    function test_gas_postFromCredit_isRecorded() external {
        vm.prank(requester);
        market.deposit(10 * JOB_ESCROW);
        post(aJob());
        vm.snapshotValue("gas", "postFromCredit", lastGas());
    }

    // ─── A batch ─────────────────────────────────────────────────────────────────────────────

    function test_gas_tenCommitsInABatch_stayWithinBudget() external {
        address worker = aWorker(0);
        openSeats(worker, 0, BATCH - 1);
        openSeats(aWorker(1), 0, BATCH);
        openSeats(aWorker(2), 0, BATCH);
        mine(1);
        // The seats have committed once before: their answer slots are in use.
        commitBatch(worker, drawBatch(worker, 0));
        endBatch(0);
        uint256 used = commitBatch(worker, drawBatch(worker, BATCH));
        uint256 perJob = (used + BATCH - 1) / BATCH;
        vm.snapshotValue("gas", "commitBatched10", perJob);
        vm.assertLe(perJob, COMMIT_BUDGET, "a commit in a batch of ten");
    }

    // ─── Private ─────────────────────────────────────────────────────────────────────────────

    /// @dev Gas of each step, from posting to the last reveal.
    function measure(JobParams memory job) private returns (uint256[] memory steps) {
        uint256 size = job.redundancy;
        steps = new uint256[](2 + 2 * size);
        JobId jobId = post(job);
        steps[0] = lastGas();
        draw(job, DrawModel.randaoOfDistinct(jobId, SEATS, size));
        steps[1] = lastGas();
        for (uint256 place = 0; place < size; ++place) {
            commit(job, place, anOutcome());
            steps[2 + place] = lastGas();
        }
        for (uint256 place = 0; place < size; ++place) {
            reveal(job, place, anOutcome());
            steps[2 + size + place] = lastGas();
        }
        assertState(jobId, JobState.Accepted);
    }

    function total(uint256[] memory steps) private pure returns (uint256 sum) {
        for (uint256 i = 0; i < steps.length; ++i) {
            sum += steps[i];
        }
    }

    function lastGas() private view returns (uint256) {
        return vm.lastCallGas().gasTotalUsed;
    }

    function jobNumber(uint256 i) private view returns (JobParams memory) {
        return aJob().withNonce(uint64(1_000 + i)).withMaxTokens(1_000);
    }

    /// @dev Jobs of three places each, the first of them the worker's.
    function drawBatch(
        address worker,
        uint256 from
    ) private returns (CommitEntry[] memory entries) {
        entries = new CommitEntry[](BATCH);
        for (uint256 i = 0; i < BATCH; ++i) {
            entries[i].jobId = post(jobNumber(from + i));
        }
        for (uint256 i = 0; i < BATCH; ++i) {
            JobId jobId = entries[i].jobId;
            draw(jobNumber(from + i), randaoWithFirst(worker, jobId));
            vm.assertEq(workerAt(jobId, 0), worker, "place 0");
            entries[i].commitment = commitmentOf(jobId, worker, anOutcome());
        }
    }

    /// @dev The first probe lands on the worker, the next two on others, all on idle seats.
    function randaoWithFirst(address worker, JobId jobId) private view returns (bytes32 randao) {
        uint256 size = lens.rosterSize(modelId, 0);
        address[] memory idle = new address[](size);
        for (uint256 index = 0; index < size; ++index) {
            SeatView memory seat = lens.seatOf(lens.seatAt(modelId, 0, index));
            if (!seat.isBusy) idle[index] = seat.owner;
        }
        for (uint256 attempt = 0; ; ++attempt) {
            randao = keccak256(abi.encode("batch", attempt));
            bytes32 seed = DrawModel.seedOf(randao, jobId);
            address first = idle[DrawModel.positionOf(seed, 0, size)];
            address second = idle[DrawModel.positionOf(seed, 1, size)];
            address third = idle[DrawModel.positionOf(seed, 2, size)];
            bool isFree = second != address(0) && third != address(0);
            if (first == worker && isFree && second != third && second != first && third != first) {
                return randao;
            }
        }
    }

    /// @dev Nobody else acts, and the jobs fail.
    function endBatch(uint256 from) private {
        vm.warp(deadlineOf(market.jobIdOf(jobNumber(from + BATCH - 1))) + 1);
        for (uint256 i = 0; i < BATCH; ++i) {
            reveal(jobNumber(from + i), 0, anOutcome());
        }
        for (uint256 i = 1; i < 3; ++i) {
            openSeats(aWorker(i), 0, BATCH);
        }
        mine(1);
    }

    function commitBatch(
        address worker,
        CommitEntry[] memory entries
    ) private returns (uint256 used) {
        vm.prank(worker);
        market.commitResults(entries);
        used = lastGas();
        for (uint256 i = 0; i < entries.length; ++i) {
            vm.assertEq(lens.roundOf(entries[i].jobId).committed, 1, "a commit was skipped");
        }
    }

    /// @dev All but one unit of credit: the account stays in use.
    function drainRequester() private {
        uint256 credit = market.creditOf(requester);
        vm.prank(requester);
        market.withdraw(credit - 1, requester);
    }
}
