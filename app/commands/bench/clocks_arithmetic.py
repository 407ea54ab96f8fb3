"""How many due times, counted minutes and shares of a limit one core works out in a second."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Final

from app.clocks.arithmetic import counted_minutes, due, moment_at_share
from app.clocks.calendar import CHINA_TIME, Calendar
from app.clocks.limits import Limit, LimitUnit
from app.clocks.pauses import Pause, effective

#: a usual limit of each unit
LIMITS: Final = (
    *(Limit(24, LimitUnit.urgent_hour), Limit(72, LimitUnit.natural_hour), Limit(16, LimitUnit.work_hour)),
    *(Limit(3, LimitUnit.work_day), Limit(5, LimitUnit.legal_work_day), Limit(10, LimitUnit.natural_day)),
)
_CAP: Final = Limit.parse("10 work_day")
_STARTS: Final = 2000
_ROUNDS: Final = 7
#: three pauses begin so long after the start and last so long, hours
_PAUSES: Final = ((1.5, 4.0), (20.25, 30.0), (51.0, 49.5))
_SHARE: Final = 0.8


@dataclass(frozen=True, slots=True)
class Speed:
    """Microseconds of one call in the fastest of several rounds, for one limit. Pairs: without and with pauses."""

    limit: Limit
    due: tuple[float, float]
    counted: tuple[float, float]
    share: tuple[float, float]


@dataclass(frozen=True, slots=True)
class _Case:
    started_at: datetime
    due_at: datetime
    pauses: Sequence[Pause]


def speeds(calendar: Calendar) -> list[Speed]:
    """Measures every unit over the same starts of a year with an official list, nights and holidays among them."""
    pick = Random(1)  # noqa: S311 - times, no secret
    first = datetime(2026, 1, 5, tzinfo=CHINA_TIME)
    starts = [first + timedelta(minutes=pick.randrange(290 * 24 * 60)) for _ in range(_STARTS)]
    return [_speed(calendar, limit, starts) for limit in LIMITS]


def _speed(calendar: Calendar, limit: Limit, starts: Sequence[datetime]) -> Speed:
    both: list[list[_Case]] = []
    for pauses in ((), _PAUSES):
        cases = []
        for at in starts:
            recorded = [Pause(at + timedelta(hours=a), at + timedelta(hours=a + b)) for a, b in pauses]
            held = effective(calendar, recorded, at, _CAP)
            cases.append(_Case(at, due(calendar, at, limit, held).due_at, held))
        both.append(cases)

    def pair(call: Callable[[_Case], object]) -> tuple[float, float]:
        return _microseconds(call, both[0]), _microseconds(call, both[1])

    return Speed(
        limit,
        pair(lambda case: due(calendar, case.started_at, limit, case.pauses)),
        pair(lambda case: counted_minutes(calendar, limit.unit, case.started_at, case.due_at, case.pauses)),
        pair(lambda case: moment_at_share(calendar, limit.unit, case.started_at, case.due_at, _SHARE, case.pauses)),
    )


def _microseconds(call: Callable[[_Case], object], cases: Sequence[_Case]) -> float:
    times = []
    for _ in range(_ROUNDS):
        begun = time.perf_counter()
        for case in cases:
            call(case)
        times.append((time.perf_counter() - begun) / len(cases) * 1e6)
    # whatever else the machine does only ever adds to it
    return min(times)
