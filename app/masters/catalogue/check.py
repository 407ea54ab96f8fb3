"""The checker of the dispatch catalogue 派单目录: what is wrong with it before it decides anything. Pure.

``check`` reads all masters as they would stand and names each fault with its subject, what it means and what to do.
Errors speak against publishing (``blocking``); warnings are for whoever looks after the catalogue.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal, TypeVar, get_args

from app.accounts.organizations import organization_faults
from app.dispatch.raised_levels import LEVELS_ZH
from app.dispatch.routing import LEVELS, STEP_TITLES, Matter
from app.dispatch.routing.matter import STREET
from app.dispatch.routing.rule_index import DOMAIN, ITEM, MAJOR
from app.items.rows import ItemRow
from app.masters.catalogue import faults, places
from app.masters.catalogue import gaps as holes
from app.masters.catalogue.levels import URGENCIES
from app.masters.catalogue.rows import CityRows
from app.masters.catalogue.space import ALL_URGENCIES, Box, Space, areas_of, bits
from app.masters.catalogue.terrain import Name, Ready, Terrain

T = TypeVar("T")

FindingKind = Literal[
    "gap",
    "contradiction",
    "never_matches",
    "only_desk",
    "needs_place",
    "street_duty",
    "closed_unit",
    "unknown",
    "unit_without_people",
    "cell_without_duty_grid",
]
Severity = Literal["error", "warning"]
KINDS: Final[tuple[FindingKind, ...]] = get_args(FindingKind)
TITLES: Final[dict[FindingKind, str]] = {
    "gap": "无人承办",
    "contradiction": "规则相互矛盾",
    "never_matches": "永不生效的规则",
    "only_desk": "只有协调席可接",
    "needs_place": "待定位",
    "street_duty": "部门职责派给街道",
    "closed_unit": "已停用的单位",
    "unknown": "不存在的事项、区划、渠道或单位",
    "unit_without_people": "没有人员的单位",
    "cell_without_duty_grid": "没有责任网格的单元网格",
}
ADVICE: Final[dict[FindingKind, str]] = {
    "gap": "补一条派单规则，或为所在区县设协调席并启用协调席一步",
    "contradiction": "删去其中一条，或给其中一条加上条件，使两条不再同时适用",
    "never_matches": "确认不再需要的删去；仍需要的，改其条件或改动排在它前面的规则",
    "only_desk": "明确承办单位，补一条派单规则；确应逐件研判的可保持不变",
    "needs_place": "不必分社区的，补一条同样具体、不限社区的规则；必须分的，受理时问到社区",
    "street_duty": "改派给主管部门；确属街道的，先在基层职责清单中列为基本履职事项",
    "closed_unit": "换成在用的单位，或重新启用该单位",
    "unknown": "改正代码，或先载入缺少的基础数据",
    "unit_without_people": "为该单位或其上级配置承办席位的账号，或改派其他单位",
    "cell_without_duty_grid": "把该网格划入一个责任网格",
}
#: shown of each kind; the data has all
SHOWN: Final = 20
#: rules that a sentence names
_MOST_BEHIND: Final = 3


@dataclass(frozen=True, slots=True)
class Finding:
    """One fault. ``subject``: key of the rule, item, unit or cell. ``matter``: one that it concerns, where there is."""

    kind: FindingKind
    severity: Severity
    subject: str
    sentence: str
    #: how many places, items or mentions it stands for
    count: int = 1
    matter: Matter | None = None
    #: numbers of the other rules and clauses that it is about
    others: tuple[str, ...] = ()

    @property
    def advice(self) -> str:
        """What to do about it."""
        return ADVICE[self.kind]


Progress = Callable[[int, int], None]


def check(city: CityRows, progress: Progress | None = None) -> list[Finding]:
    """Every fault, by kind. ``progress`` is told how much is done and how much there is.

    Raises ValueError (Chinese) where the organizations form no tree: then nothing can be said.
    """
    terrain = Terrain(city)
    tell = _Told(progress, len(city.items) * 3 + len(terrain.rules))
    found = [
        *_gaps(terrain, tell(city.items)),
        *_contradictions(terrain),
        *_against_clauses(terrain),
        *_never(terrain, tell(terrain.rules)),
        *_only_desk(terrain, tell(city.items)),
        *_needing_place(terrain, tell(city.items)),
        *_street_duties(terrain),
        *_closed(terrain),
        *_unknown(terrain),
        *_without_people(terrain),
        *(
            Finding("cell_without_duty_grid", "warning", cell, f"单元网格 {cell} 不属于任何责任网格，就近派单找不到人")
            for cell in faults.uncovered_cells(city)
        ),
    ]
    return sorted(found, key=lambda finding: (KINDS.index(finding.kind), finding.severity, finding.subject))


def blocking(city: CityRows) -> list[Finding]:
    """What speaks against publishing and no other check says: gaps and contradictions. Empty without a tree."""
    if organization_faults(city.organizations):
        return []
    terrain = Terrain(city)
    return [*_gaps(terrain, city.items), *_contradictions(terrain)]


def by_kind(found: Iterable[Finding]) -> dict[FindingKind, list[Finding]]:
    """The findings of each kind that there are any of, in the order of ``KINDS``."""
    sorted_out: dict[FindingKind, list[Finding]] = defaultdict(list)
    for finding in found:
        sorted_out[finding.kind].append(finding)
    return {kind: sorted_out[kind] for kind in KINDS if kind in sorted_out}


class _Told:
    """Counts what is gone through."""

    def __init__(self, progress: Progress | None, total: int) -> None:
        self._progress, self._total, self._done = progress, total, 0

    def __call__(self, each: Iterable[T]) -> Iterator[T]:
        for one in each:
            yield one
            self._done += 1
            if self._progress is not None and self._done % 50 == 0:
                self._progress(self._done, self._total)


def _gaps(terrain: Terrain, items: Iterable[ItemRow]) -> Iterator[Finding]:
    for hole in holes.gaps(terrain, items):
        yield _hole(terrain.space, "gap", "error", "没有任何单位可承办", hole)


def _only_desk(terrain: Terrain, items: Iterable[ItemRow]) -> Iterator[Finding]:
    for hole in holes.only_the_desk(terrain, items):
        yield _hole(terrain.space, "only_desk", "warning", "只有协调席可接", hole)


def _hole(space: Space, kind: FindingKind, severity: Severity, says: str, hole: holes.Hole) -> Finding:
    item = hole.item
    sentence = f"“{item.name}”（{item.key}）{says}：{_where(space, item, hole.region)}"
    return Finding(kind, severity, item.key, sentence, hole.places, space.matter(item, hole.region[0], hole.on_duty))


def _needing_place(terrain: Terrain, items: Iterable[ItemRow]) -> Iterator[Finding]:
    by_name: dict[Name, list[places.Waiting]] = defaultdict(list)
    for each in places.waiting(terrain, items):
        by_name[each.name].append(each)
    space = terrain.space
    for (what, name), found in by_name.items():
        first = found[0]
        box = first.region[0]
        example = space.matter(first.item, box)
        street = space.tree.name(example.area(STREET))
        count = sum(areas_of(each.region).bit_count() for each in found)
        named = f"{_WHAT[what]} {name} " if name else "通用"
        sentence = (
            f"{named}的规则分社区，只知道街道的来件须先由人定位：{len(found)} 个事项，事项×街道 {count} 处，"
            f"例如“{first.item.name}”在{'，'.join([street, *_circumstances(space, first.item, box)])}"
        )
        known = replace(example, areas=tuple(code for code in example.areas if len(code) <= STREET))
        yield Finding("needs_place", "warning", name or "*", sentence, count, known)


def _contradictions(terrain: Terrain) -> Iterator[Finding]:
    for clash in faults.clashes(terrain):
        winner, loser, name_of = clash.winner.row, clash.loser.row, terrain.organizations.name_of
        yield Finding(
            "contradiction",
            "error",
            winner.rule_no,
            f"规则 {winner.rule_no}（{name_of(clash.leads[0])}）与 {loser.rule_no}（{name_of(clash.leads[1])}）"
            f"同等具体、同时适用于“{clash.item.name}”，只凭编号在后取 {winner.rule_no}："
            f"{_where(terrain.space, clash.item, [clash.box])}",
            1,
            terrain.space.matter(clash.item, clash.box),
            (loser.rule_no,),
        )


def _against_clauses(terrain: Terrain) -> Iterator[Finding]:
    for found in faults.against_clauses(terrain):
        row, clause = found.ready.row, found.clause
        assert clause is not None  # noqa: S101 - found by its clause
        duty = "收回" if clause.duty == "taken_back" else "配合"
        name_of = terrain.organizations.name_of
        yield Finding(
            "contradiction",
            "warning",
            row.rule_no,
            f"职责清单 {clause.clause_no} 把“{found.item.name}”列为{duty}事项，由{name_of(clause.department)}牵头，"
            f"而规则 {row.rule_no} 派给{name_of(row.lead_unit)}{_and_more(found.count, '个事项')}",
            found.count,
            terrain.space.matter(found.item, found.box),
            (clause.clause_no,),
        )


def _never(terrain: Terrain, rules: Iterable[Ready]) -> Iterator[Finding]:
    for shadow in holes.never_deciding(terrain, rules):
        row = shadow.ready.row
        why = {
            holes.PAST: f"已于 {row.valid_until} 期满",
            holes.SWITCHED_OFF: f"所属的“{STEP_TITLES[row.step]}”一步没有启用",
            holes.IMPOSSIBLE: "它的条件没有任何事件能同时满足（事项、不低于事项本级的层级、区划、渠道、时段、日期）",
            holes.REFUSED: f"承办单位 {row.lead_unit} 已停用，或属街道及以下而职责清单、层级不许其承办",
            holes.SHADOWED: "它适用之处都先按"
            + (f"规则 {'、'.join(shadow.behind[:_MOST_BEHIND])}" if shadow.behind else "其他原则")
            + ("等决定" if len(shadow.behind) > _MOST_BEHIND else "决定")
            + "（只有在先的单位被举报或退回时才轮到它）",
        }[shadow.reason]
        sentence = f"规则 {row.rule_no} 从不决定任何事件：{why}"
        yield Finding("never_matches", "warning", row.rule_no, sentence, others=tuple(shadow.behind))


def _street_duties(terrain: Terrain) -> Iterator[Finding]:
    name_of = terrain.organizations.name_of
    for found in faults.aimed_at_streets(terrain):
        row, clause = found.ready.row, found.clause
        listed = f"职责清单 {clause.clause_no} 列为部门牵头" if clause else "职责清单没有列它"
        matter = terrain.space.matter(found.item, found.box)
        decision = terrain.router.decide(matter)
        goes = f"实际会派给{name_of(decision.unit)}" if decision.unit else "实际会转人工研判"
        yield Finding(
            "street_duty",
            "warning",
            row.rule_no,
            f"规则 {row.rule_no} 把“{found.item.name}”派给{name_of(row.lead_unit)}，而{listed}，"
            f"{goes}{_and_more(found.count, '个事项')}",
            found.count,
            matter,
            (clause.clause_no,) if clause else (),
        )


def _closed(terrain: Terrain) -> Iterator[Finding]:
    for naming in faults.closed(terrain.city):
        name = terrain.organizations.name_of(naming.unit)
        sentence = f"{naming.where} {naming.unit}（{name}）已停用{_and_more(naming.count, '处')}"
        yield Finding("closed_unit", "error" if naming.leads else "warning", naming.unit, sentence, naming.count)


def _unknown(terrain: Terrain) -> Iterator[Finding]:
    for rule_no, what in faults.unknown(terrain.city):
        yield Finding("unknown", "error", rule_no, f"规则 {rule_no} 的{what} 不存在")


def _without_people(terrain: Terrain) -> Iterator[Finding]:
    staffed = terrain.city.staffed
    for naming in faults.without_people(terrain, staffed) if staffed is not None else ():
        name = terrain.organizations.name_of(naming.unit)
        sentence = f"{name}（{naming.unit}）及其上级没有可签收工单的在用账号：{naming.where}"
        sentence += _and_more(naming.count, "处")
        yield Finding("unit_without_people", "warning", naming.unit, sentence, naming.count)


def _and_more(count: int, of: str) -> str:
    return f"，共 {count} {of}" if count > 1 else ""


def _where(space: Space, item: ItemRow, region: Sequence[Box]) -> str:
    """The first box of a region in words, and how many places there are in all."""
    box, areas = region[0], areas_of(region)
    first = space.tree.name(space.places[next(bits(box.areas))][-1])
    count = areas.bit_count()
    where = "所有区划" if areas == space.all.areas else f"{first}等 {count} 处" if count > 1 else first
    return "，".join([where, *_circumstances(space, item, box)])


def _circumstances(space: Space, item: ItemRow, box: Box) -> list[str]:
    """What tells a box from all others that an item may have, but for the places."""
    words: list[str] = []
    if box.levels != space.levels.possible(item.default_level):
        words.append("、".join(LEVELS_ZH[LEVELS[n]] for n in bits(box.levels)))
    if box.urgencies != ALL_URGENCIES:
        words.append("、".join(_URGENCIES[URGENCIES[n]] for n in bits(box.urgencies)))
    if box.channels != space.all.channels:
        words.append("渠道 " + "、".join(space.channels[n] or "其他" for n in bits(box.channels)))
    if box.times != space.all.times:
        words.append(f"例如 {space.moment(box):%Y-%m-%d %H:%M}")
    if not box.borders & 1:
        words.append("事发地跨街道")
    return words


_WHAT: Final = {ITEM: "事项", MAJOR: "大类", DOMAIN: "领域"}
_URGENCIES: Final = {"normal": "一般", "urgent": "紧急", "critical": "特急"}
