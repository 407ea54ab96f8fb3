"""A small town for flow tests: reports by their channels' own fields, people who act, and a look at the books."""

import base64
import io
import json
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from itertools import count
from typing import Any
from uuid import UUID

import httpx
from PIL import Image
from shapely.geometry import shape
from sqlalchemy import text

from app import background
from app.grid.datum import from_cgcs2000
from app.runtime import Runtime
from tests.conftest import DEMO_CITY, City, client_token, http_for, user_token

#: a class whose closure profile is `both`, handled by the street's city-management section
RUBBISH = ("市容环境类", "暴露垃圾")
#: a hotline class whose closure profile is `answer`, handled by a district department
WAGES = ("劳动与社会保障", "拖欠工资")
#: a component, whose closure profile is `inspection`
CELL = "320102002002001"

#: why a lead does not wait for its supporting units
ALONE = "协办部分另行推进，不影响本次处置"

_numbers = count(1)


def point_in(cell_id: str, *, east_m: float = 0.0) -> tuple[float, float]:
    """A point inside a unit cell (CGCS2000), shifted a few metres to the east."""
    inside = _cells()[cell_id].representative_point()
    return inside.x + east_m / 94_000, inside.y


@cache
def _cells() -> dict[str, Any]:
    features = json.loads((DEMO_CITY / "cells.geojson").read_text())["features"]
    return {feature["properties"]["cell_id"]: shape(feature["geometry"]) for feature in features}


def picture(colour: str = "red") -> bytes:
    """A small JPEG."""
    buffer = io.BytesIO()
    Image.new("RGB", (32, 24), colour).save(buffer, "JPEG")
    return buffer.getvalue()


@dataclass(slots=True)
class Town:
    """Everything a flow test does goes through here, over HTTP."""

    runtime: Runtime
    city: City
    _tokens: dict[str, str] = field(default_factory=dict)

    async def as_user(self, username: str) -> httpx.AsyncClient:
        """An HTTP client logged in as a demo user."""
        if username not in self._tokens:
            self._tokens[username] = await user_token(self.runtime, username)
        return http_for(self.runtime, self._tokens[username])

    async def get(self, username: str, path: str, expect: int = 200, **params: Any) -> Any:
        """Reads as a user."""
        async with await self.as_user(username) as http:
            answer = await http.get(path, params=params)
        assert answer.status_code == expect, answer.text
        return answer.json()

    async def act(self, username: str, path: str, action: str, expect: int = 200, **body: Any) -> dict[str, Any]:
        """Acts as a user on ``events/…``, ``work-orders/…`` or ``reports/…``."""
        async with await self.as_user(username) as http:
            answer = await http.post(f"/{path}/actions/{action}", json=body)
        assert answer.status_code == expect, f"{username} {path} {action}: {answer.status_code} {answer.text}"
        found: dict[str, Any] = answer.json()
        return found

    async def send(self, channel: str, message: dict[str, Any], expect: int = 201) -> dict[str, Any]:
        """Sends a message by its channel's own client."""
        async with http_for(self.runtime, client_token(self.runtime, self.city, channel)) as http:
            answer = await http.post(f"/intake/{channel}", json=message)
        assert answer.status_code == expect, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def call(self, classes: tuple[str, ...] = RUBBISH, *, cell: str | None = CELL, **fields: Any) -> dict[str, Any]:
        """A hotline order."""
        message: dict[str, Any] = {
            "orderNum": f"HT{next(_numbers):06d}",
            "callTime": "2026-03-10T09:55:00+08:00",
            "callerName": "王某某",
            "callerPhone": "13800001234",
            "orderType": "投诉",
            "title": "情况反映",
            "content": "请尽快派人来看看，谢谢",
            "operatorNo": "01",
        }
        message |= {f"class{level}": name for level, name in enumerate(classes, start=1)}
        if cell is not None:
            lon, lat = point_in(cell)
            message |= {"lon": lon, "lat": lat, "crs": "cgcs2000"}
        return message | fields

    def police(self, **fields: Any) -> dict[str, Any]:
        """A 110 record of a call that is no police matter, with both addresses and both coordinate pairs."""
        lon, lat = from_cgcs2000(*point_in(CELL), "gcj02")
        return {
            "XZQHDM": "320102",
            "JJDBH": f"JJ{next(_numbers):08d}",
            "BJSJ": "2026-03-10 09:50:00",
            "BJDH": "13800005678",
            "BJRMC": "李某",
            "BJDZ": "月苑小区",
            "JQDZ": "大行宫社区路口",
            "BJNR": "楼下夜宵摊半夜还在大声喧哗唱歌吵得睡不着",
            "JQLBDM": "700000",
            "FXDWJD": str(lon),
            "FXDWWD": str(lat),
            "SFBM": "0",
        } | fields

    def snapshot(self, *, east_m: float = 0.0, **fields: Any) -> dict[str, Any]:
        """A resident's picture report, in the map's datum."""
        lon, lat = from_cgcs2000(*point_in(CELL, east_m=east_m), "gcj02")
        return {
            "user_id": "resident-7",
            "request_id": f"RQ{next(_numbers):06d}",
            "category": "/".join(RUBBISH),
            "description": "路边一大堆垃圾没人清",
            "pictures": [{"data": base64.b64encode(picture()).decode()}],
            "submitted_at": "2026-03-10T09:59:00+08:00",
            "lon": lon,
            "lat": lat,
            "crs": "gcj02",
        } | fields

    # --- the books ---------------------------------------------------------------------------------------------

    async def rows(self, statement: str, **parameters: Any) -> list[Any]:
        """Rows straight from the database."""
        async with self.runtime.sessions() as session:
            return list((await session.execute(text(statement), parameters)).all())

    async def acts(self, event_id: str) -> list[str]:
        """The names of an event's acts in order."""
        found = await self.rows("SELECT act FROM timeline WHERE event_id = :id ORDER BY n", id=UUID(event_id))
        return [row.act for row in found]

    async def event(self, event_id: str) -> Any:
        """The event's row."""
        (row,) = await self.rows("SELECT * FROM event WHERE id = :id", id=UUID(event_id))
        return row

    async def lead(self, event_id: str) -> tuple[str, str]:
        """The current lead order's id and its unit's user."""
        (row,) = await self.rows(
            "SELECT o.n, g.code FROM work_order o JOIN organization g ON g.id = o.unit_id "
            "WHERE o.event_id = :id AND o.role = 'lead' ORDER BY o.n DESC LIMIT 1",
            id=UUID(event_id),
        )
        return f"work-orders/{event_id}.{row.n}", f"u-{row.code.lower()}"

    async def clocks(self, event_id: str) -> dict[str, str]:
        """The state of the newest clock of each kind: the reports' and the lead orders'."""
        found = await self.rows(
            "SELECT c.kind, c.state FROM clock c LEFT JOIN work_order o ON o.event_id = c.event_id AND o.n = c.order_n "
            "WHERE c.event_id = :id AND (c.order_n IS NULL OR o.role = 'lead') ORDER BY c.n",
            id=UUID(event_id),
        )
        return {row.kind: row.state for row in found}

    async def debts(self, report_id: str) -> dict[str, str]:
        """What became of the newest debt of each kind: owed, paid, or why it was waived."""
        found = await self.rows(
            "SELECT kind, paid_at, waived FROM debt WHERE report_id = :id ORDER BY n", id=UUID(report_id)
        )
        return {row.kind: row.waived or ("paid" if row.paid_at else "owed") for row in found}

    async def deliveries(self, event_id: str) -> list[tuple[str, str]]:
        """(kind, state) of what sources were told, in order."""
        found = await self.rows("SELECT kind, state FROM delivery WHERE lane_id = :id ORDER BY n", id=UUID(event_id))
        return [(row.kind, row.state) for row in found]

    # --- stretches of the way ----------------------------------------------------------------------------------

    async def handle(self, event_id: str, *, result: str = "resolved") -> tuple[str, str]:
        """The unit signs, calls first, starts, and reports done with a picture, whatever other units still do."""
        order, unit = await self.lead(event_id)
        async with await self.as_user(unit) as http:
            uploaded = await http.post("/attachments", content=picture("green"))
        assert uploaded.status_code == 201, uploaded.text
        await self.act(unit, order, "sign_for")
        await self.act(unit, order, "first_contact", reached=True)
        await self.act(unit, order, "start")
        await self.act(
            unit,
            order,
            "report_done",
            result=result,
            statement="已处置",
            evidence=[uploaded.json()["sha256"]],
            without_parts=ALONE,
        )
        return order, unit

    async def help(self, event_id: str) -> list[str]:
        """The supporting units do their parts; their users."""
        found = await self.rows(
            "SELECT o.n, g.code FROM work_order o JOIN organization g ON g.id = o.unit_id "
            "WHERE o.event_id = :id AND o.role = 'supporting' AND o.ended_at IS NULL ORDER BY o.n",
            id=UUID(event_id),
        )
        for row in found:
            order, unit = f"work-orders/{event_id}.{row.n}", f"u-{row.code.lower()}"
            await self.act(unit, order, "sign_for")
            await self.act(unit, order, "start")
            await self.act(unit, order, "report_done", result="resolved", statement="本单位部分已办结")
        return [f"u-{row.code.lower()}" for row in found]

    async def handle_again(self, event_id: str) -> None:
        """The unit reports a sent-back order done."""
        order, unit = await self.lead(event_id)
        await self.act(unit, order, "report_done", result="resolved", statement="再次处置", without_parts=ALONE)

    async def inspect(self, event_id: str, *, passed: bool = True) -> None:
        """A collector claims and decides the inspection."""
        await self.act("collector1", f"events/{event_id}", "claim_inspection")
        await self.act("collector1", f"events/{event_id}", "pass_inspection" if passed else "fail_inspection")

    async def answer(self, event_id: str, report_id: str, *, level: int = 1) -> None:
        """The reporter is answered and called back."""
        await self.act("callback1", f"events/{event_id}", "reply", body="已清理，请您查看。")
        await self.call_back(report_id, level=level)

    async def call_back(self, report_id: str, *, level: int = 1) -> None:
        """The centre calls back."""
        await self.act(
            "callback1",
            f"reports/{report_id}",
            "callback",
            reached=True,
            contacted=True,
            resolved=level < 4,
            satisfaction_level=level,
        )

    async def close(self, event_id: str) -> None:
        """The centre closes against the first filing standard."""
        await self.act("dispatcher1", f"events/{event_id}", "close", standard_row_no=1, closing_condition_met=True)

    async def deliver(self) -> None:
        """The worker empties what is owed to the sources: one of a lane at a time, until nothing is left."""
        while await background.deliver(self.runtime):
            pass

    @staticmethod
    def at(moment: str) -> datetime:
        """A moment in the city's time, written ``2026-03-10 18:00``."""
        return datetime.fromisoformat(moment + ":00+08:00")
