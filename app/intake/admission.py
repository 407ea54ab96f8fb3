"""发现: a report enters the system, on an event of its own or joining one that is known already."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson

from app.core.crypto import CHAIN_START, Keyring, normalise_phone, seal
from app.core.database import Json
from app.core.ids import uuid7
from app.core.set_writes import plain_row
from app.events.aggregate import Act, EventAggregate
from app.events.report_tables import EventReport, Report, ReportIdentity
from app.events.tables import Event, WorkOrder
from app.grid.locating import Location
from app.intake.analysis import Analysis
from app.intake.duplicates import Sighting, bucket_of
from app.intake.inbox import Arrival
from app.intake.masking import mask_name, mask_personal_numbers, mask_phone
from app.intake.normalised import NormalisedReport, Reporter
from app.items.danger import Danger
from app.items.rows import ItemRow

IDENTITY_AAD = b"identity"


def sighting(item_id: int | None, analysis: Analysis, report: NormalisedReport, at: datetime) -> Sighting | None:
    """What a duplicate search needs; None for what must not be joined: no item, no point, or an accusation."""
    point = analysis.location.lon_lat_cgcs2000
    if item_id is None or point is None or analysis.location.cell_id is None or report.demand_type == "accusation":
        return None
    return Sighting(item_id, point, at, report.component_id)


def new_event(
    jurisdiction_id: int,
    event_no: str,
    arrival: Arrival,
    analysis: Analysis,
    item_id: int | None,
    releases: dict[str, int],
    at: datetime,
    *,
    level: str,
    first_receiver_id: int | None = None,
) -> EventAggregate:
    """An event begun by this report: classified and located as far as the analysis went, not yet dispatched."""
    report, place, item = arrival.report, analysis.location, analysis.item
    return _begun(
        jurisdiction_id=jurisdiction_id,
        event_no=event_no,
        split_from=None,
        triage=_triage(analysis),
        item_id=item_id,
        standard_row_no=None,
        closure_profile=item.closure_profile if item else ("answer" if report.kind == "demand" else "inspection"),
        demand_type=report.demand_type,
        domain=item.domain if item else None,
        level=level,
        urgency=analysis.grade.urgency,
        channel=report.channel,
        **place_columns(place),
        address=mask_personal_numbers(report.addresses[0]) if report.addresses else "",
        title=mask_personal_numbers(report.title or report.content[:30]),
        component_id=report.component_id,
        first_receiver_id=first_receiver_id,
        accused_org_ids=list(analysis.accused_ids),
        nobody_accused=False,
        received_at=arrival.received_at or at,
        release_vector=releases,
    )


def _begun(**columns: Any) -> EventAggregate:
    """An event about which nothing is decided yet. ``columns``: what tells it from others."""
    return EventAggregate(
        event=plain_row(
            Event,
            id=uuid7(),
            seq=0,
            head=CHAIN_START,
            head_n=0,
            head_tag=b"",
            state="analyzing",
            end_kind=None,
            ended_at=None,
            settled_at=None,
            merged_into=None,
            lead_unit_id=None,
            report_count=0,
            foreign_system=None,
            foreign_ref=None,
            **columns,
        ),
        is_new=True,
    )


def item_columns(item: ItemRow, item_id: int | None, level: str) -> dict[str, Any]:
    """What an event is about, as its columns. ``level``: that of the item, or what the urgency asks for."""
    return {
        "item_id": item_id,
        "domain": item.domain,
        "level": level,
        "closure_profile": item.closure_profile,
        "standard_row_no": None,
    }


def move_report(parent: EventAggregate, own: EventAggregate, report: Report, link: EventReport, act: Act) -> int:
    """Moves a report with what is owed to it to an event of its own; returns the timeline row of its arrival there."""
    parent.change(link, left_at=act.at)
    parent.change(parent.event, report_count=parent.event.report_count - 1)
    parent.record(act, "unlinked", report=report, data={"to": str(own.event.id)})
    parent.reports.remove(report)
    own.reports.append(report)
    own.debts += [debt for debt in parent.debts if debt.report_id == report.id]
    parent.debts = [debt for debt in parent.debts if debt.report_id != report.id]
    own.new(EventReport, event_id=own.event.id, report_id=report.id, joined_at=act.at, left_at=None, cause="unlinked")
    own.change(own.event, report_count=1)
    data = {"cause": "unlinked", "from": str(parent.event.id)}
    return own.record(act, "received", report=report, data=data, note="")


def split_event(parent: Event, report: Report, event_no: str, at: datetime) -> EventAggregate:
    """An event for a report that leaves ``parent``: same item and place, its own number, nothing decided yet."""
    kept = (
        "jurisdiction_id item_id standard_row_no closure_profile domain level urgency district_code "
        "street_code community_code cell_id duty_grid_code lon lat place_bucket component_id accused_org_ids "
        "release_vector"
    )
    return _begun(
        event_no=event_no,
        split_from=None,
        triage=_triage_of_split(parent, report),
        channel=report.channel,
        demand_type=report.demand_type,
        address=report.address,
        title=report.title or report.content[:30],
        first_receiver_id=None,
        # whom this report accuses was not said when somebody said whom the others accuse
        nobody_accused=False,
        received_at=report.received_at,
        **{name: getattr(parent, name) for name in kept.split()},
    )


def correction(
    event: Event,
    item: ItemRow | None,
    item_id: int | None,
    place: Location | None,
    accused: Sequence[int] | None,
    component: str | None,
    *,
    level: str,
) -> tuple[dict[str, Any], Json]:
    """What a person names anew, as columns of the event and for its timeline. None: nothing is said about it."""
    changes: dict[str, Any] = item_columns(item, item_id, level) if item else {}
    data: Json = {"item": item.key if item else None, "community": place.community_code if place else None}
    if place is not None:
        changes |= place_columns(place)
    if event.split_from is not None:
        changes.pop("place_bucket", None)  # no report joins a part by itself, wherever it is
    if accused is not None:
        changes |= {"accused_org_ids": list(accused), "nobody_accused": not accused}
    if component is not None:
        changes["component_id"] = data["component"] = component or None  # empty: it is about none
    return changes, data


def triage_of_correction(
    event: Event, item: ItemRow | None, accused: Sequence[int] | None, *, redispatch: bool
) -> str | None:
    """What a person is still to find out once this has been named; None: nothing, or the routing says it."""
    if event.triage == "accused_unknown" and accused is None:
        return event.triage
    if event.state == "analyzing" and not redispatch:
        return "item_uncertain" if item is None and event.item_id is None else "waits_for_dispatch"
    return None


def says_new(event: Event, changes: Mapping[str, Any]) -> bool:
    """Whether a correction names anything that the event does not say already.

    What follows from the item is not asked: its level may have been raised since.
    """
    follows = ("domain", "level", "closure_profile", "standard_row_no") if "item_id" in changes else ()
    return any(getattr(event, name) != value for name, value in changes.items() if name not in follows)


def part_event(
    parent: Event, item: ItemRow, item_id: int, level: str, event_no: str, at: datetime, *, address_kept: bool
) -> EventAggregate:
    """拆分件: an event for part of the work of ``parent``, at its place and about its accused, without any report.

    ``address_kept``: the parent's address is the centre's alone; a part has no report that would say so, and so it
    gets neither the address nor the title. No report joins it by itself: callers belong to ``parent``.
    """
    kept = (
        "jurisdiction_id channel demand_type urgency district_code street_code community_code cell_id duty_grid_code "
        "lon lat accused_org_ids nobody_accused release_vector"
    )
    return _begun(
        event_no=event_no,
        split_from=parent.id,
        triage=None,
        address="" if address_kept else parent.address,
        title=item.name if address_kept else parent.title,
        place_bucket=None,
        component_id=parent.component_id if parent.item_id == item_id else None,
        first_receiver_id=None,
        received_at=at,
        **item_columns(item, item_id, level),
        **{name: getattr(parent, name) for name in kept.split()},
    )


def _triage_of_split(parent: Event, report: Report) -> str | None:
    if report.demand_type == "accusation" and not parent.accused_org_ids:
        return "accused_unknown"
    return None if parent.item_id else "item_uncertain"


def place_columns(place: Location) -> dict[str, Any]:
    """Where an event is, as its columns."""
    point = place.lon_lat_cgcs2000
    return {
        "district_code": place.district_code,
        "street_code": place.street_code,
        "community_code": place.community_code,
        "cell_id": place.cell_id,
        "duty_grid_code": place.duty_grid_code,
        "lon": point[0] if point else None,
        "lat": point[1] if point else None,
        "place_bucket": bucket_of(point) if point else None,
    }


def _triage(analysis: Analysis) -> str | None:
    if analysis.accused_unknown:
        return "accused_unknown"
    return None if analysis.item else "item_uncertain"


def admit_report(
    aggregate: EventAggregate,
    arrival: Arrival,
    client_id: int,
    act: Act,
    keyring: Keyring,
    *,
    cause: str,
    analysis: Analysis,
) -> Report:
    """Adds the report with its sealed identity to the event, as its first or as one that joins."""
    event, source = aggregate.event, arrival.report
    reporter = source.reporter
    report = aggregate.new(
        Report,
        id=arrival.id,
        jurisdiction_id=event.jurisdiction_id,
        client_id=client_id,
        channel=source.channel,
        source_ref=source.source_ref,
        linked_ref=source.linked_ref,
        kind=source.kind,
        demand_type=source.demand_type,
        state="open",
        seq=0,
        title=mask_personal_numbers(source.title),
        content=mask_personal_numbers(source.content),
        address=mask_personal_numbers(source.addresses[0]) if source.addresses else "",
        source_lon_lat=_pairs(source),
        source_crs=source.points[0].crs if source.points else None,
        pictures=[picture.sha256 for picture in source.pictures],
        anonymous=reporter.anonymous,
        confidential=source.confidential,
        reply_wanted=source.reply_wanted,
        occurred_at=source.occurred_at,
        received_at=arrival.received_at or act.at,
    )
    aggregate.data_keys[report.id] = arrival.wrapped_key
    aggregate.new(EventReport, event_id=event.id, report_id=report.id, joined_at=act.at, left_at=None, cause=cause)
    if not reporter.anonymous:
        _seal_identity(aggregate, report.id, reporter, arrival.data_key, keyring)
    aggregate.change(event, report_count=event.report_count + 1)
    if event.component_id is None and source.component_id is not None and event.state == "analyzing":
        aggregate.change(event, component_id=source.component_id)  # once it is decided, a person says so by correcting
    data: Json = {"channel": source.channel, "cause": cause, "release": dict(event.release_vector)}
    if source.component_id is not None:
        data["component"] = source.component_id
    aggregate.record(act, "received", report=report, data=data, note="")
    aggregate.record(act, "analyzed", report=report, data=analysis.as_data(), note="")
    heed_danger(aggregate, analysis.danger)
    return report


def heed_danger(aggregate: EventAggregate, danger: Danger | None) -> Json:
    """Danger to life makes an open event with its open orders critical 特急, whichever report tells of it and when.

    Nothing here makes them less. Returns what the timeline says of it; empty without a danger.
    """
    if danger is None:
        return {}
    if aggregate.event.ended_at is None:
        rows: list[Event | WorkOrder] = [aggregate.event, *aggregate.open_orders]
        for row in rows:
            if row.urgency != "critical":
                aggregate.change(row, urgency="critical")
    return {"urgency": aggregate.event.urgency, "danger": {"rule": danger.rule, "handover": danger.handover}}


def _pairs(source: NormalisedReport) -> str | None:
    return ";".join(f"{point.role}:{point.lon!r},{point.lat!r}" for point in source.points) or None


def _seal_identity(
    aggregate: EventAggregate, report_id: UUID, reporter: Reporter, data_key: bytes, keyring: Keyring
) -> None:
    plain = orjson.dumps(
        {
            "name": reporter.name,
            "phones": reporter.phones,
            "gender": reporter.gender,
            "external_id": reporter.external_id,
            "address": reporter.address,
        }
    )
    numbers = [number for phone in reporter.phones if (number := normalise_phone(phone))]
    aggregate.new(
        ReportIdentity,
        report_id=report_id,
        sealed=seal(data_key, plain, IDENTITY_AAD + report_id.bytes),
        masked_name=mask_name(reporter.name) if reporter.name else "",
        masked_phone=mask_phone(reporter.phones[0]) if reporter.phones else "",
        phone_digests=[keyring.digest(number, "phone") for number in dict.fromkeys(numbers)],
    )
