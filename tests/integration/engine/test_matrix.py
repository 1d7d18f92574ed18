"""One hash whatever computes it: the whole claim of the engine in one table.

A cell answers the same requests, greedy and sampled, and hashes the answers together
with the logits that every token was chosen from. Cells differ in backend, instruction
set, threads, in whether requests run alone or in one batch with others of other
lengths, in the rows fed per step and in whether there is a cache. Run with `-s` to see
the table.
"""

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from itertools import product
from typing import Any

import pytest
import torch
from numpy.typing import NDArray

from inference.architectures.torch_table import quantise
from inference.checkpoints.checkpoint import BUNDLED_CHECKPOINT, read_checkpoint
from inference.checkpoints.weights import read_float_model
from inference.engine import MILLION, GenerationRequest
from inference.importing.texts import read_text
from inference.models.integer_model import IntegerModel
from inference.models.layout import IntegerShape
from inference.packages.package import BUNDLED_MODEL, read_package
from inference.profiles import PROFILES, Profile
from inference.quantising.calibration import calibrate
from tests.support.machines.recording import batched_hash, recomputed_hash
from tests.support.models.random_models import gpt2_shape, random_shape, random_tensors
from tests.support.reference.backends import BACKENDS, load

Model = tuple[IntegerShape, Callable[[str], NDArray[Any]]]

LARGE_SEED = 124

EXPECTED = {
    ("random", "int-w8a16"): (
        "012bb9754714c9c90603f5bc3ac2ab6da0214deeaea94211897c412d9eab3591"
    ),
    ("random", "int-w8b8"): (
        "71e9f4d94802add11bbd57a4e5a0ee96e2a42902f26604efa8df3abe55eb6834"
    ),
    ("random", "int-w12a16"): (
        "87a44170e2f1279c083db6d613b7cbd5511da963629942a29b8b34591adbe75e"
    ),
    ("124M", "int-w8a16"): (
        "34a8c06695091284daa89f0096a19d068896acd9e6304a63ab2bbcb890eaf1c9"
    ),
    ("124M", "int-w8b8"): (
        "22c5b1b28c19b5e3ae3d123637c2171eb4d7880e3cc228b4f08c7ec2ab5d4698"
    ),
    ("124M", "int-w12a16"): (
        "8619853599d2f69ba0f43532ed54ac8eba7a70ea95e84198ea930247bc384e18"
    ),
}
"""What every machine must find. Another hash is another arithmetic: a new version."""


@dataclass(frozen=True)
class Cell:
    """One way to compute."""

    threads: int
    way: str
    """`alone`, `mixed` (one batch) or `anew` (no cache)."""
    rows: int

    def compute(self, model: IntegerModel, requests: list[GenerationRequest]) -> str:
        if self.way == "anew":
            return recomputed_hash(model, requests, self.rows)
        batches = [requests] if self.way == "mixed" else [[each] for each in requests]
        return batched_hash(model, batches, self.rows)


def a_request(length: int, new_tokens: int, **sampling: int) -> GenerationRequest:
    ids = tuple((37 * length + 11 * n * n + 5 * n) % 4_000 for n in range(length))
    return GenerationRequest(ids, new_tokens, **sampling)  # type: ignore[arg-type]


REQUESTS = [
    a_request(1, 9),
    a_request(33, 6, seed=1, temperature=MILLION),
    a_request(7, 12, seed=2, temperature=2 * MILLION, top_k=40),
    a_request(70, 5, seed=3, temperature=MILLION // 2, top_p=900_000),
    a_request(18, 8, seed=2**64 - 1, temperature=MILLION, top_k=500, top_p=990_000),
]
NATIVE_CELLS = [
    Cell(*cell)
    for cell in product((1, 2, 4), ("alone", "mixed"), (1, 16, 128))
    # The smaller the pieces, the longer it takes to compute all anew.
] + [Cell(threads, "anew", rows) for threads, rows in ((1, 128), (2, 16))]

# A step of PyTorch takes as long as 20 of the native library, and far longer if it
# has as many threads as there are cores and one of those is busy.
TORCH_CELLS = [
    Cell(1, "anew", 128),
    Cell(1, "mixed", 16),
    Cell(2, "mixed", 128),
    Cell(4, "alone", 16),
    Cell(4, "mixed", 1),
]

SMALL_CELLS = [Cell(1, "mixed", 16)]

LARGE_REQUESTS = [
    a_request(3, 3),
    a_request(11, 2, seed=3, temperature=MILLION, top_k=40, top_p=950_000),
]
LARGE_CELLS = {
    "torch": [Cell(1, "mixed", 128)],
    "avx512": [Cell(1, "alone", 4), Cell(2, "mixed", 128), Cell(4, "anew", 5)],
    "avx2": [Cell(1, "mixed", 128), Cell(2, "alone", 4)],
    "neon": [Cell(1, "alone", 4), Cell(2, "mixed", 128), Cell(4, "anew", 5)],
    "plain": [Cell(2, "mixed", 128)],
}


@pytest.fixture(scope="module")
def bundled_models() -> dict[str, Model]:
    """The committed package, and the same model imported into the other profiles."""
    torch.set_num_threads(1)
    package = read_package(BUNDLED_MODEL)
    models: dict[str, Model] = {
        package.shape.profile.name: (package.shape, package.load_tensor)
    }
    checkpoint = read_checkpoint(BUNDLED_CHECKPOINT)
    original = read_float_model(checkpoint)
    calibration = calibrate(original, read_text(checkpoint, None).windows[:4])
    for name, profile in PROFILES.items():
        if name not in models:
            made = quantise(original, calibration, profile)
            models[name] = (made.shape, made.tensor)
    return models


_bundled_hashes: dict[str, str] = {}


def bundled_hash(name: str, model: Model) -> str:
    """The hash by the simplest way there is, computed once per profile."""
    if name not in _bundled_hashes:
        loaded = load("torch", *model)
        _bundled_hashes[name] = Cell(1, "alone", 1).compute(loaded, REQUESTS)
    return _bundled_hashes[name]


@cache
def small_model(profile: Profile) -> Model:
    shape = random_shape(
        profile,
        vocab_size=4_096,
        context_length=512,
        width=256,
        inner_width=1_024,
        layers=4,
        heads=4,
        end_of_text=0,
    )
    return shape, random_tensors(shape, 4)


@pytest.fixture(scope="module", params=list(PROFILES.values()), ids=list(PROFILES))
def large_model(request: pytest.FixtureRequest) -> Model:
    """GPT-2 124M, its tensors made once for all backends."""
    shape = gpt2_shape(request.param)
    tensors = random_tensors(shape, LARGE_SEED)
    made = {layout.name: tensors(layout.name) for layout in shape.tensors()}
    return shape, made.__getitem__


@pytest.fixture(autouse=True)
def restored_threads() -> Iterator[None]:
    """PyTorch's threads are those of the process."""
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


def hashes(
    name: str,
    backend: str,
    model: Model,
    cells: list[Cell],
    requests: list[GenerationRequest],
) -> dict[Cell, str]:
    """Computes cells; every number of threads has a model of its own."""
    found = {}
    for threads in sorted({cell.threads for cell in cells}):
        torch.set_num_threads(threads)
        loaded = load(backend, *model, threads=threads)
        for cell in cells:
            if cell.threads == threads:
                found[cell] = cell.compute(loaded, requests)
                report(name, model[0].profile, backend, cell, found[cell])
    return found


def report(name: str, profile: Profile, backend: str, cell: Cell, found: str) -> None:
    line = f"{name:8} {profile.name:11} {backend:7} {cell.threads} threads  "
    line += f"{cell.way:6} {cell.rows:4} rows  {found}\n"
    sys.stdout.write(line)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES)
def test_matrix_bundled_model_every_cell_gives_one_hash(
    bundled_models: dict[str, Model], profile: Profile, backend: str
) -> None:
    model = bundled_models[profile.name]
    cells = TORCH_CELLS if backend == "torch" else NATIVE_CELLS
    wanted = bundled_hash(profile.name, model)

    found = hashes("bundled", backend, model, cells, REQUESTS)

    assert {cell: each for cell, each in found.items() if each != wanted} == {}


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES)
def test_matrix_random_model_gives_the_hash_of_every_machine(
    profile: Profile, backend: str
) -> None:
    model = small_model(profile)

    found = hashes("random", backend, model, SMALL_CELLS, REQUESTS)

    assert set(found.values()) == {EXPECTED["random", profile.name]}


@pytest.mark.parametrize("backend", BACKENDS)
def test_matrix_gpt2_shape_gives_the_hash_of_every_machine(
    large_model: Model, backend: str
) -> None:
    profile = large_model[0].profile

    found = hashes("124M", backend, large_model, LARGE_CELLS[backend], LARGE_REQUESTS)

    wanted = EXPECTED["124M", profile.name]
    assert {cell: each for cell, each in found.items() if each != wanted} == {}


def test_matrix_other_weights_or_profile_give_other_hashes() -> None:
    """The hash would show a difference."""
    torch.set_num_threads(1)
    requests, cell = REQUESTS[:2], Cell(1, "mixed", 16)
    models = [small_model(profile) for profile in PROFILES.values()]
    shape = models[0][0]
    models.append((shape, random_tensors(shape, 5)))

    found = {cell.compute(load("torch", *model), requests) for model in models}

    assert len(found) == 4
