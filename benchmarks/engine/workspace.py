"""Where benchmarks keep what they make once, and the environment of the baselines.

    python -m benchmarks.engine.workspace CHECKPOINT EXPORT

is what `.venv-bench` runs to make the baselines' models. Speed does not depend on the
weights, so the checkpoint is GPT-2 124M with random ones from a fixed seed: nothing is
downloaded.
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from benchmarks.errors import BenchmarkError

ROOT: Final = Path(__file__).resolve().parents[2]
LOCK: Final = ROOT / "requirements" / "bench.lock"
SEED: Final = 1234

Progress = Callable[[str], None]


class Workspace:
    """A git-ignored folder and the virtual environment `.venv-bench`.

    Attributes:
        root: The clone.
        folder: Models, logs and programs made for benchmarks.
    """

    def __init__(self, root: Path = ROOT) -> None:
        """Names the places; makes nothing."""
        self.root = root
        self.folder = root / ".bench"
        self.environment = root / ".venv-bench"

    @property
    def python(self) -> Path:
        """The interpreter of `.venv-bench`."""
        return self.environment / "bin" / "python"

    @property
    def checkpoint(self) -> Path:
        """The random GPT-2 124M as a Hugging Face folder."""
        return self.folder / "gpt2-124m-random"

    @property
    def export(self) -> Path:
        """The same as an OpenVINO model with 8-bit weights."""
        return self.folder / "gpt2-124m-random-openvino-int8"

    def log(self, name: str) -> Path:
        """Where a child process writes its standard error."""
        return self.folder / "logs" / f"{name}.log"

    def child_environment(self) -> dict[str, str]:
        """Environment variables of a baseline's process: offline, nothing reported.

        OpenVINO's tools report their use over the network unless a file in the home
        folder declines, so the baselines get a home folder of their own with it.
        """
        home = self.folder / "home"
        consent = home / "intel" / "openvino_telemetry"
        consent.parent.mkdir(parents=True, exist_ok=True)
        consent.write_text("0", "ascii")
        return {
            **os.environ,
            "HOME": str(home),
            "HF_HUB_OFFLINE": "1",
            "PYTHONPATH": str(self.root),
        }

    def prepare_environment(self, lock: Path, progress: Progress) -> None:
        """Makes `.venv-bench` from its lock, unless it is there already.

        Raises:
            BenchmarkError: It could not be made.
        """
        stamp = self.environment / ".stamp"
        wanted = hashlib.sha256(lock.read_bytes()).hexdigest()
        if stamp.is_file() and stamp.read_text("ascii") == wanted:
            return
        progress("installing the baselines into .venv-bench (about 2 GB, once)")
        # With the user's own home folder, since pip's settings may be there.
        mine = dict(os.environ)
        folder = str(self.environment)
        self._run([sys.executable, "-m", "venv", "--clear", folder], mine)
        install = [str(self.python), "-m", "pip", "install", "--quiet"]
        # First torch with all that its build for this machine brings along; then the
        # rest without what it only names, since torchvision must match that build
        # and nothing here uses it.
        self._run([*install, torch_pin(lock.read_text("ascii"))], mine)
        self._run([*install, "--no-deps", "--requirement", str(lock)], mine)
        stamp.write_text(wanted, "ascii")

    def prepare_models(self, progress: Progress) -> None:
        """Makes the baselines' models, unless they are there already.

        Raises:
            BenchmarkError: They could not be made.
        """
        if self.checkpoint.is_dir() and self.export.is_dir():
            return
        progress("making a random GPT-2 124M and its OpenVINO export (once)")
        drafts = self.folder / "drafts"
        shutil.rmtree(drafts, ignore_errors=True)
        checkpoint, export = drafts / "checkpoint", drafts / "export"
        module = "benchmarks.engine.workspace"
        command = [str(self.python), "-m", module, str(checkpoint), str(export)]
        self._run(command, self.child_environment())
        for draft, place in ((checkpoint, self.checkpoint), (export, self.export)):
            shutil.rmtree(place, ignore_errors=True)
            draft.rename(place)

    def _run(self, command: Sequence[str], environment: dict[str, str]) -> None:
        log = self.log("preparation")
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as stream:
            done = subprocess.run(
                command,
                cwd=self.root,
                env=environment,
                stdout=stream,
                stderr=subprocess.STDOUT,
                check=False,
            )
        if done.returncode:
            tail = log.read_text("utf-8", "replace").splitlines()[-15:]
            raise BenchmarkError("\n".join([f"failed: {' '.join(command)}", *tail]))


def torch_pin(lock: str) -> str:
    """Returns the line of a lock file that pins torch.

    Raises:
        BenchmarkError: There is none.
    """
    match = re.search(r"^torch==\S+$", lock, re.MULTILINE)
    if match is None:
        raise BenchmarkError("the lock file pins no torch; make it afresh")
    return match.group()


def write_models(checkpoint: Path, export: Path) -> None:
    """Writes GPT-2 124M for both baselines; runs in `.venv-bench`.

    Args:
        checkpoint: Receives it in float32, as a Hugging Face folder.
        export: Receives it as an OpenVINO model with 8-bit weights per channel.
    """
    import torch
    from optimum.intel import OVModelForCausalLM, OVWeightQuantizationConfig
    from transformers import GPT2Config, GPT2LMHeadModel

    torch.manual_seed(SEED)
    GPT2LMHeadModel(GPT2Config()).save_pretrained(checkpoint)
    quantization = OVWeightQuantizationConfig(bits=8)
    model = OVModelForCausalLM.from_pretrained(
        checkpoint, export=True, compile=False, quantization_config=quantization
    )
    model.save_pretrained(export)


if __name__ == "__main__":
    write_models(Path(sys.argv[1]), Path(sys.argv[2]))
