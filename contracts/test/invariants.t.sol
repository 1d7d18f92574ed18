// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Marketplace} from "../src/Marketplace.sol";
import {MarketplaceLens} from "../src/MarketplaceLens.sol";
import {TestDollar} from "../src/TestDollar.sol";
import {SeatView} from "../src/interfaces/IMarketplaceLens.sol";
import {Account, ISeats, SlashReason} from "../src/interfaces/ISeats.sol";
import {IMarketplace} from "../src/interfaces/IMarketplace.sol";
import {FirstRoundView, JobParams, JobState} from "../src/types/Job.sol";
import {Ledger} from "./support/Ledger.sol";
import {MarketHandler} from "./support/MarketHandler.sol";
import {vm} from "./support/Vm.sol";

/*
After any sequence of moves, honest and hostile (docs/spec/invariants.md)
├── the tokens held are credits, bonds and escrows, to the unit             I1-I4, I11
├── every account's credit is what the events say                           I1, I2
├── a seat is listed once, and busy exactly while one committee holds it    I7
├── a worker holds one place of a job at most, over both its rounds         I6
├── every job's state and round, and every seat's owner, are what the events say
├── no job takes a forbidden step, no attack goes through                   (in the handler)
└── at the end, time and `advance` end every job, every result is delivered, all money is paid out
*/
/// forge-config: default.invariant.runs = 260
/// forge-config: default.invariant.depth = 200
/// forge-config: default.invariant.fail-on-revert = true
/// forge-config: deep.invariant.runs = 1000
/// forge-config: deep.invariant.depth = 1000
/// forge-config: deep.invariant.fail-on-revert = true
contract InvariantsTest {
    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    uint256 private constant BOND = 50_000_000;
    uint256 private constant CHECKED_EVERY = 5;

    MarketHandler private handler;
    Marketplace private market;
    MarketplaceLens private lens;
    TestDollar private token;
    Ledger private ledger;

    function setUp() external {
        handler = new MarketHandler();
        handler.setUp();
        (market, lens, token) = handler.fixtures();
        ledger = handler.ledger();
    }

    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(handler);
    }

    function targetSelectors() external view returns (FuzzSelector[] memory targets) {
        targets = new FuzzSelector[](1);
        targets[0] = FuzzSelector(address(handler), moveSelectors());
    }

    // ─── After every move ────────────────────────────────────────────────────────────────────

    /// @dev One campaign for all: several would play the same moves once each.
    function invariant_market_staysSolventAndServesFairly() external view {
        uint256 held = token.balanceOf(address(market));
        vm.assertEq(held, ledger.tokens(), "tokens in and out");
        uint256 owed = ledger.credits() + ledger.bonds() + ledger.escrows();
        vm.assertEq(held, owed, "solvency by the events");
        // Dear, and what is wrong once stays wrong.
        if (handler.moves() % CHECKED_EVERY != 0) return;
        checkMoney();
        checkSeats();
    }

    function checkMoney() private view {
        uint256 credits = 0;
        uint256 seats = 0;
        address[] memory accounts = handler.accounts();
        for (uint256 i = 0; i < accounts.length; ++i) {
            Account memory account = market.accountOf(accounts[i]);
            vm.assertEq(account.credit, ledger.creditOf(accounts[i]), "credit of an account");
            vm.assertEq(account.posted, ledger.postedBy(accounts[i]), "postings of an account");
            credits += account.credit;
            seats += account.seats;
        }
        uint256 held = token.balanceOf(address(market));
        vm.assertEq(seats * BOND, ledger.bonds(), "bonds");
        vm.assertEq(held, credits + ledger.bonds() + ledger.escrows(), "solvency");
    }

    function checkSeats() private view {
        uint256[] memory serving = servingPerSeat();
        uint256 open = 0;
        for (uint256 seatId = 1; seatId <= handler.mostSeats(); ++seatId) {
            SeatView memory seat = lens.seatOf(seatId);
            vm.assertLe(serving[seatId], 1, "jobs that a seat serves");
            if (seat.owner == address(0)) {
                vm.assertEq(serving[seatId], 0, "a closed seat serves");
                continue;
            }
            vm.assertEq(seat.owner, ledger.ownerOf(seatId), "owner by the events");
            ++open;
            vm.assertEq(seat.isBusy, serving[seatId] == 1, "busy means serving");
            vm.assertEq(handler.seatWhere(seat.tick, seat.index), seatId, "roster entry");
        }
        vm.assertEq(handler.rosterSize(), open, "roster");
    }

    // ─── At the end of every run ─────────────────────────────────────────────────────────────

    function afterInvariant() external {
        checkMoney();
        checkSeats();
        handler.endAllJobs();
        vm.assertEq(handler.liveJobs().length, 0, "jobs that did not end");
        handler.deliverAll();
        vm.assertEq(ledger.escrows(), 0, "escrow left behind");
        handler.withdrawAll();
        vm.assertEq(ledger.bonds(), 0, "bonds left behind");
        vm.assertEq(token.balanceOf(address(market)), 0, "tokens left behind");
    }

    // ─── That the moves are worth something ──────────────────────────────────────────────────

    /// @dev One long run: everything that the invariants are about must have come up.
    function test_handler_longRun_meetsEveryCase() external {
        bytes4[] memory list = moveSelectors();
        for (uint256 i = 0; i < 6_000; ++i) {
            bytes32 random = keccak256(abi.encode("move", i));
            bytes4 move = list[uint256(random) % list.length];
            bytes memory words = abi.encode(random, keccak256(abi.encode(random)), random << 9);
            (bool isDone, ) = address(handler).call(bytes.concat(move, words));
            vm.assertTrue(isDone, "a move failed");
        }
        vm.assertGe(ledger.ended(JobState.Accepted), 20, "accepted");
        vm.assertGe(ledger.ended(JobState.Failed), 20, "failed");
        vm.assertGe(ledger.ended(JobState.Cancelled), 5, "cancelled");
        vm.assertGe(ledger.slashes(SlashReason.NoShow), 3, "no-shows");
        vm.assertGe(ledger.slashes(SlashReason.NotRevealed), 3, "silent");
        vm.assertGe(ledger.slashes(SlashReason.WrongResult), 3, "liars");
        vm.assertGe(ledger.seen(ISeats.SeatClosed.selector), 20, "seats closed");
        vm.assertGe(ledger.seen(IMarketplace.RevealOpened.selector), 20, "early reveals");
        vm.assertGe(handler.vacantPlaces(), 5, "vacant places");
        vm.assertGe(handler.shortDraws(), 5, "short draws");
        vm.assertGe(handler.refusedAttacks(), 100, "attacks");
        vm.assertGe(ledger.seen(IMarketplace.RoundSplit.selector), 20, "splits");
        vm.assertGe(ledger.seen(IMarketplace.ResultDelivered.selector), 20, "deliveries");
        vm.assertGe(handler.secondDraws(), 20, "second draws");
        vm.assertGe(handler.skippedEntries(), 100, "skipped entries");
    }

    // ─── Private ─────────────────────────────────────────────────────────────────────────────

    function moveSelectors() private view returns (bytes4[] memory list) {
        list = new bytes4[](22);
        (list[0], list[1], list[2]) = (
            handler.postJob.selector,
            handler.step.selector,
            handler.stepAgain.selector
        );
        (list[3], list[4], list[5]) = (
            handler.finishRound.selector,
            handler.cancelJob.selector,
            handler.passBlocks.selector
        );
        (list[6], list[7], list[8]) = (
            handler.passTime.selector,
            handler.passLongTime.selector,
            handler.openSeats.selector
        );
        (list[9], list[10], list[11]) = (
            handler.closeSeat.selector,
            handler.leaveSeat.selector,
            handler.deposit.selector
        );
        (list[12], list[13], list[14]) = (
            handler.withdraw.selector,
            handler.attackMoney.selector,
            handler.attackJob.selector
        );
        (list[15], list[16], list[17]) = (
            handler.attackSeat.selector,
            handler.attackByCopying.selector,
            handler.advanceBlindly.selector
        );
        (list[18], list[19], list[20], list[21]) = (
            handler.commitBatch.selector,
            handler.revealBatch.selector,
            handler.deliver.selector,
            handler.attackDelivery.selector
        );
    }

    /// @dev How many live committees each seat is on, or kept by. No worker may be twice on a job.
    function servingPerSeat() private view returns (uint256[] memory serving) {
        serving = new uint256[](handler.mostSeats() + 1);
        JobParams[] memory jobs = handler.liveJobs();
        for (uint256 i = 0; i < jobs.length; ++i) {
            address[] memory members = new address[](27);
            uint256 count = countServing(
                serving,
                members,
                0,
                lens.roundOf(market.jobIdOf(jobs[i])).seatIds
            );
            FirstRoundView memory first = lens.firstRoundOf(market.jobIdOf(jobs[i]));
            count = countServing(serving, members, count, first.seatIds);
            for (uint256 k = 0; k < first.expelled.length; ++k) {
                members[count++] = first.expelled[k];
            }
            requireDistinct(members, count);
        }
    }

    function countServing(
        uint256[] memory serving,
        address[] memory members,
        uint256 count,
        uint256[] memory seatIds
    ) private view returns (uint256) {
        for (uint256 place = 0; place < seatIds.length; ++place) {
            if (seatIds[place] == 0) continue;
            ++serving[seatIds[place]];
            members[count++] = lens.seatOf(seatIds[place]).owner;
        }
        return count;
    }

    function requireDistinct(address[] memory members, uint256 count) private pure {
        for (uint256 i = 0; i < count; ++i) {
            for (uint256 k = 0; k < i; ++k) {
                vm.assertTrue(members[i] != members[k], "a worker twice");
            }
        }
    }
}
