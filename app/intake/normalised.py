"""What every channel's own message becomes: one report, normalised, before anything is decided about it."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

Crs = Literal["wgs84", "gcj02", "bd09", "cgcs2000"]
DemandType = Literal["inquiry", "help", "complaint", "accusation", "suggestion", "praise"]
ReportKind = Literal["demand", "finding"]
Urgency = Literal["normal", "urgent", "critical"]
PointRole = Literal["scene", "caller", "device"]


@dataclass(frozen=True, slots=True)
class PointClaim:
    """A coordinate pair as the source gave it. ``crs`` None: neither the source nor its configuration says."""

    lon: float
    lat: float
    crs: Crs | None
    role: PointRole


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture named by the SHA-256 of its bytes (hex); ``data`` only when the message carried them."""

    sha256: str
    data: bytes | None = None


@dataclass(frozen=True, slots=True)
class Reporter:
    """Who told us; all of it personal data, sealed at rest. ``phones``: the calling number first."""

    name: str | None = None
    phones: tuple[str, ...] = ()
    gender: Literal["male", "female"] | None = None
    external_id: str | None = None
    address: str | None = None

    @property
    def anonymous(self) -> bool:
        """True when nothing in it leads back to a person."""
        return not (self.name or self.phones or self.external_id)


@dataclass(frozen=True, slots=True)
class NormalisedReport:
    """One report 诉求/上报件. ``source_ref`` is the source's full key (DESIGN.md §3); ``revision`` starts at 0."""

    channel: str
    source_ref: str
    revision: int
    kind: ReportKind
    demand_type: DemandType | None
    content: str
    occurred_at: datetime
    title: str = ""
    #: the source's own class, names or codes from widest to narrowest; trusted only when it names exactly one item
    item_hint: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    #: division code given by the source (6, 9 or 12 digits)
    area_code: str | None = None
    #: the registered component 部件 that it is about; the register may not have it (yet)
    component_id: str | None = None
    #: code of the unit that took it in 首接单位
    first_receiver: str | None = None
    points: tuple[PointClaim, ...] = ()
    reporter: Reporter = field(default_factory=Reporter)
    confidential: bool = False
    accused_unit: str | None = None
    reply_wanted: bool = True
    urgency: Urgency = "normal"
    #: set when the desk answered on the line 直接答复
    direct_answer: str | None = None
    #: set when the desk did not accept it, the treatment as in GLOSSARY 不予受理
    refused_as: Literal["emergency_transfer", "statutory_route", "explanation_only", "disruption"] | None = None
    pictures: tuple[Picture, ...] = ()
    #: source_ref of the record that the source itself linked this one to (110: GLZJJDBH)
    linked_ref: str | None = None
    #: text added by the source to an earlier message (110: BCJJNR); makes a changed body a supplement, not a conflict
    supplement: str | None = None
    #: operator or police officer number at the source, for the record only
    source_operator: str | None = None
