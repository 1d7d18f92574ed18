"""Everything that can go wrong in inference, as one tree.

    EngineError
    ├── InvalidRequest          the request is at fault; the same for every worker
    │   ├── InvalidPrompt       no ids, or ids outside the vocabulary
    │   ├── InvalidLength       max_new_tokens is not a positive integer
    │   ├── ContextOverflow     prompt + max_new_tokens exceed the context
    │   ├── InvalidSampling     seed, temperature, top_k or top_p out of range
    │   ├── InvalidStop         stop strings or ids malformed or too many
    │   └── InvalidLogprobs     more log-probabilities asked for than are given
    ├── ModelPackageError       the model folder is incomplete or malformed
    ├── VectorMismatch          an engine computes something else than a package says
    ├── ModelSourceError        a model source is neither a folder nor reachable
    ├── UnknownProfile          no engine for the named arithmetic profile
    ├── InvalidThreads          the number of threads is not usable
    ├── InvalidSetting          another setting of an engine is not usable
    ├── CacheOverflow           one request needs more memory than an engine may use
    ├── NativeUnavailable       the native library is not built or does not load
    ├── SequenceError           a step does not continue a sequence of the model
    └── NumericsError           the model produced logits that are not finite

Every message names the field, its value, what is wrong and the way out.
"""

from typing import ClassVar

_SHOWN_CHARS = 80


class EngineError(Exception):
    """Root of all errors of this package.

    Attributes:
        field: The field at fault, e.g. `requests[2].top_p`.
        value: The offending value, as it was given.
        problem: What is wrong with it.
        remedy: What to do about it.
    """

    def __init__(self, field: str, value: object, problem: str, remedy: str) -> None:
        """Keeps the parts; the message is `field=value: problem; remedy`."""
        super().__init__(field, value, problem, remedy)
        self.field = field
        self.value = value
        self.problem = problem
        self.remedy = remedy

    def __str__(self) -> str:
        """The message, with a long value shortened."""
        return f"{self.field}={_shorten(self.value)}: {self.problem}; {self.remedy}"


class InvalidRequest(EngineError):
    """The request itself is at fault, whichever worker looks at it."""


class InvalidPrompt(InvalidRequest):
    """The prompt has no ids, or ids the vocabulary does not have."""


class InvalidLength(InvalidRequest):
    """The limit of new tokens is not a positive integer."""


class ContextOverflow(InvalidRequest):
    """Prompt and limit together exceed the model's context; nothing is cut off."""


class InvalidSampling(InvalidRequest):
    """A decoding parameter (seed, temperature, top-k, top-p) is out of range."""


class InvalidStop(InvalidRequest):
    """A stop string or stop id is malformed, or there are too many."""


class InvalidLogprobs(InvalidRequest):
    """More log-probabilities per token are asked for than an engine gives."""


class ModelPackageError(EngineError):
    """A model folder is incomplete, malformed, too large or of no known family."""


class VectorMismatch(EngineError):
    """An engine computes something else than a package's test vectors say."""


class ModelSourceError(EngineError):
    """A model source is neither a local folder nor a hub id that can be had."""


class UnknownProfile(EngineError):
    """No engine implements the named arithmetic profile."""


class InvalidThreads(EngineError):
    """The number of threads is not a positive integer."""


class InvalidSetting(EngineError):
    """A setting of an engine (backend, device, memory, rows) is not usable."""


class CacheOverflow(EngineError):
    """One request alone needs more cache memory than the engine may use."""


class NativeUnavailable(EngineError):
    """The native library is not built, or does not load on this machine."""


class SequenceError(EngineError):
    """A model's caller named no open sequence, or fed one out of order."""


class NumericsError(EngineError):
    """The model's logits are not finite, so no token can be chosen."""

    REMEDY: ClassVar[str] = "use other weights: these overflow on this prompt"


def _shorten(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN_CHARS else text[: _SHOWN_CHARS - 1] + "…"
