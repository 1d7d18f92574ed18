from __future__ import annotations

import json
from typing import Any

from gateway.batches import lines
from gateway.batches.lines import output_line, read_lines

URL = "/v1/completions"


def a_line(custom_id: str = "a", **changes: Any) -> str:
    line = {"custom_id": custom_id, "method": "POST", "url": URL, "body": {"n": 1}}
    return json.dumps({**line, **changes})


def read(*texts: str) -> tuple[list[str], list[tuple[str, int | None]]]:
    found, faults = read_lines("\n".join(texts).encode(), URL)
    return [x.custom_id for x in found], [(f.code, f.line) for f in faults]


def test_read_lines_skips_blank_ones_and_keeps_numbers() -> None:
    content = ("\ufeff" + a_line("a") + "\r\n\n  \n" + a_line("b")).encode()
    found, faults = read_lines(content, URL)
    assert faults == []
    assert [(line.number, line.custom_id) for line in found] == [(1, "a"), (4, "b")]
    assert json.loads(found[0].body) == {"n": 1}


def test_read_lines_with_a_separator_inside_a_text_stay_whole() -> None:
    line = json.dumps({"prompt": "one\u2028two"}, ensure_ascii=False)
    text = a_line(body={}).replace("{}", line)
    found, faults = read_lines(text.encode(), URL)
    assert faults == []
    assert json.loads(found[0].body) == {"prompt": "one\u2028two"}


def test_read_lines_of_wrong_lines_name_each() -> None:
    _, faults = read(
        a_line("a"),
        "nonsense",
        a_line("a"),
        a_line("b", url="/v1/chat/completions"),
        a_line("c", extra=1),
    )
    assert faults == [
        ("invalid_line", 2),
        ("duplicate_custom_id", 3),
        ("mismatched_url", 4),
        ("invalid_line", 5),
    ]


def test_read_lines_of_an_empty_or_binary_file_is_a_fault() -> None:
    assert read("", " ")[1] == [("empty_file", None)]
    assert read_lines(b"\xff\xfe\x00", URL)[1][0].code == "invalid_file"


def test_read_lines_beyond_the_limit_is_a_fault(monkeypatch: Any) -> None:
    monkeypatch.setattr(lines, "MAX_LINES", 2)
    _, faults = read(*(a_line(f"{n}") for n in range(3)))
    assert faults == [("too_many_calls", None)]


def test_read_lines_of_many_faults_stops_telling() -> None:
    assert len(read(*["x"] * 1_000)[1]) == 20


def test_output_line_has_openais_form() -> None:
    line = output_line("cmpl-12", "mine", 200, {"id": "cmpl-12"})
    assert line == {
        "id": "batch_req_12",
        "custom_id": "mine",
        "response": {
            "status_code": 200,
            "request_id": "cmpl-12",
            "body": {"id": "cmpl-12"},
        },
        "error": None,
    }
