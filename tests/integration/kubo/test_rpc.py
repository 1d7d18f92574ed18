"""The RPC of the embedded node, spoken to by hand and by ipfshttpclient's adapter."""

from __future__ import annotations

import json
import os
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from devnet.kubo.repository import Repository
from devnet.processes.ipfs import IpfsNode
from protocol.digests import Digest, digest_to_cid
from protocol.errors import ContentTooLarge
from protocol.store.ipfs import IpfsStore
from protocol.store.unixfs import directory_digest, file_digest, file_node

BOUNDARY = "frontier"


def part(name: str, data: bytes, kind: str = "application/octet-stream") -> bytes:
    return (
        (
            f"--{BOUNDARY}\r\n"
            f'Content-Disposition: form-data; name="file"; filename="{name}"\r\n'
            f"Content-Type: {kind}\r\n\r\n"
        ).encode()
        + data
        + b"\r\n"
    )


def post(
    node: IpfsNode, path: str, body: bytes = b"", headers: dict[str, str] | None = None
) -> bytes:
    request = urllib.request.Request(
        f"{node.api}/api/v0/{path}", data=body, headers=headers or {}, method="POST"
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        return bytes(answer.read())


def add(node: IpfsNode, *parts: bytes, query: str = "") -> list[dict[str, Any]]:
    body = b"".join(parts) + f"--{BOUNDARY}--\r\n".encode()
    kind = f"multipart/form-data; boundary={BOUNDARY}"
    answer = post(node, f"add?{query}", body, {"Content-Type": kind})
    return [json.loads(line) for line in answer.splitlines()]


def refused(node: IpfsNode, path: str, **request: Any) -> tuple[int, str]:
    """Status and message of an error."""
    with pytest.raises(urllib.error.HTTPError) as caught:
        post(node, path, **request)
    with caught.value as answer:
        return answer.code, str(json.load(answer)["Message"])


def missing_cid() -> str:
    return digest_to_cid(Digest(os.urandom(32)))


def test_version_is_that_of_kubo(node: IpfsNode) -> None:
    assert node.call("version")["Version"].count(".") == 2


def test_id_has_loopback_addresses_only(node: IpfsNode) -> None:
    told = node.call("id")

    assert told["Addresses"]
    for address in told["Addresses"]:
        assert address.startswith("/ip4/127.0.0.1/tcp/")
        assert address.endswith(f"/p2p/{told['ID']}")


def test_add_file_has_the_cid_of_a_stock_kubo(node: IpfsNode) -> None:
    # `echo -n hello | ipfs add --cid-version=0`
    (line,) = add(node, part("hello.txt", b"hello"))

    assert line == {
        "Name": "hello.txt",
        "Hash": "QmWfVY9y3xjsixTgbd9AorQxH7VtMpzfx2HaWtsoUYecaX",
        "Size": "13",
    }


def test_add_folder_lists_files_then_the_folder(node: IpfsNode) -> None:
    lines = add(
        node,
        part("pkg", b"", kind="application/x-directory"),
        part("pkg%2Fb", b"2"),
        part("pkg%2Fa%20a", b"1"),
    )

    nodes = {"a a": file_node(b"1"), "b": file_node(b"2")}
    assert [line["Name"] for line in lines] == ["pkg/b", "pkg/a a", "pkg"]
    assert lines[-1]["Hash"] == digest_to_cid(directory_digest(nodes))


def test_add_wrapped_gives_a_folder_without_a_name(node: IpfsNode) -> None:
    lines = add(node, part("a", b"1"), query="wrap-with-directory=true")

    assert [line["Name"] for line in lines] == ["a", ""]
    assert lines[-1]["Hash"] == digest_to_cid(directory_digest({"a": file_node(b"1")}))


def test_add_only_hash_stores_nothing(node: IpfsNode) -> None:
    data = os.urandom(100)

    (line,) = add(node, part("a", data), query="only-hash=true")

    assert line["Hash"] == digest_to_cid(file_digest(data))
    assert refused(node, f"cat?arg={line['Hash']}")[0] == 500


def test_add_pins_unless_told_otherwise(node: IpfsNode) -> None:
    (kept,) = add(node, part("a", os.urandom(10)))
    (loose,) = add(node, part("a", os.urandom(10)), query="pin=false")

    pins = node.call("pin/ls")["Keys"]

    assert kept["Hash"] in pins
    assert loose["Hash"] not in pins


@pytest.mark.parametrize(
    "query",
    [
        "cid-version=1",
        "raw-leaves=true",
        "chunker=size-1024",
        "chunker=rabin",
        "trickle=true",
        "only-hash=perhaps",
    ],
)
def test_add_setting_that_changes_cids_is_refused(node: IpfsNode, query: str) -> None:
    with pytest.raises(urllib.error.HTTPError) as caught:
        add(node, part("a", b"1"), query=query)

    with caught.value as answer:
        assert answer.code == 400


@pytest.mark.parametrize(
    "name",
    ["pkg%2F..", "pkg%2F..%2Fx", "pkg%2Fa%2Fb", "%2Fetc%2Fpasswd", "other%2Fa", "pkg2"],
)
def test_add_folder_with_bad_path_is_refused(node: IpfsNode, name: str) -> None:
    before = set(Repository(node.folder).folder.parent.rglob("*"))

    with pytest.raises(urllib.error.HTTPError) as caught:
        add(node, part("pkg%2Fok", b"1"), part(name, b"2"))

    with caught.value as answer:
        assert answer.code == 400
    assert set(Repository(node.folder).folder.parent.rglob("*")) == before


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"no multipart at all",
        part("a", b"cut short"),
        b"--frontier--\r\n",
        b"--frontier\r\n" + b"A: " + b"x" * 10_000 + b"\r\n\r\n\r\n--frontier--\r\n",
    ],
)
def test_add_malformed_body_is_refused(node: IpfsNode, body: bytes) -> None:
    kind = f"multipart/form-data; boundary={BOUNDARY}"

    status, _ = refused(node, "add", body=body, headers={"Content-Type": kind})

    assert status == 400


def test_add_too_large_is_refused_and_cleaned_up(node: IpfsNode) -> None:
    body = part("a", bytes(2_000_000))
    kind = f"multipart/form-data; boundary={BOUNDARY}"

    status, message = refused(node, "add", body=body, headers={"Content-Type": kind})

    assert (status, "2000000" in message) == (413, True)
    assert list(Repository(node.folder).scratch.iterdir()) == []


def test_cat_range_is_that_part_of_the_file(node: IpfsNode) -> None:
    data = os.urandom(600_000)
    (line,) = add(node, part("a", data))

    got = post(node, f"cat?arg={line['Hash']}&offset=262140&length=262150")

    assert got == data[262_140 : 262_140 + 262_150]


@pytest.mark.parametrize(
    ("offset", "length", "expected"),
    [(0, 0, b""), (5, 1, b""), (9, 9, b""), (4, 9, b"o"), (0, 1, b"h")],
)
def test_cat_range_at_the_edges(
    node: IpfsNode, offset: int, length: int, expected: bytes
) -> None:
    (line,) = add(node, part("a", b"hello"))

    got = post(node, f"cat?arg={line['Hash']}&offset={offset}&length={length}")

    assert got == expected


def test_cat_path_prefix_is_accepted(node: IpfsNode) -> None:
    (line,) = add(node, part("a", b"hello"))

    assert post(node, f"cat?arg=/ipfs/{line['Hash']}") == b"hello"


def test_cat_folder_is_refused(node: IpfsNode) -> None:
    line = add(node, part("pkg%2Fa", b"1"))[-1]

    status, message = refused(node, f"cat?arg={line['Hash']}")

    assert status == 500
    assert "not a file" in message


@pytest.mark.parametrize(
    "path",
    [
        "cat",
        "cat?arg=nonsense",
        "cat?arg=../../etc/passwd",
        "block/get?arg=bafybeif7ztnhq65lumvvtr4ekcwd2ifwgm3awq4zfr3srh462rwyinlb4y",
        "pin/add?arg=",
        f"cat?arg={'Qm' + 'x' * 44}&timeout=soon",
        f"cat?arg={'Qm' + 'x' * 44}&offset=-1",
    ],
)
def test_call_with_bad_arguments_is_refused(node: IpfsNode, path: str) -> None:
    assert refused(node, path)[0] == 400


def test_ls_lists_names_and_sizes(node: IpfsNode) -> None:
    line = add(node, part("pkg%2Fb", b"22"), part("pkg%2Fa", b"1"))[-1]

    (listed,) = node.call(f"ls?arg={line['Hash']}")["Objects"]

    assert [(link["Name"], link["Size"]) for link in listed["Links"]] == [
        ("a", 9),
        ("b", 10),
    ]


def test_pin_rm_takes_a_pin_away(node: IpfsNode) -> None:
    (line,) = add(node, part("a", os.urandom(10)))

    node.call(f"pin/rm?arg={line['Hash']}")

    assert "not pinned" in refused(node, f"pin/rm?arg={line['Hash']}")[1]
    assert "not pinned" in refused(node, f"pin/ls?arg={line['Hash']}")[1]


@pytest.mark.parametrize(
    "headers",
    [{"Origin": "http://evil.example"}, {"Host": "evil.example"}],
)
def test_call_from_a_web_page_is_refused(
    node: IpfsNode, headers: dict[str, str]
) -> None:
    assert refused(node, "id", headers=headers)[0] == 403


def test_call_with_get_is_refused(node: IpfsNode) -> None:
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(f"{node.api}/api/v0/id", timeout=10)

    with caught.value as answer:
        assert answer.code == 405


@pytest.mark.parametrize(
    "address",
    [
        "/ip4/192.0.2.1/tcp/4001/p2p/QmbFMke1KXqnYyBBWxB74N4c5SBnJMVAiMNRcGu6x1AwQH",
        "/dns/peer.example/tcp/1/p2p/QmbFMke1KXqnYyBBWxB74N4c5SBnJMVAiMNRcGu6x1AwQH",
        "nonsense",
    ],
)
def test_swarm_connect_beyond_this_machine_is_refused(
    node: IpfsNode, address: str
) -> None:
    assert refused(node, f"swarm/connect?arg={address}")[0] == 400


# ---------------------------------------------------------------- two nodes


def test_cat_fetches_from_a_peer(node: IpfsNode, peer: IpfsNode) -> None:
    data = os.urandom(600_000)
    digest = IpfsStore(peer.api).put(data)

    assert IpfsStore(node.api).get(digest, max_bytes=600_000) == data


def test_get_directory_fetches_from_a_peer(node: IpfsNode, peer: IpfsNode) -> None:
    files = {"a": os.urandom(300_000), "b": os.urandom(10)}
    digest = IpfsStore(peer.api).put_directory(files)

    assert IpfsStore(node.api).get_directory(digest) == files


def test_pin_fetches_from_a_peer(node: IpfsNode, peer: IpfsNode) -> None:
    data = os.urandom(1_000)
    digest = IpfsStore(peer.api).put(data)

    IpfsStore(node.api).pin(digest)

    assert Repository(node.folder).read_block(digest) is not None


def test_cat_missing_everywhere_ends_in_time_and_the_node_goes_on(
    node: IpfsNode, peer: IpfsNode
) -> None:
    started = time.monotonic()

    status, message = refused(node, f"cat?arg={missing_cid()}&timeout=500ms")

    assert (status, "within 0.5 s" in message) == (500, True)
    assert time.monotonic() - started < 5
    # The fetch took Kubo's process with it; its successor knows the peer again.
    data = os.urandom(1_000)
    digest = IpfsStore(peer.api).put(data)
    assert IpfsStore(node.api).get(digest, max_bytes=1_000) == data


def test_cat_longer_timeout_than_the_node_allows_is_cut(
    node: IpfsNode, peer: IpfsNode
) -> None:
    _, message = refused(node, f"cat?arg={missing_cid()}&timeout=1h")

    assert "within 3 s" in message


def test_cat_too_large_for_the_node_is_given_up(node: IpfsNode, peer: IpfsNode) -> None:
    digest = IpfsStore(peer.api).put(os.urandom(20_000_000))

    status, message = refused(node, f"cat?arg={digest_to_cid(digest)}")

    assert (status, "more than 2000000 bytes" in message) == (500, True)
    assert list(Repository(node.folder).scratch.iterdir()) == []


def test_get_too_large_on_a_peer_raises_too_large(
    node: IpfsNode, peer: IpfsNode
) -> None:
    digest = IpfsStore(peer.api).put(os.urandom(20_000_000))

    with pytest.raises(ContentTooLarge):
        IpfsStore(node.api).get(digest, max_bytes=1_000_000)


def test_files_of_the_node_stay_in_its_folder(node: IpfsNode) -> None:
    assert (Repository(node.folder).folder / "kubo.log").is_file()
    assert (Repository(node.folder).folder / "node.log").is_file()
    assert not Path("kubo.log").exists()
