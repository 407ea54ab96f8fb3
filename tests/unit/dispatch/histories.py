"""Small made-up histories of dispatches: two streets with two communities each, and who went where."""

from collections.abc import Iterable
from datetime import date, timedelta
from itertools import count

from app.accounts.organizations import Organizations
from app.accounts.rows import OrganizationRow
from app.dispatch.learning import Circumstances, PastDecision
from app.dispatch.routing import Matter, Rules
from app.dispatch.rows import RoutingRuleRow

EAST, WEST = "320102001", "320102002"
AREAS = {
    EAST: "东门街道",
    WEST: "西门街道",
    f"{EAST}001": "一社区",
    f"{EAST}002": "二社区",
    f"{WEST}001": "三社区",
    f"{WEST}002": "四社区",
}
RUBBISH, WAGES = "GB/T 1/matter/0101", "GB/T 1/matter/0202"
#: a department, the two streets' teams, a community's station, and the desk
UNITS = {
    "CITY": ("城管局", "department", "320102", "district"),
    "LABOUR": ("人社局", "department", "320102", "district"),
    "EAST-TEAM": ("东门街道综合执法队", "section", EAST, "street"),
    "WEST-TEAM": ("综合执法队（西门街道办事处）", "section", WEST, "street"),
    "ONE": ("一社区工作站", "section", f"{EAST}001", "community"),
    "FOUR": ("四社区", "section", f"{WEST}002", "community"),
    "DESK": ("协调席", "coordination_desk", "320102", "district"),
}
_numbers = count(1)


def unit_rows() -> list[OrganizationRow]:
    return [
        OrganizationRow.model_validate(
            {"code": code, "name": name, "org_type": kind, "area_code": area, "level": level}
        )
        for code, (name, kind, area, level) in UNITS.items()
    ]


def organizations() -> Organizations:
    rows = unit_rows()
    return Organizations.build(rows, {row.code: number for number, row in enumerate(rows, start=1)})


def seen(
    item: str = RUBBISH, community: str = f"{EAST}001", *, channel: str = "hotline-12345", day: int = 0
) -> Circumstances:
    return Circumstances(
        item_key=item,
        major_code=item[-4:-2],
        domain="市容" if item == RUBBISH else "劳动",
        areas=(community[:9], community) if community else (),
        channel=channel,
        on=date(2026, 1, 1) + timedelta(days=day),
        item_name="暴露垃圾" if item == RUBBISH else "拖欠工资",
        major_name="市容环境" if item == RUBBISH else "劳动保障",
        domain_name="市容" if item == RUBBISH else "劳动",
    )


def went(unit: str | None, times: int = 1, *, by_person: bool = True, **where: object) -> list[PastDecision]:
    """So many dispatches to one unit, each with a number of its own."""
    return [
        PastDecision(f"E{next(_numbers):05d}", seen(**where), unit, by_person)  # type: ignore[arg-type] # as ``seen``
        for _ in range(times)
    ]


def matter(known: Circumstances) -> Matter:
    return Matter(
        item_key=known.item_key,
        major_code=known.major_code,
        domain=known.domain,
        level="district",
        areas=("320102", *known.areas),
        channel=known.channel,
        item_name=known.item_name,
    )


def rules_index(rows: Iterable[RoutingRuleRow]) -> Rules:
    return Rules(rows, organizations())
