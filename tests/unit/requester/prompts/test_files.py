from __future__ import annotations

import json
import os
import threading
from pathlib import Path

import pytest

from protocol.errors import RequestError
from requester.prompts.decoding import Decoding
from requester.prompts.files import (
    MAX_FILE_BYTES,
    PromptRow,
    read_prompts,
    stream_prompts,
)
from requester.prompts.request import PromptRequest


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


# ---------------------------------------------------------------- CSV


def test_read_prompts_csv_cells_mean_what_json_means(tmp_path: Path) -> None:
    path = _file(
        tmp_path,
        "\ufeffid,prompt,maxNewTokens,temperature,topK,topP,seed,stop,stopIds,logprobs\n"
        '1,"Why, ""oh""\nwhy?", 5 ,0.7,40,0.95,18446744073709551615,'
        '"[""\\n"", "".""]","[0, 7]",3\r\n'
        "\n"
        "two,b,,,,,,x,7,\n",
        "p.csv",
    )
    assert read_prompts(path) == [
        PromptRequest(
            'Why, "oh"\nwhy?',
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
        PromptRequest("b", Decoding(stop=("x",), stop_ids=(7,))),
    ]


def test_stream_prompts_rows_have_lines_and_names(tmp_path: Path) -> None:
    text = '{"prompt": "a", "id": 7}\n\n{"prompt": "b", "id": "x"}\n{"prompt": "c"}'
    path = _file(tmp_path, text, "p.jsonl")
    rows = list(stream_prompts(path, max_bytes=1_000))
    named = [(row.line, row.name) for row in rows if isinstance(row, PromptRow)]
    assert named == [(1, "7"), (3, "x"), (4, None)]
    csv_path = _file(tmp_path, 'prompt,id\n"a\nb",1\nc,2\n', "p.csv")
    rows = list(stream_prompts(csv_path, max_bytes=1_000))
    named = [(row.line, row.name) for row in rows if isinstance(row, PromptRow)]
    assert named == [(2, "1"), (4, "2")]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("text\nhello\n", "p.csv, line 1: unknown column 'text'; known are prompt, id"),
        ("prompt;seed\na;1\n", "line 1: unknown column 'prompt;seed'; .* by commas"),
        ("prompt,prompt\na,b\n", "line 1: the column prompt stands twice"),
        ("id,seed\na,1\n", "line 1: there is no column prompt"),
        ("prompt,seed\na,1\nb\n", "line 3: it has 1 cells, the header has 2"),
        ("prompt,seed\na,1,2\n", "line 2: it has 3 cells, the header has 2; quote"),
        ("prompt,seed\na,one\n", "line 2: seed is 'one'; give an integer"),
        ("prompt,seed\na,1.5\n", "line 2: seed is '1.5'; give an integer"),
        ("prompt,maxNewTokens\na,0\n", "line 2: maxNewTokens is 0; give 1 to"),
        ("prompt,temperature\na,hot\n", "line 2: temperature is 'hot'"),
        ("prompt,temperature\na,NaN\n", "line 2: temperature is NaN"),
        ("prompt,topP\na,1.5\n", "line 2: topP in millionths is 1500000"),
        ("prompt,stopIds\na,x\n", "line 2: stopIds is 'x'; give a list"),
        ('prompt,stop\na,"[1]"\n', r"line 2: stop is \[1\]; give a string or a list"),
        ('prompt,seed\n"a\nb",1\n ,2\n', "line 4: prompt is empty; write some text"),
        ("prompt,seed\n,2\n", "line 2: prompt is empty; write some text"),
        ('prompt,seed\na,1\n"never closed,2\n', "line 3: no CSV .unexpected end"),
        ('prompt\n"a"b\n', "line 2: no CSV"),
        ("prompt\n" + "a" * 200_000 + "\n", "line 2: no CSV .field larger than"),
        ("prompt\n" + "a" * 2_000_000 + "\n", "line 2: longer than 1048576 bytes"),
        ("\n\n", "p.csv is empty; write one prompt a line"),
        ("prompt\n", "p.csv is empty; write one prompt a line"),
        (b"prompt\na\xff\n", "p.csv is not UTF-8: byte 0xff in line 2"),
        ("prompt,seed\na," + "1" * 50 + "\n", "line 2: seed is '1*'?.*; give"),
    ],
)
def test_read_prompts_malformed_csv_names_line_and_field(
    tmp_path: Path, content: str | bytes, reason: str
) -> None:
    path = _file(tmp_path, content, "p.csv")
    with pytest.raises(RequestError, match=reason):
        read_prompts(path)


@pytest.mark.parametrize("name", ["x" * 201, ["a"], True])
def test_read_prompts_odd_id_is_refused(tmp_path: Path, name: object) -> None:
    path = _file(tmp_path, json.dumps({"prompt": "a", "id": name}), "p.jsonl")
    with pytest.raises(RequestError, match="line 1: id is .*; give a string of at"):
        read_prompts(path)


def test_read_prompts_from_a_pipe_needs_no_size(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.jsonl"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_text, args=('{"prompt": "a"}\n',))
    writer.start()
    assert read_prompts(pipe) == [PromptRequest("a")]
    writer.join()
