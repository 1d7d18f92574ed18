from __future__ import annotations

import json
from pathlib import Path

import pytest

from protocol.errors import RequestError
from requester.decoding import Decoding
from requester.prompts import MAX_FILE_BYTES, PromptRequest, read_prompts


def _file(folder: Path, content: str | bytes, name: str = "prompts.txt") -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_read_prompts_text_is_one_a_line(tmp_path: Path) -> None:
    path = _file(tmp_path, "\ufeffone\r\n\n  \n two\u2028still two\nthree")
    assert read_prompts(path) == [
        PromptRequest("one"),
        PromptRequest(" two\u2028still two"),
        PromptRequest("three"),
    ]


@pytest.mark.parametrize("content", ["", "\n\n", "  \r\n"])
@pytest.mark.parametrize("name", ["prompts.txt", "prompts.jsonl"])
def test_read_prompts_empty_file_is_named(
    tmp_path: Path, content: str, name: str
) -> None:
    path = _file(tmp_path, content, name)
    with pytest.raises(RequestError, match=f"{name} is empty; write one prompt a line"):
        read_prompts(path)


def test_read_prompts_not_utf8_names_byte_and_line(tmp_path: Path) -> None:
    path = _file(tmp_path, b"fine\ncaf\xe9\n")
    with pytest.raises(RequestError, match="not UTF-8: byte 0xe9 in line 2"):
        read_prompts(path)


def test_read_prompts_too_large_says_so(tmp_path: Path) -> None:
    path = tmp_path / "prompts.txt"
    with path.open("wb") as file:
        file.truncate(MAX_FILE_BYTES + 1)
    with pytest.raises(RequestError, match=f"too large: over {MAX_FILE_BYTES} bytes"):
        read_prompts(path)


def test_read_prompts_missing_file_names_it(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="nowhere.txt cannot be read: No such file"):
        read_prompts(tmp_path / "nowhere.txt")


def test_read_prompts_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="cannot be read: Is a directory"):
        read_prompts(tmp_path)


def test_read_prompts_jsonl_all_fields_are_scaled(tmp_path: Path) -> None:
    line = (
        '{"prompt": "Why?\\n", "maxNewTokens": 5, "temperature": 0.7, "topK": 40,'
        ' "topP": 0.95, "seed": 18446744073709551615, "stop": ["\\n", "."],'
        ' "stopIds": [0, 7], "logprobs": 3}'
    )
    path = _file(tmp_path, f'{line}\n\n{{"prompt": "b", "stop": "x"}}\n', "p.jsonl")
    assert read_prompts(path) == [
        PromptRequest(
            "Why?\n",
            Decoding(
                max_new_tokens=5,
                temperature=700_000,
                top_k=40,
                top_p=950_000,
                seed=2**64 - 1,
                stop=("\n", "."),
                stop_ids=(0, 7),
                logprobs=3,
            ),
        ),
        PromptRequest("b", Decoding(stop=("x",))),
    ]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{", "not JSON"),
        ("[1]", "not an object"),
        ("[" * 1_000_000, "not JSON .nested deeper than 2 levels"),
        ('{"a":' * 100_000, "not JSON .nested deeper"),
        ('{"text": "a"}', "unknown field 'text'; known are prompt"),
        ("{}", "prompt is None; give a string"),
        ('{"prompt": 5}', "prompt is 5; give a string"),
        ('{"prompt": "a", "prompt": "b"}', "a field stands twice"),
        ('{"prompt": "a", "seed": true}', "seed is True; give an integer"),
        ('{"prompt": "a", "stopIds": [true]}', "give a list of token ids"),
        ('{"prompt": "a", "stopIds": 5}', "stopIds is 5; give a list of token ids"),
        ('{"prompt": "a", "seed": 1.0}', "seed is .*; give an integer"),
        ('{"prompt": "a", "seed": -1}', "seed is -1; give 0 to"),
        ('{"prompt": "a", "temperature": "0.7"}', "without quotes"),
        ('{"prompt": "a", "temperature": NaN}', "NaN is no JSON number"),
        ('{"prompt": "a", "temperature": 0.00000001}', "at most 6 decimals"),
        ('{"prompt": "a", "topP": 1.5}', "topP in millionths is 1500000"),
        ('{"prompt": "a", "stop": [1]}', "give a string or a list"),
        ('{"prompt": "a", "maxNewTokens": 0}', "maxNewTokens is 0"),
        ('{"prompt": "a", "seed": 1' + "0" * 5000 + "}", "not JSON"),
    ],
)
def test_read_prompts_malformed_line_has_its_number(
    tmp_path: Path, line: str, reason: str
) -> None:
    path = _file(tmp_path, f'{{"prompt": "fine"}}\n\n{line}\n', "p.jsonl")
    with pytest.raises(RequestError, match=rf"p\.jsonl, line 3: .*{reason}"):
        read_prompts(path)


def test_read_prompts_jsonl_text_with_any_character_survives(tmp_path: Path) -> None:
    text = 'tab\t, quote ", newline\n, é, 🦉'
    path = _file(tmp_path, json.dumps({"prompt": text}), "p.JSONL")
    assert read_prompts(path) == [PromptRequest(text)]
