from __future__ import annotations

from protocol.digests import Digest
from protocol.documents.prompts import Prompt, PromptsDocument
from protocol.documents.results import Finish, Output, ResultsDocument
from protocol.market.types import ModelId

MODEL = ModelId(b"\xab" * 32)
MODEL_HEX = "0x" + "ab" * 32


def test_results_document_has_one_encoding() -> None:
    pairs = (((5, -70), (7, -9)), ((6, 0),))
    output = Output(finish=Finish.STOP, ids=(5, 6), logprobs=pairs, text="hé\n")
    results = ResultsDocument.build(MODEL, Digest(b"\xcd" * 32), [output])
    expected = (
        f'{{"modelId":"{MODEL_HEX}","outputs":[{{"finish":"stop","ids":[5,6],'
        f'"logprobs":[[[5,-70],[7,-9]],[[6,0]]],"text":"hé\\n"}}],'
        f'"promptsDigest":"0x{"cd" * 32}","version":1}}'
    )
    assert results.to_bytes() == expected.encode()
    assert ResultsDocument.from_bytes(expected.encode()) == results


def test_token_count_adds_prompt_and_generated_tokens() -> None:
    asked = (Prompt(ids=(1, 2), max_new_tokens=9), Prompt(ids=(3,), max_new_tokens=9))
    prompts = PromptsDocument(model_id=MODEL_HEX, prompts=asked)
    outputs = [
        Output(finish=Finish.STOP, ids=(5, 6), logprobs=(), text=""),
        Output(finish=Finish.LENGTH, ids=(), logprobs=(), text=""),
    ]
    results = ResultsDocument.build(MODEL, Digest(bytes(32)), outputs)
    assert results.token_count(prompts) == 5
