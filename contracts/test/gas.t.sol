// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {JobId, JobParams, JobState} from "../src/types/Job.sol";
import {JobBuilder} from "./support/Builders.sol";
import {DrawModel, listOf} from "./support/DrawModel.sol";
import {ScenarioTest} from "./support/ScenarioTest.sol";
import {vm} from "./support/Vm.sol";

/*
Gas of a job with three workers, every call a transaction of its own, in the steady state:
accounts, seats and allowance have been used before. Kept in contracts/snapshots/gas.json.
├── given a requester who pays from its allowance → each step, and the whole within the budget
├── given a requester who pays from credit        → the posting
└── given ten times the seats                     → a draw costs the same
*/
/// forge-config: default.isolate = true
contract GasTest is ScenarioTest {
    using JobBuilder for JobParams;

    /// @dev The project's promise for a whole verified job of three workers.
    uint256 private constant BUDGET = 600_000;
    uint256 private constant SEATS = 9;

    function setUp() public override {
        super.setUp();
        openWorkers(SEATS);
        mine(1);
        fundAndDeposit(keeper, 1);
        fundAndDeposit(treasury, 1);
        uint256[] memory positions = listOf(0, 1, 2);
        for (uint64 i = 0; i < SEATS / 3; ++i) {
            serve(aJob().withNonce(100 + i), positions);
            positions = listOf(positions[0] + 3, positions[1] + 3, positions[2] + 3);
        }
        mine(1);
    }

    function test_gas_wholeJobOfThree_staysWithinBudget() external {
        drainRequester();
        JobParams memory job = aJob();

        post(job);
        uint256 total = vm.snapshotGasLastCall("gas", "job of 3: post from allowance");
        JobId jobId = market.jobIdOf(job);
        draw(job, DrawModel.randaoFor(jobId, SEATS, listOf(1, 4, 8)));
        total += vm.snapshotGasLastCall("gas", "job of 3: draw");
        string[3] memory commits = ["first", "second", "last"];
        for (uint256 place = 0; place < 3; ++place) {
            commit(job, place, anOutcome());
            total += vm.snapshotGasLastCall(
                "gas",
                string.concat("job of 3: commit, ", commits[place])
            );
        }
        string[3] memory reveals = ["first", "accepting", "last"];
        for (uint256 place = 0; place < 3; ++place) {
            reveal(job, place, anOutcome());
            total += vm.snapshotGasLastCall(
                "gas",
                string.concat("job of 3: reveal, ", reveals[place])
            );
        }

        assertState(jobId, JobState.Accepted);
        vm.snapshotValue("gas", "job of 3: whole", total);
        vm.assertLe(total, BUDGET, "gas of a whole job");
    }

    function test_gas_postFromCredit_isRecorded() external {
        vm.prank(requester);
        market.deposit(10 * JOB_ESCROW);
        post(aJob());
        vm.snapshotGasLastCall("gas", "job of 3: post from credit");
    }

    function test_gas_drawFromManySeats_costsTheSame() external {
        JobParams memory few = aJob();
        post(few);
        draw(few, DrawModel.randaoFor(market.jobIdOf(few), SEATS, listOf(1, 4, 8)));
        uint256 fromFew = vm.snapshotGasLastCall("gas", "draw of 3 from 9 seats");

        for (uint256 i = 0; i < 9; ++i) {
            openSeats(aWorker(SEATS + i), 0, 10);
        }
        mine(1);
        JobParams memory many = aJob().withNonce(2);
        JobId manyId = post(many);
        draw(many, randaoOfThreeOwners(manyId, SEATS + 90));
        uint256 fromMany = vm.snapshotGasLastCall("gas", "draw of 3 from 99 seats");
        vm.assertLe(fromMany, fromFew + fromFew / 10, "draw from ten times the seats");
    }

    // ─── Private ─────────────────────────────────────────────────────────────────────────────

    function serve(JobParams memory job, uint256[] memory positions) private {
        JobId jobId = post(job);
        draw(job, DrawModel.randaoFor(jobId, SEATS, positions));
        commitAll(job, three(anOutcome(), anOutcome(), anOutcome()));
        revealAll(job, three(anOutcome(), anOutcome(), anOutcome()));
        assertState(jobId, JobState.Accepted);
    }

    /// @dev No probe is wasted on an owner drawn before, as in the draw it is compared with.
    function randaoOfThreeOwners(JobId jobId, uint256 size) private view returns (bytes32 randao) {
        for (uint256 attempt = 0; ; ++attempt) {
            randao = keccak256(abi.encode("attempt", attempt));
            address first = ownerAt(jobId, randao, 0, size);
            address second = ownerAt(jobId, randao, 1, size);
            address third = ownerAt(jobId, randao, 2, size);
            if (first != second && second != third && third != first) return randao;
        }
    }

    function ownerAt(
        JobId jobId,
        bytes32 randao,
        uint256 probe,
        uint256 size
    ) private view returns (address) {
        uint256 position = DrawModel.positionOf(DrawModel.seedOf(randao, jobId), probe, size);
        return lens.seatOf(lens.seatAt(modelId, 0, position)).owner;
    }

    /// @dev All but one unit of credit: the account stays in use.
    function drainRequester() private {
        uint256 credit = market.creditOf(requester);
        vm.prank(requester);
        market.withdraw(credit - 1, requester);
    }
}
