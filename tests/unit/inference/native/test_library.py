"""Finding and loading the library, and what is said when it is not there."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from inference.errors import NativeUnavailable
from inference.native import __main__ as report
from inference.native import is_built, library

SRC = Path(library.__file__).parent / "src"


def test_load_library_not_built_names_the_way_out(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(library, "__file__", str(tmp_path / "library.py"))
    library.load_library.cache_clear()

    with pytest.raises(NativeUnavailable, match="C compiler.*make setup.*torch"):
        library.load_library()

    assert not is_built()


def test_open_library_broken_file_is_refused(tmp_path: Path) -> None:
    broken = tmp_path / "_engine.so"
    broken.write_bytes(b"\x7fELF but no more")

    with pytest.raises(NativeUnavailable, match="does not load"):
        library.open_library(broken)


def test_open_library_of_other_sources_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = library._built()
    assert path is not None
    monkeypatch.setattr(library, "INTERFACE", library.INTERFACE + 1)

    with pytest.raises(NativeUnavailable, match="other sources"):
        library.open_library(path)


def test_report_not_built_says_what_is_used_instead(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(library, "__file__", str(tmp_path / "library.py"))
    library.load_library.cache_clear()

    report.main()

    assert "Until then the torch engine is used" in capsys.readouterr().err


def test_report_built_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    report.main()

    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "")


@pytest.fixture(autouse=True)
def reload() -> None:
    """What one test made of the cached library is not the next one's."""
    library.load_library.cache_clear()


def test_import_native_model_loads_neither_torch_nor_transformers() -> None:
    code = (
        "import sys, inference.native\n"
        "from inference.native.library import load_library\n"
        "load_library()\n"
        "print(sorted({'torch', 'transformers', 'safetensors'} & set(sys.modules)))"
    )

    done = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    )

    assert done.stdout == "[]\n"


def test_library_exports_nothing_but_its_interface() -> None:
    """Another library's `forward` in the same process must not become ours."""
    loaded = library.load_library()

    assert hasattr(loaded, "assay_step")
    for name in ("forward", "pool_run", "block_open"):
        assert not hasattr(loaded, name), name


def test_sources_in_the_tree_are_short_and_need_no_python() -> None:
    sources = sorted(SRC.glob("*.[ch]"))
    assert len(sources) > 20
    texts = {path.name: path.read_text() for path in sources}
    assert [name for name, text in texts.items() if "Python.h" in text] == []
    assert [n for n, text in texts.items() if len(text.splitlines()) > 400] == []
    assert [
        n for n, text in texts.items() if "float " in text or "double " in text
    ] == []
