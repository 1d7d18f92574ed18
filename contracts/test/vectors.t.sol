// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Marketplace} from "../src/Marketplace.sol";
import {IMarketplace} from "../src/interfaces/IMarketplace.sol";
import {JobId, JobParams, JobState} from "../src/types/Job.sol";
import {ModelId, ModelSpec} from "../src/types/Model.sol";
import {Outcome} from "../src/types/Outcome.sol";
import {JobBuilder, OutcomeBuilder, aModel} from "./support/Builders.sol";
import {DrawModel} from "./support/DrawModel.sol";
import {Json} from "./support/Json.sol";
import {Probe} from "./support/Probe.sol";
import {Act, ScenarioTest} from "./support/ScenarioTest.sol";
import {Trees} from "./support/Trees.sol";
import {Vm, vm} from "./support/Vm.sol";

/*
tests/vectors/contracts.json holds what Solidity computes; the Python tests read the same file.
├── given the committed file            → it is what the contracts compute now
└── given UPDATE_VECTORS=true           → it is written anew
*/
contract VectorsTest is ScenarioTest {
    using JobBuilder for JobParams;

    string private constant PATH = "tests/vectors/contracts.json";
    /// @dev Fixed, so that a change of the fixture does not change the file.
    address private constant MARKETPLACE = address(uint160(uint256(keccak256("marketplace"))));
    uint256 private constant BOUND = 9;

    Probe private probe;

    function setUp() public override {
        super.setUp();
        probe = new Probe();
        // The constructor writes no storage: code and immutables are all there is to it.
        vm.etch(MARKETPLACE, address(market).code);
        useMarket(Marketplace(MARKETPLACE));
        fund(requester, 1_000_000_000);
        openWorkers(7);
        mine(1);
    }

    function test_vectors_committedFile_isWhatSolidityComputes() external {
        string[] memory parts = new string[](9);
        parts[0] = Json.member("chainId", block.chainid);
        parts[1] = Json.member("marketplace", MARKETPLACE);
        parts[2] = Json.member("models", models());
        parts[3] = Json.member("jobs", jobs());
        parts[4] = Json.member("outcomes", outcomes());
        parts[5] = Json.member("commitments", commitments());
        parts[6] = Json.member("trees", trees());
        parts[7] = Json.member("draws", draws());
        parts[8] = Json.member("settlements", settlements());
        string memory text = string.concat("{\n  ", Json.joined(parts, ",\n  "), "\n}\n");

        if (vm.envOr("UPDATE_VECTORS", false)) vm.writeFile(PATH, text);
        vm.assertEq(
            vm.readFile(PATH),
            text,
            "out of date: UPDATE_VECTORS=true forge test --mc VectorsTest"
        );
    }

    // ─── Models, jobs, outcomes ──────────────────────────────────────────────────────────────

    function models() private returns (string memory) {
        string[] memory items = new string[](2);
        items[0] = modelVector(aModel(), modelId);
        ModelSpec memory spec = ModelSpec({
            packageDigest: keccak256("another package"),
            weightsRoot: keccak256("weights"),
            profile: "int8-exact-v1",
            vocabSize: type(uint32).max,
            contextLength: 1,
            msPerToken: 1_000,
            basePrice: type(uint96).max
        });
        items[1] = modelVector(spec, registry.registerModel(spec));
        return Json.lines(items);
    }

    function modelVector(ModelSpec memory spec, ModelId id) private pure returns (string memory) {
        string[] memory members = new string[](8);
        members[0] = Json.member("packageDigest", spec.packageDigest);
        members[1] = Json.member("weightsRoot", spec.weightsRoot);
        members[2] = Json.member("profile", spec.profile);
        members[3] = Json.member("vocabSize", spec.vocabSize);
        members[4] = Json.member("contextLength", spec.contextLength);
        members[5] = Json.member("msPerToken", spec.msPerToken);
        members[6] = Json.member("basePrice", spec.basePrice);
        members[7] = Json.member("modelId", ModelId.unwrap(id));
        return Json.object(members);
    }

    function jobs() private view returns (string memory) {
        string[] memory items = new string[](3);
        items[0] = jobVector(aJob());
        items[1] = jobVector(aJob().withNonce(type(uint64).max).withTick(7).withRedundancy(7));
        items[2] = jobVector(
            JobParams({
                requester: address(type(uint160).max),
                nonce: 1 << 40,
                modelId: ModelId.wrap(keccak256("a model")),
                tick: type(uint8).max,
                promptsDigest: keccak256("prompts of another job"),
                promptCount: type(uint32).max,
                maxTokens: type(uint32).max - 1,
                redundancy: 9,
                maxRounds: 2,
                minSeats: type(uint32).max - 2,
                callback: address(0xCA11),
                callbackGasLimit: 200_000
            })
        );
        return Json.lines(items);
    }

    function jobVector(JobParams memory job) private view returns (string memory) {
        string[] memory members = new string[](13);
        members[0] = Json.member("requester", job.requester);
        members[1] = Json.member("nonce", job.nonce);
        members[2] = Json.member("modelId", ModelId.unwrap(job.modelId));
        members[3] = Json.member("tick", job.tick);
        members[4] = Json.member("promptsDigest", job.promptsDigest);
        members[5] = Json.member("promptCount", job.promptCount);
        members[6] = Json.member("maxTokens", job.maxTokens);
        members[7] = Json.member("redundancy", job.redundancy);
        members[8] = Json.member("maxRounds", job.maxRounds);
        members[9] = Json.member("minSeats", job.minSeats);
        members[10] = Json.member("callback", job.callback);
        members[11] = Json.member("callbackGasLimit", job.callbackGasLimit);
        members[12] = Json.member("jobId", JobId.unwrap(market.jobIdOf(job)));
        return Json.object(members);
    }

    function someOutcomes() private pure returns (Outcome[] memory list) {
        list = new Outcome[](5);
        list[0] = OutcomeBuilder.ok(1_000, "the answer");
        list[1] = OutcomeBuilder.ok(0, "nothing");
        list[2] = OutcomeBuilder.ok(type(uint32).max, "much");
        list[2].fingerprint = keccak256("trace");
        list[3] = OutcomeBuilder.invalid();
        list[4] = OutcomeBuilder.unavailable();
    }

    function outcomes() private view returns (string memory) {
        Outcome[] memory list = someOutcomes();
        string[] memory items = new string[](list.length);
        for (uint256 i = 0; i < list.length; ++i) {
            string[] memory members = new string[](7);
            members[0] = Json.member("status", uint256(list[i].status));
            members[1] = Json.member("tokenCount", list[i].tokenCount);
            members[2] = Json.member("resultsRoot", list[i].resultsRoot);
            members[3] = Json.member("resultsDigest", list[i].resultsDigest);
            members[4] = Json.member("fingerprint", list[i].fingerprint);
            members[5] = Json.member("hash", probe.hashOf(list[i]));
            members[6] = Json.member("answer", probe.answerOf(list[i]));
            items[i] = Json.object(members);
        }
        return Json.lines(items);
    }

    // ─── Commitments and trees ───────────────────────────────────────────────────────────────

    /// @dev The library binds to the contract it runs in: the probe takes the market's address.
    function commitments() private returns (string memory) {
        bytes memory code = MARKETPLACE.code;
        JobId jobId = market.jobIdOf(aJob());
        Outcome[] memory list = someOutcomes();
        string[] memory items = new string[](list.length);
        vm.etch(MARKETPLACE, address(probe).code);
        for (uint256 i = 0; i < list.length; ++i) {
            items[i] = commitmentVector(jobId, 1 + (i % 2), aWorker(i), list[i]);
        }
        vm.etch(MARKETPLACE, code);
        return Json.lines(items);
    }

    function commitmentVector(
        JobId jobId,
        uint256 round,
        address worker,
        Outcome memory outcome
    ) private view returns (string memory) {
        bytes32 outcomeHash = probe.hashOf(outcome);
        bytes32 salt = aSalt(worker);
        string[] memory members = new string[](6);
        members[0] = Json.member("jobId", JobId.unwrap(jobId));
        members[1] = Json.member("round", round);
        members[2] = Json.member("worker", worker);
        members[3] = Json.member("outcomeHash", outcomeHash);
        members[4] = Json.member("salt", salt);
        members[5] = Json.member(
            "commitment",
            Probe(MARKETPLACE).commitmentOf(jobId, round, worker, outcomeHash, salt)
        );
        return Json.object(members);
    }

    function trees() private view returns (string memory) {
        string[] memory items = new string[](BOUND);
        for (uint256 count = 1; count <= BOUND; ++count) {
            items[count - 1] = treeVector(count);
        }
        return Json.lines(items);
    }

    function treeVector(uint256 count) private view returns (string memory) {
        bytes32[] memory outputs = new bytes32[](count);
        string[] memory proofs = new string[](count);
        bytes32 root = Trees.rootOf(count);
        for (uint256 i = 0; i < count; ++i) {
            outputs[i] = Trees.outputHash(i);
            bytes32[] memory proof = Trees.proofOf(i, count);
            proofs[i] = Json.list(proof);
            vm.assertEq(probe.rootOf(i, count, outputs[i], proof), root, "root");
        }
        string[] memory members = new string[](3);
        members[0] = Json.member("outputHashes", Json.list(outputs));
        members[1] = Json.member("root", root);
        members[2] = Json.member("proofs", string.concat("[", Json.joined(proofs, ", "), "]"));
        return Json.object(members);
    }

    // ─── Draws and settlements ───────────────────────────────────────────────────────────────

    /// @dev With the positions of the first probes in a list of seven seats.
    function draws() private returns (string memory) {
        uint256 state = vm.snapshotState();
        JobId jobId = post(aJob());
        bytes32 prevRandao = keccak256("prevRandao");
        uint256 seedBlock = lens.roundOf(jobId).seedBlock;
        bytes memory header = mineSeedBlock(jobId, prevRandao);
        vm.recordLogs();
        advance(aJob(), header);
        bytes memory data = lastDataOf(IMarketplace.CommitteeDrawn.selector);
        (, , bytes32 seed, , , ) = abi.decode(
            data,
            (uint256, uint256, bytes32, uint256[], address[], uint256)
        );
        bytes32[] memory positions = new bytes32[](5);
        for (uint256 i = 0; i < 5; ++i) {
            positions[i] = bytes32(DrawModel.positionOf(seed, i, 7));
        }
        string[] memory members = new string[](8);
        members[0] = Json.member("seedBlock", seedBlock);
        members[1] = Json.member("header", header);
        members[2] = Json.member("headerHash", keccak256(header));
        members[3] = Json.member("prevRandao", prevRandao);
        members[4] = Json.member("jobId", JobId.unwrap(jobId));
        members[5] = Json.member("round", uint256(1));
        members[6] = Json.member("seed", seed);
        members[7] = Json.member("positionsOfSeven", Json.list(positions));
        vm.revertToState(state);
        string[] memory items = new string[](1);
        items[0] = Json.object(members);
        return Json.lines(items);
    }

    function settlements() private returns (string memory) {
        string[] memory items = new string[](5);
        items[0] = settlementVector(acts(Act.Honest, Act.Honest, Act.Silent));
        items[1] = settlementVector(acts(Act.Honest, Act.Silent, Act.Absent));
        items[2] = settlementVector(acts(Act.Unavailable, Act.Unavailable, Act.Silent));
        items[3] = settlementVector(
            acts(Act.Honest, Act.Liar, Act.Honest, Act.Invalid, Act.Silent)
        );
        items[4] = secondRoundVector(
            acts(Act.Honest, Act.Liar, Act.Silent),
            acts(Act.Honest, Act.Honest, Act.Honest, Act.Silent, Act.Absent)
        );
        return Json.lines(items);
    }

    /// @dev A settlement whose transcript goes on from that of a first round.
    function secondRoundVector(
        Act[] memory first,
        Act[] memory second
    ) private returns (string memory vector) {
        uint256 state = vm.snapshotState();
        for (uint256 i = 7; i < 10; ++i) {
            openSeat(aWorker(i), 0);
        }
        mine(1);
        JobParams memory job = aJob().withRounds(2);
        JobId jobId = post(job);
        draw(job, keccak256("a fixed prevRandao"));
        playDrawn(job, first);
        draw(job, keccak256("another prevRandao"));
        playCommits(job, second);
        playReveals(job, second);
        vector = endedVector(job, jobId, second);
        vm.revertToState(state);
    }

    /// @dev Played up to the moment before the end, so that the word of the round can be seen.
    function settlementVector(Act[] memory list) private returns (string memory vector) {
        uint256 state = vm.snapshotState();
        JobParams memory job = aJob().withRedundancy(uint8(list.length));
        JobId jobId = post(job);
        draw(job, keccak256("a fixed prevRandao"));
        playCommits(job, list);
        playReveals(job, list);
        vector = endedVector(job, jobId, list);
        vm.revertToState(state);
    }

    function endedVector(
        JobParams memory job,
        JobId jobId,
        Act[] memory list
    ) private returns (string memory) {
        string[] memory members = new string[](9);
        address[] memory workers = workersOf(jobId, list.length);
        bytes32[] memory answers = new bytes32[](list.length);
        for (uint256 place = 0; place < list.length; ++place) {
            Outcome memory outcome = outcomeOf(list[place]);
            if (list[place] == Act.Silent) {
                uint256 round = lens.roundOf(jobId).round;
                bytes32 salt = aSalt(workers[place]);
                answers[place] = commitmentOf(jobId, round, workers[place], outcome, salt);
            } else if (list[place] != Act.Absent) {
                answers[place] = probe.answerOf(outcome);
            }
        }
        members[0] = Json.member("jobId", JobId.unwrap(jobId));
        members[1] = Json.member("roundWord", bytes32(storedRound(jobId)));
        members[2] = Json.member("workers", Json.list(workers));
        members[3] = Json.member("answers", Json.list(answers));
        members[8] = Json.member("earlierTranscript", lens.firstRoundOf(jobId).transcript);
        vm.warp(deadlineOf(jobId) + 1);
        vm.recordLogs();
        advance(job, NO_HEADER);
        members[4] = Json.member("transcript", settledTranscript());
        Act accepted = acceptedOf(list);
        bytes32 answer = accepted == Act.Absent ? bytes32(0) : probe.answerOf(outcomeOf(accepted));
        members[5] = Json.member("accepted", answer);
        members[6] = Json.member("state", uint256(market.stateOf(jobId)));
        members[7] = Json.member("record", lens.roundOf(jobId).record);
        return Json.object(members);
    }
}
