from __future__ import annotations

from requester.batches.records import BatchOptions
from requester.jobs.drafts import Terms
from requester.prompts.decoding import Decoding
from requester.prompts.tasks import Task
from tests.support.market.values import an_address


def test_to_json_comes_back_as_it_was() -> None:
    options = BatchOptions(
        task=Task.ANSWER,
        decoding=Decoding(max_new_tokens=5, stop=("a", "\n"), stop_ids=(1, 2), seed=9),
        terms=Terms(
            model_id=None, redundancy=5, callback=an_address("book"), callback_gas=9
        ),
        job_size=7,
        in_flight=3,
        budget=2**90,
    )
    assert BatchOptions.from_json(options.to_json()) == options
    assert BatchOptions.from_json(BatchOptions().to_json()) == BatchOptions()
