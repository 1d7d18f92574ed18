"""Where a model comes from: a local folder or a Hugging Face hub id."""

import re
from pathlib import Path

from inference.errors import ModelSourceError
from inference.model_folder import (
    CARD_FILE,
    CONFIG_FILE,
    TOKENIZER_FILE,
    WEIGHTS_FILE,
)

_NEEDED = (CONFIG_FILE, TOKENIZER_FILE, WEIGHTS_FILE)
_HUB_ID = re.compile(r"(?:[A-Za-z0-9][\w.-]*/)?[A-Za-z0-9][\w.-]*")


def resolve_source(
    source: str,
    *,
    revision: str | None = None,
    cache: Path | None = None,
    endpoint: str | None = None,
) -> Path:
    """Returns the local folder of a model, downloading it when it is a hub id.

    A folder of that name wins over a hub id. What the cache of the hub library
    holds already is used without touching the network.

    Args:
        source: Path of a folder, or a hub id such as `openai-community/gpt2`.
        revision: Branch, tag or commit of a hub id; its main branch by default.
        cache: Download cache; the hub library's own by default.
        endpoint: Address of the hub; the public one by default.

    Raises:
        ModelSourceError: Neither a folder nor a hub id, or the hub has no such
            model, cannot be reached, or its model lacks a needed file.
    """
    folder = _existing_path(source)
    if folder is not None and folder.is_dir():
        return folder
    if folder is not None or not _HUB_ID.fullmatch(source):
        raise ModelSourceError(
            "source",
            source,
            "neither a folder nor a hub id",
            "give an existing folder or an id such as 'openai-community/gpt2'",
        )
    cached = _snapshot(source, revision, cache, endpoint, offline=True)
    if cached is not None:
        return cached
    fetched = _snapshot(source, revision, cache, endpoint, offline=False)
    if fetched is None:
        raise ModelSourceError(
            "source",
            source,
            f"the model on the hub lacks one of {', '.join(_NEEDED)}",
            "use a model stored as one safetensors file with a tokenizer.json",
        )
    return fetched


def _existing_path(source: str) -> Path | None:
    if not source:  # it would mean the current folder
        return None
    try:
        path = Path(source).expanduser()
        return path if path.exists() else None
    # A name too long for the file system, or the home of an unknown user.
    except (OSError, RuntimeError):
        return None


def _snapshot(
    source: str,
    revision: str | None,
    cache: Path | None,
    endpoint: str | None,
    *,
    offline: bool,
) -> Path | None:
    """Returns a complete snapshot folder, or None when a needed file is missing."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError
    from huggingface_hub.utils.tqdm import disable_progress_bars

    disable_progress_bars()
    try:
        folder = Path(
            snapshot_download(
                source,
                revision=revision,
                cache_dir=cache,
                endpoint=endpoint,
                allow_patterns=[*_NEEDED, CARD_FILE],
                local_files_only=offline,
            )
        )
    except LocalEntryNotFoundError as error:
        if offline:
            return None
        raise ModelSourceError(
            "source",
            source,
            "no such folder, and the hub cannot be reached for this id",
            "give a folder, or connect to the network and try again",
        ) from error
    except (HfHubHTTPError, OSError, ValueError) as error:
        raise ModelSourceError(
            "source",
            source,
            f"no such folder, and the hub refused the id: {_first_line(error)}",
            "check the spelling and the revision, or give a folder",
        ) from error
    return folder if all((folder / name).is_file() for name in _NEEDED) else None


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]
