"""Tokenizers of model packages, fetched once and kept."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from protocol.digests import Digest, digest_to_cid
from protocol.documents.tokenizer import MAX_TOKENIZER_BYTES, TokenCodec
from protocol.errors import ConfigError, ContentNotFound
from protocol.store.port import ContentStore
from protocol.store.unixfs import file_digest

__all__ = ["TokenizerCache"]

_FILE_NAME = "tokenizer.json"


class TokenizerCache:
    """Codecs by model package, in memory, on disk and in the content store."""

    def __init__(
        self,
        store: ContentStore,
        folder: Path,
        *,
        find: Callable[[Digest], object] | None = None,
    ) -> None:
        """Nothing is fetched yet.

        Args:
            store: Where packages are.
            folder: Where fetched files are kept; need not exist yet.
            find: Called with a package that the store does not find, before it is
                asked once more.
        """
        self._store = store
        self._folder = folder
        self._find = find
        self._codecs: dict[Digest, TokenCodec] = {}

    def codec_of(self, package_digest: Digest) -> TokenCodec:
        """The codec of a model package.

        Raises:
            StoreError: The package's tokenizer cannot be had.
            BadTokenizer: It is none that this protocol can use.
            ConfigError: The folder cannot be written to.
        """
        codec = self._codecs.get(package_digest)
        if codec is None:
            data = self._cached(package_digest) or self._fetch(package_digest)
            codec = self._codecs[package_digest] = TokenCodec.from_bytes(data)
        return codec

    def _cached(self, package_digest: Digest) -> bytes | None:
        """The file on disk, if its bytes still have the digest that its name states."""
        for path in self._folder.glob(f"{digest_to_cid(package_digest)}.*.json"):
            try:
                data = path.read_bytes()
            except OSError:
                continue
            if path.name == _name(package_digest, data):
                return data
        return None

    def _get(self, package_digest: Digest) -> bytes:
        return self._store.get_file(
            package_digest, _FILE_NAME, max_bytes=MAX_TOKENIZER_BYTES
        )

    def _fetch(self, package_digest: Digest) -> bytes:
        try:
            data = self._get(package_digest)
        except ContentNotFound:
            if self._find is None:
                raise
            self._find(package_digest)
            data = self._get(package_digest)
        path = self._folder / _name(package_digest, data)
        draft = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            draft.write_bytes(data)
            draft.replace(path)
        except OSError as error:
            raise ConfigError(
                f"tokenizer cache {self._folder} cannot be written: {error.strerror}; "
                "set data_dir to a folder that can"
            ) from error
        return data


def _name(package_digest: Digest, data: bytes) -> str:
    return f"{digest_to_cid(package_digest)}.{digest_to_cid(file_digest(data))}.json"
