from __future__ import annotations

import pytest
from eth_utils.crypto import keccak
from hypothesis import given
from hypothesis import strategies as st

from protocol.market.output_tree import output_proofs, output_root, root_of_proof

OUTPUTS = st.lists(st.binary(min_size=32, max_size=32), min_size=1, max_size=40)
A, B, C = (bytes([n]) * 32 for n in range(3))


@given(OUTPUTS, st.data())
def test_root_of_proof_any_position_gives_the_root(
    outputs: list[bytes], data: st.DataObject
) -> None:
    index = data.draw(st.integers(0, len(outputs) - 1))
    proof = output_proofs(outputs)[index]
    root = root_of_proof(outputs[index], index, len(outputs), proof)
    assert root == output_root(outputs)


@given(OUTPUTS, st.data())
def test_root_of_proof_anything_changed_gives_no_root(
    outputs: list[bytes], data: st.DataObject
) -> None:
    count = len(outputs)
    index = data.draw(st.integers(0, count - 1))
    proof = output_proofs(outputs)[index]
    root = output_root(outputs)
    output = outputs[index]
    assert root_of_proof(keccak(output), index, count, proof) != root
    assert root_of_proof(output, index, count + 1, proof) != root
    assert root_of_proof(output, index, count, [*proof, bytes(32)]) is None
    if proof:
        assert root_of_proof(output, index, count, proof[:-1]) != root
        assert root_of_proof(output, index ^ 1, count, proof) != root


def test_root_of_proof_outside_the_tree_is_none() -> None:
    assert root_of_proof(A, 1, 1, []) is None
    assert root_of_proof(A, -1, 1, []) is None


def test_output_root_a_doubled_last_output_has_another_root() -> None:
    assert output_root([A, B, C]) != output_root([A, B, C, C])


def test_output_root_no_outputs_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        output_root([])
