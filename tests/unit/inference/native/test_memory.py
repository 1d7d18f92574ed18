"""Memory: tensors are held once, caches are given back within what was once in use."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from inference.models.integer_model import Choice, Piece
from inference.native import NativeModel
from inference.profiles import W8A16
from tests.support.models.random_models import random_shape, random_tensors

GREEDY = Choice(0, 0, 1, 0)

needs_proc = pytest.mark.skipif(
    not Path("/proc/self/status").is_file(), reason="reads memory in /proc"
)

LOADING = """
import numpy as np
from pathlib import Path
from inference.native import NativeModel
from inference.profiles import W8A16
from tests.support.models.random_models import random_shape

def peak():
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024

shape = random_shape(W8A16, vocab_size=65_536, width=512, inner_width=512, heads=8)
layouts = {layout.name: layout for layout in shape.tensors()}
before = peak()
model = NativeModel(
    shape, lambda name: np.ones(layouts[name].shape, layouts[name].dtype)
)
print(peak() - before, model.weight_bytes)
"""


@needs_proc
def test_create_large_tensors_are_held_once() -> None:
    done = subprocess.run(
        [sys.executable, "-c", LOADING], check=True, capture_output=True, text=True
    )

    grown, weights = map(int, done.stdout.split())
    assert weights > 90 << 20
    # All at once would be twice the weights; one at a time, the largest is half.
    assert grown < 1.5 * weights


def resident_bytes() -> int:
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) * 1024


@needs_proc
def test_open_sequence_again_and_again_takes_no_more_memory() -> None:
    """Sequences of all lengths, each filled, never more than two at a time."""
    shape = random_shape(W8A16, context_length=1_024, width=512, heads=8, layers=4)
    with NativeModel(shape, random_tensors(shape, 1)) as model:
        largest = 2 * 1_024 * model.bytes_per_token()
        assert largest >= 16 << 20
        ids = tuple(range(256)) * 4
        both = [model.open_sequence(1_024) for _ in range(2)]
        for sequence in both:
            model.step([Piece(sequence, 0, ids)], [GREEDY])
        for sequence in both:
            model.close_sequence(sequence)
        before = resident_bytes()

        for capacity in (1, 900, 40, 1_024, 300, 700, 2):
            both = [model.open_sequence(capacity) for _ in range(2)]
            for sequence in both:
                model.step([Piece(sequence, 0, ids[:capacity])], [GREEDY])
            for sequence in both:
                model.close_sequence(sequence)

        assert resident_bytes() - before < largest / 4


def test_step_in_a_kept_cache_equals_a_fresh_one() -> None:
    """What an earlier sequence left in the cache must not show."""
    shape = random_shape(W8A16)
    with NativeModel(shape, random_tensors(shape, 1)) as model:
        first = model.open_sequence(20)
        model.step([Piece(first, 0, (7, 8, 9))], [GREEDY])
        expected = model.logits(0).tolist()
        model.step([Piece(first, 3, tuple(range(17)))], [None])
        model.close_sequence(first)

        second = model.open_sequence(20)
        model.step([Piece(second, 0, (7, 8, 9))], [GREEDY])

        assert model.logits(0).tolist() == expected
