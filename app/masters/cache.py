"""Masters in memory by release vector, built once for all requests that decide by them (DESIGN.md §3)."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final, TypeVar

from pydantic import BaseModel
from sqlalchemy import Select, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.accounts.organizations import Organizations
from app.accounts.tables import Organization
from app.clocks.calendar import Calendar
from app.clocks.emergencies import Emergencies
from app.clocks.ladder import Ladder
from app.clocks.records import Clockwork
from app.clocks.rows import CalendarRow
from app.core import releases
from app.core.errors import NotFound
from app.core.tables import Jurisdiction, Release
from app.core.timing import now
from app.dispatch.routing import Router, steps_in_order
from app.grid.place_index import PlaceIndex
from app.items.catalogue import Catalogue
from app.items.classifier import Classifier
from app.items.tables import Item
from app.masters.horizon import watch
from app.masters.kinds import KINDS
from app.masters.masters import Masters
from app.masters.policies import Policies

T = TypeVar("T")

#: Vectors kept per jurisdiction: the one in force, and those that requests already under way began with.
KEPT_VECTORS: Final = 3

_KEYS: Final = text("SELECT key FROM release_row WHERE release_id = :release_id ORDER BY key")

#: name of a part and what it was built from → the part
_Parts = dict[tuple[Any, ...], Any]


class MastersCache:
    """Masters by release vector; one per process, shared by all its tasks."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()
        self._kept: dict[int, OrderedDict[frozenset[tuple[str, int]], tuple[Masters, _Parts]]] = {}

    async def get(self, session: AsyncSession, jurisdiction_id: int) -> Masters:
        """The masters in force, by one statement when they are known already. Raises NotFound."""
        vector = await session.scalar(select(Jurisdiction.release_vector).where(Jurisdiction.id == jurisdiction_id))
        if vector is None:
            raise NotFound("没有这个区划")
        return await self.at(session, jurisdiction_id, vector)

    async def at(self, session: AsyncSession, jurisdiction_id: int, vector: Mapping[str, int]) -> Masters:
        """The masters of a vector, which may be an older one or hold drafts, as if they were published now.

        Requests that need the same new vector wait for the one that builds it; only what changed is built. What holds
        drafts is built each time. Raises NotFound for a release it does not have, ValueError for unsound drafts.
        """
        wanted = frozenset(vector.items())
        if found := self._look_up(jurisdiction_id, wanted):
            return found
        async with self._lock:
            if found := self._look_up(jurisdiction_id, wanted):
                return found
            kept = self._kept.setdefault(jurisdiction_id, OrderedDict())
            known: _Parts = {}
            for _, parts in kept.values():
                known |= parts
            builder = _Builder(session, jurisdiction_id, dict(vector), known)
            masters, parts = await builder.build()
            if builder.has_drafts:
                return masters
            watch(masters.jurisdiction_code, masters.clockwork.calendars)
            kept[wanted] = (masters, parts)
            while len(kept) > KEPT_VECTORS:
                kept.popitem(last=False)
            return masters

    def _look_up(self, jurisdiction_id: int, wanted: frozenset[tuple[str, int]]) -> Masters | None:
        kept = self._kept.get(jurisdiction_id)
        if kept is None or wanted not in kept:
            return None
        kept.move_to_end(wanted)
        return kept[wanted][0]


class _Builder:
    """Builds one vector out of the parts that are known and the releases that are not."""

    def __init__(self, session: AsyncSession, jurisdiction_id: int, vector: dict[str, int], known: _Parts) -> None:
        self._session = session
        self._jurisdiction_id = jurisdiction_id
        self._vector = vector
        self._known = known
        self._parts: _Parts = {}
        self._published_at: dict[str, datetime | None] = {}

    @property
    def has_drafts(self) -> bool:
        """Whether a release of the vector has not been published yet; known when it is built."""
        return None in self._published_at.values()

    async def build(self) -> tuple[Masters, _Parts]:
        """The masters, and the parts they share with the next vector."""
        code = await self._check()
        policies = await self._part("policies", ("policies",), lambda rows: Policies.build(rows["policies"]))
        items = await self._part(
            "items",
            ("items", "filing-standards"),
            lambda rows: Catalogue.build(rows["items"], rows["filing-standards"]),
        )
        # It learns from the items alone, and is the one part that takes seconds.
        precision = policies.classify_min_precision
        classifier = await self._part(
            "classifier",
            ("items",),
            lambda _: Classifier.fit(items, min_precision=precision),
            reads=(),
            also=precision,
        )
        item_ids = await self._ids(
            "items", select(Item.key, Item.id).where(Item.jurisdiction_id == self._jurisdiction_id)
        )
        org_ids = await self._ids(
            "organizations",
            select(Organization.code, Organization.id).where(Organization.jurisdiction_id == self._jurisdiction_id),
        )
        organizations = await self._part(
            "organizations",
            ("organizations",),
            lambda rows: Organizations.build(rows["organizations"], org_ids),
        )
        places = await self._part(
            "places",
            ("areas", "cells", "duty-grids"),
            lambda rows: PlaceIndex.build(rows["areas"], rows["cells"], rows["duty-grids"]),
        )
        router = await self._part(
            "router",
            ("routing-rules", "routing-steps", "duty-list", "components", "organizations"),
            lambda rows: Router(
                rows["routing-rules"],
                organizations,
                components=rows["components"],
                duties=rows["duty-list"],
                steps=steps_in_order(rows["routing-steps"]),
            ),
            reads=("routing-rules", "routing-steps", "duty-list", "components"),
        )
        calendars = await self._part("calendars", ("calendar",), lambda rows: calendars_of(rows["calendar"]))
        ladder = await self._part(
            "ladder",
            ("escalation-rungs", "items"),
            lambda rows: Ladder(rows["escalation-rungs"], item_ids),
            reads=("escalation-rungs",),
        )
        # The same lines hold from another moment on when they are only a draft yet.
        since_at = self._published_at.get("emergencies")
        emergencies = await self._part(
            "emergencies",
            ("emergencies",),
            lambda rows: Emergencies(rows["emergencies"], since_at or now()),
            also=since_at,
        )
        masters = Masters(
            jurisdiction_id=self._jurisdiction_id,
            jurisdiction_code=code,
            vector=MappingProxyType(self._vector),
            items=items,
            classifier=classifier,
            item_ids=item_ids,
            item_keys=MappingProxyType({id_: key for key, id_ in item_ids.items()}),
            places=places,
            organizations=organizations,
            router=router,
            clockwork=Clockwork(calendars, ladder, self._vector.get("calendar"), policies.calendar),
            policies=policies,
            emergencies=emergencies,
        )
        return masters, self._parts

    async def _check(self) -> str:
        """The jurisdiction's code. Raises NotFound when it does not have one of the releases."""
        code = await self._session.scalar(select(Jurisdiction.code).where(Jurisdiction.id == self._jurisdiction_id))
        found = await self._session.execute(
            select(Release.kind, Release.id, Release.published_at).where(
                Release.jurisdiction_id == self._jurisdiction_id, Release.id.in_(self._vector.values())
            )
        )
        known = list(found)
        if code is None or {kind: id_ for kind, id_, _ in known} != self._vector:
            raise NotFound("没有这一版基础数据")
        self._published_at = {kind: at for kind, _, at in known}
        return code

    async def _part(
        self,
        name: str,
        kinds: tuple[str, ...],
        make: Callable[[Mapping[str, Iterable[Any]]], T],
        *,
        reads: tuple[str, ...] | None = None,
        also: Any = None,
    ) -> T:
        """The part that ``make`` builds, in a thread, from rows of the kinds it ``reads`` (all of ``kinds``).

        A part is taken over from another vector when the releases of all ``kinds`` and ``also`` are the same.
        """
        key = (name, also, *(self._vector.get(kind) for kind in kinds))
        if key not in self._parts:
            if key in self._known:
                self._parts[key] = self._known[key]
            else:
                documents = {kind: await self._documents(kind) for kind in (kinds if reads is None else reads)}
                self._parts[key] = await asyncio.to_thread(_make, make, documents)
        part: T = self._parts[key]
        return part

    async def _documents(self, kind: str) -> list[str]:
        release_id = self._vector.get(kind)
        return [] if release_id is None else await releases.documents_of(self._session, release_id)

    async def _ids(self, kind: str, query: Select[str, int]) -> Mapping[str, int]:
        """Lasting ids by key. Publishing adds them, so they are read again with each new release.

        What only a draft has gets a negative number until then: a vector with drafts is never kept.
        """
        release_id = self._vector.get(kind)
        key = ("ids", kind, release_id)
        if key not in self._parts:
            known = self._known.get(key)
            if known is None:
                lasting = {name: id_ for name, id_ in await self._session.execute(query)}
                if release_id is not None and self._published_at[kind] is None:
                    keys = await self._session.scalars(_KEYS, {"release_id": release_id})
                    lasting |= {name: -number for number, name in enumerate(keys, 1) if name not in lasting}
                known = MappingProxyType(lasting)
            self._parts[key] = known
        ids: Mapping[str, int] = self._parts[key]
        return ids


def _make(make: Callable[[Mapping[str, Iterable[Any]]], T], documents: Mapping[str, list[str]]) -> T:
    return make({kind: _parsed(kind, texts) for kind, texts in documents.items()})


def _parsed(kind: str, documents: Iterable[str]) -> Iterator[BaseModel]:
    """Rows one by one: 40,000 cells would take some 200 MB at once."""
    model = KINDS[kind].model
    return (model.model_validate_json(document) for document in documents)


def calendars_of(rows: Iterable[CalendarRow]) -> Mapping[str, Calendar]:
    """Every calendar of a release by its code. Raises ValueError (Chinese), see ``Calendar.from_rows``."""
    rows = tuple(rows)
    codes = dict.fromkeys(row.calendar_code for row in rows)
    return MappingProxyType({code: Calendar.from_rows(rows, code) for code in codes})
