"""分析: what a report is about, where it is, how urgent. Pure: reads masters, writes nothing."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from app.accounts.organizations import Organizations
from app.grid.locating import Location
from app.grid.place_index import PlaceIndex
from app.intake.components import Register, at_odds, item_of, located, place_of
from app.intake.normalised import NormalisedReport
from app.items.catalogue import Catalogue
from app.items.classifier import Classification, Classifier
from app.items.danger import Danger, UrgencyGrade, danger_to_life, graded
from app.items.rows import ItemRow


@dataclass(frozen=True, slots=True)
class Analysis:
    """What was found out about one report. ``item`` None: the classifier abstained, a person decides."""

    item: ItemRow | None
    classification: Classification | None
    location: Location
    danger: Danger | None
    grade: UrgencyGrade
    accused_ids: tuple[int, ...]
    #: the report names an accused unit that nobody could identify: routing might send it to the accused
    accused_unknown: bool
    #: what the register of components says of it; Chinese sentences
    notes: tuple[str, ...] = ()

    def as_data(self) -> dict[str, Any]:
        """The findings as the timeline keeps them; no text of the report."""
        data: dict[str, Any] = {
            "item": self.item.key if self.item else None,
            "by": self._item_by,
            "location": {
                "how": self.location.how,
                "precision": self.location.precision,
                "community": self.location.community_code,
                "cell": self.location.cell_id,
                "candidates": [list(candidate) for candidate in self.location.candidates],
                "notes": list(self.location.notes),
            },
            "urgency": self.grade.urgency,
            "urgency_reason": self.grade.reason,
        }
        if self.classification is not None:
            data["top"] = [
                [candidate.item_key, round(candidate.probability, 4)] for candidate in self.classification.top
            ]
            data["abstained"] = self.classification.abstained
            data["threshold"] = round(self.classification.threshold, 4)
        if self.danger is not None:
            data["danger"] = {"rule": self.danger.rule, "handover": self.danger.handover}
        if self.notes:
            data["notes"] = list(self.notes)
        return data

    @property
    def _item_by(self) -> str:
        """What told the item: the source's class, the register of components, or the classifier."""
        if self.item is None or self.classification is None:
            return "source_class" if self.item else "classifier"
        return "component" if self.classification.abstained else "classifier"


@dataclass(frozen=True, slots=True)
class Analyst:
    """The masters that analysis reads, of one release vector."""

    items: Catalogue
    classifier: Classifier
    places: PlaceIndex
    organizations: Organizations
    register: Register = lambda _: None

    def analyse(self, reports: Sequence[NormalisedReport]) -> list[Analysis]:
        """Analyses many reports at once; the classifier sees only those whose source named no item."""
        hinted = [self.items.by_hint(report.item_hint) if report.item_hint else None for report in reports]
        open_texts = [
            f"{report.title} {report.content}" for report, item in zip(reports, hinted, strict=True) if item is None
        ]
        classified = iter(self.classifier.classify_many(open_texts) if open_texts else ())
        return [
            self._one(report, item, None if item else next(classified))
            for report, item in zip(reports, hinted, strict=True)
        ]

    def _one(self, report: NormalisedReport, item: ItemRow | None, classification: Classification | None) -> Analysis:
        if classification is not None and not classification.abstained:
            item = self.items.item(classification.top[0].item_key)
        text = f"{report.title} {report.content}"
        location = self.places.locate(
            # a caller's own position says less about the scene than the address they gave for it
            [
                (point.lon, point.lat, point.crs, point.role)
                for point in report.points
                if point.role != "caller" or not report.addresses
            ],
            report.addresses or (text,),
            report.area_code,
        )
        component = self.register(report.component_id)
        notes: list[str] = []
        if component is not None:
            own = place_of(component, self.places)
            if item is None and not at_odds(location, own) and (item := item_of(component, self.items)) is not None:
                notes.append(f"事项取自部件 {component.component_id} 的登记。")
            location = located(component, location, own)
        elif report.component_id:
            notes.append(f"部件 {report.component_id} 没有登记。")
        if report.first_receiver and self.organizations.id_of(report.first_receiver) is None:
            # A hint that nobody understands must not cost the reporter their report; the message keeps its words.
            notes.append("来文所写的首接单位代码没有登记，未采用。")
        standard = self.items.default_standard(item.key) if item else None
        accused = self.organizations.find(report.accused_unit) if report.accused_unit else None
        danger = danger_to_life(text)
        return Analysis(
            item=item,
            classification=classification,
            location=location,
            danger=danger,
            grade=graded(
                text,
                danger,
                item,
                report.urgency,
                urgent_limit=standard is not None and standard.limit.endswith("urgent_hour"),
            ),
            accused_ids=(accused,) if accused is not None else (),
            accused_unknown=report.demand_type == "accusation" and accused is None,
            notes=tuple(notes),
        )


def with_client_datum(report: NormalisedReport, crs: Any) -> NormalisedReport:
    """Gives coordinates whose message does not name a datum the one that is configured for the client."""
    if crs is None or all(point.crs for point in report.points):
        return report
    return replace(report, points=tuple(point if point.crs else replace(point, crs=crs) for point in report.points))
