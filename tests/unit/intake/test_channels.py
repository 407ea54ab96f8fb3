"""Each channel's message: what it becomes, what it refuses, and that nothing else ever escapes."""

import base64
import io
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from app.intake.channels import CHANNELS, ClientTraits, MalformedMessage
from app.intake.normalised import NormalisedReport, PointClaim

NOW = datetime(2026, 10, 1, 12, 0, tzinfo=UTC)
PLAIN = ClientTraits()


def message(code: str, /, **changes: Any) -> dict[str, Any]:
    """The channel's own example with fields set, or left out where the value is ``...``."""
    raw = {**CHANNELS[code].json_schema()["examples"][0], **changes}
    return {name: value for name, value in raw.items() if value is not ...}


def parse(code: str, raw: Any, traits: ClientTraits = PLAIN) -> NormalisedReport:
    return CHANNELS[code].parse(raw, traits, now=NOW)


def refused(code: str, raw: Any, traits: ClientTraits = PLAIN) -> dict[str, str]:
    """Field to fault code of a message that must be refused."""
    with pytest.raises(MalformedMessage) as caught:
        parse(code, raw, traits)
    return {fault.field: fault.code for fault in caught.value.faults}


def picture(kind: str, size: int = 4) -> str:
    buffer = io.BytesIO()
    Image.new("RGB", (size, size)).save(buffer, kind)
    return base64.b64encode(buffer.getvalue()).decode()


@pytest.mark.parametrize("code", CHANNELS)
def test_examples_are_valid_and_every_field_is_documented(code: str) -> None:
    schema = CHANNELS[code].json_schema()
    json.dumps(schema)
    for example in schema["examples"]:
        report = parse(code, example)
        assert report.channel == code
        assert CHANNELS[code].source_key(example) == (report.source_ref, report.revision)
        assert set(example) <= set(schema["properties"])
    assert all(field["title"] and field["description"] for field in schema["properties"].values())


def test_hotline_becomes_a_report() -> None:
    raw = message(
        "hotline-12345",
        callerName="来电人",
        callerContact="025-83000000",
        revision="2",
        confidential="是",
        replyRequired=0,
        urgency="特急",
        accusedUnit="某公司",
        operatorNo="0107",
        relatedOrderNum="GD1",
        attachments=["AB" * 32, "ab" * 32],
        vendorField={"deep": [[[]]]},
    )
    report = parse("hotline-12345", raw)
    assert (report.source_ref, report.revision, report.demand_type) == ("GD20260901000123", 2, "complaint")
    assert report.occurred_at == datetime(2026, 9, 1, 0, 30, tzinfo=UTC)
    assert report.item_hint == ("城市管理", "市容环卫", "垃圾清运")
    assert report.points == (PointClaim(118.802061, 32.058179, "gcj02", "scene"),)
    assert report.reporter.phones == ("13900000000", "02583000000")
    assert (report.reporter.name, report.reporter.gender) == ("来电人", "female")
    assert report.confidential
    assert not report.reply_wanted
    assert report.urgency == "critical"
    assert report.linked_ref == "GD1"
    assert [p.sha256 for p in report.pictures] == ["ab" * 32]


def test_hotline_item_code_outranks_the_class_names() -> None:
    assert parse("hotline-12345", message("hotline-12345", itemCode="02003")).item_hint == ("02003",)


def test_an_anonymous_caller_loses_the_name_and_stays_hidden_from_units() -> None:
    report = parse("hotline-12345", message("hotline-12345", callerName="来电人", anonymous="是"))
    assert report.reporter.name is None
    assert report.reporter.phones == ("13900000000",)
    assert report.confidential


@pytest.mark.parametrize(
    ("changes", "field", "code"),
    [
        ({"lat": ...}, "lat", "incomplete_point"),
        ({"lon": 32.05, "lat": 118.8}, "lon", "swapped_point"),
        ({"lon": 20.0, "lat": 10.0}, "lon", "point_out_of_range"),
        ({"lon": float("nan")}, "lon", "not_a_number"),
        ({"lon": "1e999"}, "lon", "not_a_number"),
        ({"lon": 10**400}, "lon", "not_a_number"),
        ({"lon": True}, "lon", "wrong_type"),
        ({"crs": ...}, "crs", "missing"),
        ({"crs": "utm"}, "crs", "unknown_value"),
        ({"answerText": "已答复"}, "answeredDirectly", "contradiction"),
        ({"answeredDirectly": "是"}, "answerText", "missing"),
        ({"answeredDirectly": 1, "answerText": "好", "refusedAs": "法定途径"}, "refusedAs", "contradiction"),
        ({"orderType": "其他"}, "orderType", "unknown_value"),
        ({"orderNum": 123}, "orderNum", "wrong_type"),
        ({"orderNum": "a/b"}, "orderNum", "bad_format"),
        ({"orderNum": "  "}, "orderNum", "missing"),
        ({"content": ["x"]}, "content", "wrong_type"),
        ({"content": "a\x00b"}, "content", "control_character"),
        pytest.param({"content": "a\ud800b"}, "content", "broken_text", id="surrogate"),
        ({"content": "字" * 5001}, "content", "too_long"),
        ({"content": "字" * 1_000_000}, "content", "too_long"),
        ({"content": "\u200b\u202e"}, "content", "empty"),
        ({"title": "x\x00"}, "title", "control_character"),
        ({"callerPhone": "12"}, "callerPhone", "not_a_phone"),
        ({"areaCode": "3201"}, "areaCode", "bad_format"),
        ({"revision": True}, "revision", "wrong_type"),
        ({"revision": 1.5}, "revision", "wrong_type"),
        ({"revision": -1}, "revision", "out_of_range"),
        ({"confidential": "也许"}, "confidential", "unknown_value"),
        ({"attachments": "ab"}, "attachments", "wrong_type"),
        ({"attachments": ["ab"]}, "attachments[0]", "bad_format"),
        ({"attachments": ["ab" * 32] * 21}, "attachments", "too_many"),
    ],
)
def test_hotline_refuses(changes: dict[str, Any], field: str, code: str) -> None:
    assert refused("hotline-12345", message("hotline-12345", **changes)) == {field: code}


def test_the_clients_datum_stands_in_for_a_missing_one() -> None:
    report = parse("hotline-12345", message("hotline-12345", crs=...), ClientTraits(crs="bd09"))
    assert report.points[0].crs == "bd09"


@pytest.mark.parametrize(
    "spelling",
    ["2026-09-01 08:30:00", "20260901083000", "2026-09-01T00:30:00Z", "2026-09-01T08:30:00.000+08:00"],
)
def test_times_in_every_spelling(spelling: str) -> None:
    report = parse("hotline-12345", message("hotline-12345", callTime=spelling))
    assert report.occurred_at == datetime(2026, 9, 1, 0, 30, tzinfo=UTC)


def test_times_without_offset_are_in_the_clients_zone() -> None:
    report = parse("hotline-12345", message("hotline-12345"), ClientTraits(timezone="Z"))
    assert report.occurred_at == datetime(2026, 9, 1, 8, 30, tzinfo=UTC)
    with pytest.raises(ValueError, match="offset"):
        ClientTraits(timezone="Asia/Shanghai")


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("2026-10-01 20:10:01", "time_in_future"),
        ("9999-12-31T23:59:59-23:59", "time_in_future"),
        ("1999-12-31 23:59:59", "time_too_old"),
        ("0001-01-01T00:00:00+23:59", "time_too_old"),
        ("2026-02-30 08:00:00", "bad_time"),
        ("2026-09-01T08:00:00+99:00", "bad_time"),
        ("2026-09-01", "bad_time"),
        ("２０２６0901083000", "bad_time"),
        (1788222600, "wrong_type"),
    ],
)
def test_times_refused(text: Any, code: str) -> None:
    assert refused("hotline-12345", message("hotline-12345", callTime=text)) == {"callTime": code}


def test_ten_minutes_of_clock_skew_are_forgiven() -> None:
    report = parse("hotline-12345", message("hotline-12345", callTime="2026-10-01 20:10:00"))
    assert report.occurred_at == NOW + timedelta(minutes=10)


def test_controls_are_dropped_and_lines_kept() -> None:
    report = parse("hotline-12345", message("hotline-12345", content=" 一\r\n二\x07\u202e ", title="a\n b"))
    assert (report.content, report.title) == ("一\n二", "a b")


def test_police_record_keeps_both_places_and_both_addresses() -> None:
    raw = message(
        "police-110",
        BJRXZB="118.79",
        BJRYZB=32.06,
        LXDH="138-0000-0000",
        BJRXBDM=2,
        SFBM="1",
        HBBS="1",
        GLZJJDBH="3201022026090100001",
        BCJJNR="现在更吵了",
        JJYBH="A12",
        BJRMC="报警人",
    )
    report = parse("police-110", raw, ClientTraits(crs="gcj02"))
    assert report.source_ref == "320102/3201022026090100012"
    assert report.points == (
        PointClaim(118.796877, 32.060255, "gcj02", "scene"),
        PointClaim(118.79, 32.06, "gcj02", "caller"),
    )
    assert report.addresses == ("某路与某街路口东南角",)
    assert report.reporter.address == "某路 6 号"
    assert report.reporter.phones == ("13900000000", "13800000000")
    assert (report.reporter.name, report.reporter.gender) == ("报警人", "female")
    assert report.confidential
    assert report.linked_ref == "320102/3201022026090100001"
    assert report.supplement == "现在更吵了"
    assert report.demand_type == "help"
    assert report.item_hint == ("70", "7003")
    assert CHANNELS["police-110"].supplements


def test_police_coordinates_have_no_datum_until_the_client_is_configured() -> None:
    assert parse("police-110", message("police-110")).points[0].crs is None


@pytest.mark.parametrize("none", ["0", 0, "0.0", "", None, "4.9E-324"])
def test_police_zero_or_empty_coordinates_are_none(none: Any) -> None:
    assert parse("police-110", message("police-110", FXDWJD=none, FXDWWD=none)).points == ()


def test_police_names_in_lower_case_and_faults_as_written() -> None:
    raw = {name.lower(): value for name, value in message("police-110").items()}
    assert parse("police-110", raw) == parse("police-110", message("police-110"))
    assert refused("police-110", raw | {"bjsj": "x", "fxdwwd": ""}) == {
        "bjsj": "bad_time",
        "FXDWWD": "incomplete_point",
    }
    assert refused("police-110", raw | {"BJNR": "另一内容"}) == {"BJNR": "ambiguous_field"}


def test_police_default_name_is_nobody_and_self_link_is_none() -> None:
    report = parse("police-110", message("police-110", GLZJJDBH="3201022026090100012"))
    assert report.reporter.name is None
    assert report.linked_ref is None


def test_police_class_and_grade_mean_what_the_client_is_configured_to_say() -> None:
    traits = ClientTraits(
        options={
            "demand_type_by_class": {"7003": "complaint", "70": "junk"},
            "urgency_by_grade": {"2": "urgent"},
        }
    )
    report = parse("police-110", message("police-110", JQDJDM=2), traits)
    assert (report.demand_type, report.urgency) == ("complaint", "urgent")
    assert parse("police-110", message("police-110", JQLBMC="群众举报")).demand_type == "accusation"
    broken = ClientTraits(options={"demand_type_by_class": ["x"], "urgency_by_grade": {"2": []}})
    assert parse("police-110", message("police-110", JQDJDM="2"), broken).urgency == "normal"


def test_the_same_record_number_in_two_divisions_is_two_keys() -> None:
    keys = {
        CHANNELS["police-110"].source_key(message("police-110", XZQHDM=division)) for division in ("320102", "320104")
    }
    assert len(keys) == 2


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_snapshot_takes_pictures_along(kind: str) -> None:
    data = picture(kind)
    raw = message("snapshot", pictures=[{"data": data}, {"data": f"data:image/png;base64,{data}"}])
    report = parse("snapshot", raw)
    assert [p.data for p in report.pictures] == [base64.b64decode(data)]
    assert len(report.pictures[0].sha256) == 64


def test_snapshot_becomes_a_report() -> None:
    raw = message("snapshot", category=["市容", "垃圾"], reporter_name="上报人", anonymous=True, accuracy_m="15")
    report = parse("snapshot", raw)
    assert report.source_ref == "u-000001/20260901-0001"
    assert report.item_hint == ("市容", "垃圾")
    assert report.points == (PointClaim(118.802061, 32.058179, "gcj02", "device"),)
    assert (report.demand_type, report.reporter.name, report.confidential) == ("complaint", None, True)
    assert report.reporter.external_id == "u-000001"


@pytest.mark.parametrize(
    ("changes", "field", "code"),
    [
        ({"pictures": []}, "pictures", "too_few"),
        ({"pictures": [{"sha256": "ab" * 32}] * 10}, "pictures", "too_many"),
        ({"pictures": [{}]}, "pictures[0]", "exactly_one"),
        ({"pictures": ["ab"]}, "pictures[0]", "wrong_type"),
        ({"pictures": [{"data": "!!!"}]}, "pictures[0].data", "bad_base64"),
        ({"pictures": [{"data": "数据"}]}, "pictures[0].data", "bad_base64"),
        (
            {"pictures": [{"data": base64.b64encode(b"GIF89a....").decode()}]},
            "pictures[0].data",
            "not_a_picture",
        ),
        ({"pictures": [{"data": "A" * 8_000_000}]}, "pictures[0].data", "picture_too_large"),
        ({"crs": ...}, "crs", "missing"),
        ({"lon": ..., "lat": ..., "address": ...}, "address", "no_place"),
        ({"lon": 0, "lat": 0, "address": " "}, "address", "no_place"),
        ({"taken_at": "2026-09-02 08:30:00"}, "taken_at", "contradiction"),
        ({"lng": 118.8}, "lng", "unknown_field"),
        ({"category": [["x"]]}, "category", "wrong_type"),
        ({"category": list("abcdef")}, "category", "too_many"),
        ({"user_id": "a/b"}, "user_id", "bad_format"),
        ({"accuracy_m": float("inf")}, "accuracy_m", "not_a_number"),
    ],
)
def test_snapshot_refuses(changes: dict[str, Any], field: str, code: str) -> None:
    assert refused("snapshot", message("snapshot", **changes)) == {field: code}


def test_a_client_datum_does_not_stand_in_on_a_phone() -> None:
    assert refused("snapshot", message("snapshot", crs=...), ClientTraits(crs="wgs84")) == {"crs": "missing"}


def test_five_megabytes_pass_and_one_byte_more_does_not() -> None:
    head = base64.b64decode(picture("PNG"))
    whole = head + bytes(5 * 1024 * 1024 - len(head))
    raw = message("snapshot", pictures=[{"data": base64.b64encode(whole).decode()}])
    assert parse("snapshot", raw).pictures[0].data == whole
    raw = message("snapshot", pictures=[{"data": base64.b64encode(whole + b"\0").decode()}])
    assert refused("snapshot", raw) == {"pictures[0].data": "picture_too_large"}


def test_the_key_is_read_however_wrong_the_rest_is() -> None:
    channel = CHANNELS["police-110"]
    assert channel.source_key({"xzqhdm": 320102, "jjdbh": "7", "REVISION": 3, "BJSJ": []}) == ("320102/7", 3)
    assert channel.source_key({"XZQHDM": "320102", "JJDBH": "7", "BJNR": "a", "bjnr": "b"}) == ("320102/7", 0)
    assert channel.source_key({"XZQHDM": "320102", "JJDBH": "7", "jjdbh": "8"}) is None
    assert channel.source_key({"XZQHDM": "320102"}) is None
    not_an_object: Any = [1]
    assert channel.source_key(not_an_object) is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@pytest.mark.parametrize("code", CHANNELS)
@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_whatever_is_sent_nothing_but_a_report_or_its_faults_comes_back(code: str, data: st.DataObject) -> None:
    names = sorted(CHANNELS[code].json_schema()["properties"])
    changes: dict[str, Any] = data.draw(st.dictionaries(st.sampled_from(names) | st.text(max_size=8), JSON, max_size=8))
    raw = changes if data.draw(st.booleans()) else message(code, **changes)
    CHANNELS[code].source_key(raw)
    try:
        report = parse(code, raw)
    except MalformedMessage as error:
        faults = error.faults
    else:
        faults = []
        assert report.source_ref
        assert report.occurred_at.tzinfo is not None
        "".join((report.content, report.title, *report.addresses, *report.item_hint)).encode()
    for fault in faults:
        json.dumps([fault.field, fault.message, fault.got], ensure_ascii=False).encode()
        assert fault.got is None or len(fault.got) <= 60


def test_nesting_too_deep_for_recursion_is_only_a_fault() -> None:
    deep: Any = []
    for _ in range(100_000):
        deep = [deep]
    found = refused("police-110", message("police-110", BJNR=deep, bjnr=deep, JJLX=deep, other=deep))
    assert found == {"bjnr": "ambiguous_field", "BJNR": "wrong_type", "JJLX": "wrong_type"}
    assert refused("snapshot", message("snapshot", pictures=deep)) == {"pictures[0]": "wrong_type"}
    # Taken apart step by step: the interpreter frees nested lists recursively.
    while deep:
        deep = deep.pop()
