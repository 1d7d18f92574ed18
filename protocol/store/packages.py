"""Model packages in a local cache: fetched once, verified, then read from disk."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from protocol.digests import Digest
from protocol.store.port import ContentStore

__all__ = ["fetch_package"]


def fetch_package(store: ContentStore, digest: Digest, cache: Path) -> Path:
    """The folder of a package, from the cache or the store.

    The folder appears in the cache under its digest only once it is complete, so a
    process killed half-way leaves nothing that looks like a package.

    Raises:
        StoreError: The package cannot be had, is too large or does not match.
    """
    folder = cache / digest.hex()
    if folder.is_dir():
        return folder
    files = store.get_directory(digest)
    cache.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(dir=cache, prefix="incoming-"))
    try:
        for name, data in files.items():
            (staging / name).write_bytes(data)
        staging.rename(folder)
    except OSError:
        # Another process of this user may have been faster; its copy is as good.
        if not folder.is_dir():
            raise
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return folder
