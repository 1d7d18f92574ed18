"""Everything that can go wrong in inference, as one tree.

    EngineError
    ├── RequestError            the request is at fault; the same for every worker
    │   ├── InvalidPrompt       no ids, or ids outside the vocabulary
    │   ├── InvalidLength       max_new_tokens is not a positive integer
    │   ├── ContextOverflow     prompt + max_new_tokens exceed the context
    │   ├── InvalidSampling     seed, temperature, top_k or top_p out of range
    │   └── InvalidStop         stop strings empty, too long or too many
    ├── ModelPackageError       the model folder is incomplete or malformed
    ├── ModelSourceError        a model source is neither a folder nor reachable
    ├── UnknownProfile          no engine for the named arithmetic profile
    ├── InvalidThreads          the number of threads is not usable
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


class RequestError(EngineError):
    """The request itself is at fault, whichever worker looks at it."""


class InvalidPrompt(RequestError):
    """The prompt has no ids, or ids the vocabulary does not have."""


class InvalidLength(RequestError):
    """The limit of new tokens is not a positive integer."""


class ContextOverflow(RequestError):
    """Prompt and limit together exceed the model's context; nothing is cut off."""


class InvalidSampling(RequestError):
    """A decoding parameter (seed, temperature, top-k, top-p) is out of range."""


class InvalidStop(RequestError):
    """A stop string is empty or too long, or there are too many."""


class ModelPackageError(EngineError):
    """A model folder is incomplete, malformed, too large or not a GPT-2."""


class ModelSourceError(EngineError):
    """A model source is neither a local folder nor a hub id that can be had."""


class UnknownProfile(EngineError):
    """No engine implements the named arithmetic profile."""


class InvalidThreads(EngineError):
    """The number of threads is not a positive integer."""


class NumericsError(EngineError):
    """The model's logits are not finite, so no token can be chosen."""

    REMEDY: ClassVar[str] = "use other weights: these overflow on this prompt"


def _shorten(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN_CHARS else text[: _SHOWN_CHARS - 1] + "…"
