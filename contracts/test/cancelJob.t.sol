// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IMarketplace} from "../src/interfaces/IMarketplace.sol";
import {JobId, JobParams, JobState} from "../src/types/Job.sol";
import {JobBuilder} from "./support/Builders.sol";
import {DrawModel, listOf} from "./support/DrawModel.sol";
import {MarketTest} from "./support/MarketTest.sol";
import {vm} from "./support/Vm.sol";

/*
cancelJob
├── given another caller than the requester         → reverts NotRequester
├── given a job that is not Open                    → reverts UnexpectedJobState
├── given a seed block that has come, no expiry [S3] → reverts NotCancellable
├── given a block before the seed block             → emits JobCancelled, refunds all
├── given a block after the expiry                  → emits JobCancelled, refunds all
└── given a draw armed again                        → the window opens again
*/
contract CancelJobTest is MarketTest {
    using JobBuilder for JobParams;

    uint256 private constant SEED_BLOCK = START_BLOCK + SEED_DELAY;
    uint256 private constant EXPIRY = SEED_BLOCK + DRAW_DEADLINE;

    JobId private jobId;

    function setUp() public override {
        super.setUp();
        openWorkers(3);
        jobId = post(aJob());
    }

    // ─── Refused ─────────────────────────────────────────────────────────────────────────────

    function test_cancelJob_notByRequester_reverts() external {
        vm.expectRevert(
            abi.encodeWithSelector(IMarketplace.NotRequester.selector, requester, keeper)
        );
        vm.prank(keeper);
        market.cancelJob(aJob());
    }

    function test_cancelJob_neverPosted_reverts() external {
        JobParams memory other = aJob().withNonce(2);
        expectUnexpectedState(market.jobIdOf(other), JobState.Nonexistent);
        vm.prank(requester);
        market.cancelJob(other);
    }

    function test_cancelJob_cancelled_reverts() external {
        cancel();
        expectUnexpectedState(jobId, JobState.Cancelled);
        cancel();
    }

    function test_cancelJob_committing_reverts() external {
        draw(aJob());
        expectUnexpectedState(jobId, JobState.Committing);
        cancel();
    }

    function test_cancelJob_revealing_reverts() external {
        draw(aJob());
        commitAll(aJob(), three(anOutcome(), anOutcome(), anOutcome()));
        expectUnexpectedState(jobId, JobState.Revealing);
        cancel();
    }

    function test_cancelJob_accepted_reverts() external {
        draw(aJob());
        commitAll(aJob(), three(anOutcome(), anOutcome(), anOutcome()));
        revealAll(aJob(), three(anOutcome(), anOutcome(), anOutcome()));
        expectUnexpectedState(jobId, JobState.Accepted);
        cancel();
    }

    function test_cancelJob_failed_reverts() external {
        rollTo(EXPIRY + 1);
        advance(aJob(), NO_HEADER);
        expectUnexpectedState(jobId, JobState.Failed);
        cancel();
    }

    // ─── The window [S3] ─────────────────────────────────────────────────────────────────────

    function test_cancelJob_inBlockOfPosting_refundsAll_S3() external {
        expectRefund();
    }

    function test_cancelJob_oneBlockBeforeSeedBlock_refundsAll_S3() external {
        rollTo(SEED_BLOCK - 1);
        expectRefund();
    }

    /// @dev In the seed block a contract can read the seed.
    function test_cancelJob_inSeedBlock_reverts_S3() external {
        rollTo(SEED_BLOCK);
        expectNotCancellable(SEED_BLOCK);
    }

    function test_cancelJob_inLastBlockOfDraw_reverts_S3() external {
        rollTo(EXPIRY);
        expectNotCancellable(SEED_BLOCK);
    }

    function test_cancelJob_afterExpiry_refundsAll_S3() external {
        rollTo(EXPIRY + 1);
        expectRefund();
    }

    function test_cancelJob_anyBlock_onlyOutsideTheDraw_S3(uint256 blocks) external {
        blocks = bounded(blocks, 0, 2 * DRAW_DEADLINE);
        mine(blocks);
        if (blocks >= SEED_DELAY && blocks <= SEED_DELAY + DRAW_DEADLINE)
            expectNotCancellable(SEED_BLOCK);
        else expectRefund();
    }

    /// @dev A short draw fixes a new seed block; until then nobody knows the committee.
    function test_cancelJob_afterShortDraw_windowOpensAgain_S3() external {
        drawShort();
        uint256 seedBlock = lens.roundOf(jobId).seedBlock;
        vm.assertEq(seedBlock, vm.getBlockNumber() + SEED_DELAY, "new seed block");
        uint256 state = vm.snapshotState();
        expectRefund();
        vm.revertToState(state);
        rollTo(seedBlock - 1);
        expectRefund();
        vm.revertToState(state);
        rollTo(seedBlock);
        expectNotCancellable(seedBlock);
    }

    // ─── Private ─────────────────────────────────────────────────────────────────────────────

    function cancel() private {
        vm.prank(requester);
        market.cancelJob(aJob());
    }

    function expectRefund() private {
        vm.expectEmit(address(market));
        emit IMarketplace.JobCancelled(jobId, JOB_ESCROW);
        cancel();
        assertState(jobId, JobState.Cancelled);
        assertCredit(requester, JOB_ESCROW);
        vm.assertEq(lens.roundOf(jobId).record, 0, "record");
    }

    function expectNotCancellable(uint256 seedBlock) private {
        vm.expectRevert(
            abi.encodeWithSelector(IMarketplace.NotCancellable.selector, jobId, seedBlock, EXPIRY)
        );
        cancel();
    }

    /// @dev Another job takes all three seats first, so this one's places stay vacant.
    function drawShort() private {
        JobParams memory other = aJob().withNonce(2);
        post(other);
        draw(other);
        bytes32 randao = DrawModel.randaoFor(jobId, 3, listOf(0, 1, 2));
        draw(aJob(), randao);
        assertState(jobId, JobState.Open);
    }
}
