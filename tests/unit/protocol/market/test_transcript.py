from __future__ import annotations

from eth_utils.crypto import keccak

from protocol.hexadecimal import from_hex
from protocol.market.transcript import Phase, TranscriptMember, round_word, transcript
from protocol.market.types import ZERO_ADDRESS
from tests.support.market.values import an_address

ANSWER, COMMITMENT = b"\xaa" * 32, b"\xcc" * 32
MEMBERS = (
    TranscriptMember(
        seat_id=1, worker=an_address("a"), commitment=COMMITMENT, answer=ANSWER
    ),
    TranscriptMember(
        seat_id=0xFFFFF, worker=an_address("b"), commitment=COMMITMENT, answer=None
    ),
    TranscriptMember(seat_id=0, worker=ZERO_ADDRESS, commitment=None, answer=None),
)


def test_round_word_packs_as_the_contract_does() -> None:
    word = round_word(
        MEMBERS,
        round_number=2,
        phase=Phase.REVEALING,
        deadline=0x1234,
        is_accepted=True,
    )
    assert word & 0xF == 3
    assert (word >> 4) & 0xF == 2
    assert (word >> 8) & (2**40 - 1) == 0x1234
    assert (word >> 48) & (2**60 - 1) == 0xFFFFF << 20 | 1
    assert (word >> 228) & 0x1FF == 0b011
    assert (word >> 237) & 0x1FF == 0b001
    assert word >> 246 == 1


def test_transcript_is_the_hash_of_all_that_a_round_did() -> None:
    word = round_word(
        MEMBERS,
        round_number=1,
        phase=Phase.COMMITTING,
        deadline=9,
        is_accepted=False,
    )
    earlier = keccak(text="the round before")

    def number(value: int) -> bytes:
        return value.to_bytes(32)

    workers = b"".join(bytes(12) + from_hex(m.worker) for m in MEMBERS)
    head = earlier + number(word) + number(128) + number(128 + 4 * 32)
    answers = number(3) + ANSWER + COMMITMENT + bytes(32)
    expected = keccak(head + number(3) + workers + answers)
    assert transcript(word, MEMBERS, earlier) == expected
