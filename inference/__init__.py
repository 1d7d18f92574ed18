"""Inference: the engine port, engines behind it, and model packages.

Importing this package loads neither torch nor transformers; loading an engine
does. It knows nothing of chains, jobs or documents.
"""

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
from inference.package import (
    BUNDLED_MODEL,
    FLOAT_DEV,
    ModelPackage,
    load_engine,
    read_package,
)
from inference.source import resolve_source
from inference.throughput import measure_tokens_per_second

__all__ = [
    "BUNDLED_MODEL",
    "FLOAT_DEV",
    "MAX_SEED",
    "MAX_STOP_BYTES",
    "MAX_STOP_STRINGS",
    "MAX_TEMPERATURE",
    "MAX_TOP_K",
    "MILLION",
    "ContextOverflow",
    "Engine",
    "EngineError",
    "FinishReason",
    "Generation",
    "GenerationRequest",
    "InvalidLength",
    "InvalidPrompt",
    "InvalidSampling",
    "InvalidStop",
    "InvalidThreads",
    "ModelLimits",
    "ModelPackage",
    "ModelPackageError",
    "ModelSourceError",
    "NumericsError",
    "RequestError",
    "UnknownProfile",
    "load_engine",
    "measure_tokens_per_second",
    "read_package",
    "resolve_source",
    "validate_request",
    "validate_requests",
]
