// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {JobId, JobParams, JobState} from "../../src/types/Job.sol";
import {JobBuilder} from "./Builders.sol";
import {Act, ScenarioTest} from "./ScenarioTest.sol";
import {vm} from "./Vm.sol";

/// @notice Plays jobs of two rounds, and says on its own what must come of them.
abstract contract RoundsTest is ScenarioTest {
    using JobBuilder for JobParams;

    uint32 internal constant WORKERS = 17;

    function setUp() public virtual override {
        super.setUp();
        openWorkers(WORKERS);
        mine(1);
    }

    function aTwoRoundJob() internal view returns (JobParams memory) {
        return aJob().withRounds(2);
    }

    function acts(
        Act a,
        Act b,
        Act c,
        Act d,
        Act e,
        Act f,
        Act g
    ) internal pure returns (Act[] memory list) {
        list = new Act[](7);
        (list[0], list[1], list[2], list[3]) = (a, b, c, d);
        (list[4], list[5], list[6]) = (e, f, g);
    }

    function oneAct(Act act) internal pure returns (Act[] memory list) {
        list = new Act[](1);
        list[0] = act;
    }

    /// @dev Every member does the same.
    function allOf(Act act, uint256 count) internal pure returns (Act[] memory list) {
        list = new Act[](count);
        for (uint256 i = 0; i < count; ++i) {
            list[i] = act;
        }
    }

    /// @dev Plays a first round that must end in a split; the second one's draw is armed.
    function playSplit(
        JobParams memory job,
        Act[] memory list
    ) internal returns (JobId jobId, address[] memory workers) {
        jobId = postAndDraw(job);
        workers = workersOf(jobId, list.length);
        playDrawn(job, list);
        assertState(jobId, JobState.Open);
        vm.assertEq(lens.roundOf(jobId).round, 2, "round");
    }

    function playSecond(
        JobParams memory job,
        Act[] memory list
    ) internal returns (address[] memory workers) {
        JobId jobId = market.jobIdOf(job);
        draw(job);
        assertState(jobId, JobState.Committing);
        workers = workersOf(jobId, list.length);
        playDrawn(job, list);
    }

    // ─── What must come of it: design.md 4.4 in other words ──────────────────────────────────

    /// @dev What a second round accepts, after a first one without a quorum.
    function acceptedSecond(Act[] memory first, Act[] memory second) internal pure returns (Act) {
        Act accepted = acceptedOf(second);
        return accepted == Act.Unavailable && hadInput(first) ? Act.Absent : accepted;
    }

    /// @dev Of a member of the first round.
    function firstFateOf(
        Act act,
        Act accepted,
        Act[] memory second
    ) internal pure returns (Fate memory) {
        bool hasAnswer = act == Act.Honest || act == Act.Liar || act == Act.Invalid;
        // Whoever gave no answer is dealt with at the split.
        if (!hasAnswer || accepted == Act.Absent) return fateOf(act, Act.Absent);
        bool isCondemning = 3 * votesFor(accepted, second) >= 2 * second.length;
        return fateOf(act, isCondemning || act == accepted ? accepted : Act.Absent);
    }

    /// @dev Plays both rounds, and compares everything that money and records show.
    function playBothAndCheck(
        JobParams memory job,
        Act[] memory first,
        Act[] memory second
    ) internal {
        Purses memory before = pursesNow(job.requester);
        (JobId jobId, address[] memory workers) = playSplit(job, first);
        address[] memory others = playSecond(job, second);

        Act accepted = acceptedSecond(first, second);
        assertState(jobId, accepted == Act.Absent ? JobState.Failed : JobState.Accepted);
        (uint256 paid, uint256 sunk) = (0, 0);
        for (uint256 i = 0; i < first.length; ++i) {
            Fate memory fate = firstFateOf(first[i], accepted, second);
            checkMember(workers[i], fate);
            if (fate.keepsSeat) paid += fate.gain;
            sunk += fate.sunk;
        }
        for (uint256 i = 0; i < second.length; ++i) {
            Fate memory fate = fateOf(second[i], accepted);
            checkMember(others[i], fate);
            if (fate.keepsSeat) paid += fate.gain;
            sunk += fate.sunk;
        }
        uint256 bounties = bountiesOf(first) + bountiesOf(second);
        checkBothPurses(before, job.requester, accepted != Act.Absent, paid, sunk, bounties);
    }

    function checkBothPurses(
        Purses memory before,
        address payer,
        bool isAccepted,
        uint256 paid,
        uint256 sunk,
        uint256 bounties
    ) private view {
        Purses memory later = pursesNow(payer);
        uint256 fee = isAccepted ? ((paid + bounties) * FEE_BPS) / 10_000 : 0;
        vm.assertEq(later.keeper - before.keeper, bounties, "bounties");
        vm.assertEq(later.sink - before.sink, sunk, "sink");
        vm.assertEq(later.treasury - before.treasury, fee, "treasury");
        vm.assertEq(before.requester - later.requester, paid + bounties + fee, "cost");
    }

    /// @dev One for the draw, one for the end unless a reveal brought it about.
    function bountiesOf(Act[] memory list) internal pure returns (uint256) {
        return endedByReveal(list) ? BOUNTY : 2 * BOUNTY;
    }
}
