from __future__ import annotations

from decimal import Decimal

import pytest

from protocol.strict_json import parse_json


def test_parse_json_fractions_keep_their_digits() -> None:
    assert parse_json('{"a": [0.1, 2]}', max_depth=2) == {"a": [Decimal("0.1"), 2]}


def test_parse_json_brackets_in_strings_are_no_nesting() -> None:
    assert parse_json(r'["[[[\"{{", "\\"]', max_depth=1) == ['[[["{{', "\\"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[[1]]", "nested deeper than 1"),
        ("[" * 1_000_000, "nested deeper"),
        ('{"a": {}}', "nested deeper"),
        ('{"a": 1, "a": 2}', "stands twice"),
        ("[NaN]", "NaN is no JSON number"),
        ("[-Infinity]", "-Infinity is no JSON number"),
        ('"' + '\\"' * 1_000_000, "Unterminated string"),
        ("", "Expecting value"),
    ],
)
def test_parse_json_surprising_text_is_refused(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        parse_json(text, max_depth=1)
