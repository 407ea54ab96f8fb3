"""The district's routing rules, learned from its own records (``app.dispatch.learning``)."""

from collections.abc import Collection, Sequence

from app.commands.replay.pingshan import DESK, Case, area_rows
from app.dispatch.learning import Drafting, rules_from
from app.dispatch.rows import RoutingRuleRow


def rules_of(training: Sequence[Case], weight: float, usable: Collection[str]) -> list[RoutingRuleRow]:
    """One rule for each community, street, sub_type, main_type and type that occurs, and the desk's own last.

    ``usable``: codes of the units in force; what went to another one is not learned.
    """
    names = {row.code: row.name for row in area_rows(training)}
    drafting = Drafting(desk=DESK, weight=weight, area_names=names)
    return rules_from([case.decision for case in training], usable, drafting)
