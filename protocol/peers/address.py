"""Addresses of IPFS peers that strangers announce, and which of them are dialled. Pure.

A multiaddress can name nearly any protocol and relay. A node that dials whatever it is
told can be sent to its neighbours behind a firewall. So an address here is an IP
address with a port for TCP or QUIC and an identity, and nothing else; names are not
looked up, since a name can lead anywhere.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Self

import base58

__all__ = ["MAX_ANNOUNCEMENT_BYTES", "AddressRefused", "PeerAddress", "own_address"]

MAX_ANNOUNCEMENT_BYTES = 512
"""Most bytes that the contracts let an account announce."""

_FORM = re.compile(
    r"/(?P<kind>ip4|ip6)/(?P<host>[0-9a-fA-F.:]{2,45})"
    r"/(?P<transport>tcp/(?P<tcp>[0-9]{1,5})|udp/(?P<udp>[0-9]{1,5})/quic(?:-v1)?)"
    r"/p2p/(?P<identity>[1-9A-HJ-NP-Za-km-z]{40,60})"
)
_QUOTED_CHARACTERS = 80
_SHA256_IDENTITY = b"\x12\x20"
_KEY_IDENTITY = b"\x00\x24\x08\x01\x12\x20"  # an Ed25519 key as it is
_KEY_BYTES = 32


class AddressRefused(ValueError):
    """An address that is malformed, or of a kind that is not dialled."""


@dataclass(frozen=True, slots=True)
class PeerAddress:
    """A peer's address that may be dialled.

    Attributes:
        text: The multiaddress, in one notation.
        identity: The peer's identity, its last part.
        is_private: Whether the IP address means something only within a network.
    """

    text: str
    identity: str
    is_private: bool

    @classmethod
    def parse(cls, address: str | bytes, *, allow_private: bool = False) -> Self:
        """Reads an address.

        Args:
            address: Such as ``/ip4/203.0.113.7/tcp/4001/p2p/12D3Koo…``, in text form.
            allow_private: Whether it may be one of this machine or a private network.

        Raises:
            AddressRefused: If it has another form or may not be dialled.
        """
        text = _text_of(address)
        found = _FORM.fullmatch(text)
        if found is None:
            raise AddressRefused(
                f"{_quote(text)} is not an IP address with a TCP or QUIC port and an "
                "identity, such as /ip4/203.0.113.7/tcp/4001/p2p/12D3Koo…"
            )
        host = _host_of(found["kind"], found["host"])
        port = int(found["tcp"] or found["udp"])
        if not 0 < port < 1 << 16:
            raise AddressRefused(f"{_quote(text)} has no proper port")
        _require_identity(found["identity"])
        if not host.is_global and not allow_private:
            raise AddressRefused(
                f"{_quote(text)} is an address of this machine or a private network; "
                "the setting private_peers allows them"
            )
        transport = found["transport"].replace(found["tcp"] or found["udp"], str(port))
        written = f"/{found['kind']}/{host}/{transport}/p2p/{found['identity']}"
        return cls(written, found["identity"], not host.is_global)


def own_address(stated: tuple[str, ...], *, allow_private: bool) -> PeerAddress | None:
    """Chooses what to announce among the addresses of one's own node.

    Args:
        stated: What the node says of itself.
        allow_private: Whether peers may be in the same network or machine.

    Returns:
        A public address if there is one, TCP before QUIC, IPv4 before IPv6; else a
        private one if allowed; else None.
    """
    possible = []
    for address in stated:
        try:
            possible.append(PeerAddress.parse(address, allow_private=allow_private))
        except AddressRefused:
            continue
    return min(possible, key=_preference, default=None)


def _preference(address: PeerAddress) -> tuple[bool, bool, bool]:
    parts = address.text.split("/")
    return address.is_private, parts[3] != "tcp", parts[1] != "ip4"


def _text_of(address: str | bytes) -> str:
    if len(address) > MAX_ANNOUNCEMENT_BYTES:
        raise AddressRefused(f"an address of {len(address)} bytes")
    if isinstance(address, str):
        return address
    try:
        return address.decode("ascii")
    except UnicodeDecodeError:
        raise AddressRefused("an address that is not in text form") from None


def _host_of(kind: str, text: str) -> IPv4Address | IPv6Address:
    try:
        host = ip_address(text)
    except ValueError as error:
        raise AddressRefused(f"no IP address: {error}") from None
    if host.version != (4 if kind == "ip4" else 6):
        raise AddressRefused(f"{host} is not of kind {kind}")
    if host.is_multicast or host.is_unspecified or _leads_elsewhere(host):
        raise AddressRefused(f"{host} is not the address of one machine")
    return host


def _leads_elsewhere(host: IPv4Address | IPv6Address) -> bool:
    """Whether an IPv6 address holds an IPv4 address, which may be a private one."""
    if isinstance(host, IPv4Address):
        return False
    embedded = (host.ipv4_mapped, host.sixtofour, host.teredo)
    is_nat64 = host.packed.startswith(b"\x00\x64\xff\x9b")
    return is_nat64 or any(address is not None for address in embedded)


def _require_identity(identity: str) -> None:
    try:
        raw = base58.b58decode(identity)
    except ValueError:
        raw = b""
    for prefix in (_SHA256_IDENTITY, _KEY_IDENTITY):
        if raw.startswith(prefix) and len(raw) == len(prefix) + _KEY_BYTES:
            return
    raise AddressRefused(f"{_quote(identity)} is not the identity of a peer")


def _quote(text: str) -> str:
    return repr(text[:_QUOTED_CHARACTERS])
