"""``bihuan user …`` for people who leave or are away, against a database of their own."""

import asyncio

import pytest
from click.testing import Result
from typer.testing import CliRunner

from app.commands import people, session
from app.core.errors import Conflict, Malformed
from app.core.settings import Settings
from app.core.timing import MovableClock
from app.runtime import Runtime
from tests.conftest import City
from tests.flows.leavers import Held, colleagues
from tests.flows.town import Town


@pytest.fixture
async def town(
    committing_runtime: Runtime,
    database_url: str,
    settings: Settings,
    city: City,
    clock: MovableClock,
    monkeypatch: pytest.MonkeyPatch,
) -> Town:
    """The town, with commands that open its database."""
    given = settings.model_copy(update={"database_url": database_url})
    monkeypatch.setattr(people, "get_settings", lambda: given)
    monkeypatch.setattr(session, "get_settings", lambda: given)
    town = Town(committing_runtime, city)
    await colleagues(town)
    return town


async def bihuan(*words: str) -> Result:
    """Runs ``bihuan user`` with these words."""
    return await asyncio.to_thread(CliRunner().invoke, people.user_app, list(words))


async def test_a_leaver_is_handed_over_and_closed(town: Town) -> None:
    one = await Held.begin(town)
    refused = await bihuan("close", "first")
    assert isinstance(refused.exception, Conflict)
    assert one.event_no in refused.exception.detail
    stays = await bihuan("relieve", "first", "--to", "u-d-market")
    assert (stays.exit_code, "没有席位" in stays.output, one.event_no in stays.output) == (1, True, True)
    done = await bihuan("relieve", "first", "--to", "second")
    assert (done.exit_code, done.output) == (0, "已交接工单 1 件，退回核查任务 0 件\n")
    assert await one.holder(town) == "second"
    (row,) = await town.rows("SELECT actor_kind FROM timeline WHERE act = 'reassigned'")
    assert row.actor_kind == "system"
    assert (await bihuan("close", "first")).output == "已注销 first\n"
    assert (await bihuan("close", "first")).output == "first 此前已注销\n"


async def test_a_deputy_from_the_command_line(town: Town) -> None:
    named = await bihuan("deputy", "first", "second", "--until", "2026-03-20 18:00")
    assert named.output == "已指定代理：second 代理 first\n"
    (row,) = await town.rows("SELECT since_at, until_at, given_by FROM deputy")
    assert (row.since_at, row.until_at) == (town.at("2026-03-10 10:00"), town.at("2026-03-20 18:00"))
    assert row.given_by.startswith("命令行 ")
    again = await bihuan("deputy", "first", "second", "--until", "2026-03-20 18:00")
    assert again.output == "此前已是如此：已指定代理：second 代理 first\n"
    assert (await bihuan("deputy", "first", "second", "--end")).output == "已结束代理：second 代理 first\n"
    for words in (("first", "second"), ("first", "second", "--end", "--until", "2026-03-20")):
        assert isinstance((await bihuan("deputy", *words)).exception, Malformed)


async def test_a_closed_account_is_handed_nothing(town: Town) -> None:
    await Held.begin(town)
    await bihuan("close", "second")
    refused = await bihuan("relieve", "first", "--to", "second")
    assert isinstance(refused.exception, Malformed)
