from __future__ import annotations

import base58
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.peers.address import AddressRefused, PeerAddress, own_address

ID = base58.b58encode(b"\x12\x20" + b"\7" * 32).decode()
KEY_ID = base58.b58encode(b"\x00\x24\x08\x01\x12\x20" + b"\7" * 32).decode()
PUBLIC = f"/ip4/203.0.114.7/tcp/4001/p2p/{ID}"
PRIVATE = (
    "ip4/127.0.0.1",
    "ip4/10.0.0.1",
    "ip4/172.16.9.9",
    "ip4/192.168.1.1",
    "ip4/169.254.169.254",
    "ip4/100.64.0.1",
    "ip6/::1",
    "ip6/fe80::1",
    "ip6/fd00::1",
)


@pytest.mark.parametrize(
    "address",
    [
        PUBLIC,
        f"/ip4/203.0.114.7/tcp/1/p2p/{KEY_ID}",
        f"/ip4/203.0.114.7/udp/4001/quic-v1/p2p/{ID}",
        f"/ip4/203.0.114.7/udp/4001/quic/p2p/{ID}",
        f"/ip6/2a00:1450::1/tcp/65535/p2p/{ID}",
    ],
)
def test_parse_public_address_is_kept(address: str) -> None:
    parsed = PeerAddress.parse(address.encode())
    assert parsed.text == address
    assert not parsed.is_private
    assert parsed.identity in (ID, KEY_ID)


@pytest.mark.parametrize("host", PRIVATE)
def test_parse_private_address_needs_permission(host: str) -> None:
    address = f"/{host}/tcp/4001/p2p/{ID}"
    with pytest.raises(AddressRefused, match="private_peers"):
        PeerAddress.parse(address)
    assert PeerAddress.parse(address, allow_private=True).is_private


@pytest.mark.parametrize(
    "address",
    [
        "",
        "nonsense",
        "/ip4/203.0.114.7/tcp/4001",
        f"/ip4/203.0.114.7/tcp/0/p2p/{ID}",
        f"/ip4/203.0.114.7/tcp/65536/p2p/{ID}",
        f"/ip4/203.0.114.256/tcp/1/p2p/{ID}",
        f"/ip4/0.0.0.0/tcp/1/p2p/{ID}",
        f"/ip4/224.0.0.1/tcp/1/p2p/{ID}",
        f"/ip4/::1/tcp/1/p2p/{ID}",
        f"/ip6/203.0.114.7/tcp/1/p2p/{ID}",
        f"/ip6/::/tcp/1/p2p/{ID}",
        f"/ip6/::ffff:127.0.0.1/tcp/1/p2p/{ID}",
        f"/ip6/2002:7f00:1::/tcp/1/p2p/{ID}",
        f"/ip6/64:ff9b::7f00:1/tcp/1/p2p/{ID}",
        f"/dns4/peer.example/tcp/4001/p2p/{ID}",
        f"/ip4/203.0.114.7/tcp/4001/ws/p2p/{ID}",
        f"/ip4/203.0.114.7/tcp/4001/http/p2p/{ID}",
        f"/ip4/203.0.114.7/tcp/4001/p2p/{ID}/p2p-circuit/p2p/{KEY_ID}",
        f"{PUBLIC}\n{PUBLIC}",
        f"{PUBLIC} ",
        f"/ip4/203.0.114.7/tcp/4001/p2p/{ID[:-1]}",
        f"/ip4/203.0.114.7/tcp/4001/p2p/{'1' * 46}",
        "/ip4/203.0.114.7/tcp/4001/p2p/" + "Q" * 500,
    ],
)
def test_parse_other_kinds_are_refused_even_with_permission(address: str) -> None:
    with pytest.raises(AddressRefused) as caught:
        PeerAddress.parse(address.encode(), allow_private=True)
    assert len(str(caught.value)) < 300


@given(st.binary(max_size=600) | st.text(max_size=200))
def test_parse_anything_is_an_address_or_refused(address: bytes | str) -> None:
    try:
        parsed = PeerAddress.parse(address, allow_private=True)
    except AddressRefused:
        return
    assert PeerAddress.parse(parsed.text, allow_private=True) == parsed


@given(st.ip_addresses(), st.integers(1, 65_535), st.sampled_from(["tcp", "udp"]))
def test_parse_address_without_permission_is_global(
    host: object, port: int, transport: str
) -> None:
    kind = "ip6" if ":" in str(host) else "ip4"
    tail = "tcp/{}" if transport == "tcp" else "udp/{}/quic-v1"
    address = f"/{kind}/{host}/{tail.format(port)}/p2p/{ID}"
    try:
        parsed = PeerAddress.parse(address)
    except AddressRefused:
        return
    assert not parsed.is_private
    assert parsed.text == address


def test_own_address_prefers_public_tcp_over_ip4() -> None:
    quic = f"/ip4/203.0.114.7/udp/4001/quic-v1/p2p/{ID}"
    six = f"/ip6/2a00:1450::1/tcp/4001/p2p/{ID}"
    home = f"/ip4/127.0.0.1/tcp/4001/p2p/{ID}"
    told = (home, quic, "/dns4/odd", six, PUBLIC)

    def chosen(*told: str, allow_private: bool = True) -> str | None:
        found = own_address(told, allow_private=allow_private)
        return None if found is None else found.text

    assert chosen(*told) == PUBLIC
    assert chosen(home, quic, six) == six
    assert chosen(home, quic) == quic
    assert chosen(home) == home
    assert chosen(home, allow_private=False) is None
    assert chosen() is None
