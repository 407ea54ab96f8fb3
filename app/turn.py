"""One act on one locked event: what every step of the loop works on, and how each act leaves its clocks."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial

from app.clocks import stages
from app.clocks.records import pending_rungs
from app.clocks.running import count_ended, just_ended
from app.dispatch import escalations, limit_requests, orders, pool, raised_levels
from app.dispatch.orders import OrderLimits
from app.events.aggregate import SYSTEM, Act, EventAggregate
from app.items.rows import ItemRow
from app.masters import Masters, limits, routing


@dataclass(slots=True)
class Turn:
    """One act on one locked event, under the releases that were published when it began."""

    masters: Masters
    event: EventAggregate
    act: Act
    #: other open orders by unit id, read for a place that several units are on duty for
    load: Mapping[int, int] = field(default_factory=dict)

    def order_limits(self, unit_id: int) -> OrderLimits:
        """The limits of an order of this event for a unit."""
        return limits.order_limits(self.masters, self.event.event, unit_id)

    def level_of(self, item: ItemRow | None) -> str:
        """The level of this event if it is about this item."""
        return routing.level_of(self.masters, item, self.event.event.urgency)

    def why_too_low(self, unit_id: int) -> str | None:
        """Why a person cannot name this unit as the lead of an event that was raised 提级; None: they can."""
        event, masters = self.event.event, self.masters
        item = masters.items.item(masters.item_keys[event.item_id]) if event.item_id else None
        return raised_levels.why_too_low(event.level, item, unit_id, masters.organizations)

    def why_spared(self, unit_id: int) -> str | None:
        """Why a person cannot push this event down to a street's unit, see ``routing.why_spared``; None: they can."""
        return routing.why_spared(self.masters, self.event.event, self.act.at, unit_id)

    def rest(self) -> None:
        """The end of every act: the stage in which it leaves the event has its clock; those that ended are counted.

        Whoever writes the event calls it first.
        """
        orders.follow_parents(self.event, self.act)
        pool.follow(self.event)
        limit_requests.follow(self.event, self.act)
        stages.follow(self.event, partial(limits.stage, self.masters), self.act)
        self._write_missed()
        count_ended(self.event, self.masters.clockwork)

    def _write_missed(self) -> None:
        """Rungs that came due before this act ended their clock, and no sweep had fired: late rather than never.

        They are written down and their people let in; nobody's phone rings for what is over.
        """
        about = escalations.About(self.masters.organizations, self.masters.policies.late_mark)
        for clock in just_ended(self.event):
            for rung_at, rung in pending_rungs(self.event, clock, self.masters.clockwork):
                if clock.ended_at is not None and rung_at <= clock.ended_at:
                    act = Act(SYSTEM, self.act.at, rung_at)
                    escalations.fire(self.event, clock, rung, rung_at, act, about)
