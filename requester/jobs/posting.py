"""Posting a job: prompts into the content store, then money and job onto the chain."""

from __future__ import annotations

from contextlib import suppress

from eth_typing import ChecksumAddress

from protocol.chain.client import MarketClient
from protocol.digests import Digest
from protocol.errors import (
    ContractReverted,
    DigestMismatch,
    NotEnoughFunds,
    RequestError,
    StoreError,
    TransactionDropped,
)
from protocol.hexadecimal import to_hex
from protocol.host.crash_points import crash_point
from protocol.market.timeline import Timeline
from protocol.market.types import JobParams
from protocol.store.port import ContentStore
from requester.jobs.connections import Connections
from requester.jobs.job import Job

__all__ = ["ALREADY_POSTED", "post", "publish"]

ALREADY_POSTED = "JobAlreadyPosted"
"""How the marketplace refuses parameters that were posted before."""


def post(
    connections: Connections,
    params: JobParams,
    content: bytes,
    *,
    escrow: int,
    approve: bool,
) -> Job:
    """Stores a job's prompts, then locks its escrow and posts it.

    Args:
        connections: Of the account that pays.
        params: The job.
        content: Its prompts document.
        escrow: What posting locks, units.
        approve: Whether to allow the marketplace what is missing: by a permit where the
            token takes them, else beforehand.

    Raises:
        RequestError: The job is another account's.
        NotEnoughFunds: Tokens and credit, or the allowance, are too little.
        StoreError: The prompts could not be stored.
        ContractReverted: The marketplace refuses; nothing was taken.
        TransactionDropped: Posting was sent and not mined in time.
    """
    account, market = connections.account, connections.market
    if account is None or params.requester != account:
        raise RequestError(
            f"the draft is for {params.requester}, this client posts as "
            f"{account}; prepare it again"
        )
    needed = _check_funds(market, account, escrow)
    allowance = market.allowance(account)
    if allowance < needed and not approve:
        raise NotEnoughFunds(
            f"the marketplace may take {allowance} units from {account}, "
            f"{needed} are needed; approve them, or let this client do it"
        )
    if connections.introductions is not None:
        connections.introductions.announce()
    publish(connections.store, params.prompts_digest, content)
    try:
        return _send(connections, params, 0 if allowance >= needed else needed)
    except (ContractReverted, NotEnoughFunds) as error:
        if getattr(error, "name", "") != ALREADY_POSTED:
            with suppress(StoreError):
                connections.store.unpin(params.prompts_digest)
        raise


def publish(store: ContentStore, digest: Digest, content: bytes) -> None:
    """Puts, pins and reads back: workers that cannot fetch cost a failed job.

    Raises:
        StoreError: The prompts could not be stored.
    """
    crash_point("prompts.storing")
    _require_same(store.put(content), digest)
    store.pin(digest)
    if store.get(digest, max_bytes=len(content)) != content:
        raise DigestMismatch(
            f"the content store returned other prompts under {to_hex(digest)}; "
            "use another IPFS node"
        )
    crash_point("prompts.stored")


def _check_funds(market: MarketClient, account: ChecksumAddress, escrow: int) -> int:
    """Tokens that posting takes besides credit. Raises NotEnoughFunds."""
    credit = market.account_of(account).credit
    balance = market.token_balance(account)
    if balance + credit < escrow:
        raise NotEnoughFunds(
            f"posting locks {escrow} units; {account} has {balance} in tokens and "
            f"{credit} in credit: {escrow - balance - credit} are missing; get "
            "more tokens or ask for less"
        )
    return escrow - min(credit, escrow)


def _send(connections: Connections, params: JobParams, permitted: int) -> Job:
    """Posts the job, with a permit or after an approval if tokens are needed."""
    market = connections.market
    job_id = market.job_id_of(params)
    is_permit = permitted > 0 and market.takes_permits()
    try:
        if permitted > 0 and not is_permit:
            crash_point("approval.sending")
            market.approve(permitted)
            crash_point("approval.sent")
        crash_point("post.sending")
        if is_permit:
            result = market.post_job_with_permit(params, permitted)
        else:
            result = market.post_job(params)
    except TransactionDropped as error:
        raise TransactionDropped(
            f"{error}; the job's id is {to_hex(job_id)}"
        ) from error
    crash_point("post.sent")
    return Job(connections, Timeline.of(job_id, result.logs).posted)


def _require_same(stored: Digest, expected: Digest) -> None:
    if stored != expected:
        raise DigestMismatch(
            f"the content store put the prompts under {to_hex(stored)} instead of "
            f"{to_hex(expected)}; it must chunk by 256 KiB and make CIDv0"
        )
