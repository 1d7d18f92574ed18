// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Marketplace} from "../src/Marketplace.sol";
import {IMarketplace} from "../src/interfaces/IMarketplace.sol";
import {JobId, JobParams, JobState} from "../src/types/Job.sol";
import {ModelId} from "../src/types/Model.sol";
import {JobBuilder} from "./support/Builders.sol";
import {ScenarioTest} from "./support/ScenarioTest.sol";
import {vm} from "./support/Vm.sol";

/*
What a commitment and a job id are bound to [C1-C3]
├── given another's commitment, copied before the reveal  → the copy cannot be opened
├── given one's own commitment to another job             → cannot be opened
├── given one's own commitment to another round           → cannot be opened
├── given one's own commitment to another marketplace     → cannot be opened
├── given one's own commitment of another chain           → cannot be opened
├── given any parameter changed                           → another job id
├── given another marketplace or chain                    → another job id
├── given another's parameters, copied                    → cannot be posted
├── given parameters with dirty high bits                 → cannot be posted, and are no job
└── given an outcome with dirty high bits                 → cannot be revealed
*/
contract CommitmentRulesTest is ScenarioTest {
    using JobBuilder for JobParams;

    JobId private jobId;
    address private worker;

    function setUp() public override {
        super.setUp();
        openWorkers(3);
        jobId = postAndDraw(aJob());
        worker = workerAt(jobId, 0);
    }

    // ─── Copies ──────────────────────────────────────────────────────────────────────────────

    /// @dev A copycat sends what place 0 sent, and then knows what place 0 revealed.
    function test_commitment_copiedByAnotherWorker_cannotBeOpened_C1() external {
        address copycat = workerAt(jobId, 1);
        bytes32 copied = commitmentOf(jobId, worker, anOutcome());
        commit(aJob(), 0, anOutcome());
        vm.prank(copycat);
        market.commitResult(jobId, 1, copied);
        commit(aJob(), 2, anOutcome());
        reveal(aJob(), 0, anOutcome());

        bytes32 opened = commitmentOf(jobId, 1, copycat, anOutcome(), aSalt(worker));
        expectMismatch(jobId, copied, opened);
        vm.prank(copycat);
        market.revealResult(aJob(), 1, anOutcome(), aSalt(worker));
    }

    function test_commitment_toAnotherJob_cannotBeOpened_C3() external {
        JobId other = market.jobIdOf(aJob().withNonce(2));
        expectUnopenable(commitmentOf(other, worker, anOutcome()));
    }

    function test_commitment_toAnotherRound_cannotBeOpened_C1(uint256 round) external {
        vm.assume(round != 1);
        expectUnopenable(commitmentOf(jobId, round, worker, anOutcome(), aSalt(worker)));
    }

    function test_commitment_toAnotherMarketplace_cannotBeOpened_C3() external {
        Marketplace home = market;
        useMarket(deployMarket(devnetConfig()));
        bytes32 foreign = commitmentOf(jobId, worker, anOutcome());
        useMarket(home);
        expectUnopenable(foreign);
    }

    function test_commitment_ofAnotherChain_cannotBeOpened_C3(uint64 chain) external {
        vm.assume(chain != 0 && chain != block.chainid);
        uint256 home = block.chainid;
        vm.chainId(chain);
        bytes32 foreign = commitmentOf(jobId, worker, anOutcome());
        vm.chainId(home);
        expectUnopenable(foreign);
    }

    /// @dev Without the domain's tag it is just a hash.
    function test_commitment_withoutDomain_cannotBeOpened_C1() external {
        bytes memory where = abi.encode(bytes32(0), block.chainid, address(market), jobId);
        bytes32 hash = keccak256(abi.encode(anOutcome()));
        bytes memory what = abi.encode(uint256(1), worker, hash, aSalt(worker));
        expectUnopenable(keccak256(bytes.concat(where, what)));
    }

    // ─── Ids [C3] ────────────────────────────────────────────────────────────────────────────

    function test_jobIdOf_anyParams_isTheirHash_C3(JobParams memory job) external view {
        bytes32 expected = keccak256(abi.encode(block.chainid, address(market), job));
        vm.assertEq(JobId.unwrap(market.jobIdOf(job)), expected, "job id");
    }

    function test_jobIdOf_anyParameterChanged_isAnotherJob_C3() external view {
        for (uint256 field = 0; field < 12; ++field) {
            assertAnother(changed(aJob(), field));
        }
    }

    function test_jobIdOf_anotherMarketplace_isAnotherJob_C3() external {
        useMarket(deployMarket(devnetConfig()));
        assertAnother(aJob());
    }

    /// @dev The id is read with the chain's id of the moment, so a fork shares no jobs.
    function test_jobIdOf_anotherChain_isAnotherJob_C3(uint64 chain) external {
        vm.assume(chain != 0 && chain != block.chainid);
        vm.chainId(chain);
        assertAnother(aJob());
        assertState(market.jobIdOf(aJob()), JobState.Nonexistent);
    }

    function test_postJob_copiedParams_reverts_C3() external {
        JobParams memory copied = aJob().withNonce(2);
        fund(stranger, JOB_ESCROW);
        vm.expectRevert(
            abi.encodeWithSelector(IMarketplace.NotRequester.selector, requester, stranger)
        );
        vm.prank(stranger);
        market.postJob(copied);
    }

    // ─── Ids are hashes of calldata as it is ─────────────────────────────────────────────────

    /// @dev A member narrower than its word, with a bit set above it: the same job for whoever reads
    /// the member, but another id. Nothing can be posted under it.
    function test_postJob_dirtyHighBits_reverts_C3(uint256 bit) external {
        uint8[9] memory words = [0, 1, 3, 5, 6, 7, 8, 9, 11];
        uint8[9] memory widths = [160, 64, 8, 32, 32, 8, 8, 32, 32];
        JobParams memory job = aJob().withNonce(2);
        for (uint256 i = 0; i < words.length; ++i) {
            uint256 position = bounded(bit, widths[i], 255);
            bytes memory callData = abi.encodeCall(market.postJob, (job));
            flip(callData, words[i], position);
            vm.prank(requester);
            (bool isDone, ) = address(market).call(callData);
            vm.assertFalse(isDone, "a job with dirty bits was posted");
        }
        assertState(post(job), JobState.Open);
    }

    function test_revealResult_dirtyHighBits_reverts(uint256 bit) external {
        commitAll(aJob(), three(anOutcome(), anOutcome(), anOutcome()));
        bytes memory callData = abi.encodeCall(
            market.revealResult,
            (aJob(), 0, anOutcome(), aSalt(worker))
        );
        // Status and token count, after twelve words of parameters and the place.
        flip(callData, 13, bounded(bit, 8, 255));
        expectNoReveal(callData);
        flip(callData, 13, bounded(bit, 8, 255));
        flip(callData, 14, bounded(bit, 32, 255));
        expectNoReveal(callData);
    }

    // ─── Private ─────────────────────────────────────────────────────────────────────────────

    function flip(bytes memory callData, uint256 word, uint256 bit) private pure {
        uint256 offset = 4 + 32 * word + 31 - bit / 8;
        callData[offset] ^= bytes1(uint8(1 << (bit % 8)));
    }

    function expectNoReveal(bytes memory callData) private {
        vm.prank(worker);
        (bool isDone, ) = address(market).call(callData);
        vm.assertFalse(isDone, "an outcome with dirty bits was revealed");
    }

    function expectUnopenable(bytes32 commitment) private {
        vm.prank(worker);
        market.commitResult(jobId, 0, commitment);
        commit(aJob(), 1, anOutcome());
        commit(aJob(), 2, anOutcome());
        expectMismatch(jobId, commitment, commitmentOf(jobId, worker, anOutcome()));
        vm.prank(worker);
        market.revealResult(aJob(), 0, anOutcome(), aSalt(worker));
    }

    function expectMismatch(JobId id, bytes32 expected, bytes32 actual) private {
        vm.expectRevert(
            abi.encodeWithSelector(IMarketplace.CommitmentMismatch.selector, id, expected, actual)
        );
    }

    function assertAnother(JobParams memory job) private view {
        JobId other = market.jobIdOf(job);
        vm.assertNotEq(JobId.unwrap(other), JobId.unwrap(jobId), "job id");
    }

    function changed(JobParams memory job, uint256 field) private pure returns (JobParams memory) {
        if (field == 0) job.requester = address(1);
        if (field == 1) ++job.nonce;
        if (field == 2) job.modelId = ModelId.wrap(0);
        if (field == 3) ++job.tick;
        if (field == 4) job.promptsDigest = 0;
        if (field == 5) ++job.promptCount;
        return field < 6 ? job : changedFurther(job, field);
    }

    function changedFurther(
        JobParams memory job,
        uint256 field
    ) private pure returns (JobParams memory) {
        if (field == 6) ++job.maxTokens;
        if (field == 7) ++job.redundancy;
        if (field == 8) ++job.maxRounds;
        if (field == 9) ++job.minSeats;
        if (field == 10) job.callback = address(1);
        if (field == 11) ++job.callbackGasLimit;
        return job;
    }
}
