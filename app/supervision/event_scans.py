"""Which indexes lead to the events that an asker sees under given filters; lists of what events own begin here."""

from typing import Literal

from app.core.pagination import belongs_to, decode_cursor, digest_of
from app.events.lifecycles import EVENT
from app.events.visibility import Sight
from app.supervision.filters import Filters
from app.supervision.scans import EVENT_ID, RECEIVED_AT, Key, Scan, Values, Where, narrowest
from app.supervision.shares import Shares

Of = Literal["event", "order", "report", "inspection"]

_EVENT = ("e.id",)
#: filter and column of the event that stands for it unless the listed thing has its own
_SHARED = (("channel", "channel"), ("demand_type", "demand_type"), ("unit_id", "lead_unit_id"))
_THEIR_OWN = {("unit_id", "order"), ("channel", "report"), ("demand_type", "report")}


def event_filters(filters: Filters, of: Of) -> Where:
    """The conditions on the event ``e`` of a list ``of`` events, or of what belongs to them.

    A filter that means the listed thing's own column (an order's unit, a report's channel) is left to that list.
    """
    where = Where()
    if filters.area:
        where.add(f"e.{filters.area_level}_code = :area", area=filters.area)
    for name in ("item_id", "domain", "urgency", "level"):
        value = getattr(filters, name)
        if value is not None:
            where.add(f"e.{name} = :{name}", **{name: value})
    if filters.triage == "any":
        where.add("e.triage IS NOT NULL")
    elif filters.triage:
        where.add("e.triage = :triage", triage=filters.triage)
    if filters.received_from:
        where.add("e.received_at >= :received_from", received_from=filters.received_from)
    if filters.received_to:
        where.add("e.received_at < :received_to", received_to=filters.received_to)
    for name, column in _SHARED:
        value = getattr(filters, name)
        if value is not None and (name, of) not in _THEIR_OWN:
            where.add(f"e.{column} = :{name}", **{name: value})
    if of == "event":
        if filters.states:
            where.add("e.state = ANY(CAST(:states AS text[]))", states=list(filters.states))
        if filters.open is not None:
            where.add(f"e.ended_at IS {'' if filters.open else 'NOT '}NULL")
    return where


def means_open(filters: Filters) -> bool:
    """Whether the filters of an event list let only open events through."""
    if filters.triage or filters.open:
        return True
    return bool(filters.states) and not set(filters.states) & set(EVENT.ends)


def by_scope(sight: Sight, filters: Where, shares: Shares, *, area: str | None, only_open: bool) -> list[Scan]:
    """One scan for each part of the asker's scope that the filtered area leaves."""
    jurisdiction = {"jurisdiction": sight.jurisdiction_id}
    whole = shares.rows("event.jurisdiction_id", [sight.jurisdiction_id])
    ended = " AND e.ended_at IS NULL" if only_open else ""
    if only_open:
        whole *= shares.relation("ix_event_open") / shares.relation("event")
    scans: list[Scan] = []
    areas = sight.areas.narrowed(area)
    barred = sight.unbarred()
    if areas.whole or areas.districts:
        hit = Where(list(filters.parts), dict(filters.values)).also(barred)
        if not areas.whole:
            hit.add("e.district_code = ANY(CAST(:districts AS text[]))", districts=list(areas.districts))
        where = f"e.jurisdiction_id = :jurisdiction{ended}"
        scans.append(Scan(whole, "event e", where, _EVENT, hit.sql, dense=True, values=hit.values | jurisdiction))
        if areas.whole:
            return scans
    own = Where(list(filters.parts), dict(filters.values)).also(barred)
    for level, codes in (("street", areas.streets), ("community", areas.communities)):
        if not codes:
            continue
        among = "ix_event_open_street" if only_open and level == "street" else None
        scans.append(
            Scan(
                shares.rows(f"event.{level}_code", codes, among=among),
                "event e",
                f"true{ended if level == 'street' else ''}",
                _EVENT,
                own.also(("e.jurisdiction_id = :jurisdiction", jurisdiction)).sql,
                over=f"unnest(CAST(:{level}s AS text[])) AS s(v)",
                within=(f"e.{level}_code", "s.v"),
                values=own.values | {f"{level}s": list(codes)},
            )
        )
    if sight.units:
        scans.append(
            Scan(
                shares.rows("event_participant.org_id", sight.units),
                "event_participant p",
                "p.until IS NULL",
                ("p.event_id",),
                event=own.sql,
                over="unnest(CAST(:units AS integer[])) AS s(v)",
                within=("p.org_id", "s.v"),
                repeats=True,
                values=own.values | {"units": sorted(sight.units)},
            )
        )
    if sight.inspected:
        place, values = sight.inspected.condition("e", "inspected")
        scans.append(
            Scan(
                shares.relation("ix_inspection_open"),
                "inspection i",
                "i.jurisdiction_id = :jurisdiction AND i.ended_at IS NULL",
                ("i.event_id",),
                event=f"({own.sql}) AND ({place})",
                values=own.values | values | jurisdiction,
            )
        )
    return scans


def _with_sight(sight: Sight, hit: Where) -> tuple[str, str, Values]:
    """Filters and sight as (condition on the walked row, condition that needs a look-up, parameters).

    Whether a unit takes part, or an inspection is open, stands in other tables: that is asked last.
    """
    seen, values = sight.condition()
    values |= hit.values | {"jurisdiction": sight.jurisdiction_id}
    if sight.areas.whole or not (sight.units or sight.inspected):
        return f"{hit.sql} AND {seen}", "", values
    return hit.sql, seen, values


def by_filter(
    sight: Sight, filters: Filters, hit: Where, shares: Shares, of: Of, *, only_open: bool
) -> list[list[Scan]]:
    """The single scans that a filter offers, the asker's sight being a condition on each row."""
    fits, seen, values = _with_sight(sight, hit)

    def scan(rows: float, where: str, within: tuple[str, str] | None = None) -> list[Scan]:
        return [Scan(rows, "event e", where, _EVENT, fits, seen, within=within, dense=not within, values=values)]

    ways: list[list[Scan]] = []
    if filters.item_id is not None:
        ways.append(scan(shares.rows("event.item_id", [filters.item_id]), "true", ("e.item_id", ":item_id")))
    if of != "order" and filters.unit_id is not None:
        ways.append(scan(shares.rows("event.lead_unit_id", [filters.unit_id]), "true", ("e.lead_unit_id", ":unit_id")))
    if filters.area and filters.area_level in ("street", "community"):
        column = f"event.{filters.area_level}_code"
        within = (f"e.{filters.area_level}_code", ":area")
        ways.append(scan(shares.rows(column, [filters.area]), "true", within))
        if only_open and filters.area_level == "street":
            rows = shares.rows(column, [filters.area], among="ix_event_open_street")
            ways.append(scan(rows, "e.ended_at IS NULL", within))
    if filters.triage:
        rows = shares.relation("ix_event_triage")
        ways.append(scan(rows, "e.jurisdiction_id = :jurisdiction AND e.triage IS NOT NULL"))
    if only_open:
        rows = shares.relation("ix_event_open")
        ways.append(scan(rows, "e.jurisdiction_id = :jurisdiction AND e.ended_at IS NULL"))
    return ways


def by_receipt(sight: Sight, filters: Filters, hit: Where, shares: Shares) -> list[Scan]:
    """The scan in order of receipt, for a range of it."""
    fits, seen, values = _with_sight(sight, hit)
    where = Where().add("e.jurisdiction_id = :jurisdiction")
    if filters.received_from:
        where.add("e.received_at >= :received_from")
    if filters.received_to:
        where.add("e.received_at < :received_to")
    rows = shares.received_rows(filters.received_from, filters.received_to)
    keys = ("e.received_at", "e.id")
    return [Scan(rows, "event e", where.sql, keys, fits, seen, dense=True, values=values)]


def choose(
    name: str,
    sight: Sight,
    filters: Filters,
    shares: Shares,
    cursor: str | None,
    *,
    of: Of = "event",
    only_open: bool = False,
    child: Key | None = None,
) -> tuple[tuple[Key, ...], list[Scan], str, tuple[object, ...] | None]:
    """Sort key, scans, the cursor's digest and its key: the narrowest way, in the order in which paging began.

    ``only_open``: whether only open events can be in the list.
    """
    last = (child,) if child else ()
    by_id: tuple[Key, ...] = (EVENT_ID, *last)
    by_time: tuple[Key, ...] = (RECEIVED_AT, EVENT_ID, *last)
    digests = {keys: digest_of(f"{name}/{keys[0].name}", filters.as_dict()) for keys in (by_id, by_time)}
    hit = event_filters(filters, of)
    scoped = by_scope(sight, hit, shares, area=filters.area, only_open=only_open)
    if not scoped:
        return by_id, [], digests[by_id], None
    way = narrowest(scoped, *by_filter(sight, filters, hit, shares, of, only_open=only_open))
    timed: list[Scan] = []
    if filters.received_from or filters.received_to:
        timed = by_receipt(sight, filters, hit, shares)
        if cursor is None and timed[0].cost < sum(scan.cost for scan in way):
            return by_time, timed, digests[by_time], None
    if timed and cursor is not None and belongs_to(cursor, digests[by_time]):
        return by_time, timed, digests[by_time], decode_cursor(cursor, digests[by_time], [k.kind for k in by_time])
    return by_id, way, digests[by_id], decode_cursor(cursor, digests[by_id], [k.kind for k in by_id])
