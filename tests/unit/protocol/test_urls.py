from __future__ import annotations

import pytest

from protocol.urls import mask_url


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://127.0.0.1:8545", "http://127.0.0.1:8545"),
        ("http://127.0.0.1:8545/", "http://127.0.0.1:8545"),
        ("https://node.example/v3/0123abcd", "https://node.example/***"),
        ("https://node.example?key=0123abcd", "https://node.example/***"),
        ("https://me:pass@node.example:1/x", "https://***@node.example:1/***"),
        ("https://token@node.example", "https://***@node.example"),
        ("http://host:notaport/secret", "***"),
        ("http://[secret", "***"),
        ("secret", "***://***/***"),
    ],
)
def test_mask_url_shows_where_and_no_secret(url: str, shown: str) -> None:
    assert mask_url(url) == shown
