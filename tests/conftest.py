from __future__ import annotations

import os

import pytest
from hypothesis import settings

# The clock of a busy machine is no property of the code, so there is no deadline. The
# usual profile draws the same cases every time; `make test-deep` draws new ones.
settings.register_profile("default", deadline=None, derandomize=True)
settings.register_profile("deep", deadline=None, max_examples=2_000, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keeps together, in one process of many, the tests that share what takes long.

    Those are the tests of a module, and of a package: a folder with an `__init__.py`.
    """
    for item in items:
        is_package = (item.path.parent / "__init__.py").exists()
        group = item.path.parent if is_package else item.path
        item.add_marker(pytest.mark.xdist_group(str(group)))
