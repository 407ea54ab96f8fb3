"""What ``bihuan bench simulate`` measures with: its draft, its past events, and that it notices a difference."""

import io
from datetime import UTC, datetime
from typing import Any

import pytest
from rich.console import Console

from app.commands.bench import simulate, simulate_data
from app.commands.bench.simulate import Foretold
from app.dispatch.simulation import LEFT_TO_PEOPLE, Tally
from app.masters.kinds import KINDS
from app.masters.publishing import read_folder
from tests.conftest import DEMO_CITY

FILES = read_folder(DEMO_CITY)
RULES: dict[str, Any] = dict(FILES["routing-rules"].documents)
DUTIES: dict[str, Any] = dict(FILES["duty-list"].documents)
STREETS = sorted(code for code in FILES["areas"].rows if len(code) == 9)


def test_the_draft_is_sound_and_much_of_it_is_new() -> None:
    made = simulate_data.changes(RULES, DUTIES, STREETS)
    for kind, rows in (("routing-rules", made.rules), ("duty-list", made.duties)):
        for key, row in rows.items():
            assert KINDS[kind].model.model_validate(row).key == key  # type: ignore[attr-defined] # each kind has one
    assert len(made.rules) == len(RULES) - made.removed + made.added
    same = sum(made.rules.get(no) == row for no, row in RULES.items())
    assert same == len(RULES) - made.removed - made.changed
    assert min(made.changed, made.removed, made.added) > 100
    assert sum(made.duties[no] != row for no, row in DUTIES.items()) == made.clauses > 0
    assert simulate_data.changes(RULES, DUTIES, STREETS) == made


def test_a_difference_is_told_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    told = io.StringIO()
    monkeypatch.setattr(simulate, "_out", Console(file=told, width=120))
    tally = Tally(events=2)
    simulate._show(Foretold(tally, {"B-1": LEFT_TO_PEOPLE}, 1.0, frozenset()), 1.0, 1.0, ["B-1：推演 甲，发布后 乙"])
    assert "有 1 件与推演不一致" in told.getvalue()
    simulate._show(Foretold(tally, {}, 1.0, frozenset()), 1.0, 1.0, [])
    assert "2 件全部与推演一致" in told.getvalue()


def test_event_ids_sort_by_time_and_are_of_version_7() -> None:
    pick = simulate_data.Random(1)
    ids = [simulate_data._id(datetime(2026, 3, day, tzinfo=UTC), pick) for day in range(1, 20)]
    assert ids == sorted(ids)
    assert {each.version for each in ids} == {7}
