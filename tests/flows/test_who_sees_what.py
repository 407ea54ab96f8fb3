"""Seats: not yours reads as not there, yours but not allowed is refused, and nobody reads what is kept from them."""

from tests.flows.town import Town


async def test_another_unit_and_another_street_see_nothing(town: Town) -> None:
    receipt = await town.send("hotline-12345", town.call())
    path = f"events/{receipt['event_id']}"
    order, unit = await town.lead(receipt["event_id"])
    for stranger in ("u-city-gas", "u-d-market"):
        await town.get(stranger, f"/{path}", 404)
        await town.get(stranger, f"/{path}/timeline", 404)
        await town.act(stranger, order, "sign_for", 404)
    await town.get(unit, f"/{path}")
    await town.act(unit, path, "close", 403, closing_condition_met=True)
    await town.act("operator1", order, "sign_for", 403)


async def test_identity_is_masked_until_it_is_revealed_by_an_audited_act(town: Town) -> None:
    receipt = await town.send("hotline-12345", town.call())
    report = f"reports/{receipt['report_id']}"
    shown = await town.get("operator1", f"/{report}")
    assert "13800001234" not in str(shown)
    assert "138****1234" in str(shown)
    revealed = await town.act("operator1", report, "reveal_identity", reason="需要回拨核实地址")
    assert revealed["identity"]["phones"] == ["13800001234"]
    assert (await town.acts(receipt["event_id"]))[-1] == "identity_revealed"
    timeline = await town.get("operator1", f"/events/{receipt['event_id']}/timeline")
    assert "13800001234" not in str(timeline)


async def test_a_confidential_reporter_is_in_no_answer_to_any_unit(town: Town) -> None:
    receipt = await town.send("hotline-12345", town.call(confidential=True))
    event_id, report_id = receipt["event_id"], receipt["report_id"]
    order, unit = await town.lead(event_id)
    answers = [
        await town.get(unit, f"/events/{event_id}"),
        await town.get(unit, f"/events/{event_id}/timeline"),
        await town.get(unit, "/reports"),
        await town.get(unit, f"/reports/{report_id}"),
        await town.get(unit, f"/{order}"),
        await town.get(unit, "/work-orders"),
        await town.get(unit, "/events"),
    ]
    assert not [
        answer
        for answer in answers
        if "****1234" in str(answer) or "13800001234" in str(answer) or "王*" in str(answer)
    ]
    await town.act(unit, f"reports/{report_id}", "reveal_identity", 403, reason="想知道是谁")


async def test_an_accused_unit_sees_nothing_of_its_accusation(town: Town) -> None:
    accused = "玄武区城市管理局"
    receipt = await town.send(
        "hotline-12345", town.call(orderType="举报", accusedUnit=accused, content="举报城管局工作人员吃拿卡要")
    )
    event_id = receipt["event_id"]
    event = await town.event(event_id)
    assert event.accused_org_ids
    if event.state == "analyzing":
        refused = await town.act("dispatcher1", f"events/{event_id}", "dispatch", 422, unit="D-URBAN")
        assert refused["code"] == "malformed"
    for path in (f"/events/{event_id}", f"/events/{event_id}/timeline", f"/reports/{receipt['report_id']}"):
        await town.get("u-d-urban", path, 404)
    for listing in ("/events", "/work-orders", "/reports"):
        assert event_id not in str(await town.get("u-d-urban", listing))


async def test_an_accusation_whose_accused_is_unknown_waits_for_a_person(town: Town) -> None:
    receipt = await town.send("hotline-12345", town.call(orderType="举报", accusedUnit="某某科室"))
    event = await town.event(receipt["event_id"])
    assert (event.state, event.triage) == ("analyzing", "accused_unknown")


async def test_a_collector_neither_of_the_unit_nor_a_handler_inspects(town: Town) -> None:
    receipt = await town.send("hotline-12345", town.call())
    event_id = receipt["event_id"]
    await town.handle(event_id)
    _, unit = await town.lead(event_id)
    await town.act(unit, f"events/{event_id}", "claim_inspection", 403)
    await town.act("collector1", f"events/{event_id}", "claim_inspection")
    taken = await town.act("collector2", f"events/{event_id}", "pass_inspection", 403)
    assert taken["code"] == "forbidden"
    await town.act("collector1", f"events/{event_id}", "pass_inspection")


async def test_callbacks_are_the_centre_s_never_the_unit_s(town: Town) -> None:
    receipt = await town.send("hotline-12345", town.call())
    await town.handle(receipt["event_id"])
    _, unit = await town.lead(receipt["event_id"])
    await town.act(unit, f"reports/{receipt['report_id']}", "callback", 403, reached=False)


async def test_the_same_act_twice_is_done_once(town: Town) -> None:
    receipt = await town.send("hotline-12345", town.call())
    order, unit = await town.lead(receipt["event_id"])
    act_id = "0193a000-0000-7000-8000-000000000002"
    first = await town.act(unit, order, "sign_for", act_id=act_id)
    second = await town.act(unit, order, "sign_for", act_id=act_id)
    assert (first["repeated"], second["repeated"], second["state"]) == (False, True, "signed")
    assert (await town.acts(receipt["event_id"])).count("sign_for") == 1
    await town.act("dispatcher1", f"events/{receipt['event_id']}", "hand_over", 409, act_id=act_id, to="别处")


async def test_an_outdated_version_is_refused(town: Town) -> None:
    receipt = await town.send("hotline-12345", town.call())
    order, unit = await town.lead(receipt["event_id"])
    async with await town.as_user(unit) as http:
        seen = (await http.get(f"/{order}")).headers["etag"]
        assert (await http.post(f"/{order}/actions/sign_for", headers={"If-Match": seen}, json={})).status_code == 200
        stale = await http.post(f"/{order}/actions/start", headers={"If-Match": seen}, json={})
    assert stale.status_code == 412
    assert stale.json()["code"] == "precondition_failed"


async def test_a_source_may_act_on_its_own_reports_only(town: Town) -> None:
    receipt = await town.send("hotline-12345", town.call())
    other = await town.send("snapshot", town.snapshot(east_m=300))
    from tests.conftest import client_token, http_for

    async with http_for(town.runtime, client_token(town.runtime, town.city, "hotline-12345")) as http:
        mine = await http.post(f"/reports/{receipt['report_id']}/actions/chase", json={})
        theirs = await http.post(f"/reports/{other['report_id']}/actions/chase", json={})
        forbidden = await http.post(f"/reports/{receipt['report_id']}/actions/reply", json={"body": "好"})
    assert (mine.status_code, theirs.status_code, forbidden.status_code) == (200, 404, 403)


async def test_a_held_message_is_kept_and_enters_the_loop_later(town: Town) -> None:
    from app import background, receiving

    broken = receiving.loop.begin

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("deriving fails")

    receiving.loop.begin = fail  # type: ignore[assignment] # what fails in deriving, whatever it is
    try:
        receipt = await town.send("hotline-12345", message := town.call(), 202)
    finally:
        receiving.loop.begin = broken
    assert receipt["outcome"] == "held"
    assert await town.rows("SELECT 1 FROM report WHERE id = :id", id=receipt["report_id"]) == []
    await background.run_jobs(town.runtime)
    again = await town.send("hotline-12345", message, 200)
    assert (again["report_id"], again["outcome"]) == (receipt["report_id"], "created")


async def test_a_changed_body_under_the_same_number_is_refused_and_kept(town: Town) -> None:
    message = town.call()
    await town.send("hotline-12345", message)
    refused = await town.send("hotline-12345", message | {"content": "内容改了"}, 409)
    assert refused["code"] == "changed_message"
    assert len(await town.rows("SELECT 1 FROM inbox_refused")) == 1
    await town.send("hotline-12345", message | {"content": "内容改了"}, 409)
    assert len(await town.rows("SELECT 1 FROM inbox_refused")) == 1


async def test_every_fault_of_a_message_is_named_at_once_in_its_own_words(town: Town) -> None:
    refused = await town.send(
        "hotline-12345", {"orderNum": "", "callTime": "昨天", "orderType": "闲聊", "lon": 200, "lat": 32}, 422
    )
    named = {fault["path"] for fault in refused["faults"]}
    assert {"orderNum", "callTime", "orderType", "content"} <= named
    assert await town.rows("SELECT 1 FROM inbox") == []


async def test_a_batch_answers_each_report_by_itself(town: Town) -> None:
    from tests.conftest import client_token, http_for

    good, bad = town.call(), {"orderNum": "X"}
    async with http_for(town.runtime, client_token(town.runtime, town.city, "hotline-12345")) as http:
        answer = await http.post("/intake/hotline-12345/batch", json={"reports": [good, bad, good]})
    results = answer.json()["results"]
    assert [one["status"] for one in results] == [201, 422, 200]
    assert results[0]["report_id"] == results[2]["report_id"]
