"""Between the contracts' ABI and the values the rest of the code works with.

Arguments are checked by name before they are encoded, and what comes back is turned
into the twins of `protocol.market.types`: enums, structs and checksummed addresses. ABI
encoding itself is that of the Solidity ABI specification, as `eth_abi` implements it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from eth_abi.abi import decode, encode, is_encodable
from eth_abi.exceptions import DecodingError
from eth_utils.abi import (
    abi_to_signature,
    collapse_if_tuple,
    event_abi_to_log_topic,
    function_signature_to_4byte_selector,
)

from contracts import load_artifact
from protocol.errors import RequestError
from protocol.hexadecimal import checksum_address, to_hex
from protocol.market.calls import CommitEntry, PermitSignature, RevealEntry
from protocol.market.terms import MarketConfig
from protocol.market.types import (
    Account,
    JobParams,
    JobState,
    KeptRound,
    ModelSpec,
    Outcome,
    OutcomeStatus,
    Round,
    Seat,
    SlashReason,
    SplitRound,
)

__all__ = [
    "CONTRACTS",
    "TWINS",
    "Interface",
    "Parameter",
    "decode_parameters",
    "encode_parameters",
    "interface",
    "parameter_types",
]

CONTRACTS = ("Marketplace", "MarketplaceLens", "ModelRegistry", "TestDollar")

Parameter = Mapping[str, Any]
"""An input or output as the ABI's JSON describes it."""

# Solidity types that have a twin, by the name the ABI gives them.
TWINS: Mapping[str, Callable[[Any], Any]] = {
    "enum JobState": JobState,
    "enum OutcomeStatus": OutcomeStatus,
    "enum SlashReason": SlashReason,
    "struct Account": lambda values: Account(*values),
    "struct CommitEntry": lambda values: CommitEntry(*values),
    "struct FirstRound": lambda values: KeptRound(*values),
    "struct FirstRoundView": lambda values: SplitRound(*values),
    "struct JobParams": JobParams.from_abi,
    "struct MarketConfig": MarketConfig.from_abi,
    "struct ModelSpec": ModelSpec.from_abi,
    "struct Outcome": Outcome.from_abi,
    "struct PermitSignature": lambda values: PermitSignature(*values),
    "struct RevealEntry": lambda values: RevealEntry(*values),
    "struct RoundView": lambda values: Round(*values),
    "struct SeatView": lambda values: Seat(*values),
}

_FIXED_BYTES = re.compile(r"bytes([0-9]+)")


@dataclass(frozen=True, slots=True)
class Interface:
    """A contract's ABI, indexed.

    Attributes:
        name: The contract's name.
        functions: Functions by name; none of ours is overloaded.
        errors: Errors by their four-byte selector.
        events: Events by their first topic.
        constructor: Inputs of the constructor.
    """

    name: str
    functions: Mapping[str, Parameter]
    errors: Mapping[bytes, Parameter]
    events: Mapping[bytes, Parameter]
    constructor: Sequence[Parameter]

    def encode_call(self, function: str, *arguments: object) -> bytes:
        """Call data of a function.

        Raises:
            RequestError: An argument does not fit its type; the message names it.
        """
        definition = self.functions[function]
        return _selector(definition) + encode_parameters(
            function, definition["inputs"], arguments
        )

    def decode_result(self, function: str, data: bytes) -> Any:
        """What a function returned: one value, or a tuple of several.

        Raises:
            ValueError: The data is no such result.
        """
        values = decode_parameters(self.functions[function]["outputs"], data)
        return values[0] if len(values) == 1 else values


@cache
def interface(name: str) -> Interface:
    """The interface of one of `CONTRACTS`, read once."""
    entries: list[Any] = list(load_artifact(name).abi)
    constructors = [entry for entry in entries if entry["type"] == "constructor"]
    return Interface(
        name=name,
        functions={e["name"]: e for e in entries if e["type"] == "function"},
        errors={_selector(e): e for e in entries if e["type"] == "error"},
        events={event_abi_to_log_topic(e): e for e in entries if e["type"] == "event"},
        constructor=constructors[0]["inputs"] if constructors else (),
    )


def parameter_types(parameters: Sequence[Parameter]) -> list[str]:
    """ABI types of parameters, structs as tuples."""
    return [collapse_if_tuple(dict(parameter)) for parameter in parameters]


def encode_parameters(
    where: str, parameters: Sequence[Parameter], values: Sequence[object]
) -> bytes:
    """Check values by name and encode them.

    Args:
        where: What they belong to, for the message.
        parameters: The ABI's description.
        values: Plain values or twins with a `to_abi` method.

    Raises:
        RequestError: A value is missing, superfluous or does not fit its type.
    """
    if len(values) != len(parameters):
        raise RequestError(
            f"{where} takes {len(parameters)} arguments, got {len(values)}"
        )
    plain = [
        _checked(f"{where}: {parameter['name']}", parameter, value)
        for parameter, value in zip(parameters, values, strict=True)
    ]
    return encode(parameter_types(parameters), plain)


def decode_parameters(parameters: Sequence[Parameter], data: bytes) -> tuple[Any, ...]:
    """Decode values and turn them into twins.

    Raises:
        ValueError: The data does not hold such values.
    """
    try:
        raw = decode(parameter_types(parameters), data)
    except (DecodingError, OverflowError, TypeError) as error:
        raise ValueError(f"not ABI data: {error}") from error
    return _to_twins(parameters, raw)


def _selector(definition: Parameter) -> bytes:
    return function_signature_to_4byte_selector(abi_to_signature(dict(definition)))  # type: ignore[arg-type]


def _checked(path: str, parameter: Parameter, value: object) -> object:
    """The value as eth_abi takes it; raises RequestError with its path."""
    if hasattr(value, "to_abi"):
        value = value.to_abi()
    kind = str(parameter["type"])
    if kind.endswith("[]"):
        element = {**parameter, "type": kind.removesuffix("[]")}
        items = _sequence(path, value)
        return [_checked(f"{path}[{i}]", element, x) for i, x in enumerate(items)]
    if kind == "tuple":
        members = parameter["components"]
        items = _sequence(path, value)
        if len(items) != len(members):
            raise RequestError(f"{path} has {len(items)} fields, not {len(members)}")
        return tuple(
            _checked(f"{path}.{member['name']}", member, item)
            for member, item in zip(members, items, strict=True)
        )
    if not _fits(kind, value):
        raise RequestError(f"{path} is {_quote(value)}, which is no {kind}")
    return value


def _sequence(path: str, value: object) -> Sequence[object]:
    if not isinstance(value, list | tuple):
        raise RequestError(f"{path} is {_quote(value)}, not a list of values")
    return value


def _fits(kind: str, value: object) -> bool:
    fixed = _FIXED_BYTES.fullmatch(kind)
    if fixed is not None:
        # eth_abi would pad shorter values.
        return isinstance(value, bytes) and len(value) == int(fixed[1])
    return is_encodable(kind, value)


def _quote(value: object) -> str:
    text = to_hex(value) if isinstance(value, bytes) else repr(value)
    return text if len(text) <= 80 else f"{text[:80]}…"


def _to_twins(
    parameters: Sequence[Parameter], values: Sequence[Any]
) -> tuple[Any, ...]:
    pairs = zip(parameters, values, strict=True)
    return tuple(_to_twin(parameter, value) for parameter, value in pairs)


def _to_twin(parameter: Parameter, value: Any) -> Any:
    kind = parameter["type"]
    if kind.endswith("[]"):
        # `internalType` carries the brackets too: "struct Outcome[]".
        inner = str(parameter.get("internalType", "")).removesuffix("[]")
        element = {**parameter, "type": kind.removesuffix("[]"), "internalType": inner}
        return tuple(_to_twin(element, item) for item in value)
    if kind == "tuple":
        value = _to_twins(parameter["components"], value)
    elif kind == "address":
        value = checksum_address(value)
    twin = TWINS.get(str(parameter.get("internalType", "")))
    return value if twin is None else twin(value)
