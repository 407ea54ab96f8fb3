"""Who may see what. "Not yours" and "does not exist" read the same: both are 404 (DESIGN.md §6).

One ``Sight`` per request says it twice: in Python for an event that is loaded, and as an SQL condition for lists.
An accused unit 被举报单位 sees nothing of its accusation, in no list, not even as a former participant. While nobody
knows whom an accusation accuses, it may be anybody's: only the unit that has an order in it sees it, and who inspects
it. Once a person has said that it accuses no unit, it is seen like any other event.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, Protocol, get_args
from uuid import UUID

from app.accounts.access import Asker
from app.accounts.organizations import Organizations
from app.core.errors import NotFound
from app.events.aggregate import EventAggregate
from app.events.tables import WorkOrder

#: from where somebody looks at an event: the centre, a unit with a part in it, one that another unit has asked to
#: help (二次派单, 吹哨) or the centre to say whose job it is (会商), or a collector who inspects it; whoever sees more
#: stands before who sees less
Stand = Literal["centre", "unit", "helper", "collector"]
STANDS: Final[tuple[Stand, ...]] = get_args(Stand)
#: roles of participants who were let in to help another unit, or to say whose job it is: what is to be done is theirs
#: to know, not who said so
_HELPERS = ("sub", "callout", "party")


class Placed(Protocol):
    """Anything that carries the place and the accused units of an event: its row, or a row of a list."""

    district_code: Any
    street_code: Any
    community_code: Any
    #: of the event; a row that also carries a report's own has the event's as ``event_demand_type``
    demand_type: Any
    accused_org_ids: Any
    nobody_accused: Any


class Told(Protocol):
    """What of a report decides how much of it is shown."""

    demand_type: Any
    confidential: Any


def accused_unknown(event: Placed) -> bool:
    """Whether it is an accusation of which nobody has said yet whom it accuses, nor that it accuses no unit."""
    demand_type = getattr(event, "event_demand_type", event.demand_type)
    return demand_type == "accusation" and not event.accused_org_ids and not event.nobody_accused


def _accused_unknown(e: str) -> str:
    """The same as SQL; false, never NULL, for an event without a demand type."""
    return (
        f"({e}.demand_type IS NOT DISTINCT FROM 'accusation' AND {e}.accused_org_ids = '{{}}' "
        f"AND NOT {e}.nobody_accused)"
    )


@dataclass(frozen=True, slots=True)
class Areas:
    """Division codes by level; ``whole`` stands for everything in the jurisdiction."""

    whole: bool = False
    districts: tuple[str, ...] = ()
    streets: tuple[str, ...] = ()
    communities: tuple[str, ...] = ()

    @classmethod
    def of(cls, codes: Iterable[str], jurisdiction_code: str) -> "Areas":
        """Sorts codes by their length: 6 district, 9 street, 12 community (DOMAIN.md §2.3)."""
        codes = sorted(set(codes))
        if jurisdiction_code in codes:
            return cls(whole=True)
        return cls(False, *(tuple(code for code in codes if len(code) == length) for length in (6, 9, 12)))

    def __bool__(self) -> bool:
        return self.whole or bool(self.districts or self.streets or self.communities)

    def narrowed(self, area: str | None) -> "Areas":
        """The part of them that lies in ``area``: codes begin with the code of what they lie in (DOMAIN.md §2.3)."""
        if area is None or self.whole:
            return self
        codes = (*self.districts, *self.streets, *self.communities)
        kept = {max(code, area, key=len) for code in codes if code.startswith(area) or area.startswith(code)}
        return Areas.of(kept, "")

    def holds(self, event: Placed) -> bool:
        """Whether the event lies in one of them."""
        return (
            self.whole
            or event.district_code in self.districts
            or event.street_code in self.streets
            or event.community_code in self.communities
        )

    def condition(self, e: str, name: str) -> tuple[str, dict[str, Any]]:
        """The same as SQL over the table alias ``e``; parameters begin with ``name``."""
        if self.whole:
            return "true", {}
        parts: list[str] = []
        values: dict[str, Any] = {}
        levels = (("district", self.districts), ("street", self.streets), ("community", self.communities))
        for level, codes in levels:
            if codes:
                parts.append(f"{e}.{level}_code = ANY(CAST(:{name}_{level} AS text[]))")
                values[f"{name}_{level}"] = list(codes)
        return (f"({' OR '.join(parts)})" if parts else "false"), values


@dataclass(frozen=True, slots=True)
class Sight:
    """What one asker sees of events. Administrators see no case at all."""

    jurisdiction_id: int
    #: by centre seats
    areas: Areas
    #: by unit seats: each unit with everything under it
    units: frozenset[int]
    #: by collector seats: events with an open inspection there
    inspected: Areas
    #: when one of these is accused, the asker sees nothing of the event
    own: frozenset[int]

    @classmethod
    def of(cls, asker: Asker, organizations: Organizations) -> "Sight":
        """The sight that the asker's seats give them under these organizations."""
        units = asker.units(organizations)
        inspected = Areas.of(asker.areas(("collector",)), asker.jurisdiction_code)
        own: frozenset[int] = frozenset()
        if units or inspected:
            # Who sits only in the centre is not barred: an accusation of the centre must stay visible to somebody.
            members = units | asker.homes
            own = members | {above for unit in members for above in organizations.above(unit)}
        return cls(
            jurisdiction_id=asker.jurisdiction_id,
            areas=Areas.of(asker.areas(), asker.jurisdiction_code),
            units=units,
            inspected=inspected,
            own=own,
        )

    @property
    def nothing(self) -> bool:
        """True for those who see no case at all."""
        return not (self.areas or self.units or self.inspected)

    def barred(self, aggregate: EventAggregate) -> bool:
        """Whether the event accuses the asker's unit or one above it, or nobody knows that it does not."""
        event = aggregate.event
        if not self._may_be_accused(event):
            return bool(self.own and not self.own.isdisjoint(event.accused_org_ids or ()))
        return not (any(order.unit_id in self.units for order in aggregate.orders) or self._inspects(aggregate))

    def _may_be_accused(self, event: Placed) -> bool:
        """Whether nobody knows whom it accuses, and the asker sits in a unit."""
        return bool(self.own) and accused_unknown(event)

    def _inspects(self, aggregate: EventAggregate) -> bool:
        return self.inspected.holds(aggregate.event) and any(i.ended_at is None for i in aggregate.inspections)

    def stand(self, aggregate: EventAggregate) -> Stand | None:
        """From where the asker looks at a loaded event; None: not theirs."""
        event = aggregate.event
        if event.jurisdiction_id != self.jurisdiction_id or self.barred(aggregate):
            return None
        if self.areas.holds(event) and not self._may_be_accused(event):
            return "centre"
        roles = {p.role for p in aggregate.participants if p.until is None and p.org_id in self.units}
        if roles:
            return "helper" if roles.issubset(_HELPERS) else "unit"
        if self._inspects(aggregate):
            return "collector"
        return "unit" if self.areas.holds(event) else None

    def sees(self, aggregate: EventAggregate) -> bool:
        """Whether a loaded event is the asker's to see."""
        return self.stand(aggregate) is not None

    def sees_order(self, aggregate: EventAggregate, order: WorkOrder) -> bool:
        """A unit goes on seeing an order of its own that was returned or transferred; not the rest of the event."""
        if self.sees(aggregate):
            return True
        event = aggregate.event
        mine = event.jurisdiction_id == self.jurisdiction_id and order.unit_id in self.units
        return mine and not self.barred(aggregate)

    def list_stand(self, row: Placed) -> Stand:
        """From where the asker looks at a row of a list that ``condition`` let through.

        A row that tells of reporters says whether a unit takes part by itself (``own_part``), others do not. Who sits
        both in a unit and with the collectors is shown what either may see, unless their unit leads: a list may show
        less than the event itself, never more.
        """
        if self.areas.holds(row) and not self._may_be_accused(row):
            return "centre"
        leads = getattr(row, "lead_unit_id", None) in self.units
        if self.units and (leads or not self.inspected.holds(row)):
            return "unit" if leads or getattr(row, "own_part", True) else "helper"
        return "collector"

    # --- SQL --------------------------------------------------------------------------------------------------

    def own_part(self, e: str = "e") -> tuple[str, dict[str, Any]]:
        """Whether a unit of the asker takes part by itself, not only asked by another unit to help; a column."""
        if not self.units:
            return "false AS own_part", {}
        return (
            f"EXISTS (SELECT 1 FROM event_participant op WHERE op.event_id = {e}.id AND op.until IS NULL "  # noqa: S608
            "AND op.org_id = ANY(CAST(:own_part_units AS bigint[])) AND op.role NOT IN "
            f"({', '.join(repr(role) for role in _HELPERS)})) AS own_part",
            {"own_part_units": sorted(self.units)},
        )

    def unbarred(self, e: str = "e") -> tuple[str, dict[str, Any]]:
        """``not barred`` as SQL: the event does not accuse the asker's own, and is known not to."""
        if not self.own:
            return "true", {}
        values: dict[str, Any] = {"sight_own": sorted(self.own), "sight_own_units": sorted(self.units)}
        duties = [
            "EXISTS (SELECT 1 FROM work_order so "  # noqa: S608 - aliases of our own
            f"WHERE so.event_id = {e}.id AND so.unit_id = ANY(CAST(:sight_own_units AS bigint[])))"
        ]
        if self.inspected:
            way, more = self._inspecting(e, "sight_own_inspected")
            duties.append(way)
            values |= more
        return (
            f"(NOT ({e}.accused_org_ids && CAST(:sight_own AS bigint[])) AND "
            f"(NOT {_accused_unknown(e)} OR {' OR '.join(duties)}))",
            values,
        )

    def _inspecting(self, e: str, name: str) -> tuple[str, dict[str, Any]]:
        way, values = self.inspected.condition(e, name)
        return (
            f"({way} AND EXISTS (SELECT 1 FROM inspection si "  # noqa: S608 - aliases of our own
            f"WHERE si.event_id = {e}.id AND si.ended_at IS NULL))",
            values,
        )

    def address(self, e: str = "e") -> tuple[str, dict[str, Any]]:
        """The address of an event in a list: NULL where ``address_kept`` says so and the asker is not the centre's."""
        centre = "false"
        values: dict[str, Any] = {}
        if self.areas:
            centre, values = self.areas.condition(e, "shown_area")
            if self.own:
                centre += f" AND NOT {_accused_unknown(e)}"
        return f"CASE WHEN ({centre}) IS TRUE OR NOT {address_kept(e)} THEN {e}.address END AS address", values

    def condition(self, e: str = "e") -> tuple[str, dict[str, Any]]:
        """The condition on an event row with alias ``e``, jurisdiction included, with its parameters."""
        barred, values = self.unbarred(e)
        ways: list[str] = []
        if self.areas:
            way, more = self.areas.condition(e, "sight_area")
            ways.append(way)
            values |= more
        if self.units and not self.areas.whole:
            ways.append(
                "EXISTS (SELECT 1 FROM event_participant sp "  # noqa: S608 - aliases of our own
                f"WHERE sp.event_id = {e}.id AND sp.until IS NULL AND sp.org_id = ANY(CAST(:sight_units AS bigint[])))"
            )
            values["sight_units"] = sorted(self.units)
        if self.inspected and not self.areas.whole:
            way, more = self._inspecting(e, "sight_inspected")
            ways.append(way)
            values |= more
        values["sight_jurisdiction"] = self.jurisdiction_id
        seen = " OR ".join(ways) or "false"
        return f"({e}.jurisdiction_id = :sight_jurisdiction AND ({seen}) AND {barred})", values


def address_kept(e: str = "e") -> str:
    """SQL: only the centre reads the address, since it may lead to who told us (an accusation, a confidential report).

    A report that has left the event counts too: the event's address may still be the one that it gave.
    """
    return (
        f"({e}.demand_type IS NOT DISTINCT FROM 'accusation' OR EXISTS (SELECT 1 FROM event_report sl "  # noqa: S608
        f"JOIN report sr ON sr.id = sl.report_id WHERE sl.event_id = {e}.id "
        "AND (sr.confidential OR sr.demand_type = 'accusation')))"
    )


@dataclass(frozen=True, slots=True)
class Shown:
    """How much of one report is shown."""

    #: title, text, pictures, what was added later
    content: bool
    #: masked name and phone, and whether the person asked for secrecy
    identity: bool


_ALL = Shown(True, True)
_NOTHING = Shown(False, False)


def visible_report(stand: Stand, report: Told) -> Shown:
    """What of a report is shown from this stand.

    Nobody but the centre learns anything of who made an accusation, its own words included (they tell who wrote
    them); a confidential reporter is in no answer to a unit, not even masked (DOMAIN.md §1). Collectors and who helps
    another unit need what is wrong, never who said so.
    """
    if stand == "centre":
        return _ALL
    if report.demand_type == "accusation":
        return _NOTHING
    return Shown(content=True, identity=stand == "unit" and not report.confidential)


def require_seen(
    sight: Sight, aggregates: Mapping[UUID, EventAggregate], event_id: UUID
) -> tuple[EventAggregate, Stand]:
    """The event and the asker's stand. Raises ``NotFound`` when there is none, or it is not theirs."""
    aggregate = aggregates.get(event_id)
    stand = sight.stand(aggregate) if aggregate else None
    if aggregate is None or stand is None:
        raise NotFound("没有这个事件，或不在您的权限范围内。")
    return aggregate, stand
