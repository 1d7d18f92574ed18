"""Every way to run an integer model here, for tests that compare them."""

from collections.abc import Callable
from typing import Any

import pytest
from numpy.typing import NDArray

from inference.architectures.torch_model import TorchModel
from inference.errors import InvalidSetting, NativeUnavailable
from inference.models.integer_model import IntegerModel
from inference.models.layout import IntegerShape
from inference.native import NativeModel

BACKENDS = ("torch", "avx512", "avx2", "neon", "plain")
"""PyTorch, and the native library by instruction set."""


def load(
    backend: str,
    shape: IntegerShape,
    tensors: Callable[[str], NDArray[Any]],
    *,
    threads: int = 1,
) -> IntegerModel:
    """Loads a model; skips the test, saying why, where it cannot run.

    The threads of PyTorch are those of the process; the caller sets them.
    """
    if backend == "torch":
        return TorchModel(shape, tensors)
    try:
        model = NativeModel(shape, tensors, threads=threads, isa=backend)
    except NativeUnavailable as error:
        pytest.skip(str(error))
    except InvalidSetting as error:
        if error.field != "isa":
            raise
        pytest.skip(f"this CPU has no {backend}")
    assert model.isa == backend
    return model
