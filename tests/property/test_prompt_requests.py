"""A prompt written down as JSON comes back whole: nothing that was said is lost."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from protocol.documents.prompts import (
    MAX_ALTERNATIVES,
    MAX_NEW_TOKENS,
    MAX_SEED,
    MAX_STOP_CHARACTERS,
    MAX_STOP_IDS,
    MAX_STOPS,
    MAX_TEMPERATURE,
    MAX_TOP_K,
    MILLION,
)
from requester.prompts.decoding import Decoding
from requester.prompts.request import PromptRequest

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
TOKEN_IDS = st.integers(0, (1 << 32) - 1)
STOPS = st.text(
    st.characters(exclude_categories=["Cs"]), min_size=1, max_size=MAX_STOP_CHARACTERS
)
DECODINGS = st.builds(
    Decoding,
    max_new_tokens=st.none() | st.integers(1, MAX_NEW_TOKENS),
    temperature=st.none() | st.integers(0, MAX_TEMPERATURE),
    top_k=st.none() | st.integers(0, MAX_TOP_K),
    top_p=st.none() | st.integers(1, MILLION),
    seed=st.none() | st.integers(0, MAX_SEED),
    stop=st.none() | st.lists(STOPS, max_size=MAX_STOPS).map(tuple),
    stop_ids=st.none() | st.lists(TOKEN_IDS, max_size=MAX_STOP_IDS).map(tuple),
    logprobs=st.none() | st.integers(0, MAX_ALTERNATIVES),
)
REQUESTS = st.builds(
    PromptRequest,
    text=TEXT,
    decoding=DECODINGS,
    ids=st.none() | st.lists(TOKEN_IDS).map(tuple),
)


@given(REQUESTS)
def test_from_json_inverts_to_json(request: PromptRequest) -> None:
    text = json.dumps(request.to_json())
    assert PromptRequest.from_json(json.loads(text)) == request
