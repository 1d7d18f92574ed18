from __future__ import annotations

from pathlib import Path

import pytest

from protocol.digests import Digest
from protocol.errors import (
    BadTokenizer,
    ConfigError,
    ContractReverted,
    DigestMismatch,
    JobNotFound,
    MarketError,
    NotEnoughFunds,
    RequestError,
    StoreUnavailable,
    TransactionDropped,
)
from protocol.hexadecimal import to_hex
from protocol.market.types import JobId, JobState, ModelId
from protocol.store.memory import MemoryStore
from requester.client import Client
from requester.jobs.drafts import Terms
from requester.jobs.tokenizers import TokenizerCache
from requester.prompts.decoding import Decoding
from requester.prompts.request import PromptRequest
from requester.prompts.tasks import Task
from requester.settings import RequesterSettings
from tests.support.market.values import a_config, an_address
from tests.support.market.world import World, a_spec
from tests.support.models.tokenizers import byte_tokenizer

GREEDY = Decoding(max_new_tokens=10, temperature=0)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World.build(tmp_path)


def _assert_untouched(world: World) -> None:
    """No money moved and nothing was stored."""
    assert world.market.jobs == {}
    assert world.market.approved == []
    assert world.market.tokens == 10**12
    assert all(b'"prompts"' not in data for data in world.store.files.values())


# ---------------------------------------------------------------- posting


def test_submit_posts_pins_and_pays_just_the_escrow(world: World) -> None:
    job = world.client.submit(["one", "two"], decoding=GREEDY)
    params = job.params
    assert job.state() == JobState.OPEN
    assert params.prompts_digest in world.store.pinned
    assert (params.prompt_count, params.max_tokens) == (2, 3 + 3 + 20)
    assert (params.redundancy, params.max_rounds, params.min_seats) == (3, 1, 3)
    assert world.market.approved == [job.escrowed]
    assert world.market.tokens == 10**12 - job.escrowed
    assert world.market.allowed == 0


def test_submit_equal_jobs_have_ids_of_their_own(world: World) -> None:
    jobs = [world.client.submit("same") for _ in range(2)]
    assert jobs[0].job_id != jobs[1].job_id
    assert [job.job_id for job in world.client.jobs()] == [job.job_id for job in jobs]


def test_prepare_document_holds_scaled_parameters_and_rising_seeds(
    world: World,
) -> None:
    own = PromptRequest("c", Decoding(seed=5, temperature=0, stop=("\n",)))
    decoding = Decoding(max_new_tokens=7, temperature=700_000, seed=2**64 - 1)
    draft = world.client.prepare(["a", "b", own], decoding=decoding)
    prompts = draft.document.prompts
    assert [prompt.seed for prompt in prompts] == [2**64 - 1, 0, 5]
    assert [prompt.temperature for prompt in prompts] == [700_000, 700_000, 0]
    assert [prompt.stop for prompt in prompts] == [(), (), ("\n",)]
    assert {prompt.max_new_tokens for prompt in prompts} == {7}
    assert {prompt.top_k for prompt in prompts} == {40}
    assert draft.document.to_bytes() == draft.content


def test_prepare_task_frames_the_text_that_is_tokenised(world: World) -> None:
    prompt = world.client.prepare("Story.", task=Task.SUMMARIZE).document.prompts[0]
    assert prompt.text == "Story.\nTL;DR:"
    assert prompt.ids == world.codec.encode("Story.\nTL;DR:")
    assert prompt.top_k == 2


def test_prepare_costs_and_sends_nothing(world: World) -> None:
    world.client.estimate("hello")
    _assert_untouched(world)


def test_submit_uses_credit_first_and_approves_only_the_rest(tmp_path: Path) -> None:
    world = World.build(tmp_path, credit=30_000, allowance=7)
    job = world.client.submit("hello")
    assert world.market.approved == [job.escrowed - 30_000]
    assert world.market.credit == 0


def test_submit_token_with_permits_needs_no_approval(tmp_path: Path) -> None:
    world = World.build(tmp_path, credit=30_000, allowance=7)
    world.market.has_permits = True
    job = world.client.submit("hello")
    assert world.market.approved == []
    assert world.market.permitted == [job.escrowed - 30_000]
    world.market.allowed = 10**12
    world.client.submit("hello")
    assert len(world.market.permitted) == 1


def test_submit_large_allowance_is_left_alone(tmp_path: Path) -> None:
    world = World.build(tmp_path, allowance=10**12)
    world.client.submit("hello", approve=False)
    assert world.market.approved == []


def test_submit_credit_alone_can_pay(tmp_path: Path) -> None:
    world = World.build(tmp_path, credit=10**9, tokens=0)
    world.client.submit("hello", approve=False)
    assert world.market.approved == []


# ---------------------------------------------------------------- bad input

LONG = "x" * 125

_REFUSED: list[tuple[object, dict[str, object], str]] = [
    ([], {}, "there are no prompts"),
    ("", {}, "prompt 1: it is empty"),
    (["fine", " \n"], {}, "prompt 2: it is empty"),
    (["fine", "a\ud800"], {}, "prompt 2: .*lone surrogate"),
    (
        ["fine", LONG],
        {"decoding": GREEDY},
        "prompt 2: it has 125 tokens and asks for 10 more; the model's context is 128",
    ),
    ("x", {"terms": Terms(redundancy=2)}, "redundancy is 2, an even .* use 1 or 3"),
    ("x", {"terms": Terms(redundancy=0)}, "redundancy is 0; .* odd .* from 1 to 7"),
    ("x", {"terms": Terms(redundancy=-3)}, "redundancy is -3"),
    ("x", {"terms": Terms(redundancy=9)}, "redundancy is 9; .* from 1 to 7"),
    ("x", {"terms": Terms(tick=8)}, "tick is 8; give 0 to 7"),
    ("x", {"terms": Terms(tick=-1)}, "tick is -1"),
    ("x", {"terms": Terms(min_seats=9)}, "min_seats is 9, but only 7 seats"),
    ("x", {"terms": Terms(min_seats=-1)}, "min_seats is -1"),
    ("x", {"terms": Terms(model_id=ModelId(b"\x07" * 32))}, "0x0707.* not registered"),
    ("x", {"terms": Terms(max_job_tokens=0)}, "max_job_tokens is 0"),
    (
        ["abc", "def"],
        {"terms": Terms(max_job_tokens=7)},
        "the token budget is 7, but the prompts alone have 6 tokens",
    ),
    ("x", {"terms": Terms(max_cost=1)}, "would lock .* units, max_cost is 1"),
]


@pytest.mark.parametrize(("prompts", "arguments", "message"), _REFUSED)
def test_submit_bad_request_is_refused_before_anything_happens(
    world: World, prompts: object, arguments: dict[str, object], message: str
) -> None:
    with pytest.raises(RequestError, match=message):
        world.client.submit(prompts, **arguments)  # type: ignore[arg-type]
    _assert_untouched(world)


def test_submit_more_redundancy_than_seats_is_refused(tmp_path: Path) -> None:
    world = World.build(tmp_path, seats=3)
    with pytest.raises(RequestError, match="redundancy is 5, but only 3 seats"):
        world.client.submit("x", terms=Terms(redundancy=5))
    _assert_untouched(world)


def test_submit_pay_above_the_bond_says_to_split(tmp_path: Path) -> None:
    world = World.build(tmp_path, config=a_config(seat_bond=20_050))
    with pytest.raises(RequestError, match=r"more than its bond of 20050.*split"):
        world.client.submit("hello", terms=Terms(tick=4))
    _assert_untouched(world)


def test_submit_budget_between_lowers_and_says_so(world: World) -> None:
    decoding = Decoding(max_new_tokens=50)
    terms = Terms(max_job_tokens=46)
    draft = world.client.prepare(["abc", "def"], decoding=decoding, terms=terms)
    assert [p.max_new_tokens for p in draft.document.prompts] == [20, 20]
    assert draft.params.max_tokens == 46
    assert draft.estimate.lowered_count == 2


def test_prepare_the_markets_own_limit_lowers_too(tmp_path: Path) -> None:
    world = World.build(tmp_path, config=a_config(max_job_tokens=20))
    draft = world.client.prepare("abc")
    assert draft.params.max_tokens == 20


def test_submit_float_profile_is_refused(tmp_path: Path) -> None:
    profile = b"float-dev".ljust(32, b"\0")
    world = World.build(tmp_path, spec={"profile": profile})
    with pytest.raises(RequestError, match="profile 'float-dev', whose results may"):
        world.client.submit("x")


def test_submit_bit_exact_profile_on_a_public_chain_is_fine(tmp_path: Path) -> None:
    world = World.build(tmp_path, chain_id=1)
    terms = Terms(model_id=world.market.spec.model_id())
    assert world.client.submit("x", terms=terms).chain_id == 1


def test_prepare_no_model_is_chosen_by_a_stranger(tmp_path: Path) -> None:
    world = World.build(tmp_path, chain_id=1)
    with pytest.raises(ConfigError, match="no model is named: give --model"):
        world.client.prepare("x")


def test_prepare_one_of_several_models_has_to_be_named(world: World) -> None:
    world.market.register(a_spec(MemoryStore(), base_price=3))
    with pytest.raises(ConfigError, match="no model is named.*2 are registered"):
        world.client.prepare("x")


def test_prepare_ids_outside_the_vocabulary_are_refused(tmp_path: Path) -> None:
    world = World.build(tmp_path, spec={"vocab_size": 50})
    with pytest.raises(RequestError, match="prompt 1: it holds .* ends at 49"):
        world.client.prepare("~~~~")


def test_submit_without_a_key_asks_for_one(tmp_path: Path) -> None:
    world = World.build(tmp_path, account=None)
    assert world.client.estimate("x").escrow > 0
    with pytest.raises(ConfigError, match="give --key-file"):
        world.client.submit("x")


def test_post_a_draft_of_another_account_is_refused(
    world: World, tmp_path: Path
) -> None:
    reader = World.build(tmp_path, account=None)
    with pytest.raises(RequestError, match="prepare it again"):
        world.client.post(reader.client.prepare("x"))


def test_submit_too_few_tokens_names_balance_and_credit(tmp_path: Path) -> None:
    world = World.build(tmp_path, tokens=100, credit=23)
    with pytest.raises(NotEnoughFunds, match="has 100 in tokens and 23 in credit"):
        world.client.submit("x")
    assert world.market.approved == []


def test_submit_too_little_allowance_without_approval_names_it(
    tmp_path: Path,
) -> None:
    world = World.build(tmp_path, allowance=5)
    with pytest.raises(NotEnoughFunds, match="may take 5 units .* are needed"):
        world.client.submit("x", approve=False)
    _assert_untouched(world)


# ---------------------------------------------------------------- failures


def test_submit_store_that_changes_the_prompts_stops_before_paying(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    draft = world.client.prepare("x")
    monkeypatch.setattr(world.store, "get", lambda digest, *, max_bytes: b"other")
    with pytest.raises(DigestMismatch, match="returned other prompts"):
        world.client.post(draft)
    assert world.market.approved == [] and world.market.jobs == {}


def test_submit_store_that_names_another_digest_stops_before_paying(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    draft = world.client.prepare("x")
    monkeypatch.setattr(world.store, "put", lambda data: Digest(bytes(32)))
    with pytest.raises(DigestMismatch, match="must chunk by 256 KiB"):
        world.client.post(draft)
    assert world.market.approved == [] and world.market.jobs == {}


def test_submit_store_away_stops_before_paying(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def put(data: bytes) -> Digest:
        raise StoreUnavailable("no answer from the IPFS node")

    world.client.estimate("x")
    monkeypatch.setattr(world.store, "put", put)
    with pytest.raises(StoreUnavailable):
        world.client.submit("x")
    assert world.market.approved == [] and world.market.jobs == {}


@pytest.mark.parametrize(
    ("failure", "is_pinned"),
    [
        (ContractReverted("RosterTooThin", (2, 3)), False),
        (NotEnoughFunds("no gas"), False),
        (TransactionDropped("postJob was sent as 0x12 and not mined"), True),
    ],
)
def test_submit_failed_post_keeps_prompts_only_if_it_may_still_be_mined(
    world: World, failure: MarketError, is_pinned: bool
) -> None:
    draft = world.client.prepare("x")
    world.market.failures.append(failure)
    with pytest.raises(type(failure)):
        world.client.post(draft)
    assert (draft.params.prompts_digest in world.store.pinned) == is_pinned


def test_submit_dropped_post_names_the_jobs_id(world: World) -> None:
    draft = world.client.prepare("x")
    world.market.failures.append(TransactionDropped("not mined"))
    job_id = world.market.job_id_of(draft.params)
    with pytest.raises(TransactionDropped, match=f"the job's id is {to_hex(job_id)}"):
        world.client.post(draft)


# ---------------------------------------------------------------- finding


def test_job_is_found_by_its_id(world: World) -> None:
    posted = world.client.submit("x")
    found = world.client.job(posted.job_id)
    assert found.params == posted.params
    assert found.escrowed == posted.escrowed
    assert repr(found) == f"Job({to_hex(posted.job_id)})"


def test_job_never_posted_is_not_found(world: World) -> None:
    with pytest.raises(JobNotFound, match="job 0x0909.* was never posted"):
        world.client.job(JobId(b"\x09" * 32))


def test_jobs_of_somebody_else_are_none(world: World) -> None:
    world.client.submit("x")
    assert world.client.jobs(an_address("stranger")) == []


# ---------------------------------------------------------------- tokenizers


def test_codec_of_is_fetched_once_and_read_from_disk_later(tmp_path: Path) -> None:
    store = MemoryStore()
    package = store.put_directory({"tokenizer.json": byte_tokenizer()})
    TokenizerCache(store, tmp_path / "cache").codec_of(package)
    offline = TokenizerCache(MemoryStore(), tmp_path / "cache")
    assert offline.codec_of(package).decode((65,)) != ""


def test_codec_of_damaged_file_is_fetched_again(tmp_path: Path) -> None:
    store = MemoryStore()
    package = store.put_directory({"tokenizer.json": byte_tokenizer()})
    TokenizerCache(store, tmp_path).codec_of(package)
    (kept,) = tmp_path.iterdir()
    kept.write_bytes(kept.read_bytes()[:-1])
    TokenizerCache(store, tmp_path).codec_of(package)
    assert kept.read_bytes() == byte_tokenizer()


def test_codec_of_useless_tokenizer_is_refused(tmp_path: Path) -> None:
    store = MemoryStore()
    package = store.put_directory({"tokenizer.json": b"{}"})
    with pytest.raises(BadTokenizer, match="is not a byte-level BPE"):
        TokenizerCache(store, tmp_path).codec_of(package)


def test_codec_of_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    store = MemoryStore()
    package = store.put_directory({"tokenizer.json": byte_tokenizer()})
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="tokenizer cache .* cannot be written"):
        TokenizerCache(store, tmp_path / "file").codec_of(package)


def test_connect_with_settings_and_single_ones_names_those() -> None:
    with pytest.raises(ConfigError, match="settings and rpc_url are given"):
        Client.connect(RequesterSettings(), rpc_url="http://127.0.0.1:1")
