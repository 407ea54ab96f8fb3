"""The matters that a dispatch catalogue can tell apart, as a finite space: boxes of places and circumstances. Pure.

The space holds every matter with a known place: each area that has none below it, each level, channel and urgency,
crossing no border, one inside the district or one of the district (wherever there is another street), each minute and
day from the check's date on, working day or not as the calendar has it. Nobody is accused, nobody took it in first or
gave it back, and no component is known: all of these only add proposals, or are refused on purpose. What no rule tells
apart (minutes between the ends of windows, days between dates, channels that no rule names) is one point.

A box is six sets, each the bits of an integer. Boxes are cut out of one another exactly; nothing is sampled.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date, datetime, time, timedelta
from functools import cached_property
from typing import Final, NamedTuple

from app.dispatch.routing.matter import DISTRICT, LEVELS, LOCAL, STREET, Matter
from app.dispatch.rows import RoutingRuleRow, minutes_of
from app.grid.areas import AreaTree
from app.grid.rows import AreaRow
from app.items.rows import ItemRow
from app.masters.catalogue.levels import ALL_LEVELS, URGENCIES, Levels

#: no border, one between streets of a district, one between districts
INSIDE: Final = 1
CROSSES_STREETS: Final = 2
CROSSES_DISTRICTS: Final = 4
ALL_URGENCIES: Final = (1 << len(URGENCIES)) - 1
ALL_BORDERS: Final = INSIDE | CROSSES_STREETS | CROSSES_DISTRICTS
_DAY_MINUTES: Final = 24 * 60
#: a year holds every kind of day that a calendar knows
_DAYS_LOOKED_AT: Final = 400


class Box(NamedTuple):
    """Six sets as bits. Places come last: what is cut out splits along the circumstances first."""

    levels: int
    urgencies: int
    borders: int
    channels: int
    times: int
    areas: int

    def meet(self, other: "Box") -> "Box | None":
        """What both hold; None for nothing."""
        if (
            (areas := self.areas & other.areas)
            and (levels := self.levels & other.levels)
            and (urgencies := self.urgencies & other.urgencies)
            and (borders := self.borders & other.borders)
            and (channels := self.channels & other.channels)
            and (times := self.times & other.times)
        ):
            return Box(levels, urgencies, borders, channels, times, areas)
        return None


def without(region: list[Box], taken: Box) -> list[Box]:
    """The disjoint boxes of ``region`` less one box."""
    left: list[Box] = []
    for box in region:
        hit = box.meet(taken)
        if hit is None:
            left.append(box)
            continue
        rest = list(box)
        for n, common in enumerate(hit):
            if outside := rest[n] ^ common:
                left.append(Box._make((*rest[:n], outside, *rest[n + 1 :])))
                rest[n] = common
    return left


def merged(boxes: Iterable[Box]) -> list[Box]:
    """Fewer boxes that hold the same together, the broadest first."""
    areas: dict[tuple[int, ...], int] = {}
    for box in boxes:
        circumstances = box[:5]
        areas[circumstances] = areas.get(circumstances, 0) | box.areas
    found = [Box._make((*circumstances, places)) for circumstances, places in areas.items()]
    return sorted(found, key=lambda box: [each.bit_count() for each in box], reverse=True)


def within(region: Iterable[Box], taken: Box) -> list[Box]:
    """What a region and a box both hold."""
    return [hit for box in region if (hit := box.meet(taken)) is not None]


def bits(of: int) -> Iterator[int]:
    """Numbers of the bits that are set, ascending."""
    while of:
        low = of & -of
        yield low.bit_length() - 1
        of ^= low


def areas_of(region: Iterable[Box]) -> int:
    """Every place of a region."""
    found = 0
    for box in region:
        found |= box.areas
    return found


class _Instant(NamedTuple):
    on: date
    workday: bool | None
    minute: int


class _Times:
    """Minutes, days and dates that some rule tells apart, each with an instant that stands for it.

    Instants are the bits, from the lowest: for each span of dates, in it for each kind of day, each minute.
    """

    def __init__(
        self, rules: Sequence[RoutingRuleRow], today: date, is_working_day: Callable[[date], bool] | None
    ) -> None:
        dates, minutes = {today}, {0}
        for row in rules:
            minutes.update(edge % _DAY_MINUTES for window in row.hours for edge in minutes_of(window))
            dates.update(day for day in (row.valid_from, _after(row.valid_until)) if day and day > today)
        self._minutes = sorted(minutes)
        self._starts = sorted(dates)
        self.instants: list[_Instant] = []
        #: of each span the number of its first instant, and at the end how many there are
        self._firsts: list[int] = []
        day = (1 << len(self._minutes)) - 1
        #: instants of working days and of others; of days of which it is not known, of neither
        self._kinds = {True: 0, False: 0}
        for start, end in zip(self._starts, [*self._starts[1:], date.max], strict=True):
            self._firsts.append(len(self.instants))
            for on, workday in _days(start, end, is_working_day):
                if workday is not None:
                    self._kinds[workday] |= day << len(self.instants)
                self.instants += (_Instant(on, workday, minute) for minute in self._minutes)
        self._firsts.append(len(self.instants))
        self.all = (1 << len(self.instants)) - 1
        #: the first minute of every day
        self._midnights = self.all // day
        self._of_hours: dict[tuple[str, ...], int] = {}
        self._masks: dict[tuple[object, ...], int] = {}

    def of(self, row: RoutingRuleRow) -> int:
        """The instants at which a rule holds."""
        wanted = (row.hours, row.days, row.valid_from, row.valid_until)
        if wanted == ((), "", None, None):
            return self.all
        found = self._masks.get(wanted)
        if found is None:
            found = self._span(row.valid_from, row.valid_until)
            if row.days:
                found &= self._kinds[row.days == "workday"]
            if row.hours:
                found &= self._hours(row.hours)
            self._masks[wanted] = found
        return found

    def _span(self, first: date | None, last: date | None) -> int:
        """Instants of these dates: where they begin and end a span does, or it is before the check's date."""
        after = _after(last)
        start = self._firsts[bisect_left(self._starts, first)] if first else 0
        end = self._firsts[bisect_left(self._starts, after)] if after else len(self.instants)
        return self.all >> start << start & (1 << end) - 1

    def _hours(self, hours: tuple[str, ...]) -> int:
        """Instants in windows of the day: those of one day, on every day."""
        if hours not in self._of_hours:
            windows = [minutes_of(window) for window in hours]
            inside = (any(_inside(minute, *window) for window in windows) for minute in self._minutes)
            self._of_hours[hours] = sum(1 << n for n, there in enumerate(inside) if there) * self._midnights
        return self._of_hours[hours]


def _after(last: date | None) -> date | None:
    """The day after; None: there is no end."""
    return last + timedelta(days=1) if last and last < date.max else None


def _inside(minute: int, start: int, end: int) -> bool:
    return start <= minute < end if start < end else minute >= start or minute < end


def _days(start: date, end: date, is_working_day: Callable[[date], bool] | None) -> Iterator[tuple[date, bool | None]]:
    """The first day of each kind from ``start`` to before ``end``."""
    if is_working_day is None:
        yield start, None
        return
    seen: set[bool] = set()
    for n in range(min(max((end - start).days, 1), _DAYS_LOOKED_AT)):
        on = start + timedelta(days=n)
        workday = is_working_day(on)
        if workday not in seen:
            seen.add(workday)
            yield on, workday
            if len(seen) > 1:
                return


class Space:
    """All that a catalogue can tell apart, and how its conditions read as sets."""

    def __init__(
        self,
        areas: Sequence[AreaRow],
        rules: Sequence[RoutingRuleRow],
        *,
        channels: Iterable[str],
        today: date,
        is_working_day: Callable[[date], bool] | None,
        with_borders: bool,
        levels: Levels,
    ) -> None:
        """``channels``: those that reports come in by; empty: those that rules name, and another one."""
        self.tree = AreaTree(areas)
        self.levels = levels
        #: division codes of each place, from the widest to the narrowest
        self.places: list[tuple[str, ...]] = []
        self._areas: dict[str, int] = {}
        for row in sorted(areas, key=lambda row: row.code):
            path = tuple(code for code in self.tree.path(row.code)[1:] if code)
            if path and not self.tree.children(row.code):
                for code in path:
                    self._areas[code] = self._areas.get(code, 0) | 1 << len(self.places)
                self.places.append(path)
        named = {row.channel for row in rules if row.channel}
        known = sorted(channels) or [*sorted(named), ""]
        others = [channel for channel in known if channel not in named]
        self.channels = [channel for channel in known if channel in named] + others[:1]
        self._times = _Times(rules, today, is_working_day)
        self.today = today
        self.all = Box(
            ALL_LEVELS,
            ALL_URGENCIES,
            ALL_BORDERS if with_borders else INSIDE,
            (1 << len(self.channels)) - 1,
            self._times.all,
            (1 << len(self.places)) - 1,
        )

    def area(self, code: str) -> int:
        """Places in an area; empty: everywhere. None for one that is unknown, or wider than places are told by."""
        return self._areas.get(code, 0) if code else self.all.areas

    def box_of(self, row: RoutingRuleRow) -> Box | None:
        """Where a rule's conditions hold, but that on the item; None: nowhere."""
        box = Box(
            1 << LEVELS.index(row.level) if row.level else ALL_LEVELS,
            1 << URGENCIES.index(row.urgency) if row.urgency else ALL_URGENCIES,
            ALL_BORDERS,
            self._channel(row.channel),
            self._times.of(row),
            self.area(row.area_code),
        )
        return box if all(box) else None

    def _channel(self, channel: str) -> int:
        if not channel:
            return self.all.channels
        return 1 << self.channels.index(channel) if channel in self.channels else 0

    @cached_property
    def streets(self) -> dict[str, int]:
        """Places by the street (division code, empty for none) they are in."""
        found: dict[str, int] = {}
        for n, place in enumerate(self.places):
            street = _digits(place, STREET)
            found[street] = found.get(street, 0) | 1 << n
        return found

    def street_of(self, place: int) -> str:
        """The street (division code) that a place is in; empty for none."""
        return _digits(self.places[place], STREET)

    @cached_property
    def districts(self) -> dict[str, int]:
        """Places by the district whose desk is asked."""
        found: dict[str, int] = {}
        for n, place in enumerate(self.places):
            found[district_of(place)] = found.get(district_of(place), 0) | 1 << n
        return found

    @cached_property
    def _universe(self) -> tuple[Box, ...]:
        found = [self.all._replace(borders=INSIDE)]
        if self.all.borders != INSIDE:
            for border in (CROSSES_STREETS, CROSSES_DISTRICTS):
                places = sum(1 << n for n, place in enumerate(self.places) if self._neighbour(place, border))
                if places:
                    found.append(self.all._replace(borders=border, areas=places))
        return tuple(box for box in found if all(box))

    def universe(self, item: ItemRow) -> list[Box]:
        """Everything that can happen: no level below the item's own, a border only where there is another street."""
        possible = self.levels.possible(item.default_level)
        return [box._replace(levels=possible) for box in self._universe]

    def arising(self, item: ItemRow) -> list[Box]:
        """What happens to an item by itself: at its own level, or the one that the city asks for; no border near."""
        levels = self.levels.arising(item.default_level).items() if self.places else ()
        return [self.all._replace(levels=level, urgencies=of, borders=INSIDE) for level, of in levels]

    def _neighbour(self, place: tuple[str, ...], border: int) -> str:
        """Another street that the place may belong to as well; empty for none."""
        own, inside = _digits(place, STREET), border == CROSSES_STREETS
        if not own:
            return ""
        district = district_of(place)
        for street in self._by_district.get(district, ()) if inside else self._all_streets:
            if street != own and (street[:DISTRICT] == district) is inside:
                return street
        return ""

    @cached_property
    def _all_streets(self) -> tuple[str, ...]:
        # One street of each district is enough to find another district.
        return tuple(streets[0] for streets in self._by_district.values())

    @cached_property
    def _by_district(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for street in filter(None, self.streets):
            found.setdefault(street[:DISTRICT], []).append(street)
        return found

    def moment(self, box: Box) -> datetime:
        """The first instant of a box, local."""
        on, _, minute = self._times.instants[next(bits(box.times))]
        return datetime.combine(on, time(minute // 60, minute % 60), LOCAL)

    def matter(self, item: ItemRow, box: Box, on_duty: tuple[str, ...] = ()) -> Matter:
        """A matter of the box."""
        level, urgency, border, channel, instant, place = (next(bits(each)) for each in box)
        areas = self.places[place]
        own, named, asked = item.default_level, LEVELS[level], URGENCIES[urgency]
        return Matter(
            item_key=item.key,
            item_name=item.name,
            major_code=item.major_code,
            domain=item.domain,
            level=named,
            at_least=self.levels.at_least(own, named, asked),
            areas=areas,
            channel=self.channels[channel] or "其他渠道",
            urgency=asked,
            at=self.moment(box),
            workday=self._times.instants[instant].workday,
            borders=(self._neighbour(areas, 1 << border),) if border else (),
            on_duty=on_duty,
        )


def _digits(place: Iterable[str], digits: int) -> str:
    return next((code for code in place if len(code) == digits), "")


def district_of(place: Iterable[str]) -> str:
    """The district of a place, as routing reads it."""
    return _digits(place, DISTRICT) or _digits(place, STREET)[:DISTRICT]
