"""What the clocks bench sends past the application: the sweep's own query, and rows that fall due as it says."""

import re
from datetime import UTC, datetime

from app.clocks.sweep import DUE_QUERY
from app.commands.bench import clocks_data as data
from app.commands.bench.clocks import _script


def test_pgbench_gets_the_query_of_the_sweep_with_every_parameter_filled_in() -> None:
    script = _script(datetime(2026, 3, 10, 2, 0, tzinfo=UTC))
    assert re.findall(r":[a-z_]+", script) == []
    assert script.count("\n") == 1
    plain = " ".join(str(DUE_QUERY).split())
    for part in re.split(r":[a-z_]+", plain):
        assert part in script


def test_every_parameter_of_a_step_is_given_a_type() -> None:
    known = {"until", "events", "firing", "jurisdiction", "district", "units", "items", "streets"}
    for what, sql in data.STEPS:
        statement = data.statement(sql)
        assert set(re.findall(r"(?<!:):([a-z_]+)", statement)) <= known, what
        untyped = re.findall(r"(?<!CAST\()(?<!:):([a-z_]+)", statement)
        assert untyped == [], what
