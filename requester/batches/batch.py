"""One batch: created from a file or prompts, run, stopped, reopened, resumed."""

from __future__ import annotations

import secrets
import weakref
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Self

from protocol.errors import BatchError, ConfigError
from protocol.host.file_lock import FileHeld, FileLock
from requester.batches.journal import BatchJournal
from requester.batches.output import check_out, write_results
from requester.batches.plan import BatchEstimate, PlannedChunk, plan_chunks
from requester.batches.records import BatchOptions, BatchProgress, RowResult
from requester.batches.runner import BatchRunner
from requester.client import Client
from requester.prompts.files import PromptRow, RowFault, stream_prompts
from requester.prompts.request import PromptRequest

__all__ = ["MAX_BATCH_BYTES", "Batch", "Source", "estimate_batch", "saved_batches"]

MAX_BATCH_BYTES = 1024 * 1024 * 1024
"""Most bytes of a batch's file."""

_ID_BYTES = 4
_SUFFIX = ".sqlite"

Source = Path | Iterable[str | PromptRequest]
"""A file of prompts, or prompts."""


class Batch:
    """A batch of prompts that is posted as many jobs, and survives its process.

    Attributes:
        batch_id: What `Batch.open` and `assay job resume` find it by.
        estimate: What it locks and can cost in all.
    """

    def __init__(
        self, client: Client, journal: BatchJournal, lock: FileLock, batch_id: str
    ) -> None:
        """Take what `create` or `open` made ready."""
        self._client = client
        self._journal = journal
        self._lock = lock
        # A batch that is forgotten lets go, as one that is closed does.
        weakref.finalize(self, lock.release)
        self.batch_id = batch_id
        self.estimate = BatchEstimate()
        for chunk in journal.chunks():
            self.estimate = self.estimate.plus(chunk)

    @classmethod
    def create(
        cls,
        client: Client,
        source: Source,
        *,
        out: Path,
        options: BatchOptions | None = None,
    ) -> Self:
        """Reads and checks prompts, and writes them down as jobs. Posts nothing.

        Args:
            client: Who will pay; needs an account.
            source: A ``.jsonl``, ``.csv`` or text file, or prompts.
            out: Where results go: ``.jsonl`` or ``.csv``, not there yet.
            options: How to run it.

        Raises:
            RequestError: A row, an option or `out` will not do; each row that is wrong
                is named by its line.
            ConfigError: The client has no account, or no model is named.
            BatchError: The journal cannot be written.
        """
        check_out(out, is_new=True)
        settled = _with_model(client, options or BatchOptions())
        batch_id = secrets.token_hex(_ID_BYTES)
        path = _folder_of(client) / f"{batch_id}{_SUFFIX}"
        owner = _owner_of(client)
        chunks = _chunks(client, source, settled)
        journal = BatchJournal.create(path, owner, settled, out.absolute(), chunks)
        return cls(client, journal, _lock(path), batch_id)

    @classmethod
    def open(cls, client: Client, batch_id: str) -> Self:
        """Finds a batch of this client's again.

        Raises:
            BatchError: There is none, another process works on it, it belongs to
                another account or market, or its journal is damaged.
        """
        path = _folder_of(client) / f"{batch_id}{_SUFFIX}"
        if not batch_id.isalnum() or not path.is_file():
            raise BatchError(
                f"there is no batch {batch_id[:40]!r} in {path.parent}; `assay job "
                "batches` lists them"
            )
        lock = _lock(path)
        try:
            return cls(
                client, BatchJournal.open(path, _owner_of(client)), lock, batch_id
            )
        except BaseException:
            lock.release()
            raise

    def __enter__(self) -> Self:
        """Close it on the way out."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()

    @property
    def options(self) -> BatchOptions:
        """How it is run."""
        return self._journal.options

    @property
    def out(self) -> Path:
        """Where its results go."""
        return self._journal.out

    @property
    def progress(self) -> BatchProgress:
        """How far it has come, as far as this process knows."""
        return self._journal.progress()

    def results(self) -> Iterator[RowResult]:
        """Every prompt and what came of it so far, in order."""
        return self._journal.results()

    def change(
        self, *, budget: int | None = None, in_flight: int | None = None
    ) -> None:
        """Sets limits anew, where given; units and jobs.

        Raises:
            RequestError: A value is out of range.
        """
        changed = self.options.changed(budget=budget, in_flight=in_flight)
        self._journal.options = changed

    def retry_failed(self) -> int:
        """Lets the prompts of failed and cancelled jobs be posted again.

        Returns:
            How many jobs will be.
        """
        return self._journal.retry_lost()

    def run(
        self,
        *,
        timeout_seconds: float | None = None,
        on_progress: Callable[[BatchProgress], None] | None = None,
    ) -> BatchProgress:
        """Posts, follows and collects until nothing is left to do; see `BatchRunner`.

        However it ends, the results so far are written to `out`.

        Raises:
            MarketError: As `BatchRunner.run`; the batch can be resumed.
        """
        check_out(self.out, is_new=False)
        runner = BatchRunner(self._client, self._journal, self.batch_id)
        try:
            return runner.run(timeout_seconds=timeout_seconds, on_progress=on_progress)
        finally:
            write_results(self.out, self.results())

    def close(self) -> None:
        """Releases the journal, so that another process can open it."""
        self._journal.close()
        self._lock.release()

    def discard(self) -> None:
        """Forgets it, as if it had never been made; only before it was run.

        Raises:
            BatchError: Something was posted.
        """
        progress = self.progress
        if progress.pending < progress.total or progress.in_flight:
            raise BatchError(
                f"batch {self.batch_id} has posted jobs and is kept; its journal is "
                f"{self._journal.path}"
            )
        self._journal.discard()
        self._lock.release()
        _lock_path(self._journal.path).unlink(missing_ok=True)


def estimate_batch(
    client: Client, source: Source, options: BatchOptions | None = None
) -> BatchEstimate:
    """What a batch would lock and could cost. Costs nothing, writes nothing.

    Raises:
        MarketError: As `Batch.create`.
    """
    estimate = BatchEstimate()
    settled = _with_model(client, options or BatchOptions())
    for planned in _chunks(client, source, settled):
        estimate = estimate.plus(planned.chunk)
    return estimate


def saved_batches(folder: Path) -> Iterator[tuple[str, BatchProgress, Path]]:
    """Batches that were written down, by id, with their progress and results file.

    One whose writing down was cut off has posted nothing and is left out.

    Args:
        folder: The settings' `data_dir`.

    Raises:
        BatchError: A journal cannot be read.
    """
    for path in sorted((folder / "batches").glob(f"*{_SUFFIX}")):
        if not BatchJournal.is_complete(path):
            continue
        journal = BatchJournal.open(path)
        try:
            yield path.stem, journal.progress(), journal.out
        finally:
            journal.close()


def _chunks(
    client: Client, source: Source, options: BatchOptions
) -> Iterator[PlannedChunk]:
    market = client.market_for(options.terms)
    package = market.spec.package_digest
    return plan_chunks(
        _rows(source),
        source=str(source) if isinstance(source, Path) else "prompts",
        options=options,
        market=market,
        codec=client.connections.tokenizers.codec_of(package),
    )


def _rows(source: Source) -> Iterator[PromptRow | RowFault]:
    if isinstance(source, Path):
        yield from stream_prompts(source, max_bytes=MAX_BATCH_BYTES)
        return
    for number, prompt in enumerate(source, start=1):
        request = PromptRequest(prompt) if isinstance(prompt, str) else prompt
        yield PromptRow(number, None, request)


def _with_model(client: Client, options: BatchOptions) -> BatchOptions:
    """The options with the model named, so that a later run means the same one."""
    model_id = client.market_for(options.terms).model_id
    return replace(options, terms=replace(options.terms, model_id=model_id))


def _folder_of(client: Client) -> Path:
    return client.connections.data_dir / "batches"


def _owner_of(client: Client) -> dict[str, str]:
    if client.account is None:
        raise ConfigError(
            "no key file, so nothing can be paid: give --key-file, or set "
            "ASSAY_REQUESTER_KEY_FILE"
        )
    return {
        "chain": str(client.market.chain_id),
        "marketplace": client.market.deployment.marketplace,
        "requester": client.account,
    }


def _lock(path: Path) -> FileLock:
    try:
        return FileLock(_lock_path(path), says="")
    except FileHeld as held:
        raise BatchError(
            f"another process works on batch {path.stem}: wait for it, or stop it first"
        ) from held


def _lock_path(path: Path) -> Path:
    return path.with_suffix(".lock")
