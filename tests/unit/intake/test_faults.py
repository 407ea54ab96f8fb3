"""Faults: all of them at once, in words, never quoting a person."""

from datetime import UTC, datetime
from typing import Any

import pytest

from app.intake.channels import CHANNELS, ClientTraits, Fault, MalformedMessage
from app.intake.channels.faults import GOT_CHARS, MAX_FAULTS, quoted

NOW = datetime(2026, 10, 1, 12, 0, tzinfo=UTC)


def faults(code: str, raw: Any) -> dict[str, Fault]:
    with pytest.raises(MalformedMessage) as caught:
        CHANNELS[code].parse(raw, ClientTraits(), now=NOW)
    return {fault.field: fault for fault in caught.value.faults}


def test_single_and_cross_field_faults_come_together() -> None:
    found = faults(
        "hotline-12345",
        {
            "callTime": "昨天",
            "orderType": "骂人",
            "lon": 118.8,
            "answeredDirectly": "是",
            "attachments": ["x", 3],
        },
    )
    assert {name: fault.code for name, fault in found.items()} == {
        "orderNum": "missing",
        "callTime": "bad_time",
        "orderType": "unknown_value",
        "content": "missing",
        "attachments[0]": "bad_format",
        "attachments[1]": "bad_format",
        "lat": "incomplete_point",
        "answerText": "missing",
    }


def test_checks_between_fields_skip_what_could_not_be_read() -> None:
    found = faults("hotline-12345", {"lon": "东经", "lat": 32.0, "answerText": ["x"], "answeredDirectly": "是"})
    assert found["lon"].code == "wrong_type"
    assert "lat" not in found
    assert found["answerText"].code == "wrong_type"


def test_a_fault_names_the_field_in_chinese_and_quotes_codes() -> None:
    fault = faults("hotline-12345", {"orderType": "骂人"})["orderType"]
    assert fault.message.startswith("诉求性质：应为以下之一：咨询、求助")
    assert fault.got == "'骂人'"


@pytest.mark.parametrize(
    ("code", "names"),
    [
        (
            "hotline-12345",
            "callerName callerSex callerPhone callerContact title content address answerText accusedUnit lon lat",
        ),
        ("police-110", "BJDH BJDHYHM BJRMC LXDH BJDZ JQDZ BJNR BCJJNR BJRXZB BJRYZB FXDWJD BJRXBDM"),
        ("snapshot", "user_id description lon lat address reporter_name phone"),
    ],
)
def test_values_that_may_lead_to_a_person_are_never_quoted(code: str, names: str) -> None:
    fields = names.split()
    found = faults(code, {name: ["secret"] for name in fields})
    assert set(fields) <= set(found)
    for name in fields:
        assert found[name].got is None
        assert "secret" not in found[name].message


def test_unknown_fields_are_not_quoted_and_suggest_the_right_name() -> None:
    found = faults("snapshot", {"reporter_nmae": "secret", "lng": 118.8, "\ud800\x00": 1})
    assert found["reporter_nmae"].got is None
    assert "reporter_name" in found["reporter_nmae"].message
    assert "lon" in found["lng"].message
    assert found["?�"].code == "unknown_field"


def test_a_message_that_is_no_object_or_has_thousands_of_fields() -> None:
    assert faults("police-110", ["x"])[""].code == "not_an_object"
    assert faults("snapshot", {str(n): n for n in range(100_000)})[""].code == "too_many_fields"


def test_faults_are_capped() -> None:
    raw = {"pictures": [{f"k{n}": 1 for n in range(100)}] * 9}
    with pytest.raises(MalformedMessage) as caught:
        CHANNELS["snapshot"].parse(raw, ClientTraits(), now=NOW)
    assert len(caught.value.faults) == MAX_FAULTS


@pytest.mark.parametrize(
    "value",
    [
        pytest.param("x" * 1000, id="long"),
        pytest.param("\x00\ud800" * 100, id="unprintable"),
        pytest.param(10**5000, id="huge integer"),
        float("nan"),
        {"a": 1},
        [1] * 9,
        None,
        True,
    ],
)
def test_quotes_are_short_and_printable(value: Any) -> None:
    text = quoted(value)
    assert len(text) <= GOT_CHARS
    assert text.isprintable()
    text.encode()
