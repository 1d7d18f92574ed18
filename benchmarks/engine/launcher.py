"""Getting engines ready: their models, and a process for each."""

import os
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.engine.process import EngineProcess
from benchmarks.engine.rows import HUGGING_FACE
from benchmarks.engine.workspace import LOCK, Workspace
from benchmarks.random_package import write_random_package
from inference.errors import ModelPackageError
from inference.packages.package import read_package
from inference.profiles import PROFILES, Profile, profile_named


class Launcher:
    """Prepares and starts engines by name: profiles and baselines."""

    def __init__(
        self, workspace: Workspace, threads: int, say: Callable[[str], None]
    ) -> None:
        """Takes where things are kept, threads per engine, what takes progress."""
        self._workspace = workspace
        self._threads = threads
        self._say = say

    def prepare(self, profiles: Sequence[str], baselines: Sequence[str]) -> None:
        """Makes what the engines need and the clone does not have yet.

        Raises:
            BenchmarkError: Something could not be made.
        """
        if baselines:
            self._workspace.prepare_environment(LOCK, self._say)
            self._workspace.prepare_models(self._say)
        for name in profiles:
            self._prepare_package(profile_named(name))

    def start(self, name: str) -> EngineProcess:
        """Starts an engine's process and waits until its model is loaded.

        Raises:
            BenchmarkError: It could not be loaded.
        """
        command, environment = self.command(name)
        engine = EngineProcess(
            name,
            command,
            folder=self._workspace.root,
            environment=environment,
            log=self._workspace.log(name),
        )
        try:
            engine.wait_until_ready()
        except BaseException:
            engine.close()
            raise
        return engine

    def command(self, name: str) -> tuple[list[str], dict[str, str]]:
        """Returns program, arguments and environment variables of an engine."""
        workspace = self._workspace
        python, environment = str(workspace.python), workspace.child_environment()
        if name in PROFILES:
            python, environment = sys.executable, {**os.environ}
            module, folder = "integer_engine", self._package(name)
        elif name == HUGGING_FACE:
            module, folder = "hugging_face_engine", workspace.checkpoint
        else:
            module, folder = "openvino_engine", workspace.export
        program = [python, "-m", f"benchmarks.engine.{module}"]
        return [*program, str(folder), str(self._threads)], environment

    def _prepare_package(self, profile: Profile) -> None:
        folder = self._package(profile.name)
        try:
            read_package(folder)
        except ModelPackageError:
            # None yet, or one from before the format changed.
            self._say(f"making a random package for {profile.name} (once)")
            draft = folder.with_name(f"{folder.name}-draft")
            write_random_package(draft, profile)
            shutil.rmtree(folder, ignore_errors=True)
            draft.rename(folder)

    def _package(self, profile: str) -> Path:
        return self._workspace.folder / f"gpt2-124m-random-{profile}"
