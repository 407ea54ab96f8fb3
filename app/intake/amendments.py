"""What a source adds to a message that it sent before: a supplement 补充 or a higher revision 修订."""

from collections.abc import Sequence
from typing import Final

from app.intake.channels import CHANNELS
from app.intake.inbox import Arrival, Earlier
from app.intake.masking import mask_personal_numbers
from app.intake.normalised import NormalisedReport

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


def words_of(report: NormalisedReport) -> list[str]:
    """What it says, personal numbers masked, in pieces that each fit one note."""
    if report.supplement:
        said = report.supplement
    else:
        parts = (
            ("标题", report.title),
            ("内容", report.content),
            ("地址", report.addresses[0] if report.addresses else ""),
            ("来源答复", report.direct_answer or ""),
        )
        told = "\n".join(f"{name}：{value}" for name, value in parts if value)
        said = f"来源修订（修订号 {report.revision}）\n{told}"
    masked = mask_personal_numbers(said)
    return [masked[start : start + NOTE_CHARS] for start in range(0, len(masked), NOTE_CHARS)]
