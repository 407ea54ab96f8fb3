"""Small cities drawn at random, and every matter that may happen in them."""

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from itertools import product
from typing import Any

from hypothesis import strategies as st

from app.accounts.organizations import Organizations
from app.accounts.rows import OrganizationRow
from app.dispatch.routing import Matter, Router, is_above, steps_in_order
from app.dispatch.routing.matter import LOCAL
from app.dispatch.rows import STEP_NAMES, DutyRow, RoutingRuleRow, RoutingStepRow, minutes_of
from app.grid.place_index import PlaceIndex
from app.grid.rows import AreaRow, CellRow, DutyGridRow
from app.items.rows import ItemRow
from app.masters.catalogue.rows import CityRows
from tests.unit.dispatch.city import rule

TODAY = date(2026, 3, 12)  # a Thursday
A, B = "320102", "320104"
A1, A2, B1 = f"{A}001", f"{A}002", f"{B}001"
A11, A12 = f"{A1}001", f"{A1}002"
RING = ((118.79, 32.0), (118.791, 32.0), (118.791, 32.001), (118.79, 32.0))
CELLS = (f"{A11}001", f"{A11}002")

_LEVELS = {6: "district", 9: "street", 12: "community"}


def area(code: str) -> AreaRow:
    return AreaRow.model_validate(
        {"code": code, "name": code, "level": _LEVELS[len(code)], "parent_code": code[:-3] if len(code) > 6 else None}
    )


#: streets with communities and without, a second district
AREAS = (AreaRow(code="320100", name="市", level="city"), *map(area, (A, A1, A11, A12, A2, B, B1)))
CELL_ROWS = tuple(CellRow(cell_id=cell, community_code=A11, polygon=(RING,)) for cell in CELLS)
GRIDS = (
    DutyGridRow(code="DG1", name="一格", org_code="A1-TEAM", cells=(CELLS[0],)),
    DutyGridRow(code="DG2", name="二格", org_code="A1-CREW", cells=(CELLS[1],)),
    DutyGridRow(code="DG3", name="三格", org_code="A1-TEAM", cells=(f"{A12}*",)),
)


def unit(code: str, org_type: str, level: str, area_code: str, parent: str | None = None) -> OrganizationRow:
    row = {"code": code, "name": code, "org_type": org_type, "level": level, "area_code": area_code}
    return OrganizationRow.model_validate(row | {"parent_code": parent})


UNITS = (
    unit("A1", "street_office", "street", A1),
    unit("A1-TEAM", "grid_team", "community", A1, "A1"),
    unit("A1-CREW", "contractor", "district", A, "WATER"),
    unit("A2", "street_office", "street", A2),
    unit("ROVERS", "grid_team", "community", A),  # of a street's level, and of no street
    unit("WATER", "department", "district", A),
    unit("CITY", "department", "city", "320100"),
    unit("CLOSED", "department", "district", A).model_copy(update={"active": False}),
)
DESK_A, DESK_B = unit("DESK-A", "coordination_desk", "district", A), unit("DESK-B", "coordination_desk", "district", B)


def item(code: str, major: str, domain: str, level: str) -> ItemRow:
    row = {"standard_ref": "S", "kind": "matter", "code": code, "name": code, "default_level": level}
    return ItemRow.model_validate(row | {"major_code": major, "domain": domain, "closure_profile": "both"})


ITEMS = (item("01", "1", "water", "grid"), item("02", "2", "water", "district"))
WHAT: list[dict[str, str]] = [
    {},
    *({"standard_ref": "S", "kind": "matter", "code": one.code} for one in ITEMS),
    {"major_code": "1"},
    {"domain": "water"},
    {"major_code": "2", "domain": "water"},
]
TIMES: list[dict[str, Any]] = [
    {"hours": ("18:00-08:00",)},
    {"hours": ("08:00-18:00",)},
    {"days": "workday"},
    {"days": "day_off", "hours": ("18:00-24:00",)},
    {"valid_until": TODAY - timedelta(days=1)},
    {"valid_until": TODAY + timedelta(days=1)},
    {"valid_from": TODAY + timedelta(days=2)},
    {"valid_from": TODAY + timedelta(days=2), "valid_until": TODAY + timedelta(days=3), "days": "workday"},
]


def is_working_day(on: date) -> bool:
    return on.isoweekday() < 6


conditions = st.fixed_dictionaries(
    {
        "what": st.sampled_from(WHAT),
        "area_code": st.sampled_from(["", "", A, B, A1, A2, A11]),
        "level": st.sampled_from(["", "", "", "grid", "street", "district", "city"]),
        "urgency": st.sampled_from(["", "", "", "critical", "normal"]),
        "channel": st.sampled_from(["", "", "", "c1"]),
        "lead_unit": st.sampled_from([row.code for row in UNITS]),
        "step": st.sampled_from(["statutory_department", "territorial", "night_duty", "coordination_desk"]),
    }
)


@st.composite
def catalogues(draw: st.DrawFn, timed: bool = False, most: int = 7) -> tuple[RoutingRuleRow, ...]:
    rows = []
    for n, members in enumerate(draw(st.lists(conditions, max_size=most))):
        when = draw(st.sampled_from([{}, *TIMES])) if timed else {}
        rows.append(rule(f"R{n}", **members.pop("what"), **members, **when))
    return tuple(rows)


@st.composite
def duty_lists(draw: st.DrawFn) -> tuple[DutyRow, ...]:
    about = st.tuples(
        st.sampled_from([named for named in WHAT if len(named) != 2 and named]),
        st.sampled_from(["", A1]),
        st.sampled_from(["basic", "basic", "taken_back"]),
        st.sampled_from(["WATER", "CLOSED"]),
    )
    rows = draw(st.lists(about, max_size=3))
    return tuple(
        DutyRow.model_validate(
            {
                **what,
                "clause_no": f"C{n}",
                "area_code": area_code,
                "duty": duty,
                "department": "" if duty == "basic" else department,
                "clause": "条款",
                "source": "试验",
            }
        )
        for n, (what, area_code, duty, department) in enumerate(rows)
    )


orders = st.one_of(
    st.just(()),
    st.permutations(STEP_NAMES).flatmap(lambda names: st.integers(1, len(names)).map(lambda n: names[:n])),
).map(lambda names: tuple(RoutingStepRow(step=step, position=n) for n, step in enumerate(names, start=1)))

desks = st.sampled_from([(), (), (DESK_A,), (DESK_A, DESK_B)])
#: what the city asks at least for what is urgent: mostly nothing
least_levels = st.fixed_dictionaries(
    {"urgent": st.sampled_from(["", "", "", "district"]), "critical": st.sampled_from(["", "", "street", "city"])}
)


@st.composite
def cities(draw: st.DrawFn, timed: bool = False, most: int = 7) -> CityRows:
    return CityRows(
        items=ITEMS,
        areas=AREAS,
        organizations=(*UNITS, *draw(desks)),
        routing_rules=draw(catalogues(timed, most)),
        routing_steps=draw(orders),
        duty_list=draw(duty_lists()),
        cells=CELL_ROWS,
        duty_grids=draw(st.sampled_from([(), GRIDS])),
        today=TODAY,
        is_working_day=is_working_day,
        least_levels=draw(least_levels),
    )


def router_of(city: CityRows) -> Router:
    units = Organizations.build(city.organizations, {row.code: n for n, row in enumerate(city.organizations, start=1)})
    steps = steps_in_order(city.routing_steps)
    return Router(city.routing_rules, units, duties=city.duty_list, steps=steps)


def places_of(city: CityRows) -> list[tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]]:
    """Areas, borders and units on duty of every place there is."""
    places = PlaceIndex.build(city.areas, city.cells, city.duty_grids)
    found = []
    for areas, borders in (
        ((A, A1, A11), ((), (A2,), (B1,))),
        ((A, A1, A12), ((), (A2,), (B1,))),
        ((A, A2), ((), (A1,), (B1,))),
        ((B, B1), ((), (A1,))),
    ):
        community = areas[2] if len(areas) > 2 else None
        on_duty = {places.staffed_by(cell, community) for cell in (None, *(CELLS if community == A11 else ()))}
        found += [(areas, border, units) for border in borders for units in sorted(on_duty)]
    return found


def moments_of(city: CityRows) -> list[datetime]:
    """Each minute at which some window begins or ends, on each of the next ten days where some rule looks at days."""
    minutes = {0} | {m % 1440 for row in city.routing_rules for window in row.hours for m in minutes_of(window)}
    dated = any(row.days or row.valid_from or row.valid_until for row in city.routing_rules)
    days = [TODAY + timedelta(days=n) for n in range(10 if dated else 1)]
    return [datetime.combine(on, time(m // 60, m % 60), LOCAL) for on in days for m in sorted(minutes)]


LEVELS = ("grid", "street", "district", "city")


def level_of(city: CityRows, one: ItemRow, urgency: str) -> str:
    """The level that a matter of an item has by itself."""
    least = city.least_levels.get(urgency)
    return least if least and is_above(least, one.default_level) else one.default_level


def at_least(city: CityRows, one: ItemRow, level: str, urgency: str) -> str:
    """The level that its lead must have, where the city raises it."""
    return level if level == level_of(city, one, urgency) and level != one.default_level else ""


def every_matter(city: CityRows) -> Iterator[Matter]:
    channels = ("c1", "c2") if any(row.channel for row in city.routing_rules) else ("c2",)
    for one, (areas, borders, on_duty), level, channel, urgency, at in product(
        city.items,
        places_of(city),
        LEVELS,
        channels,
        ("normal", "urgent", "critical"),
        moments_of(city),
    ):
        if is_above(one.default_level, level):
            continue
        yield Matter(
            item_key=one.key,
            major_code=one.major_code,
            domain=one.domain,
            level=level,
            at_least=at_least(city, one, level, urgency),
            areas=areas,
            channel=channel,
            urgency=urgency,
            at=at,
            workday=is_working_day(at.date()),
            borders=borders,
            on_duty=on_duty,
        )


def small(*rules: RoutingRuleRow, steps: tuple[str, ...], grids: tuple[DutyGridRow, ...] = ()) -> CityRows:
    return CityRows(
        items=ITEMS[:1],
        areas=AREAS,
        organizations=UNITS,
        routing_rules=rules,
        routing_steps=tuple(RoutingStepRow.model_validate({"step": s, "position": n + 1}) for n, s in enumerate(steps)),
        cells=CELL_ROWS,
        duty_grids=grids,
        today=TODAY,
        is_working_day=is_working_day,
    )
