"""What holds for all tests: Hypothesis' profiles, and which process runs what."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings
from xdist.scheduler import LoadScopeScheduling

# The clock of a busy machine is no property of the code, so there is no deadline. The
# usual profile draws the same cases every time; `make test-deep` draws new ones.
settings.register_profile("default", deadline=None, derandomize=True)
settings.register_profile("deep", deadline=None, max_examples=2_000, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))


class SharedTogether(LoadScopeScheduling):  # type: ignore[misc]
    """Keeps together, in one process of several, tests that share what takes long.

    Those are the tests of a module, and of a package: a folder with an `__init__.py`.
    """

    def _split_scope(self, nodeid: str) -> str:
        module = Path(nodeid.partition("::")[0])
        is_package = (self.config.rootpath / module.parent / "__init__.py").exists()
        return str(module.parent if is_package else module)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(
    config: pytest.Config, log: object
) -> SharedTogether | None:
    """Puts that rule in the place of `--dist loadscope`."""
    is_asked_for = config.getoption("dist") == "loadscope"
    return SharedTogether(config, log) if is_asked_for else None
