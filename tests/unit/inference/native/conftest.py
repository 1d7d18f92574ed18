from __future__ import annotations

from collections.abc import Iterator

import pytest

from inference.native import NativeModel
from inference.profiles import W8A16
from tests.support.models.random_models import random_shape, random_tensors


@pytest.fixture
def model() -> Iterator[NativeModel]:
    """A small model on two threads, with nothing fed."""
    shape = random_shape(W8A16)
    with NativeModel(shape, random_tensors(shape, 1), threads=2) as model:
        yield model
