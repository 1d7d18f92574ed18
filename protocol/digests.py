"""Content digests, and the IPFS addresses that carry them.

A digest is the SHA-256 of an IPFS root block. It is what goes on chain; the same 32
bytes behind the multihash prefix, in base 58, are the content's CIDv0 (multiformats:
multihash code 0x12, length 0x20).
"""

from __future__ import annotations

from typing import NewType

import base58

__all__ = [
    "DIGEST_BYTES",
    "Digest",
    "DigestError",
    "as_digest",
    "cid_to_digest",
    "digest_to_cid",
]

Digest = NewType("Digest", bytes)

DIGEST_BYTES = 32
_SHA256_MULTIHASH = b"\x12\x20"
_CID_LENGTH = 46
# Errors quote what they were given, but not a megabyte of it.
_QUOTED_CHARACTERS = 80


class DigestError(ValueError):
    """A value is not a digest, or not one in the expected notation."""


def as_digest(value: bytes) -> Digest:
    """Checks that `value` has the length of a digest.

    Args:
        value: 32 bytes.

    Returns:
        The same bytes, typed.

    Raises:
        DigestError: If the length is another.
    """
    if len(value) != DIGEST_BYTES:
        raise DigestError(f"a digest is {DIGEST_BYTES} bytes, got {len(value)}")
    return Digest(bytes(value))


def digest_to_cid(digest: Digest) -> str:
    """Writes a digest as CIDv0, the form that starts with ``Qm``.

    Args:
        digest: The SHA-256 of a dag-pb block.

    Returns:
        46 characters of base 58.
    """
    return base58.b58encode(_SHA256_MULTIHASH + as_digest(digest)).decode("ascii")


def cid_to_digest(cid: str) -> Digest:
    """Reads a CIDv0.

    Args:
        cid: 46 characters of base 58, starting with ``Qm``.

    Returns:
        The digest inside.

    Raises:
        DigestError: If it is anything else, such as a CIDv1 or a path.
    """
    if len(cid) != _CID_LENGTH or not cid.startswith("Qm"):
        raise DigestError(
            f"not a CIDv0: {_quote(cid)}; expected 46 characters starting with Qm "
            "(`ipfs cid format -v 0` converts a dag-pb CIDv1)"
        )
    try:
        multihash = base58.b58decode(cid)
    except ValueError as error:
        raise DigestError(f"not base 58: {_quote(cid)}") from error
    if multihash[:2] != _SHA256_MULTIHASH:
        raise DigestError(f"not a SHA-256 multihash: {_quote(cid)}")
    return as_digest(multihash[2:])


def _quote(text: str) -> str:
    if len(text) <= _QUOTED_CHARACTERS:
        return repr(text)
    return f"{text[:_QUOTED_CHARACTERS]!r}… ({len(text)} characters)"
