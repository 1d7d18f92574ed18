"""The numbers of the arithmetic spec in C, and those in Python, are the same."""

from __future__ import annotations

import re
from pathlib import Path

import inference.native
from inference import engine, profiles
from inference.models import layout
from inference.native import conversion, library
from tests.support.models.random_models import random_shape

SRC = Path(inference.native.__file__).parent / "src"


def numbers(file: str, kind: str = "") -> dict[str, int]:
    """The constants of a header's enumeration, by name."""
    text = (SRC / file).read_text()
    body = re.search(rf"enum {kind}\s*\{{(.*?)\}};", text, re.DOTALL)
    assert body is not None
    plain = re.sub(r"/\*.*?\*/", "", body[1], flags=re.DOTALL)
    entries = (entry.split("=") for entry in plain.split(","))
    # Whole numbers, shifts and differences: the same in both languages.
    return {name.strip(): int(eval(value)) for name, value in entries}


def tensors(layers: int) -> int:
    shape = random_shape(profiles.W8A16, layers=layers)
    return len(list(shape.tensors()))


def test_spec_header_states_the_numbers_of_python_and_no_others() -> None:
    each = tensors(2) - tensors(1)
    shape = random_shape(profiles.W8A16)
    (table,) = (t for t in shape.tensors() if t.name == "layers.0.activation")

    assert numbers("spec.h") == {
        "REST": layout.MAX_REST,
        "MAX_VOCAB": layout.MAX_VOCAB,
        "MAX_CONTEXT": layout.MAX_CONTEXT,
        "MAX_WIDTH": layout.MAX_WIDTH,
        "MAX_INNER": layout.MAX_INNER_WIDTH,
        "MAX_LAYERS": layout.MAX_LAYERS,
        "MAX_HEAD_WIDTH": layout.MAX_HEAD_WIDTH,
        "W8A16_BLOCK": profiles.W8A16.block,
        "W8A16_SHIFT": profiles.W8A16.block_shift,
        "W8B8_BLOCK": profiles.W8B8.block,
        "W8B8_SHIFT": profiles.W8B8.block_shift,
        "W12A16_BLOCK": profiles.W12A16.block,
        "W12A16_SHIFT": profiles.W12A16.block_shift,
        "NORM_FRACTION": layout.NORM_FRACTION,
        "WIDE_NORM": layout.WIDE_NORM,
        "MAX_EPSILON": layout.MAX_EPSILON,
        "KEY_LIMIT": layout.KEY_LIMIT,
        "VALUE_LIMIT": layout.VALUE_LIMIT,
        "HEAD_LIMIT": layout.MAX_HEAD_VALUE,
        "LOGIT_SHIFT": layout.LOGIT_SHIFT,
        "MILLION": engine.MILLION,
        "MAX_TEMPERATURE": engine.MAX_TEMPERATURE,
        "GLOBAL_TENSORS": tensors(1) - each,
        "LAYER_TENSORS": each,
        "TABLE_SIZE": table.nbytes // table.dtype.itemsize,
    }


def test_norm_fraction_of_the_widest_norms_cannot_saturate() -> None:
    for width in (layout.WIDE_NORM - 1, layout.MAX_WIDTH):
        assert width * 4 ** layout.norm_fraction(width) < layout.VALUE_LIMIT**2
    assert layout.WIDE_NORM * 4**layout.NORM_FRACTION > layout.VALUE_LIMIT**2


def test_statuses_in_python_are_those_of_the_header() -> None:
    statuses = numbers("assay.h", "assay_status")
    named = {
        name: value
        for name, value in vars(library).items()
        if name.isupper() and isinstance(value, int) and name != "INTERFACE"
    }
    assert len(named) > 10
    assert (
        named.items()
        <= {
            name.removeprefix("ASSAY_"): value for name, value in statuses.items()
        }.items()
    )


def test_interface_profiles_and_threads_in_python_are_those_of_the_headers() -> None:
    header = (SRC / "assay.h").read_text()
    found = re.search(r"struct assay_shape \{\s*int32_t (.*?);", header)
    assert found is not None
    assert [field[0] for field in library.Shape._fields_] == found[1].split(", ")
    assert f"#define ASSAY_INTERFACE {library.INTERFACE}\n" in header
    assert (
        f"#define POOL_MAX_THREADS {engine.MAX_THREADS}\n"
        in (SRC / "pool.h").read_text()
    )
    assert numbers("gemm.h", "profile") == {
        f"PROFILE_{name.removeprefix('int-').upper()}": number
        for name, number in conversion._PROFILES.items()
    }
