"""Tests that share a network run in one process, or each process starts its own."""

from __future__ import annotations

import pytest

from tests.architecture.test_structure import ROOT
from tests.conftest import SharedTogether

SHARED = ("tests/adversarial", "tests/e2e", "tests/integration/gateway")


@pytest.fixture
def scheduler(pytestconfig: pytest.Config) -> SharedTogether:
    made = SharedTogether.__new__(SharedTogether)
    made.config = pytestconfig
    return made


@pytest.mark.parametrize("folder", SHARED)
def test_tests_of_a_shared_network_are_one_scope(
    scheduler: SharedTogether, folder: str
) -> None:
    modules = sorted((ROOT / folder).glob("test_*.py"))
    names = [f"{folder}/{module.name}::test_x[a@b/c]" for module in modules]
    assert len(names) > 1
    assert {scheduler._split_scope(name) for name in names} == {folder}


def test_tests_of_other_modules_are_scopes_of_their_own(
    scheduler: SharedTogether,
) -> None:
    module = "tests/unit/protocol/test_urls.py"
    assert scheduler._split_scope(f"{module}::test_x") == module


def test_scheduler_is_in_force_where_processes_share_the_work(
    pytestconfig: pytest.Config,
) -> None:
    hook = pytestconfig.hook.pytest_xdist_make_scheduler
    homes = [str(one.plugin_name) for one in hook.get_hookimpls()]
    assert str(ROOT / "tests" / "conftest.py") in homes
