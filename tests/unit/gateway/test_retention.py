from __future__ import annotations

from pathlib import Path

from sqlalchemy import update

from gateway.database.engine import Database
from gateway.jobs.tables import CallRow
from gateway.retention import forget_texts
from tests.unit.gateway.jobs.desk import Desk


def test_forget_texts_empties_old_ended_calls_and_no_others(
    database: Database, tmp_path: Path
) -> None:
    desk = Desk.build(database, tmp_path)
    key_id = desk.key()
    for call_id in ("old", "fresh", "open"):
        desk.reserve(call_id, ["secret"], key_id)
        if call_id != "open":
            job = desk.draft(call_id)
            desk.step(job)
            desk.answer(job, [" answer"])
            desk.step(job)
    with database.writing() as session:
        old = CallRow.call_id.in_(("old", "open"))
        session.execute(update(CallRow).where(old).values(changed_at=0.0))
    assert database.write(lambda s: forget_texts(s, 1.0)) == 1
    assert database.write(lambda s: forget_texts(s, 1.0)) == 0
    row = desk.call("old")
    assert (row.prompts, row.outputs) == (None, None)
    assert row.charge is not None and row.charge > 0
    for call_id in ("fresh", "open"):
        prompts = desk.call(call_id).prompts
        assert prompts is not None and prompts[0].text == "secret"
