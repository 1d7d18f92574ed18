// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {SlashReason} from "../../src/interfaces/ISeats.sol";
import {JobId, JobParams, JobState} from "../../src/types/Job.sol";
import {Outcome, OutcomeStatus} from "../../src/types/Outcome.sol";
import {OutcomeBuilder} from "./Builders.sol";
import {MarketTest} from "./MarketTest.sol";
import {vm} from "./Vm.sol";

/// @notice What a member of a committee does.
enum Act {
    Absent, // never commits
    Silent, // commits, never reveals
    Honest, // reveals the true answer
    Liar, // reveals another answer
    Invalid, // says the input is no document
    Unavailable // says the input cannot be had
}

/// @notice Plays a job with given behaviours, and says on its own what must come of it.
abstract contract ScenarioTest is MarketTest {
    uint256 internal constant ACTS = 6;
    uint32 internal constant TRUE_TOKENS = 900;
    uint32 internal constant FALSE_TOKENS = 9_999;

    /// @dev What a member ends up with: `gain` of credit, bond included if the seat is closed.
    struct Fate {
        uint256 gain;
        uint256 sunk;
        bool keepsSeat;
        bool hasCompleted;
        bool hasMissed;
        bool wasSlashed;
    }

    function outcomeOf(Act act) internal pure returns (Outcome memory) {
        if (act == Act.Liar) return OutcomeBuilder.ok(FALSE_TOKENS, "a lie");
        if (act == Act.Invalid) return OutcomeBuilder.invalid();
        if (act == Act.Unavailable) return OutcomeBuilder.unavailable();
        return OutcomeBuilder.ok(TRUE_TOKENS, "the truth");
    }

    function acts(Act a, Act b, Act c) internal pure returns (Act[] memory list) {
        list = new Act[](3);
        (list[0], list[1], list[2]) = (a, b, c);
    }

    function acts(Act a, Act b, Act c, Act d, Act e) internal pure returns (Act[] memory list) {
        list = new Act[](5);
        (list[0], list[1], list[2], list[3], list[4]) = (a, b, c, d, e);
    }

    // ─── Playing ─────────────────────────────────────────────────────────────────────────────

    /// @dev From posting to the final state. The committee's size is the number of acts.
    function play(JobParams memory job, Act[] memory list) internal returns (JobId jobId) {
        jobId = postAndDraw(job);
        playDrawn(job, list);
    }

    function playDrawn(JobParams memory job, Act[] memory list) internal {
        playCommits(job, list);
        playReveals(job, list);
        JobId jobId = market.jobIdOf(job);
        JobState state = market.stateOf(jobId);
        // The last reveal ended the job, or armed its second round.
        if (state > JobState.Revealing || state == JobState.Open) return;
        vm.warp(deadlineOf(jobId) + 1);
        advance(job, NO_HEADER);
    }

    function playCommits(JobParams memory job, Act[] memory list) internal {
        for (uint256 place = 0; place < list.length; ++place) {
            if (list[place] != Act.Absent) commit(job, place, outcomeOf(list[place]));
        }
        JobId jobId = market.jobIdOf(job);
        if (market.stateOf(jobId) == JobState.Committing) vm.warp(deadlineOf(jobId) + 1);
    }

    function playReveals(JobParams memory job, Act[] memory list) internal {
        for (uint256 place = 0; place < list.length; ++place) {
            if (list[place] > Act.Silent) reveal(job, place, outcomeOf(list[place]));
        }
    }

    // ─── What must come of it: design.md 4.4 in other words ──────────────────────────────────

    /// @dev The act that a quorum shares, or Absent.
    function acceptedOf(Act[] memory list) internal pure returns (Act) {
        for (uint256 act = uint256(Act.Honest); act < ACTS; ++act) {
            if (2 * votesFor(Act(act), list) <= list.length) continue;
            return Act(act) == Act.Unavailable && hadInput(list) ? Act.Absent : Act(act);
        }
        return Act.Absent;
    }

    function votesFor(Act act, Act[] memory list) internal pure returns (uint256 votes) {
        for (uint256 place = 0; place < list.length; ++place) {
            if (list[place] == act) ++votes;
        }
    }

    /// @dev Whether anybody showed that it had the bytes.
    function hadInput(Act[] memory list) internal pure returns (bool) {
        return
            votesFor(Act.Honest, list) + votesFor(Act.Liar, list) + votesFor(Act.Invalid, list) !=
            0;
    }

    function fateOf(Act act, Act accepted) internal pure returns (Fate memory fate) {
        if (act == Act.Absent) {
            (fate.gain, fate.sunk, fate.hasMissed) = (
                BOND - NO_SHOW_PENALTY,
                NO_SHOW_PENALTY,
                true
            );
        } else if (act == Act.Silent) {
            (fate.sunk, fate.wasSlashed) = (BOND, true);
        } else if (act == accepted) {
            (fate.keepsSeat, fate.hasCompleted) = (true, true);
            fate.gain = BASE_FEE + outcomeOf(act).tokenCount * PRICE;
        } else if (act == Act.Unavailable) {
            (fate.gain, fate.hasMissed) = (BOND, true);
        } else if (accepted != Act.Absent) {
            (fate.sunk, fate.wasSlashed) = (BOND, true);
        } else {
            fate.keepsSeat = true;
            fate.gain = outcomeOf(act).status == OutcomeStatus.Ok ? BASE_FEE : 0;
        }
    }

    /// @dev Plays, and compares everything that money and records show.
    function playAndCheck(JobParams memory job, Act[] memory list) internal returns (JobId jobId) {
        Purses memory before = pursesNow(job.requester);
        jobId = postAndDraw(job);
        address[] memory workers = workersOf(jobId, list.length);
        playDrawn(job, list);

        bool isAccepted = acceptedOf(list) != Act.Absent;
        assertState(jobId, isAccepted ? JobState.Accepted : JobState.Failed);
        (uint256 paid, uint256 sunk) = checkMembers(workers, list);
        checkPurses(before, pursesNow(job.requester), list, paid, sunk);
    }

    /// @dev Everyone's money but the members'.
    struct Purses {
        uint256 requester;
        uint256 keeper;
        uint256 sink;
        uint256 treasury;
    }

    function pursesNow(address payer) internal view returns (Purses memory) {
        return
            Purses({
                requester: market.creditOf(payer) + token.balanceOf(payer),
                keeper: market.creditOf(keeper),
                sink: market.creditOf(sink),
                treasury: market.creditOf(treasury)
            });
    }

    function checkPurses(
        Purses memory before,
        Purses memory later,
        Act[] memory list,
        uint256 paid,
        uint256 sunk
    ) private pure {
        uint256 bounties = endedByReveal(list) ? BOUNTY : 2 * BOUNTY;
        bool isAccepted = acceptedOf(list) != Act.Absent;
        uint256 fee = isAccepted ? ((paid + bounties) * FEE_BPS) / 10_000 : 0;
        vm.assertEq(later.keeper - before.keeper, bounties, "bounties");
        vm.assertEq(later.sink - before.sink, sunk, "sink");
        vm.assertEq(later.treasury - before.treasury, fee, "treasury");
        vm.assertEq(before.requester - later.requester, paid + bounties + fee, "cost");
    }

    /// @dev The last reveal settles when everyone who committed has revealed.
    function endedByReveal(Act[] memory list) internal pure returns (bool) {
        uint256 reveals = 0;
        for (uint256 place = 0; place < list.length; ++place) {
            if (list[place] == Act.Silent) return false;
            if (list[place] != Act.Absent) ++reveals;
        }
        return reveals != 0;
    }

    /// @dev Every member starts without credit and with one seat.
    function checkMembers(
        address[] memory workers,
        Act[] memory list
    ) private view returns (uint256 paid, uint256 sunk) {
        Act accepted = acceptedOf(list);
        for (uint256 place = 0; place < list.length; ++place) {
            Fate memory fate = fateOf(list[place], accepted);
            checkMember(workers[place], fate);
            sunk += fate.sunk;
            if (fate.keepsSeat) paid += fate.gain;
        }
    }

    function checkMember(address worker, Fate memory fate) internal view {
        assertCredit(worker, fate.gain);
        vm.assertEq(market.accountOf(worker).seats, fate.keepsSeat ? 1 : 0, "seats");
        vm.assertEq(market.accountOf(worker).completed, fate.hasCompleted ? 1 : 0, "completed");
        vm.assertEq(market.accountOf(worker).missed, fate.hasMissed ? 1 : 0, "missed");
        vm.assertEq(market.accountOf(worker).slashed, fate.wasSlashed ? 1 : 0, "slashed");
    }

    function reasonOf(Act act) internal pure returns (SlashReason) {
        if (act == Act.Absent) return SlashReason.NoShow;
        return act == Act.Silent ? SlashReason.NotRevealed : SlashReason.WrongResult;
    }
}
