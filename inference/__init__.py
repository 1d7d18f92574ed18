"""Inference: the engine port, engines behind it, and model packages.

Importing this package loads neither torch nor transformers; loading an engine
does. It knows nothing of chains, jobs or documents.
"""

from inference.checkpoint import BUNDLED_CHECKPOINT, Checkpoint, read_checkpoint
from inference.engine import (
    MAX_SEED,
    MAX_STOP_BYTES,
    MAX_STOP_STRINGS,
    MAX_TEMPERATURE,
    MAX_TOP_K,
    MILLION,
    Engine,
    FinishReason,
    Generation,
    GenerationRequest,
    ModelLimits,
    validate_request,
    validate_requests,
)
from inference.errors import (
    ContextOverflow,
    EngineError,
    InvalidLength,
    InvalidPrompt,
    InvalidSampling,
    InvalidStop,
    InvalidThreads,
    ModelPackageError,
    ModelSourceError,
    NumericsError,
    RequestError,
    UnknownProfile,
)
from inference.loading import load_engine, load_float_engine
from inference.package import BUNDLED_MODEL, IntegerPackage, read_package
from inference.profiles import FLOAT_DEV, PROFILES
from inference.source import resolve_source
from inference.throughput import measure_tokens_per_second

__all__ = [
    "BUNDLED_CHECKPOINT",
    "BUNDLED_MODEL",
    "FLOAT_DEV",
    "MAX_SEED",
    "MAX_STOP_BYTES",
    "MAX_STOP_STRINGS",
    "MAX_TEMPERATURE",
    "MAX_TOP_K",
    "MILLION",
    "PROFILES",
    "Checkpoint",
    "ContextOverflow",
    "Engine",
    "EngineError",
    "FinishReason",
    "Generation",
    "GenerationRequest",
    "IntegerPackage",
    "InvalidLength",
    "InvalidPrompt",
    "InvalidSampling",
    "InvalidStop",
    "InvalidThreads",
    "ModelLimits",
    "ModelPackageError",
    "ModelSourceError",
    "NumericsError",
    "RequestError",
    "UnknownProfile",
    "load_engine",
    "load_float_engine",
    "measure_tokens_per_second",
    "read_checkpoint",
    "read_package",
    "resolve_source",
    "validate_request",
    "validate_requests",
]
