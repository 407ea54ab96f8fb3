"""The demo sends what its channels accept, in every share and order that it promises."""

from collections import Counter
from datetime import datetime
from math import cos, hypot, radians

import pytest

from app.clocks.calendar import CHINA_TIME
from app.commands.demo.reports import Messages, choose, read_reports, treatment_of
from app.grid.datum import to_cgcs2000
from app.intake.channels import CHANNELS, ClientTraits

REPORTS = read_reports()
NOW = datetime(2026, 3, 10, 10, 0, tzinfo=CHINA_TIME)


@pytest.mark.parametrize("count", [1, 7, 60, 120, len(REPORTS)])
def test_as_many_as_asked_for_and_repetitions_behind_their_first(count: int) -> None:
    chosen = choose(REPORTS, count)
    assert len(chosen) == len({report.index for report in chosen}) == count
    place = {report.index: n for n, report in enumerate(chosen)}
    assert all(place[report.of] < place[report.index] for report in chosen if report.of is not None)


def test_a_usual_demo_has_every_outcome_and_channel_and_is_always_the_same() -> None:
    chosen = choose(REPORTS, 120)
    assert {report.outcome for report in chosen} == {report.outcome for report in REPORTS}
    assert min(Counter(report.channel for report in chosen).values()) >= 10
    assert choose(REPORTS, 120) == chosen


def test_every_report_is_accepted_by_its_channel_as_that_channel_means_it() -> None:
    messages = Messages("260310100000")
    refs = set()
    for report in choose(REPORTS, len(REPORTS)):
        traits = ClientTraits(crs="gcj02")
        read = CHANNELS[report.channel].parse(messages.of(report, NOW), traits, now=NOW)
        refs.add((report.channel, read.source_ref))
        assert read.demand_type == report.demand_type
        assert read.component_id == report.component
        assert read.content == report.content
        assert (read.reporter.name is None and not read.reporter.phones) == (report.reporter == "anonymous")
        point = messages.point(report)
        assert bool(read.points) == (point is not None)
        if point is not None:
            claim = read.points[0]
            back = to_cgcs2000(claim.lon, claim.lat, claim.crs or "gcj02")
            assert _metres(back, point) < 0.5
    assert len(refs) == len(REPORTS)


def test_repetitions_lie_within_20_metres_of_their_first() -> None:
    messages = Messages("1")
    for report in choose(REPORTS, len(REPORTS)):
        point = messages.point(report)
        if report.of is not None:
            first = messages.point(REPORTS[report.of])
            assert point is not None
            assert first is not None
            assert _metres(point, first) <= 20


def test_refusals_are_told_on_the_line_or_left_to_the_desk() -> None:
    refused = [report for report in REPORTS if report.outcome == "not_accepted"]
    assert {treatment_of(report) for report in refused} == {"statutory_route", "disruption", "explanation_only"}
    assert {report.told_at_the_desk for report in refused} == {True, False}
    assert not any(report.told_at_the_desk for report in REPORTS if report.outcome == "handled")


def _metres(a: tuple[float, float], b: tuple[float, float]) -> float:
    return hypot((a[0] - b[0]) * cos(radians(a[1])), a[1] - b[1]) * 111_320
