"""The tree over a job's outputs: every path leads to the root, and no other does."""

from __future__ import annotations

from hypothesis import assume, given
from hypothesis import strategies as st

from protocol.market.output_tree import output_proofs, output_root, root_of_proof

WORDS = st.binary(min_size=32, max_size=32)
# Equal outputs are allowed: a leaf holds its index.
OUTPUTS = st.lists(WORDS | st.just(bytes(32)), min_size=1, max_size=40)


@given(OUTPUTS)
def test_output_proofs_every_path_verifies(outputs: list[bytes]) -> None:
    root = output_root(outputs)
    for index, proof in enumerate(output_proofs(outputs)):
        assert root_of_proof(outputs[index], index, len(outputs), proof) == root


@given(OUTPUTS, st.data())
def test_root_of_proof_every_mutation_fails(
    outputs: list[bytes], data: st.DataObject
) -> None:
    count = len(outputs)
    root = output_root(outputs)
    index = data.draw(st.integers(0, count - 1))
    output, proof = outputs[index], output_proofs(outputs)[index]

    assert root_of_proof(_flipped(output, data), index, count, proof) != root
    for other in {*range(count)} - {index}:
        assert root_of_proof(output, other, count, proof) != root
    for other in range(1, 2 * count + 2):
        if other != count:
            assert root_of_proof(output, index, other, proof) != root
    for at in range(len(proof)):
        changed = [*proof[:at], _flipped(proof[at], data), *proof[at + 1 :]]
        assert root_of_proof(output, index, count, changed) != root
        left_out = proof[:at] + proof[at + 1 :]
        assert root_of_proof(output, index, count, left_out) is None
    for at in range(len(proof) + 1):
        longer = [*proof[:at], data.draw(WORDS), *proof[at:]]
        assert root_of_proof(output, index, count, longer) is None


@given(OUTPUTS, st.data())
def test_root_of_proof_an_inner_node_is_no_output(
    outputs: list[bytes], data: st.DataObject
) -> None:
    """A shorter path from higher up in the tree proves nothing."""
    index = data.draw(st.integers(0, len(outputs) - 1))
    proof = output_proofs(outputs)[index]
    assume(proof)
    root = output_root(outputs)
    for count in range(1, len(outputs) + 1):
        for node in proof:
            for place in range(count):
                assert root_of_proof(node, place, count, proof[1:]) != root


@given(OUTPUTS, OUTPUTS)
def test_output_root_is_equal_only_for_equal_lists(
    one: list[bytes], other: list[bytes]
) -> None:
    assert (output_root(one) == output_root(other)) == (one == other)


@given(OUTPUTS, st.data())
def test_output_root_any_change_of_the_list_changes_it(
    outputs: list[bytes], data: st.DataObject
) -> None:
    root = output_root(outputs)
    at = data.draw(st.integers(0, len(outputs) - 1))
    changed = [*outputs[:at], _flipped(outputs[at], data), *outputs[at + 1 :]]
    assert output_root(changed) != root
    assert output_root([*outputs, outputs[-1]]) != root
    if len(outputs) > 1:
        assert output_root(outputs[:-1]) != root
    swapped = [*outputs]
    swapped[0], swapped[-1] = swapped[-1], swapped[0]
    assert (output_root(swapped) == root) == (swapped == outputs)


def _flipped(word: bytes, data: st.DataObject) -> bytes:
    at, bit = data.draw(st.integers(0, 31)), data.draw(st.integers(0, 7))
    changed = bytearray(word)
    changed[at] ^= 1 << bit
    return bytes(changed)
