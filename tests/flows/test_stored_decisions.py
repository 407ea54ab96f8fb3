"""A stored decision can be checked by somebody who has only the exported releases and the event."""

from collections import Counter
from datetime import UTC, datetime
from typing import Any

import pytest

from app.commands.demo.reports import Messages, read_reports
from app.core.timing import MovableClock
from tests.conftest import client_token, http_for
from tests.flows.town import Town
from tests.reference_router import ReferenceRouter

#: what routing rests on
KINDS = ("routing-rules", "routing-steps", "duty-list", "components", "organizations")
NIGHT = datetime(2026, 3, 10, 14, 30, tzinfo=UTC)
HOLIDAY = datetime(2026, 2, 17, 3, 0, tzinfo=UTC)


async def exported(town: Town, vector: dict[str, int]) -> dict[str, list[dict[str, Any]]]:
    """The rows of the releases that a decision names, as an export would hold them."""
    found: dict[str, list[dict[str, Any]]] = {kind: [] for kind in KINDS if kind in vector}
    for kind, rows in found.items():
        statement = "SELECT body FROM release_row WHERE release_id = :release ORDER BY key"
        rows += [row.body for row in await town.rows(statement, release=vector[kind])]
    return found


@pytest.mark.parametrize("at", [None, NIGHT, HOLIDAY], ids=["morning", "night", "holiday"])
async def test_a_plain_reference_comes_to_the_same_units(town: Town, clock: MovableClock, at: datetime | None) -> None:
    if at is not None:
        clock.set(at)
    messages, reports = Messages("t"), [one for one in read_reports() if one.channel == "hotline-12345"]
    sent = [messages.of(one, at or datetime(2026, 3, 10, 2, 0, tzinfo=UTC)) for one in reports[:160]]
    async with http_for(town.runtime, client_token(town.runtime, town.city, "hotline-12345")) as http:
        for begin in range(0, len(sent), 40):
            answer = await http.post("/intake/hotline-12345/batch", json={"reports": sent[begin : begin + 40]})
            assert answer.is_success, answer.text
    decided = await town.rows(
        "SELECT t.data, e.accused_org_ids FROM timeline t JOIN event e ON e.id = t.event_id "
        "WHERE t.act IN ('dispatch', 'undecided') AND t.data ? 'facts'"
    )
    codes = {row.id: row.code for row in await town.rows("SELECT id, code FROM organization")}
    releases: dict[str, Any] = {}
    steps: Counter[str] = Counter()
    for row in decided:
        vector = row.data["releases"]
        if str(vector) not in releases:
            releases[str(vector)] = await exported(town, vector)
        release = releases[str(vector)]
        accused = [codes[unit] for unit in row.accused_org_ids]
        expected = ReferenceRouter(release, row.data["facts"], accused).decide()
        assert {name: row.data[name] for name in ("unit", "step", "rule_no", "clause_no")} == {
            name: expected[name] for name in ("unit", "step", "rule_no", "clause_no")
        }, row.data
        assert row.data["steps"][-1]["step"] == row.data["step"] or row.data["unit"] is None
        steps[row.data["step"]] += 1
    assert sum(steps.values()) >= 60
    assert {"statutory_department", "territorial"} <= set(steps)
    assert ("night_duty" in steps) is (at is not None)
