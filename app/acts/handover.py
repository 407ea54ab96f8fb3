"""交接: everything that a leaver holds goes to a colleague, event by event, each in a transaction of its own.

Killed half-way, it is simply run again: what has been handed over is not the leaver's any more. No clock moves, since
the unit stays the same.
"""

from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.accounts.access import Asker, user_of
from app.accounts.holdings import held_by
from app.accounts.people import Account, administers, find_account, leads, liaises, unknown
from app.accounts.tokens import AccessToken
from app.acts.action import covers
from app.core.database import transaction
from app.core.errors import Forbidden, Malformed
from app.core.faults import fault_point
from app.core.timing import now
from app.dispatch import pool
from app.events.aggregate import SYSTEM, Act, Actor, EventAggregate
from app.events.store import lock_events, write_events
from app.events.tables import WorkOrder
from app.events.visibility import Sight
from app.feedback import inspections
from app.masters import Masters
from app.runtime import Runtime
from app.turn import Turn

#: who hands over what a colleague holds (besides an administrator, who sees no case and learns only how many)
MANAGERS: Final = ("unit_liaison", "shift_leader", "system_administrator")


@dataclass(slots=True)
class Relieved:
    """What became of what somebody held: how many orders and inspections, and why something stayed."""

    moved: int = 0
    released: int = 0
    #: why → the event numbers of the orders that stayed; None for one of which the asker may not know
    left: dict[str, list[str | None]] = field(default_factory=dict)

    def leave(self, why: str, event_no: str | None) -> None:
        """Notes that an order stays with the leaver."""
        self.left.setdefault(why, []).append(event_no)


@dataclass(frozen=True, slots=True)
class _Task:
    """Who hands over (None: whoever runs the command line), from whom, to whom."""

    asker: Asker | None
    leaver: Account
    to: Account | None
    jurisdiction_code: str

    def actor(self, masters: Masters, aggregate: EventAggregate, unit_id: int) -> Actor | None:
        """In which seat the asker hands over an order of this unit; None: in none."""
        if self.asker is None:
            return SYSTEM
        user = str(self.asker.user_id)
        for principal, one in self.asker.capacities():
            lender = str(principal) if principal else None
            if unit_id in one.units(masters.organizations, ("unit_liaison",)):
                return Actor("user", user, "unit_liaison", unit_id, lender)
            if covers(one, ("shift_leader",), aggregate.event):
                return Actor("user", user, "shift_leader", one.org_id, lender)
            if administers(one):
                return Actor("user", user, "system_administrator", one.org_id, lender)
        return None

    def why_not(self, masters: Masters, aggregate: EventAggregate, order: WorkOrder) -> str | None:
        """Why the colleague cannot have this order; None: they can."""
        if self.to is None:
            return "没有指定接手人，工单仍在其名下"
        sight = Sight.of(self.to.as_asker(self.jurisdiction_code), masters.organizations)
        if order.unit_id not in sight.units:
            return f"{self.to.username} 在承办单位没有席位"
        if sight.barred(aggregate):
            return f"{self.to.username} 须回避"
        return None


async def relieve(runtime: Runtime, token: AccessToken, username: str, to: str | None) -> Relieved:
    """For the person behind ``token``: moves what ``username`` holds to ``to`` and gives their inspections back.

    Raises ``NotFound`` for accounts that are not theirs to look after, ``Forbidden``, ``Malformed`` for a ``to`` who
    cannot hold anything.
    """
    async with transaction(runtime.sessions) as session:
        asker = await user_of(session, token)
        masters = await runtime.masters.at(session, asker.jurisdiction_id, asker.release_vector)
        leaver = await find_account(session, asker.jurisdiction_id, username)
        may = administers(asker) or leads(asker, leaver) or liaises(asker, leaver, masters.organizations)
        if not may and leaver.id == asker.user_id:
            raise Forbidden("本人名下的工单由本单位联络员或值班长交接。", needs=list(MANAGERS))
        if not may:
            raise unknown(username)
        task = _Task(asker, leaver, await _taker(session, leaver, to), asker.jurisdiction_code)
    return await _carry_out(runtime, task)


async def relieve_from_command(
    runtime: Runtime, jurisdiction_id: int, jurisdiction_code: str, username: str, to: str | None
) -> Relieved:
    """The same for whoever runs the command line, as the system."""
    async with transaction(runtime.sessions) as session:
        leaver = await find_account(session, jurisdiction_id, username)
        task = _Task(None, leaver, await _taker(session, leaver, to), jurisdiction_code)
    return await _carry_out(runtime, task)


async def _taker(session: AsyncSession, leaver: Account, to: str | None) -> Account | None:
    if to is None:
        return None
    taker = await find_account(session, leaver.jurisdiction_id, to)
    why = None
    if taker.id == leaver.id:
        why = "接手人不能是本人。"
    elif not taker.active:
        why = f"{to} 的账号已注销，不能接手。"
    if why:
        raise Malformed(why, faults=[{"path": "to", "message": why}])
    return taker


async def _carry_out(runtime: Runtime, task: _Task) -> Relieved:
    async with transaction(runtime.sessions) as session:
        holdings = await held_by(session, [task.leaver.id])
    outcome = Relieved()
    for event_id in dict.fromkeys(one.event_id for one in holdings if one.event_id is not None):
        async with transaction(runtime.sessions) as session:
            done = await _one_event(session, runtime, task, event_id)
            fault_point("act.before_commit")
        outcome.moved += done.moved
        outcome.released += done.released
        for why, numbers in done.left.items():
            outcome.left.setdefault(why, []).extend(numbers)
    return outcome


async def _one_event(session: AsyncSession, runtime: Runtime, task: _Task, event_id: UUID) -> Relieved:
    masters = await runtime.masters.get(session, task.leaver.jurisdiction_id)
    aggregate = (await lock_events(session, [event_id]))[event_id]
    outcome, at, leaver = Relieved(), now(), task.leaver
    sight = Sight.of(task.asker, masters.organizations) if task.asker else None
    act = Act(SYSTEM, at, at)
    for order in aggregate.open_orders:
        if order.holder_id != leaver.id:
            continue
        known = aggregate.event.event_no if sight is None or sight.sees_order(aggregate, order) else None
        actor = task.actor(masters, aggregate, order.unit_id)
        if actor is None or (known is None and actor.role != "system_administrator"):
            outcome.leave("不在您的权限范围内", known)
        elif why := task.why_not(masters, aggregate, order):
            outcome.leave(why, known)
        else:
            act = Act(actor, at, at)
            _reassign(aggregate, order, act, task, masters.organizations.code_of(order.unit_id))
            outcome.moved += 1
    for inspection in aggregate.inspections:
        if inspection.state == "claimed" and inspection.collector_id == leaver.id:
            actor = task.actor(masters, aggregate, leaver.org_id)
            if actor is None:
                outcome.leave("不在您的权限范围内", None)
                continue
            act = Act(actor, at, at)
            inspections.release(aggregate, inspection, act)
            outcome.released += 1
    if aggregate.timeline:
        Turn(masters, aggregate, act).rest()
        await write_events(session, runtime.keyring, [aggregate])
    return outcome


def _reassign(aggregate: EventAggregate, order: WorkOrder, act: Act, task: _Task, unit: str | None) -> None:
    """The order in the colleague's hands, whatever its state: one that was reported done may come back.

    From whom to whom stands in the erasable note, never in the row.
    """
    assert task.to is not None  # noqa: S101 - why_not has looked
    data = {"unit": unit, "role": order.role}
    note = f"由 {task.leaver.username} 交接给 {task.to.username}"
    if order.state in pool.OPEN:
        aggregate.advance(order, "assign", act, name="reassigned", data=data, note=note, holder_id=task.to.id)
    else:
        aggregate.change(order, holder_id=task.to.id)
        aggregate.record(act, "reassigned", subject=order, data=data, note=note)
