"""One import from end to end: read, calibrate, quantise, write, measure."""

import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import torch

from inference.architectures.torch_table import quantise
from inference.checkpoints.checkpoint import Checkpoint, read_checkpoint
from inference.checkpoints.weights import read_float_model
from inference.engine import check_threads
from inference.errors import InvalidSetting, ModelPackageError
from inference.importing.fidelity import measure_fidelity
from inference.importing.report import ImportReport, model_card
from inference.importing.saturation import count_saturation
from inference.importing.texts import ImportText, read_text
from inference.loading import Backend, load_model
from inference.model_folder import (
    CARD_FILE,
    CONFIG_FILE,
    TOKENIZER_FILE,
    VECTORS_FILE,
)
from inference.models.integer_model import IntegerModel
from inference.packages.package import (
    PACKAGE_FILES,
    IntegerPackage,
    read_package,
    write_package,
)
from inference.packages.vectors import check_vectors, encode_vectors, make_vectors
from inference.profiles import profile_named
from inference.quantising.calibration import calibrate
from inference.quantising.models import FloatModel, QuantisedModel

Progress = Callable[[str], None]

DEFAULT_HELD_OUT_TOKENS: Final = 16_384
_SATURATION_TOKENS: Final = 512


@dataclass(frozen=True, slots=True)
class ImportSettings:
    """How to import.

    Attributes:
        profile: Name of the arithmetic profile.
        text: Text to calibrate and measure on; the bundled novels if None.
        held_out_tokens: Most tokens to measure perplexities on.
        threads: CPU threads.
        backend: Integer engine that measures.
    """

    profile: str
    text: Path | None = None
    held_out_tokens: int = DEFAULT_HELD_OUT_TOKENS
    threads: int = 1
    backend: Backend = "auto"


@dataclass(frozen=True, slots=True)
class _Job:
    """What is measured: the float original and what became of it."""

    name: str
    settings: ImportSettings
    text: ImportText
    original: FloatModel
    made: QuantisedModel


def _say_nothing(step: str) -> None:
    """Tells nobody."""


def import_model(
    source: Path,
    out: Path,
    settings: ImportSettings,
    *,
    name: str | None = None,
    progress: Progress = _say_nothing,
) -> ImportReport:
    """Imports a float checkpoint into a new package folder.

    The folder appears under its name only once it is complete and its test vectors
    have been computed twice.

    Args:
        source: A checkpoint in Hugging Face format.
        out: Folder to make; must not exist.
        settings: How.
        name: What the report and the model card call the source.
        progress: Is told what comes next; a large model takes minutes.

    Raises:
        UnknownProfile: There is no such profile.
        InvalidThreads: The number of threads is not usable.
        ModelPackageError: The checkpoint is unusable or too large for this arithmetic.
        ModelSourceError: The text is unusable.
        InvalidSetting: `out` exists or cannot be made.
    """
    profile = profile_named(settings.profile)
    check_threads(settings.threads)
    _require_new(out)
    checkpoint = read_checkpoint(source)
    _require_supported(checkpoint)
    torch.set_num_threads(settings.threads)
    text = read_text(checkpoint, settings.text)
    original = read_float_model(checkpoint)
    progress(f"calibrating on {text.windows.numel():,} tokens")
    calibration = calibrate(original, text.windows)
    progress("quantising")
    made = quantise(original, calibration, profile)
    job = _Job(name or str(source), settings, text, original, made)
    staging = _make_staging(out)
    try:
        tokenizer = (checkpoint.folder / TOKENIZER_FILE).read_bytes()
        report = _fill(staging, job, tokenizer, progress)
        staging.rename(out)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return report


def _fill(
    staging: Path, job: _Job, tokenizer: bytes, progress: Progress
) -> ImportReport:
    """Writes the package's files, and measures what was written."""
    write_package(staging, job.made.shape, job.made.tensor, tokenizer=tokenizer)
    package = read_package(staging)
    progress("computing test vectors, twice")
    settings = job.settings
    model = load_model(package, threads=settings.threads, backend=settings.backend)
    _write_vectors(staging, model, job.text)
    progress("measuring perplexities on held-out text")
    return _write_card(staging, _measure(job, package, model))


def _write_vectors(staging: Path, model: IntegerModel, text: ImportText) -> None:
    vectors = encode_vectors(make_vectors(model, text.held_out))
    (staging / VECTORS_FILE).write_bytes(vectors)
    check_vectors(staging, model)


def _measure(job: _Job, package: IntegerPackage, model: IntegerModel) -> ImportReport:
    """Measures what was written with the engine that will run it."""
    held_out = job.text.held_out[: job.settings.held_out_tokens + 1]
    context = package.shape.context_length
    counted = job.text.held_out[: min(_SATURATION_TOKENS, context)]
    path = job.settings.text
    return ImportReport(
        source=job.name,
        shape=package.shape,
        text="the bundled novels" if path is None else path.name,
        calibration_tokens=job.text.windows.numel(),
        fraction=job.made.fraction,
        capped=job.made.capped,
        fidelity=measure_fidelity(job.original, model, held_out),
        saturation=count_saturation(model, counted),
        saturation_tokens=len(counted),
        file_bytes={},
        weights_root=package.weights_root(),
    )


def _write_card(staging: Path, report: ImportReport) -> ImportReport:
    """Writes the card; returns the report with the files' sizes."""
    (staging / CARD_FILE).write_text(model_card(report), encoding="utf-8")
    sizes = {name: (staging / name).stat().st_size for name in PACKAGE_FILES}
    return replace(report, file_bytes=sizes)


def _require_new(out: Path) -> None:
    if out.exists():
        raise InvalidSetting(
            "out", str(out), "exists already", "name a folder that does not exist"
        )


def _make_staging(out: Path) -> Path:
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(dir=out.parent, prefix=f".{out.name}-"))
        staging.chmod(0o755)
    except OSError as error:
        raise InvalidSetting(
            "out", str(out), f"cannot be made: {error}", "name another folder"
        ) from error
    return staging


def _require_supported(checkpoint: Checkpoint) -> None:
    for name, value, maximum in checkpoint.shape.bounded():
        if value > maximum:
            raise ModelPackageError(
                f"{CONFIG_FILE} {name}",
                value,
                f"this arithmetic goes to {maximum}",
                "import a smaller model",
            )
