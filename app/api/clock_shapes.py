"""How a clock that is accounted for looks to its reader."""

from typing import Final
from uuid import UUID

from pydantic import Field

from app.api.shapes import CityTime, Shape, UnitShape, order_id, unit_shape
from app.clocks.limits import Limit, LimitUnit
from app.masters import Masters
from app.supervision.clock_accounts import Account, Move
from app.supervision.clock_books import Act, Fired
from app.supervision.clock_words import ACTIONS, CAUSES, KINDS, ROLES, STATES, grounds_in_words, rule_in_words

#: how the cause of a stretch that does not count because of a pause begins (``clocks.explain``)
PAUSED: Final = ("暂停：", "整日退还：")


class ActShape(Shape):
    """An act of the timeline: who did what, and when."""

    n: int = Field(description="时间线序号")
    act: str = Field(description="做了什么")
    actor_kind: str = Field(description="user 人员、client 来源系统、system 系统")
    actor_id: str | None
    actor_role: str | None = Field(description="办理时的席位")
    actor_unit: UnitShape | None = Field(description="办理时的单位")
    acted_at: CityTime = Field(description="办理人自己的时间")
    recorded_at: CityTime = Field(description="系统记录时间")


class ApprovalShape(Shape):
    """One who agreed, in order."""

    role: str | None = Field(description="席位")
    role_name: str | None = Field(description="席位名称")
    user_id: str | None = Field(description="人员")
    at: str | None = Field(description="时间")


class MoveShape(Shape):
    """One record of a due time: what moved it."""

    generation: int = Field(description="第几次，1 为开始计时")
    cause: str = Field(
        description="started 开始、paused 暂停、resumed 恢复、taken_back 撤销暂停、extended 延期、calendar 日历、"
        "limit 规定"
    )
    cause_name: str = Field(description="缘由名称")
    grounds: str = Field(description="理由代码；对其他单位为空")
    grounds_name: str = Field(description="理由；对其他单位为空")
    since_at: CityTime = Field(description="自何时起")
    before_at: CityTime | None = Field(description="此前的到期时间；开始计时为 null")
    due_at: CityTime = Field(description="此后的到期时间")
    limit: str = Field(description="此后的时限")
    limit_name: str = Field(description="此后的时限（中文）")
    pause_from: CityTime | None
    pause_until: CityTime | None = Field(description="暂停至（计划或实际）")
    of_generation: int | None = Field(description="恢复或撤销的是第几次记录的暂停")
    calendar_release: int | None = Field(description="计算所用的日历版本（内部编号）")
    by: ActShape = Field(description="由哪一条操作引起；对其他单位只有序号和时间")
    approval: list[ApprovalShape] = Field(description="审批经过；空为规则自行决定，对其他单位总为空")


class RungShape(Shape):
    """A rung of the ladder that fired."""

    generation: int
    rung: str = Field(description="督办阶梯代码；due 为到期")
    action: str = Field(description="due 到期、remind 提醒、urge 催办、escalate 升级督办")
    action_name: str
    to: list[str] = Field(description="通知了哪些机构（代码）")
    rung_at: CityTime = Field(description="应触发的时间")
    fired_at: CityTime = Field(description="实际触发的时间")
    late: bool = Field(description="是否迟触发（系统中断后补）")
    timeline_n: int = Field(description="时间线序号")


class StretchShape(Shape):
    """A stretch of time that counted or did not. Within and over add up to ``elapsed_minutes``."""

    from_at: CityTime
    until_at: CityTime
    minutes: int
    counted: bool = Field(description="是否计时")
    cause: str = Field(description="计时，或不计时的原因")
    phase: str = Field(description="within 到期以前、over 超期以后、ahead 尚未到来")


class PauseShape(Shape):
    """A pause as it counts."""

    from_at: CityTime
    until_at: CityTime
    cause: str
    uncapped: bool = Field(description="另有自己的期限，不占不计时上限")


class UncountedShape(Shape):
    """The limit of what may stay uncounted."""

    cap: str = Field(description="上限")
    cap_name: str = Field(description="上限（中文）")
    cap_minutes: int
    used_minutes: int = Field(description="已占用（含暂停的计划部分）")


class ClockAccountShape(Shape):
    """One clock, accounted for to the minute."""

    event_id: UUID = Field(description="所属事件；并入的事件的诉求仍在原事件")
    n: int = Field(description="在事件中的序号")
    kind: str
    kind_name: str = Field(description="时限种类")
    work_order: str | None = Field(description="工单标识")
    report_id: UUID | None = Field(description="诉求标识")
    unit: UnitShape | None = Field(description="单位")
    state: str = Field(description="running 计时中、met 已完成、stopped 已终止")
    state_name: str
    limit: str = Field(description="现行时限，如 2 work_hour")
    limit_name: str = Field(description="现行时限（中文）")
    rule: str = Field(description="时限依据（代码）")
    rule_name: str = Field(description="时限依据")
    calendar: str = Field(description="日历代码")
    calendar_number: int | None = Field(description="到期时间所依据的日历是第几版")
    started_at: CityTime
    due_at: CityTime
    assumed: bool = Field(description="到期时间为估算：该年官方日历尚未公布")
    ended_at: CityTime | None = Field(description="完成或终止的时间")
    until_at: CityTime = Field(description="本说明算到何时：结束或现在")
    counted_minutes: int = Field(description="已计时")
    elapsed_minutes: int = Field(description="已过去的全部时间")
    limit_minutes: int | None = Field(description="按小时计的时限折合多少分钟；按日计的为 null")
    counted_to_due: int = Field(description="从开始到到期的计时，按小时计的时限应与 limit_minutes 相等")
    late_minutes: int = Field(description="超期多少分钟（自然时间），0 为未超期")
    exempted: bool = Field(description="超期不计入统计")
    uncounted: UncountedShape | None = Field(description="不计时的上限；null 为没有上限或不会暂停，对其他单位总为 null")
    pauses: list[PauseShape] = Field(description="实际生效的暂停：已合并，超出上限的部分已去掉；对其他单位为空")
    moves: list[MoveShape] = Field(description="到期时间的每一次记录")
    rungs: list[RungShape] = Field(description="已触发的督办阶梯")
    stretches: list[StretchShape] = Field(description="每一段时间：计时或不计时及其原因")
    adds_up: bool = Field(description="重新计算与保存的一致")
    notes: list[str] = Field(description="须知")


class OrderClocksShape(Shape):
    """The clocks of an order and of its event."""

    order: list[ClockAccountShape] = Field(description="本工单的时限，含已结束的")
    event: list[ClockAccountShape] = Field(description="事件自身的时限：各环节，以及诉求的总时限")


def _act_shape(masters: Masters, act: Act) -> ActShape:
    return ActShape(
        n=act.n,
        act=act.act,
        actor_kind=act.actor_kind,
        actor_id=act.actor_id,
        actor_role=act.actor_role,
        actor_unit=unit_shape(masters, act.actor_org_id),
        acted_at=act.acted_at,
        recorded_at=act.recorded_at,
    )


def _move_shape(masters: Masters, move: Move) -> MoveShape:
    due = move.written.due
    limit = Limit(due.limit_value, LimitUnit(due.limit_unit))
    return MoveShape(
        generation=due.generation,
        cause=due.cause,
        cause_name=CAUSES[due.cause],
        grounds=due.grounds,
        grounds_name=grounds_in_words(due.grounds),
        since_at=due.since_at,
        before_at=move.before_at,
        due_at=due.due_at,
        limit=str(limit),
        limit_name=limit.chinese,
        pause_from=due.pause_from,
        pause_until=due.pause_until,
        of_generation=due.of_generation,
        calendar_release=due.calendar_release,
        by=_act_shape(masters, move.written.act),
        approval=[
            ApprovalShape(
                role=step.get("role"),
                role_name=ROLES.get(str(step.get("role")), step.get("role")),
                user_id=step.get("user_id"),
                at=step.get("at"),
            )
            for step in due.approval
        ],
    )


def _rung_shape(fired: Fired) -> RungShape:
    return RungShape(
        generation=fired.rung.generation,
        rung=fired.rung.rung,
        action=fired.action,
        action_name=ACTIONS.get(fired.action, fired.action),
        to=list(fired.to),
        rung_at=fired.rung.rung_at,
        fired_at=fired.rung.fired_at,
        late=fired.late,
        timeline_n=fired.rung.timeline_n,
    )


def clock_account_shape(masters: Masters, account: Account) -> ClockAccountShape:
    """From the account."""
    clock = account.clock
    limit = Limit(clock.limit_value, LimitUnit(clock.limit_unit))
    uncounted = account.uncounted
    return ClockAccountShape(
        event_id=clock.event_id,
        n=clock.n,
        kind=clock.kind,
        kind_name=KINDS[clock.kind],
        work_order=order_id(clock.event_id, clock.order_n) if clock.order_n is not None else None,
        report_id=clock.report_id,
        unit=unit_shape(masters, clock.unit_id),
        state=clock.state,
        state_name=STATES[clock.state],
        limit=str(limit),
        limit_name=limit.chinese,
        rule=clock.rule,
        rule_name=rule_in_words(clock.rule),
        calendar=clock.calendar_code,
        calendar_number=account.edition.number,
        started_at=clock.started_at,
        due_at=clock.due_at,
        assumed=clock.assumed,
        ended_at=clock.ended_at,
        until_at=account.until_at,
        counted_minutes=account.counted,
        elapsed_minutes=account.elapsed,
        limit_minutes=account.limit_minutes,
        counted_to_due=account.counted_to_due,
        late_minutes=account.late_minutes,
        exempted=clock.exempted_n is not None,
        uncounted=uncounted
        and UncountedShape(
            cap=str(uncounted.cap),
            cap_name=uncounted.cap.chinese,
            cap_minutes=uncounted.cap_minutes,
            used_minutes=uncounted.used_minutes,
        ),
        pauses=[
            PauseShape(from_at=one.from_at, until_at=one.until_at, cause=one.cause, uncapped=one.uncapped)
            for one in account.pauses
        ],
        moves=[_move_shape(masters, move) for move in account.moves],
        rungs=[_rung_shape(fired) for fired in account.rungs],
        stretches=[StretchShape(**one.interval._asdict(), phase=one.phase) for one in account.stretches],
        adds_up=account.adds_up,
        notes=list(account.notes),
    )


def without_grounds(shape: ClockAccountShape) -> ClockAccountShape:
    """What other units see of a unit's clock: every due time and minute, not what it asked for, why, and who agreed."""
    nobody = {"act": "", "actor_kind": "", "actor_id": None, "actor_role": None, "actor_unit": None}
    moves = [
        move.model_copy(
            update={"grounds": "", "grounds_name": "", "approval": [], "by": move.by.model_copy(update=nobody)}
        )
        for move in shape.moves
    ]
    stretches = [
        one.model_copy(update={"cause": one.cause.partition("：")[0]}) if one.cause.startswith(PAUSED) else one
        for one in shape.stretches
    ]
    return shape.model_copy(update={"moves": moves, "stretches": stretches, "pauses": [], "uncounted": None})
