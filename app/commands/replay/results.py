"""What became of the replayed records: accounted for one by one, and compared with whom they really went to."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import Final

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.accounts.rows import OrganizationRow
from app.commands.replay.pingshan import DESK, FILLED_IN, Case

#: what "the majority unit of the class in the community, else street, else anywhere" reached elsewhere (MEASURED.md)
_MEASURED_MAJORITY: Final = 0.611

#: channel and the source's own reference
SourceKey = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Kept:
    """One report as the database has it."""

    event_id: str | None
    #: how it came to its event: ``first``, or why it joined
    cause: str | None
    #: code of the unit that first led; None: it waits for a person
    unit_code: str | None


@dataclass(slots=True)
class FoldRun:
    """One fold: what its rules were, and how its reports were answered."""

    number: int
    training: int
    weight: float
    rules: int
    release_number: int | None
    published: bool
    answers: Counter[str] = field(default_factory=Counter)
    #: how often the plain majority of the same training records would have been right
    majority_right: int = 0


def key_of(case: Case) -> SourceKey:
    """Under which key a record must be found again."""
    return case.channel, case.source_ref


_KEPT = text(
    """
    SELECT c.channel, r.source_ref, l.event_id, l.cause, u.code
    FROM report r
    JOIN machine_client c ON c.id = r.client_id
    LEFT JOIN event_report l ON l.report_id = r.id AND l.left_at IS NULL
    LEFT JOIN LATERAL (
      SELECT g.code FROM work_order o JOIN organization g ON g.id = o.unit_id
      WHERE o.event_id = l.event_id AND o.role = 'lead' ORDER BY o.n LIMIT 1
    ) u ON true
    WHERE r.jurisdiction_id = :jurisdiction_id
    """
)
_RECEIVED = text(
    """
    SELECT c.channel, i.source_ref FROM inbox i JOIN machine_client c ON c.id = i.client_id
    WHERE c.jurisdiction_id = :jurisdiction_id
    """
)


_EVENTS = text("SELECT count(*) FROM event WHERE jurisdiction_id = :jurisdiction_id")


async def received(session: AsyncSession, jurisdiction_id: int) -> set[SourceKey]:
    """Every message that the inbox has, derived or held."""
    found = await session.execute(_RECEIVED, {"jurisdiction_id": jurisdiction_id})
    return {(row.channel, row.source_ref) for row in found}


@dataclass(frozen=True, slots=True)
class Books:
    """What the database has of a jurisdiction."""

    #: a list, since none may be there twice
    reports: Mapping[SourceKey, Sequence[Kept]]
    #: messages that are kept, derived or not
    received: Set[SourceKey]
    events: int


async def read_books(session: AsyncSession, jurisdiction_id: int) -> Books:
    """Every message, every report with its event and first lead unit, and the number of events."""
    reports: dict[SourceKey, list[Kept]] = {}
    for channel, source_ref, event_id, cause, unit in await session.execute(
        _KEPT, {"jurisdiction_id": jurisdiction_id}
    ):
        report = Kept(str(event_id) if event_id else None, cause, unit)
        reports.setdefault((channel, source_ref), []).append(report)
    events = await session.scalar(_EVENTS, {"jurisdiction_id": jurisdiction_id})
    return Books(reports, await received(session, jurisdiction_id), events or 0)


@dataclass(frozen=True, slots=True)
class Account:
    """Whether every record is there once: in the database, and read back over HTTP."""

    records: int
    events: int
    joined: int
    #: kept as they came, but not derived yet
    held: int
    #: in no inbox
    lost: tuple[SourceKey, ...]
    twice: tuple[SourceKey, ...]
    #: events that no report has led to
    stray_events: int
    lost_over_http: int
    twice_over_http: int

    @property
    def sound(self) -> bool:
        """Nothing lost, nothing twice, and each record on an event of its own or joined to one."""
        wrong = (self.lost, self.twice, self.stray_events, self.lost_over_http, self.twice_over_http)
        return not any(wrong) and self.events + self.joined == self.records


def account(cases: Sequence[Case], books: Books, over_http: Mapping[SourceKey, int]) -> Account:
    """Looks every record up. ``over_http``: how often ``GET /reports`` named each key."""
    mine = {key_of(case): books.reports.get(key_of(case), ()) for case in cases}
    single = [reports[0] for reports in mine.values() if reports]
    known = {report.event_id for reports in books.reports.values() for report in reports if report.event_id}
    return Account(
        records=len(cases),
        events=len({report.event_id for report in single if report.cause == "first"}),
        joined=sum(report.cause not in (None, "first") for report in single),
        held=sum(key in books.received and not reports for key, reports in mine.items()),
        lost=tuple(key for key, reports in mine.items() if not reports and key not in books.received),
        twice=tuple(key for key, reports in mine.items() if len(reports) > 1),
        stray_events=books.events - len(known),
        lost_over_http=sum(not over_http.get(key) for key in mine),
        twice_over_http=sum(over_http.get(key, 0) > 1 for key in mine),
    )


@dataclass(slots=True)
class Agreement:
    """How often the system's lead unit is the real one, over some records; people's share counts as not agreeing."""

    records: int = 0
    #: the same unit code
    agreed: int = 0
    #: the same name letter by letter
    agreed_by_name: int = 0
    #: waiting in the human queue
    people: int = 0
    #: with the coordination desk
    desk: int = 0

    @property
    def share(self) -> float:
        """0..1; 0 without records."""
        return self.agreed / self.records if self.records else 0.0

    @property
    def share_by_name(self) -> float:
        """The same by name."""
        return self.agreed_by_name / self.records if self.records else 0.0

    def count(self, case: Case, unit: str | None, units: Mapping[str, OrganizationRow]) -> None:
        """Takes one more record in."""
        self.records += 1
        self.people += unit is None
        self.desk += unit == DESK
        if unit is not None and unit != DESK:
            self.agreed += unit == case.unit_code
            self.agreed_by_name += units[unit].name == case.unit_name


def agreement(
    cases: Iterable[Case], books: Mapping[SourceKey, Sequence[Kept]], units: Mapping[str, OrganizationRow]
) -> Agreement:
    """The agreement over these records."""
    found = Agreement()
    for case in cases:
        reports = books.get(key_of(case), ())
        found.count(case, reports[0].unit_code if reports else None, units)
    return found


# ── told ─────────────────────────────────────────────────────────────────────────────────────────────────────


def _percent(part: int, whole: int) -> str:
    return f"{part / whole:.1%}" if whole else "—"


def fold_table(folds: Sequence[FoldRun], agreements: Sequence[Agreement]) -> Table:
    """One line a fold; narrow enough for 80 columns."""
    table = Table(
        *("折", "训练", "权重", "规则", "版次", "送出", "新建", "并入", "重复", "暂存", "拒收", "未答", "一致率"),
        title="五折：每折的规则只从另外四折学得，发布后才送这一折",
        caption="权重：更大范围的占比按几件计入，“平”为只用来打破平局；版次带 * 的是本次发布的",
        box=SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
    )
    for fold, found in zip(folds, agreements, strict=True):
        answers = fold.answers
        version = str(fold.release_number or "—") + ("*" if fold.published else "")
        table.add_row(
            *(str(fold.number + 1), str(fold.training), "平" if fold.weight < 1 else f"{fold.weight:g}"),
            *(str(fold.rules), version, str(answers.total())),
            *(str(answers[name]) for name in ("created", "joined", "repeated", "held", "refused", "unanswered")),
            f"{found.share:.3f}",
        )
    return table


def domain_table(
    cases: Sequence[Case], books: Mapping[SourceKey, Sequence[Kept]], units: Mapping[str, OrganizationRow]
) -> Table:
    """One line a type of the records, the biggest first."""
    table = Table("领域", "件数", "一致", "一致率", "交人", title="分领域")
    for name, count in Counter(case.classes[0] for case in cases).most_common():
        found = agreement((case for case in cases if case.classes[0] == name), books, units)
        people = found.people + found.desk
        table.add_row(name, str(count), str(found.agreed), f"{found.share:.3f}", str(people) if people else "")
    return table


def level_table(
    cases: Sequence[Case], books: Mapping[SourceKey, Sequence[Kept]], units: Mapping[str, OrganizationRow]
) -> Table:
    """On which level the real units stand, and ours."""
    names = {"district": "区级部门、企业", "street": "街道（含其科室、队）", "community": "社区"}
    real: Counter[str] = Counter()
    ours: Counter[str] = Counter()
    for case in cases:
        real[names[units[case.unit_code].level] if case.was_decided else "数据未记单位"] += 1
        reports = books.get(key_of(case), ())
        unit = reports[0].unit_code if reports else None
        ours["人工研判" if unit is None else "协调席" if unit == DESK else names[units[unit].level]] += 1
    table = Table("承办单位层级", "实际", "占比", "系统", "占比", title="事情实际派到哪一级（层级由单位名称判断）")
    for name in dict.fromkeys([*names.values(), *real, *ours]):
        table.add_row(
            *(name, str(real[name]), _percent(real[name], len(cases))),
            *(str(ours[name]), _percent(ours[name], len(cases))),
        )
    return table


def account_lines(found: Account, others: int) -> Iterator[Text]:
    """The account in sentences; what is wrong in red, with examples."""
    good = "bold green" if found.sound else "bold red"
    yield Text(
        f"共 {found.records} 件：事件 {found.events} + 并入 {found.joined} = {found.events + found.joined}；"
        f"丢失 {len(found.lost)}，重复入库 {len(found.twice)}，暂存未处理 {found.held}，"
        f"没有诉求的事件 {found.stray_events}",
        style=good,
    )
    yield Text(f"经 GET /reports 逐件读回：缺 {found.lost_over_http}，多 {found.twice_over_http}")
    for told, keys in (("丢失", found.lost), ("重复入库", found.twice)):
        if keys:
            yield Text(f"{told}：{'、'.join('/'.join(key) for key in keys[:10])}", style="red")
    if others:
        yield Text(f"这个区划里另有 {others} 件不属于这份数据，未计入")


def agreement_lines(found: Agreement, folds: Sequence[FoldRun]) -> Iterator[Text]:
    """The agreement in sentences, with what it is and what it is not."""
    majority = sum(fold.majority_right for fold in folds)
    yield Text(
        f"系统的主办单位与实际单位一致：{found.agreed} / {found.records} = {found.share:.3f}"
        f"（按单位编码；交人的算不一致）；按单位名称逐字比较：{found.agreed_by_name} / {found.records} = "
        f"{found.share_by_name:.3f}",
        style="bold",
    )
    yield Text(
        f"留给人决定：{found.people + found.desk} 件（{_percent(found.people + found.desk, found.records)}），"
        f"其中人工研判 {found.people}，协调席 {found.desk}"
    )
    yield Text(
        f"比较：同样的训练数据只取多数（平局看更大范围）为 {_percent(majority, found.records)}；"
        f"同一思路另在别的留存数据上测得 {_MEASURED_MAJORITY:.1%}，样本不同，只可大致相比。"
        "权重只在训练的四折内部选定，没有看过被测的一折。"
    )
    yield Text(
        "说明：同一编码在单位表里可有几种写法（有无“（××街道办事处）”），按编码算一个单位；"
        "实际单位是当年的人派的，不等于应当派的；规则是统计所得，不是职责条款。"
    )


def filled_in_lines() -> Iterator[Text]:
    """What was filled in, so that nobody takes it for data."""
    yield Text("数据没有而渠道要求、由重放补上的：", style="bold")
    for line in FILLED_IN:
        yield Text(f"  · {line}")


def show(
    out: Console,
    cases: Sequence[Case],
    folds: Sequence[FoldRun],
    cases_of: Sequence[Sequence[Case]],
    books: Mapping[SourceKey, Sequence[Kept]],
    units: Mapping[str, OrganizationRow],
    found: Account,
) -> Agreement:
    """Prints everything; the agreement over all records is returned."""
    whole = agreement(cases, books, units)
    out.print(fold_table(folds, [agreement(each, books, units) for each in cases_of]))
    out.print(domain_table(cases, books, units))
    out.print(level_table(cases, books, units))
    mine = {key_of(case) for case in cases}
    for line in (*account_lines(found, len(books.keys() - mine)), *agreement_lines(whole, folds)):
        out.print(line, soft_wrap=True)
    return whole
