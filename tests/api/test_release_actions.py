"""``/releases`` over HTTP: import, review, publication, dates, roll-back, export, and who may do which."""

from typing import Any

import httpx
import pytest
from sqlalchemy import text

from app import background
from app.core.timing import MovableClock
from app.runtime import Runtime
from tests.api.refusals import refused
from tests.conftest import http_for, user_token
from tests.flows.town import Town

RULES = "routing-rules"
HEAD = "rule_no,area_code,lead_unit,step,basis\n"
PATCH = f"#bihuan routing-rules patch\n{HEAD}R9001,320102002,D-URBAN,territorial,试点街道\n"


async def send(town: Town, user: str, method: str, path: str, expect: int = 200, **request: Any) -> Any:
    async with await town.as_user(user) as http:
        answer = await http.request(method, path, **request)
    assert answer.status_code == expect, answer.text
    return answer.json()


async def imported(town: Town, user: str = "editor1", content: str | bytes = PATCH, kind: str = RULES) -> Any:
    body = content.encode() if isinstance(content, str) else content
    return await send(town, user, "POST", f"/releases/{kind}/draft", content=body)


async def listed(town: Town, status: str, kind: str = RULES) -> dict[str, Any]:
    found: list[dict[str, Any]] = await town.get("callback1", "/releases")
    (release,) = (one for one in found if (one["kind"], one["status"]) == (kind, status))
    return release


async def exported(town: Town, user: str, release_id: int) -> httpx.Response:
    async with await town.as_user(user) as http:
        answer = await http.get(f"/releases/{release_id}/export")
    assert answer.status_code == 200
    return answer


async def test_from_a_file_to_force_by_three_seats(town: Town) -> None:
    made = await imported(town)
    assert (made["added"], made["changed"], made["removed"]) == (1, 0, 0)
    draft = made["draft"]
    assert (draft["status"], draft["created_by"]) == ("draft", ["editor1"])
    (row,) = (await town.get("leader1", f"/releases/{draft['id']}/diff"))["items"]
    assert (row["key"], row["before"], row["after"]["basis"]) == ("R9001", None, "试点街道")
    ids = {"releases": [draft["id"]]}
    problem = await send(town, "leader1", "POST", "/releases/publish", 409, json=ids)
    assert (problem["code"], problem["makers"]) == ("not_reviewed", {RULES: ["editor1"]})
    assert (await send(town, "editor1", "POST", f"/releases/{draft['id']}/review", 409))["code"] == "own_draft"
    reviewed = await send(town, "supervisor1", "POST", f"/releases/{draft['id']}/review")
    assert (reviewed["status"], reviewed["reviewed_by"]) == ("reviewed", "supervisor1")
    (published,) = (await send(town, "leader1", "POST", "/releases/publish", json=ids))["releases"]
    assert (published["status"], published["number"], published["published_by"]) == ("published", 2, "leader1")
    assert await listed(town, "published") == published
    assert (await send(town, "leader1", "POST", "/releases/publish", 409, json=ids))["code"] == "draft_changed"


async def test_a_draft_that_was_changed_is_not_the_one_that_was_looked_at(town: Town) -> None:
    seen = (await imported(town))["draft"]["id"]
    await send(town, "leader1", "POST", f"/releases/{seen}/review")
    changed = await imported(town, "editor1", PATCH.replace("试点", "其他"))
    assert changed["lost"]["reviewed_by"] == "leader1"
    for user, method, path, body in (
        ("leader1", "POST", f"/releases/{seen}/review", None),
        ("leader1", "POST", "/releases/publish", {"releases": [seen]}),
        ("editor1", "DELETE", f"/releases/{seen}", None),
        ("editor1", "GET", f"/releases/{seen}/diff", None),
    ):
        assert (await send(town, user, method, path, 404, json=body))["code"] == "not_found"
    await send(town, "editor1", "DELETE", f"/releases/{changed['draft']['id']}")
    await send(town, "editor1", "DELETE", f"/releases/{(await listed(town, 'published'))['id']}", 409)


@pytest.mark.parametrize(
    ("who", "may"),
    [
        ("editor1", {"draft", "review", "read"}),
        ("leader1", {"draft", "review", "publish", "read"}),
        ("adjudicator1", {"draft", "review", "read"}),
        ("supervisor1", {"review", "read"}),
        ("sysadmin", {"draft", "publish", "read"}),
        ("dispatcher1", set()),
        ("operator1", set()),
        ("u-d-urban", set()),
        ("secadmin", set()),
    ],
)
async def test_each_seat_may_do_its_own_and_no_more(town: Town, who: str, may: set[str]) -> None:
    maker = "adjudicator2"
    id_ = (await imported(town, maker))["draft"]["id"]
    one, later = {"releases": [id_]}, "2026-03-11T10:00:00+08:00"
    for needs, method, path, body in (
        ("read", "GET", f"/releases/{id_}/diff", {}),
        ("read", "GET", f"/releases/{id_}/export", {}),
        ("review", "POST", f"/releases/{id_}/review", {}),
        ("publish", "POST", "/releases/schedule", {"json": one | {"publish_at": later}}),
        ("publish", "POST", "/releases/unschedule", {"json": one}),
        ("publish", "POST", "/releases/publish", {"json": one}),
        ("publish", "POST", f"/releases/{RULES}/roll-back", {"json": {}}),
        ("draft", "POST", f"/releases/{RULES}/draft", {"content": PATCH.replace("R9001", "R9002").encode()}),
        ("draft", "DELETE", "/releases/1", {}),
    ):
        async with await town.as_user(who) as http:
            answer = await http.request(method, path, **body)
        if needs in may:
            assert answer.status_code in (200, 404, 409), f"{path}: {answer.text}"
        else:
            assert refused(answer, 403, code="forbidden")["needs"]


async def test_only_the_administrator_publishes_unreviewed_and_says_why(town: Town) -> None:
    body = {"releases": [(await imported(town))["draft"]["id"]], "unreviewed_because": "系统割接当晚"}
    await send(town, "leader1", "POST", "/releases/publish", 403, json=body)
    await send(town, "sysadmin", "POST", "/releases/publish", 422, json=body | {"unreviewed_because": " "})
    (published,) = (await send(town, "sysadmin", "POST", "/releases/publish", json=body))["releases"]
    assert (published["unreviewed_because"], published["reviewed_by"]) == ("系统割接当晚", None)


async def test_who_reviewed_takes_it_back_and_the_date_with_it(town: Town) -> None:
    id_ = (await imported(town))["draft"]["id"]
    await send(town, "supervisor1", "DELETE", f"/releases/{id_}/review", 409)
    await send(town, "supervisor1", "POST", f"/releases/{id_}/review")
    body = {"releases": [id_], "publish_at": "2026-03-10T18:00:00+08:00"}
    await send(town, "leader1", "POST", "/releases/schedule", json=body)
    assert (await send(town, "leader1", "DELETE", f"/releases/{id_}/review", 409))["code"] == "not_your_review"
    told = (await send(town, "supervisor1", "DELETE", f"/releases/{id_}/review"))["releases"][0]
    assert (told["status"], told["reviewed_by"], told["publish_at"]) == ("draft", None, None)
    await send(town, "leader1", "POST", "/releases/publish", 409, json={"releases": [id_]})


async def test_a_patch_leaves_alone_what_it_has_no_columns_for(town: Town) -> None:
    whole = HEAD.replace("area_code", "area_code,hours") + "R9001,320102002,18:00-08:00,D-URBAN,night_duty,夜间\n"
    await imported(town, content=f"#bihuan {RULES} patch\n{whole}")
    made = await imported(
        town, content=f"#bihuan {RULES} patch\nrule_no,lead_unit,step,basis\nR9001,D-MUNI,night_duty,新\n"
    )
    (row,) = (await town.get("leader1", f"/releases/{made['draft']['id']}/diff"))["items"]
    told = {name: row["after"][name] for name in ("area_code", "hours", "lead_unit", "basis")}
    assert told == {"area_code": "320102002", "hours": ["18:00-08:00"], "lead_unit": "D-MUNI", "basis": "新"}
    made = await imported(town, content=f"#bihuan {RULES} patch\n{HEAD}R9001,,D-MUNI,night_duty,新\n")
    (row,) = (await town.get("leader1", f"/releases/{made['draft']['id']}/diff"))["items"]
    assert (row["after"]["area_code"], row["after"]["hours"]) == ("", ["18:00-08:00"]), "an empty cell says so"
    assert made["left_out"] == []


async def test_a_whole_file_says_which_columns_it_lacks(town: Town) -> None:
    made = await imported(
        town, content="#bihuan policies complete\nkey,value\nsign_limit,3 work_hour\n", kind="policies"
    )
    assert made["left_out"] == ["source"]


async def test_a_patch_is_sound_with_what_it_leaves_alone(town: Town) -> None:
    dated = HEAD.replace("area_code", "valid_from") + "R9001,2026-06-01,D-URBAN,territorial,试点\n"
    await imported(town, content=f"#bihuan {RULES} patch\n{dated}")
    ends = HEAD.replace("area_code", "valid_until") + "R9001,2026-05-01,D-URBAN,territorial,试点\n"
    body = f"#bihuan {RULES} patch\n{ends}".encode()
    (fault,) = (await send(town, "editor1", "POST", f"/releases/{RULES}/draft", 422, content=body))["faults"]
    assert "valid_until 不能早于 valid_from" in fault["message"]


async def test_a_key_is_no_text(town: Town) -> None:
    for key, expect in (("R" * 100, 200), ("R" * 101, 422)):
        body = f"#bihuan {RULES} patch\n{HEAD}{key},320102002,D-URBAN,territorial,试点\n".encode()
        await send(town, "editor1", "POST", f"/releases/{RULES}/draft", expect, content=body)


async def test_a_date_is_set_kept_and_taken_back(town: Town, runtime: Runtime, clock: MovableClock) -> None:
    id_ = (await imported(town))["draft"]["id"]
    body = {"releases": [id_], "publish_at": "2026-03-10T18:00:00+08:00"}
    assert (await send(town, "leader1", "POST", "/releases/schedule", 409, json=body))["code"] == "not_reviewed"
    await send(town, "leader1", "POST", f"/releases/{id_}/review")
    for wrong in ("2026-03-10T18:00:00", "2026-03-10T09:00:00+08:00", "2028-03-10T09:00:00+08:00"):
        await send(town, "leader1", "POST", "/releases/schedule", 422, json=body | {"publish_at": wrong})
    told = await send(town, "leader1", "POST", "/releases/schedule", json=body)
    assert (told["releases"][0]["publish_at"], told["unscheduled"]) == (body["publish_at"], [])
    (kept,) = await send(town, "leader2", "POST", "/releases/unschedule", json={"releases": [id_]})
    assert (kept["status"], kept["publish_at"]) == ("reviewed", None)
    await send(town, "leader1", "POST", "/releases/schedule", json=body)
    clock.advance(hours=9)
    await background.run_jobs(runtime, concurrency=1)
    assert (await listed(town, "published"))["published_by"] == "leader1"


async def test_rolling_back_over_http(town: Town) -> None:
    first = await listed(town, "published")
    assert (await send(town, "leader1", "POST", f"/releases/{RULES}/roll-back", 404, json={}))["code"] == "not_found"
    id_ = (await imported(town))["draft"]["id"]
    problem = await send(town, "leader1", "POST", f"/releases/{RULES}/roll-back", 404, json={"to": 2})
    assert "第 2 版" in problem["detail"]
    await send(town, "leader1", "POST", f"/releases/{id_}/review")
    await send(town, "leader1", "POST", "/releases/publish", json={"releases": [id_]})
    release = await send(town, "leader1", "POST", f"/releases/{RULES}/roll-back", json={"to": 1})
    assert (release["digest"], release["brings_back"], release["number"]) == (first["digest"], first["id"], 3)
    await send(town, "leader1", "POST", "/releases/users/roll-back", 404, json={})


@pytest.mark.parametrize("kind", [RULES, "cells", "policies"])
async def test_what_is_exported_is_imported_without_a_change(town: Town, kind: str) -> None:
    answer = await exported(town, "editor1", (await listed(town, "published", kind))["id"])
    assert answer.headers["content-disposition"].startswith(f'attachment; filename="{kind}-1.')
    assert answer.headers["content-type"] == ("application/geo+json" if kind == "cells" else "text/csv; charset=utf-8")
    outcome = await imported(town, "editor1", answer.content, kind)
    assert (outcome["draft"], outcome["unchanged"] > 0) == (None, True)


async def test_bad_rows_are_named_all_and_none_is_taken(town: Town) -> None:
    async def problem(path: str, content: bytes, expect: int = 422) -> Any:
        return await send(town, "editor1", "POST", path, expect, content=content)

    bad = PATCH + "R9002,320102002,D-URBAN,sideways,试点\nR9003,,,territorial,\n"
    told = await problem(f"/releases/{RULES}/draft", bad.encode("gb18030"))
    assert [fault["path"] for fault in told["faults"]] == ["第 4 行", "第 5 行", "第 5 行"]
    assert "step" in told["faults"][0]["message"]
    assert [one for one in await town.get("leader1", "/releases") if one["status"] == "draft"] == []
    plain = PATCH.partition("\n")[2].encode()
    assert "首行应写明" in (await problem(f"/releases/{RULES}/draft", plain))["detail"]
    assert (await problem(f"/releases/{RULES}/draft?mode=patch", plain, 200))["added"] == 1
    assert "不是 policies" in (await problem("/releases/policies/draft", PATCH.encode()))["detail"]
    assert "不是 complete" in (await problem(f"/releases/{RULES}/draft?mode=complete", PATCH.encode()))["detail"]
    await problem(f"/releases/{RULES}/draft?mode=replace", PATCH.encode())
    await problem("/releases/users/draft", PATCH.encode(), 404)
    await problem("/releases/nonsense/draft", PATCH.encode(), 404)
    for rubbish in (b"", b"\x00", b"\xff\xfe\xfd", b"{", b'{"bihuan": 1}', b"[]"):
        await problem(f"/releases/{RULES}/draft", rubbish)
    await problem(f"/releases/{RULES}/draft", PATCH.encode() + b" " * 10 * 1024 * 1024, 413)


async def test_hostile_cells_are_data_on_the_way_in_and_harmless_on_the_way_out(town: Town) -> None:
    made = await imported(town, "editor1", PATCH.replace("试点街道", "'=HYPERLINK(1)"))
    (row,) = (await town.get("editor1", f"/releases/{made['draft']['id']}/diff"))["items"]
    assert row["after"]["basis"] == "=HYPERLINK(1)"
    content = (await exported(town, "editor1", made["draft"]["id"])).content.decode("utf-8-sig")
    assert ",'=HYPERLINK(1)\r\n" in content
    assert ",=HYPERLINK" not in content


async def test_differences_come_in_pages(town: Town) -> None:
    lines = "".join(f"R9{n:03},320102002,D-URBAN,territorial,试点 {n}\n" for n in range(7))
    id_ = (await imported(town, content=f"#bihuan routing-rules patch\n{HEAD}{lines}"))["draft"]["id"]
    keys, cursor = [], None
    for _ in range(4):
        query = {"limit": 3} | ({"cursor": cursor} if cursor else {})
        page = await town.get("leader1", f"/releases/{id_}/diff", **query)
        keys += [row["key"] for row in page["items"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert keys == [f"R9{n:03}" for n in range(7)]
    await town.get("leader1", f"/releases/{id_}/diff", 422, cursor="x")


async def test_a_draft_is_read_by_who_works_on_it_only(town: Town) -> None:
    id_ = (await imported(town))["draft"]["id"]
    await send(town, "leader1", "POST", f"/releases/{id_}/review")
    await town.get("dispatcher1", "/routing-rules", 404, release=id_)


@pytest.mark.parametrize("path", ["duty-list", "components", "routing-steps"])
async def test_the_masters_of_routing_are_read_like_the_others(town: Town, path: str) -> None:
    page = await town.get("dispatcher1", f"/{path}", limit=2)
    assert len(page["items"]) == 2
    assert {"key", "row"} == set(page["items"][0])
    assert page["next"]


async def test_clauses_and_components_are_found_by_their_units(town: Town) -> None:
    (row, *_) = (await town.get("dispatcher1", "/duty-list", duty="assisting"))["items"]
    assert row["row"]["department"]
    (row, *_) = (await town.get("dispatcher1", "/components", maintainer="CITY-WATER"))["items"]
    assert row["row"]["maintainer"] == "CITY-WATER"


async def test_other_jurisdictions_releases_are_not_there(town: Town, runtime: Runtime, jurisdiction_id: int) -> None:
    id_ = (await imported(town))["draft"]["id"]
    async with runtime.sessions() as session, session.begin():
        await session.execute(
            text("UPDATE user_account SET jurisdiction_id = :j WHERE username = 'leader2'"), {"j": jurisdiction_id}
        )
        await session.execute(
            text("UPDATE seat SET scope_area = '330106' WHERE user_id = (SELECT id FROM user_account "
                 "WHERE username = 'leader2')")
        )  # fmt: skip
    async with http_for(runtime, await user_token(runtime, "leader2")) as http:
        for method, path in (("GET", f"/releases/{id_}/export"), ("POST", f"/releases/{id_}/review")):
            refused(await http.request(method, path), 404)
        refused(await http.post("/releases/publish", json={"releases": [id_]}), 404)
