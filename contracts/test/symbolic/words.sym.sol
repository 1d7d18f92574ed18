// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {AccountWord} from "../../src/types/AccountWord.sol";
import {Answer, Outcome, Outcomes, OutcomeStatus} from "../../src/types/Outcome.sol";
import {RosterEntries, RosterEntry} from "../../src/types/RosterEntry.sol";
import {Phase, Rounds, RoundWord} from "../../src/types/RoundWord.sol";
import {SeatWord, SeatWords} from "../../src/types/SeatWord.sol";

/*
Packed words, for every value of every field: what is written is read back, and nothing else changes.
├── SeatWord     → opened, drawn, released, moved, closing
├── RoundWord    → armed, opened, commits and reveals, reveal phase, kept, final
├── AccountWord  → credit and counts do not spill into each other
├── RosterEntry  → seat and block
└── Answer       → status and token count
*/
contract SymbolicWords {
    using Outcomes for Outcome;
    using Outcomes for Answer;

    // ─── SeatWord ────────────────────────────────────────────────────────────────────────────

    function check_seatWord_opened(address owner, uint8 tick, uint24 index) external pure {
        if (tick > 7 || index >= 1 << 20) return;
        SeatWord word = SeatWords.open(owner, tick, index);
        assert(word.owner() == owner && word.tick() == tick && word.index() == index);
        assert(!word.isBusy() && !word.isClosing());
        assert(word.drawnBlock() == 0 && word.releasedBlock() == 0);
    }

    function check_seatWord_drawn(uint256 bits, uint32 blockNumber) external pure {
        SeatWord word = SeatWord.wrap(bits);
        SeatWord next = word.drawn(blockNumber);
        assert(next.isBusy() && next.drawnBlock() == blockNumber);
        assert(next.owner() == word.owner() && next.index() == word.index());
        assert(next.tick() == word.tick() && next.isClosing() == word.isClosing());
        assert(next.releasedBlock() == word.releasedBlock());
    }

    function check_seatWord_released(uint256 bits, uint32 blockNumber) external pure {
        SeatWord word = SeatWord.wrap(bits);
        SeatWord next = word.released(blockNumber);
        assert(!next.isBusy() && next.releasedBlock() == blockNumber);
        assert(next.owner() == word.owner() && next.index() == word.index());
        assert(next.tick() == word.tick() && next.isClosing() == word.isClosing());
        assert(next.drawnBlock() == word.drawnBlock());
    }

    function check_seatWord_movedOrClosing(uint256 bits, uint24 index) external pure {
        if (index >= 1 << 20) return;
        SeatWord word = SeatWord.wrap(bits);
        SeatWord next = word.moved(index).closing();
        assert(next.index() == index && next.isClosing());
        assert(next.owner() == word.owner() && next.tick() == word.tick());
        assert(next.isBusy() == word.isBusy());
        assert(next.drawnBlock() == word.drawnBlock());
        assert(next.releasedBlock() == word.releasedBlock());
    }

    // ─── RoundWord ───────────────────────────────────────────────────────────────────────────

    function check_roundWord_armed(
        uint8 number,
        uint40 expiry,
        uint40 seedBlock,
        uint160 lengths
    ) external pure {
        if (number > 7) return;
        RoundWord word = Rounds.arm(number, expiry, seedBlock, lengths);
        assert(word.phase() == Phase.Armed && word.number() == number);
        assert(word.time() == expiry && word.seedBlock() == seedBlock);
        assert(word.lengths() == lengths && !word.isDelivered());
    }

    function check_roundWord_actsOfPlaces(
        uint8 number,
        uint40 deadline,
        uint256 seatIds,
        uint8 place
    ) external pure {
        if (number > 7 || seatIds >= 1 << 180 || place > 8) return;
        RoundWord word = Rounds.open(number, deadline, seatIds);
        assert(word.phase() == Phase.Committing && word.time() == deadline);
        assert(word.committed() == 0 && word.revealed() == 0 && !word.isAccepted());
        assert(word.seatAt(place) == (seatIds >> (20 * uint256(place))) & 0xfffff);
        RoundWord next = word.withCommitted(place).withRevealed(place).withAccepted();
        assert(next.committed() == 1 << place && next.revealed() == 1 << place);
        assert(next.isAccepted() && next.number() == number && next.time() == deadline);
        assert(next.seatAt(place) == word.seatAt(place));
    }

    function check_roundWord_toRevealing(uint256 bits, uint40 deadline, uint8 place) external pure {
        if (bits & 0xf != uint256(Phase.Committing)) return;
        RoundWord word = RoundWord.wrap(bits);
        RoundWord next = word.toRevealing(deadline);
        assert(next.phase() == Phase.Revealing && next.time() == deadline);
        assert(next.number() == word.number() && next.committed() == word.committed());
        assert(next.revealed() == word.revealed() && next.seatAt(place) == word.seatAt(place));
    }

    function check_roundWord_kept(uint256 bits, uint16 places, uint8 place) external pure {
        if (place > 8) return;
        RoundWord word = RoundWord.wrap(bits);
        RoundWord next = word.keep(places, 2);
        bool isKept = (places >> place) & 1 == 1;
        assert(next.seatAt(place) == (isKept ? word.seatAt(place) : 0));
        assert(next.time() == 2 && next.phase() == word.phase());
    }

    function check_roundWord_final(uint8 number, bytes32 record) external pure {
        if (number > 7) return;
        RoundWord word = Rounds.finish(Phase.Accepted, number, record);
        assert(word.phase() == Phase.Accepted && word.number() == number);
        assert(word.hasRecord(record) && !word.isDelivered());
        RoundWord next = word.withDelivered();
        assert(next.isDelivered() && next.hasRecord(record));
        assert(next.phase() == Phase.Accepted && next.number() == number);
    }

    // ─── The others ──────────────────────────────────────────────────────────────────────────

    function check_accountWord_creditLeavesCounts(
        uint256 bits,
        uint96 added,
        uint96 taken
    ) external pure {
        AccountWord word = AccountWord.wrap(bits);
        if (added > type(uint96).max - word.credit()) return;
        AccountWord next = word.plus(added);
        assert(next.credit() == word.credit() + added);
        assert(AccountWord.unwrap(next) >> 96 == bits >> 96);
        if (taken > next.credit()) return;
        next = next.minus(taken);
        assert(next.credit() == word.credit() + added - taken);
        assert(AccountWord.unwrap(next) >> 96 == bits >> 96);
    }

    function check_rosterEntry_roundTrip(uint24 seatId, uint40 blockNumber) external pure {
        if (seatId >= 1 << 20) return;
        RosterEntry entry = RosterEntries.arrive(seatId, blockNumber);
        assert(entry.seatId() == seatId && entry.arrivedBlock() == blockNumber);
    }

    function check_rosterEntry_keysDiffer(
        uint8 tick,
        uint24 index,
        uint8 otherTick,
        uint24 otherIndex
    ) external pure {
        if (tick > 7 || otherTick > 7 || index >= 1 << 20 || otherIndex >= 1 << 20) return;
        bool isSame = tick == otherTick && index == otherIndex;
        uint256 key = RosterEntries.key(tick, index);
        assert((key == RosterEntries.key(otherTick, otherIndex)) == isSame);
    }

    function check_answer_holdsStatusAndCount(Outcome calldata outcome) external pure {
        Answer answer = outcome.toAnswer(outcome.hash());
        assert(answer.status() == outcome.status);
        assert(answer.tokenCount() == outcome.tokenCount);
        uint256 head = uint256(Answer.unwrap(answer)) >> 34;
        assert(head == uint256(keccak256(abi.encode(outcome))) >> 34);
    }

    function check_answer_ofNoOutcomeIsNotZero(Outcome calldata outcome) external pure {
        if (outcome.status == OutcomeStatus.Unset) return;
        assert(Answer.unwrap(outcome.toAnswer(outcome.hash())) != 0);
    }
}
