"""What routing looks at, taken from an event; and the decision of a person, in the same shape as the rules' own."""

from app.accounts.organizations import Organizations
from app.dispatch.routing import Decision, Matter
from app.events.tables import Event
from app.items.rows import ItemRow


def matter_of(event: Event, item: ItemRow | None, *, avoid: frozenset[int] = frozenset()) -> Matter:
    """The event as the rules see it; ``avoid`` are units that have just given it back."""
    areas = (event.district_code, event.street_code, event.community_code)
    return Matter(
        item_key=item.key if item else None,
        item_name=item.name if item else "",
        major_code=item.major_code if item else "",
        domain=event.domain or "",
        level=event.level,
        areas=tuple(code for code in areas if code),
        channel=event.channel,
        accused=frozenset(event.accused_org_ids) | avoid,
    )


def named(unit_id: int, organizations: Organizations) -> Decision:
    """The decision of a dispatcher who names the unit."""
    sentence = f"由派遣员指定{organizations.name(unit_id)}承办。"
    return Decision(organizations.code_of(unit_id), unit_id, (), "person", None, ("派遣员指定",), (), sentence)
