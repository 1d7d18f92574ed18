// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {JobId, JobParams} from "../../src/types/Job.sol";
import {DrawModel, listOf} from "./DrawModel.sol";
import {RoundsTest} from "./RoundsTest.sol";
import {vm} from "./Vm.sol";

/// @notice Weighs what attackers own before and after: tokens, credit and the bonds of their seats.
/// Their losses are kept in contracts/snapshots/attacks.json, in units of the token, gas not counted.
abstract contract AttackTest is RoundsTest {
    address[] internal attackers;
    uint256 private _before;

    /// @dev From here on, what these own is theirs to win or lose.
    function attackBy(address a) internal {
        delete attackers;
        attackers.push(a);
        _before = wealth();
    }

    function attackBy(address a, address b) internal {
        delete attackers;
        attackers.push(a);
        attackers.push(b);
        _before = wealth();
    }

    function attackBy(address a, address b, address c) internal {
        delete attackers;
        attackers.push(a);
        attackers.push(b);
        attackers.push(c);
        _before = wealth();
    }

    /// @dev The first `count` of them.
    function attackBy(address[] memory list, uint256 count) internal {
        delete attackers;
        for (uint256 i = 0; i < count; ++i) {
            attackers.push(list[i]);
        }
        _before = wealth();
    }

    /// @dev The attack is over: it must not have paid.
    function assertNoProfit(string memory name) internal {
        uint256 later = wealth();
        vm.assertLe(later, _before, name);
        vm.snapshotValue("attacks", name, _before - later);
    }

    function wealth() private view returns (uint256 sum) {
        for (uint256 i = 0; i < attackers.length; ++i) {
            sum += wealthOf(attackers[i]);
        }
    }

    function wealthOf(address account) internal view returns (uint256) {
        uint256 bonds = market.accountOf(account).seats * BOND;
        return token.balanceOf(account) + market.creditOf(account) + bonds;
    }

    /// @dev With the seats at these positions, which are those of the workers of the same numbers.
    function drawAt(JobParams memory job, uint256 a, uint256 b, uint256 c) internal {
        JobId jobId = market.jobIdOf(job);
        uint256 size = lens.rosterSize(modelId, 0);
        draw(job, DrawModel.randaoFor(jobId, size, listOf(a, b, c)));
    }

    /// @dev The default job, with workers 0, 1 and 2 on its committee.
    function drawnJob() internal returns (JobId jobId) {
        jobId = post(aJob());
        drawAt(aJob(), 0, 1, 2);
    }

    function refused(address account, bytes memory callData) internal {
        vm.prank(account);
        (bool isDone, ) = address(market).call(callData);
        vm.assertFalse(isDone, "an attack went through");
    }
}
