"""Inference: the engine port, engines behind it, model packages and their import.

Importing this package loads neither torch nor transformers; the float engine, the
PyTorch engine and import do. It knows nothing of chains, jobs or documents.
"""

from inference.checkpoints.checkpoint import (
    BUNDLED_CHECKPOINT,
    Checkpoint,
    read_checkpoint,
)
from inference.checkpoints.source import resolve_source
from inference.engine import (
    MAX_LOGPROBS,
    MAX_SEED,
    MAX_STOP_BYTES,
    MAX_STOP_IDS,
    MAX_STOP_STRINGS,
    MAX_TEMPERATURE,
    MAX_TOP_K,
    MILLION,
    Engine,
    FinishReason,
    Generation,
    GenerationRequest,
    ModelLimits,
    TokenLogprobs,
    validate_request,
    validate_requests,
)
from inference.engines.throughput import measure_tokens_per_second
from inference.errors import (
    CacheOverflow,
    ContextOverflow,
    EngineError,
    InvalidLength,
    InvalidLogprobs,
    InvalidPrompt,
    InvalidRequest,
    InvalidSampling,
    InvalidSetting,
    InvalidStop,
    InvalidThreads,
    ModelPackageError,
    ModelSourceError,
    NativeUnavailable,
    NumericsError,
    SequenceError,
    UnknownProfile,
    VectorMismatch,
)
from inference.loading import (
    load_engine,
    load_float_engine,
)
from inference.packages.package import BUNDLED_MODEL, IntegerPackage, read_package
from inference.packages.vectors import check_vectors
from inference.profiles import (
    FLOAT_DEV,
    PROFILES,
)

__all__ = [
    "BUNDLED_CHECKPOINT",
    "BUNDLED_MODEL",
    "FLOAT_DEV",
    "MAX_LOGPROBS",
    "MAX_SEED",
    "MAX_STOP_BYTES",
    "MAX_STOP_IDS",
    "MAX_STOP_STRINGS",
    "MAX_TEMPERATURE",
    "MAX_TOP_K",
    "MILLION",
    "PROFILES",
    "CacheOverflow",
    "Checkpoint",
    "ContextOverflow",
    "Engine",
    "EngineError",
    "FinishReason",
    "Generation",
    "GenerationRequest",
    "IntegerPackage",
    "InvalidLength",
    "InvalidLogprobs",
    "InvalidPrompt",
    "InvalidRequest",
    "InvalidSampling",
    "InvalidSetting",
    "InvalidStop",
    "InvalidThreads",
    "ModelLimits",
    "ModelPackageError",
    "ModelSourceError",
    "NativeUnavailable",
    "NumericsError",
    "SequenceError",
    "TokenLogprobs",
    "UnknownProfile",
    "VectorMismatch",
    "check_vectors",
    "load_engine",
    "load_float_engine",
    "measure_tokens_per_second",
    "read_checkpoint",
    "read_package",
    "resolve_source",
    "validate_request",
    "validate_requests",
]
