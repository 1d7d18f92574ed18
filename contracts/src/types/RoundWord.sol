// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Hashes} from "@openzeppelin/contracts/utils/cryptography/Hashes.sol";
import {Answer} from "./Outcome.sol";

/// @notice A job's current round in one storage word.
/// ```text
/// every phase   bits   0..3  phase          bits 4..6    round number
/// Armed         bits   8..47 expiry block   bits 48..87  seed block
///               bits  88..247 eight roster lengths of 20 bits, tick 0 lowest
/// drawn         bits   8..47 deadline, seconds
///               bits  48..227 nine seat ids of 20 bits, place 0 lowest
///               bits 228..236 committed      bits 237..245 revealed    bit 246 accepted
/// kept          bits   8..47 bounties paid
///               bits  48..227 nine seat ids, only of places that wait for the job's end
/// final         bit    7 delivered          bits 8..255 record: top 248 bits of a hash
/// ```
type RoundWord is uint256;

/// @notice What a split leaves of a first round until the job ends.
/// @param kept Members that revealed Ok or InputInvalid.
/// @param transcript `keccak256(abi.encode(bytes32(0), roundWord, workers, answers))`.
/// @param expelled Owners of the members whose seats were closed.
struct FirstRound {
    RoundWord kept;
    bytes32 transcript;
    address[] expelled;
}

/// @notice What is stored; `JobState` follows from it and the clock.
enum Phase {
    None,
    Armed,
    Committing,
    Revealing,
    Accepted,
    Failed,
    Cancelled
}

using Rounds for RoundWord global;

/// @notice Reading and writing of a packed round.
library Rounds {
    uint256 internal constant MAX_PLACES = 9;
    uint256 private constant SEAT_BITS = 20;
    uint256 private constant SEAT_MASK = (1 << SEAT_BITS) - 1;
    uint256 private constant SEATS_MASK = (1 << (SEAT_BITS * MAX_PLACES)) - 1;
    uint256 private constant PLACES_MASK = (1 << MAX_PLACES) - 1;
    uint256 private constant TIME_AT = 8;
    uint256 private constant SEED_BLOCK_AT = 48;
    uint256 private constant LENGTHS_AT = 88;
    uint256 private constant SEATS_AT = 48;
    uint256 private constant COMMITTED_AT = 228;
    uint256 private constant REVEALED_AT = 237;
    uint256 private constant ACCEPTED = 1 << 246;
    uint256 private constant DELIVERED = 1 << 7;

    function arm(
        uint256 round,
        uint256 expiry,
        uint256 seed,
        uint256 listLengths
    ) internal pure returns (RoundWord) {
        return
            RoundWord.wrap(
                uint256(Phase.Armed) |
                    (round << 4) |
                    (expiry << TIME_AT) |
                    (seed << SEED_BLOCK_AT) |
                    (listLengths << LENGTHS_AT)
            );
    }

    /// @param seatIds Nine seat ids of 20 bits, place 0 lowest.
    function open(
        uint256 round,
        uint256 commitDeadline,
        uint256 seatIds
    ) internal pure returns (RoundWord) {
        return
            RoundWord.wrap(
                uint256(Phase.Committing) |
                    (round << 4) |
                    (commitDeadline << TIME_AT) |
                    (seatIds << SEATS_AT)
            );
    }

    function finish(
        Phase last,
        uint256 round,
        bytes32 recordHash
    ) internal pure returns (RoundWord) {
        return RoundWord.wrap(uint256(last) | (round << 4) | ((uint256(recordHash) >> 8) << 8));
    }

    function phase(RoundWord word) internal pure returns (Phase) {
        return Phase(RoundWord.unwrap(word) & 0xf);
    }

    function number(RoundWord word) internal pure returns (uint256) {
        return (RoundWord.unwrap(word) >> 4) & 7;
    }

    /// @notice Expiry block while armed, deadline in seconds once drawn, bounties paid if kept.
    function time(RoundWord word) internal pure returns (uint256) {
        return uint40(RoundWord.unwrap(word) >> TIME_AT);
    }

    function seedBlock(RoundWord word) internal pure returns (uint256) {
        return uint40(RoundWord.unwrap(word) >> SEED_BLOCK_AT);
    }

    function lengths(RoundWord word) internal pure returns (uint256) {
        return uint160(RoundWord.unwrap(word) >> LENGTHS_AT);
    }

    /// @notice Seat of a place; zero when the place is vacant or outside the committee.
    function seatAt(RoundWord word, uint256 place) internal pure returns (uint256) {
        if (place >= MAX_PLACES) return 0;
        // Cannot overflow: place is below nine, as just checked. 150 gas less, often.
        unchecked {
            return (RoundWord.unwrap(word) >> (SEATS_AT + SEAT_BITS * place)) & SEAT_MASK;
        }
    }

    function committed(RoundWord word) internal pure returns (uint256) {
        return (RoundWord.unwrap(word) >> COMMITTED_AT) & PLACES_MASK;
    }

    function revealed(RoundWord word) internal pure returns (uint256) {
        return (RoundWord.unwrap(word) >> REVEALED_AT) & PLACES_MASK;
    }

    /// @notice Whether the reveals so far hold a quorum that will stand.
    function isAccepted(RoundWord word) internal pure returns (bool) {
        return RoundWord.unwrap(word) & ACCEPTED != 0;
    }

    function isDelivered(RoundWord word) internal pure returns (bool) {
        return RoundWord.unwrap(word) & DELIVERED != 0;
    }

    /// @notice What a job ends with: `keccak256(abi.encode(accepted, transcript))`.
    /// @param accepted `NO_ANSWER` if Failed.
    function recordOf(Answer accepted, bytes32 transcript) internal pure returns (bytes32) {
        return Hashes.efficientKeccak256(Answer.unwrap(accepted), transcript);
    }

    /// @notice Whether a final word holds this record.
    function hasRecord(RoundWord word, bytes32 recordHash) internal pure returns (bool) {
        return RoundWord.unwrap(word) >> 8 == uint256(recordHash) >> 8;
    }

    function record(RoundWord word) internal pure returns (bytes32) {
        return bytes32((RoundWord.unwrap(word) >> 8) << 8);
    }

    function withCommitted(RoundWord word, uint256 place) internal pure returns (RoundWord) {
        return RoundWord.wrap(RoundWord.unwrap(word) | (1 << (COMMITTED_AT + place)));
    }

    function withRevealed(RoundWord word, uint256 place) internal pure returns (RoundWord) {
        return RoundWord.wrap(RoundWord.unwrap(word) | (1 << (REVEALED_AT + place)));
    }

    function withAccepted(RoundWord word) internal pure returns (RoundWord) {
        return RoundWord.wrap(RoundWord.unwrap(word) | ACCEPTED);
    }

    function withDelivered(RoundWord word) internal pure returns (RoundWord) {
        return RoundWord.wrap(RoundWord.unwrap(word) | DELIVERED);
    }

    /// @notice The form in which a split round waits: `places` keep their seats.
    function keep(
        RoundWord word,
        uint256 places,
        uint256 bountiesPaid
    ) internal pure returns (RoundWord) {
        uint256 seats = 0;
        for (uint256 place = 0; place < MAX_PLACES; ++place) {
            if ((places >> place) & 1 == 1) seats |= seatAt(word, place) << (SEAT_BITS * place);
        }
        uint256 head = (RoundWord.unwrap(word) & 0xff) | (bountiesPaid << TIME_AT);
        return RoundWord.wrap(head | (seats << SEATS_AT));
    }

    /// @notice Opens the reveal phase with its own deadline.
    function toRevealing(RoundWord word, uint256 revealDeadline) internal pure returns (RoundWord) {
        uint256 kept = (RoundWord.unwrap(word) >> SEATS_AT) << SEATS_AT;
        return
            RoundWord.wrap(
                kept | uint256(Phase.Revealing) | (number(word) << 4) | (revealDeadline << TIME_AT)
            );
    }

    /// @notice Bit i is set when place i has a seat.
    function filled(RoundWord word) internal pure returns (uint256 mask) {
        uint256 left = (RoundWord.unwrap(word) >> SEATS_AT) & SEATS_MASK;
        for (uint256 bit = 1; left != 0; bit <<= 1) {
            if (left & SEAT_MASK != 0) mask |= bit;
            left >>= SEAT_BITS;
        }
    }
}
