"""Inference: the engine port, engines behind it, model packages and their import.

Callers outside take what stands here, and beside it only `inference.errors`, the port
in `inference.engine` and `inference.importing.run`. Importing this package loads
neither torch nor transformers; the float engine, the PyTorch engine and import do. It
knows nothing of chains, jobs or documents.
"""

from inference.checkpoints.checkpoint import BUNDLED_CHECKPOINT, read_checkpoint
from inference.checkpoints.source import resolve_source
from inference.engine import (
    MILLION,
    Engine,
    FinishReason,
    Generation,
    GenerationRequest,
    ModelLimits,
    TokenLogprobs,
)
from inference.engines.batching import BatchingEngine
from inference.engines.integer_engine import IntegerEngine
from inference.engines.scheduler import CACHE_BLOCK
from inference.engines.throughput import measure_tokens_per_second
from inference.errors import EngineError, InvalidRequest
from inference.loading import Backend, load_engine, load_float_engine, load_model
from inference.packages.package import (
    BUNDLED_MODEL,
    IntegerPackage,
    package_files,
    read_package,
)
from inference.packages.vectors import check_vectors
from inference.profiles import PROFILES

__all__ = [
    "BUNDLED_CHECKPOINT",
    "BUNDLED_MODEL",
    "CACHE_BLOCK",
    "MILLION",
    "PROFILES",
    "Backend",
    "BatchingEngine",
    "Engine",
    "EngineError",
    "FinishReason",
    "Generation",
    "GenerationRequest",
    "IntegerEngine",
    "IntegerPackage",
    "InvalidRequest",
    "ModelLimits",
    "TokenLogprobs",
    "check_vectors",
    "load_engine",
    "load_float_engine",
    "load_model",
    "measure_tokens_per_second",
    "package_files",
    "read_checkpoint",
    "read_package",
    "resolve_source",
]
