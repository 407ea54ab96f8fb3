"""``bihuan bench decisions``: how many dispatch decisions a second one core makes, with a big city's catalogue.

Beside it, in the same run, the way that needs no index: rules tried one after the other, the first that fits wins.
"""

import os
import statistics
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from types import MappingProxyType
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.table import Table

from app.accounts.organizations import Organizations
from app.clocks.calendar import CHINA_TIME, Calendar
from app.clocks.ladder import Ladder
from app.clocks.records import Clockwork
from app.clocks.rows import CalendarRow
from app.commands.harness import big_city
from app.commands.harness.big_city import Rows, Size
from app.dispatch.routing import STEP_TITLES, Router
from app.dispatch.rows import RoutingRuleRow
from app.grid.place_index import PlaceIndex
from app.items.catalogue import Catalogue
from app.items.classifier import Classifier
from app.masters import Masters, routing
from app.masters.policies import Policies
from app.masters.routing import Told

#: decisions a second of one core that are aimed at
AIM: Final = 10_000
_BEGIN: Final = datetime(2026, 3, 2, tzinfo=CHINA_TIME)
_CHANNELS: Final = ("hotline-12345", "snapshot", "police-110")
_COMPARED: Final = 200

_out = Console()


@dataclass(frozen=True, slots=True)
class _Measured:
    """Seconds of each decision, and what was decided."""

    seconds: Sequence[float]
    whole: float
    steps: Counter[str]
    #: decided by a rule that holds on working days only, or on the others
    by_days: int

    @property
    def rate(self) -> float:
        """Decisions a second."""
        return len(self.seconds) / self.whole


def decisions(
    count: Annotated[int, typer.Option(min=1_000, max=5_000_000, help="派单决定的个数")] = 100_000,
    rules: Annotated[int, typer.Option(min=4_000, max=200_000, help="派单规则条数")] = 20_000,
    units: Annotated[int, typer.Option(min=2_200, max=100_000, help="单位数")] = 5_000,
) -> None:
    """派单每秒能决定多少件：大城市规模的派单目录，单核，不落库；达不到每秒 10,000 件时退出码为 1。"""
    with _out.status("正在生成城市"):
        rows = big_city.build(Size(rules=rules, units=units))
        masters = _masters(rows)
        told = _matters(rows, masters, count)
    found = _decide(masters, told, frozenset(row.rule_no for row in rows.rules if row.days))
    naive = _first_that_fits(rows, told[:_COMPARED])
    _show(rows, found, naive)
    if found.rate < AIM:
        raise typer.Exit(1)


def _masters(rows: Rows) -> Masters:
    """Masters as a process holds them, without a database."""
    units = Organizations.build(rows.units, {row.code: n for n, row in enumerate(rows.units, start=1)})
    policies = Policies.build()
    ids = {row.key: n for n, row in enumerate(rows.items, start=1)}
    return Masters(
        jurisdiction_id=1,
        jurisdiction_code=big_city.CITY,
        vector=MappingProxyType({}),
        items=Catalogue.build(rows.items),
        classifier=Classifier.fit(Catalogue.build(())),
        item_ids=ids,
        item_keys={n: key for key, n in ids.items()},
        places=PlaceIndex.build(rows.areas, rows.cells, rows.grids),
        organizations=units,
        router=Router(rows.rules, units, components=rows.components, duties=rows.duties),
        clockwork=Clockwork(
            {policies.calendar: _calendar(policies.calendar)}, Ladder((), ids), None, policies.calendar
        ),
        policies=policies,
    )


def _calendar(code: str) -> Calendar:
    """Monday to Friday are worked, except on the Wednesday of the measured week."""
    off_on = (_BEGIN + timedelta(days=2)).date()
    rows = (
        CalendarRow(calendar_code=code, row_type="hours", hours=("08:00-12:00", "14:00-18:00")),
        CalendarRow(calendar_code=code, row_type="holiday", first_on=off_on, last_on=off_on, name="测量用"),
    )
    return Calendar.from_rows(rows, code)


def _matters(rows: Rows, masters: Masters, count: int) -> list[Told]:
    """Matters all over the city and the week, each located: a tenth near a border, a twentieth at a component."""
    pick = Random(1)  # noqa: S311 - test data, not secrets
    made = []
    for _ in range(count):
        cell = pick.choice(rows.cells)
        west, south = cell.polygon[0][0]
        inside = 0.00001 if pick.random() < 0.1 else pick.uniform(0.0002, 0.0008)
        place = masters.places.locate([(west + 0.0005, south + inside, "cgcs2000", "scene")], (), None)
        at = _BEGIN + timedelta(minutes=pick.randrange(7 * 24 * 60))
        component = pick.choice(rows.components).component_id if pick.random() < 0.05 else None
        urgency = "critical" if pick.random() < 0.02 else "normal"
        made.append(Told(pick.choice(rows.items), place, pick.choice(_CHANNELS), urgency, at, component_id=component))
    return made


def _decide(masters: Masters, told: Sequence[Told], of_days: frozenset[str]) -> _Measured:
    clock, seconds, steps, by_days = time.perf_counter, [], Counter[str](), 0
    begun = clock()
    for one in told:
        before = clock()
        decision = routing.preview(masters, one)
        seconds.append(clock() - before)
        steps[decision.step] += 1
        by_days += decision.rule_no in of_days
    return _Measured(seconds, clock() - begun, steps, by_days)


def _first_that_fits(rows: Rows, told: Sequence[Told]) -> float:
    """Seconds of a decision that tries rule after rule, narrow ones first, without guard, reasons or alternatives."""
    ordered = sorted(rows.rules, key=lambda row: (not row.code, -len(row.area_code), not row.channel))

    def fits(row: RoutingRuleRow, one: Told) -> bool:
        item, codes = one.item, (one.place.district_code, one.place.street_code, one.place.community_code)
        return (
            (not row.code or (item is not None and row.item_key == item.key))
            and (not row.major_code or (item is not None and row.major_code == item.major_code))
            and (not row.area_code or row.area_code in codes)
            and (not row.channel or row.channel == one.channel)
            and (not row.urgency or row.urgency == one.urgency)
        )

    return _timed(lambda: [next((row for row in ordered if fits(row, one)), None) for one in told]) / len(told)


def _timed(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def _show(rows: Rows, found: _Measured, naive: float) -> None:
    load = "、".join(f"{each:.1f}" for each in os.getloadavg())
    _out.print(
        f"{os.cpu_count()} 核，近 1、5、15 分钟的平均负载 {load}（同机有别的程序在跑时，结果会低于独占时）",
        highlight=False,
        soft_wrap=True,
    )
    _out.print(
        f"规则 {len(rows.rules):,} 条、单位 {len(rows.units):,} 个、单元网格 {len(rows.cells):,} 个、事项 "
        f"{len(rows.items):,} 个、职责清单 {len(rows.duties):,} 条、部件 {len(rows.components):,} 个",
        highlight=False,
    )
    cuts = statistics.quantiles(found.seconds, n=1000)
    table = Table("决定", "每秒", "p50 µs", "p99 µs", "p99.9 µs", "最长 µs")
    shown = (cuts[499], cuts[989], cuts[998], max(found.seconds))
    table.add_row(f"{len(found.seconds):,}", f"{found.rate:,.0f}", *(f"{each * 1e6:,.0f}" for each in shown))
    _out.print(table)
    titles = {str(step): title for step, title in STEP_TITLES.items()} | {"person": "转人工"}
    shares = "，".join(f"{titles[step]} {n / len(found.seconds):.1%}" for step, n in found.steps.most_common())
    _out.print(
        f"据以决定的原则：{shares}；{found.by_days:,} 件由限工作日或休息日的规则决定", highlight=False, soft_wrap=True
    )
    _out.print(
        f"同一次运行里的参照：逐条比对规则、先中先用、不查职责清单、不留理由，每件 {naive * 1e6:,.0f} µs"
        f"（每秒 {1 / naive:,.0f} 件，{_COMPARED} 件）",
        highlight=False,
        soft_wrap=True,
    )
    verdict = "达到" if found.rate >= AIM else "没有达到"
    _out.print(f"{verdict}单核每秒 {AIM:,} 件的目标", highlight=False)
