"""What a source adds to a message that it sent before: a supplement 补充 or a higher revision 修订."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from app.events.aggregate import Act, EventAggregate
from app.events.report_tables import Report
from app.intake.admission import heed_danger
from app.intake.channels import CHANNELS
from app.intake.inbox import Arrival, Earlier
from app.intake.masking import mask_personal_numbers
from app.intake.normalised import NormalisedReport
from app.items.danger import Danger, danger_to_life

#: characters that one note on the timeline may have
NOTE_CHARS: Final = 4000


def is_amendment(channel: str, arrival: Arrival, known: Sequence[Earlier]) -> bool:
    """True when the message adds to those ``known`` under its ref (not empty, by revision).

    In a channel with supplements those take revision numbers of ours, so that the source's own revision only has to
    be above its first.
    """
    if CHANNELS[channel].supplements:
        return bool(arrival.report.supplement) or arrival.report.revision > known[0].revision
    return arrival.report.revision > known[-1].revision


@dataclass(frozen=True, slots=True)
class Addition:
    """What is told about a report after its first message; ``words``: personal numbers masked, each fits one note."""

    words: tuple[str, ...]
    #: danger to life that it tells of
    danger: Danger | None


def told(text: str) -> Addition:
    """A supplement in somebody's own words."""
    return Addition(_notes(text), danger_to_life(text))


def told_by_source(report: NormalisedReport) -> Addition:
    """What a source's later message adds; a revision is looked through for danger as a first message is."""
    if report.supplement:
        return told(report.supplement)
    parts = (
        ("标题", report.title),
        ("内容", report.content),
        ("地址", report.addresses[0] if report.addresses else ""),
        ("来源答复", report.direct_answer or ""),
    )
    lines = "\n".join(f"{name}：{value}" for name, value in parts if value)
    said = f"来源修订（修订号 {report.revision}）\n{lines}"
    return Addition(_notes(said), danger_to_life(f"{report.title} {report.content}"))


def _notes(said: str) -> tuple[str, ...]:
    masked = mask_personal_numbers(said)
    return tuple(masked[start : start + NOTE_CHARS] for start in range(0, len(masked), NOTE_CHARS))


def write_down(aggregate: EventAggregate, report: Report, addition: Addition, act: Act) -> None:
    """Puts it on the timeline; what comes after the report's end is kept too, and said to be late."""
    data = heed_danger(aggregate, addition.danger)
    for words in addition.words:
        if report.state in ("open", "replied"):
            aggregate.advance(report, "supplement", act, note=words, data=data)
        else:
            aggregate.record(act, "supplemented_after_end", report=report, note=words, data=data)
