"""Loading an integer package into an engine: the native library, or PyTorch."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from inference.checkpoints.checkpoint import read_checkpoint
from inference.engine import Engine, check_threads
from inference.engines.integer_engine import (
    DEFAULT_CACHE_BYTES,
    DEFAULT_PREFILL_ROWS,
    IntegerEngine,
)
from inference.engines.progress import check_vocabulary
from inference.errors import InvalidSetting, NativeUnavailable
from inference.models.integer_model import IntegerModel
from inference.packages.package import IntegerPackage, read_package

Backend = Literal["auto", "native", "torch"]

logger = logging.getLogger(__name__)


def load_engine(
    folder: Path,
    *,
    vocabulary: Sequence[bytes],
    threads: int = 1,
    backend: Backend = "auto",
    isa: str = "auto",
    cache_bytes: int = DEFAULT_CACHE_BYTES,
    prefill_rows: int = DEFAULT_PREFILL_ROWS,
) -> Engine:
    """Loads a package; its answers are the same whatever the settings.

    Args:
        folder: An integer package.
        vocabulary: The byte string of every token id, for matching stop strings.
        threads: CPU threads.
        backend: `native` is the fast one; `torch` runs wherever PyTorch does; `auto`
            takes the first that can be used.
        isa: Instruction set of the native library, `auto` for the best there is.
        cache_bytes: Most memory of all sequences together.
        prefill_rows: Most rows of one step.

    Raises:
        ModelPackageError: The package is unusable.
        InvalidThreads: `threads` is not a positive integer.
        InvalidSetting: Another setting is unusable, or the vocabulary is not the
            model's.
        NativeUnavailable: The native library was asked for and cannot be used.
    """
    package = read_package(folder)
    model = load_model(package, threads=threads, backend=backend, isa=isa)
    return IntegerEngine(
        model, vocabulary, cache_bytes=cache_bytes, prefill_rows=prefill_rows
    )


def load_model(
    package: IntegerPackage, *, threads: int = 1, backend: Backend, isa: str = "auto"
) -> IntegerModel:
    """Loads the tensors of a checked package; arguments as for `load_engine`."""
    check_threads(threads)
    if backend not in ("auto", "native", "torch"):
        raise InvalidSetting(
            "backend", backend, "unknown", "use 'auto', 'native' or 'torch'"
        )
    if backend != "torch":
        # Imported here and below, so that neither needs what only the other does.
        from inference.native import NativeModel

        try:
            return NativeModel(
                package.shape, package.load_tensor, threads=threads, isa=isa
            )
        except NativeUnavailable as error:
            if backend == "native":
                raise
            logger.warning("using PyTorch, which is slower: %s", error)
    import torch

    from inference.architectures.torch_model import TorchModel

    torch.set_num_threads(threads)
    return TorchModel(package.shape, package.load_tensor)


def load_float_engine(
    folder: Path, *, vocabulary: Sequence[bytes], threads: int = 1
) -> Engine:
    """Loads a Hugging Face folder in float32, to measure fidelity and speed against.

    Args:
        folder: A checkpoint.
        vocabulary: The byte string of every token id, for matching stop strings.
        threads: CPU threads for the whole process. Float results may differ
            between thread counts.

    Raises:
        InvalidThreads: `threads` is not a positive integer.
        ModelPackageError: The checkpoint is unusable.
        InvalidSetting: The vocabulary is not the model's.
    """
    check_threads(threads)
    checkpoint = read_checkpoint(folder)
    check_vocabulary(vocabulary, checkpoint.shape.vocab_size)
    # Here and not above: this is what brings in torch and transformers.
    from inference.engines.float_engine import FloatEngine

    return FloatEngine.load(checkpoint, vocabulary, threads)
