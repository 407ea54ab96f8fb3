"""Releases as files: nothing that a spreadsheet would run or spoil, and every row as it was after coming back."""

import csv
import io
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.errors import Malformed
from app.core.releases import digest_of
from app.masters import export
from app.masters.files import read_bytes
from app.masters.kinds import KINDS, RELEASED_KINDS
from app.masters.publishing import read_folder
from app.masters.spreadsheets import shield, unshield
from app.masters.validation import validate
from tests.conftest import DEMO_CITY

CITY = {kind: file.documents for kind, file in read_folder(DEMO_CITY).items() if kind in RELEASED_KINDS}
POLICIES = "#bihuan policies patch\nkey,value,source\n"
EMERGENCY = {
    "code": "flood",
    "name": "防汛",
    "from_at": "2026-07-20T08:00:00+08:00",
    "until_at": "2026-07-21T08:00:00+08:00",
    "clocks": ["handling"],
    "effect": "limit",
    "limit": "8 natural_hour",
    "reason": "暴雨",
}


def rule(**members: Any) -> dict[str, Any]:
    row = {"rule_no": "R1", "lead_unit": "D-URBAN", "step": "territorial", "basis": "按属地"}
    made = KINDS["routing-rules"].model.model_validate(row | members)
    return made.model_dump(mode="json")


def back(kind: str, rows: dict[str, Any]) -> dict[str, Any]:
    """Written and read again."""
    file = validate(read_bytes(export.write(kind, rows).content, kind, "complete"))
    assert (file.kind, file.mode) == (kind, "complete")
    return file.documents


def test_every_kind_can_be_written() -> None:
    assert set(CITY) | {"emergencies"} == set(RELEASED_KINDS)


@pytest.mark.parametrize("kind", sorted(CITY))
def test_the_demo_city_comes_back_as_it_was(kind: str) -> None:
    assert digest_of(back(kind, CITY[kind])) == digest_of(CITY[kind])


def test_times_and_dates_come_back_as_they_were() -> None:
    row = KINDS["emergencies"].model.model_validate(EMERGENCY).model_dump(mode="json")
    assert back("emergencies", {"flood": row}) == {"flood": row}
    dated = rule(valid_from="2026-01-01", valid_until="2026-12-31", hours="18:00-08:00|12:00-14:00")
    assert back("routing-rules", {"R1": dated}) == {"R1": dated}


HOSTILE = [
    "=HYPERLINK(1)",
    "+86 25 5555",
    "-1+cmd|x",
    "@SUM(A1)",
    "＝1+1",
    "'=1",
    "''=1",
    "'abc",
    "01001",
    "320102002001",
]


@pytest.mark.parametrize("text", [*HOSTILE, "12E3", '他说"好"，\n第二行', "a|b", "'"])
def test_hostile_and_fragile_texts_come_back_and_are_never_run(text: str) -> None:
    rows = {"R1": rule(basis=text, code=text, standard_ref="S", kind="matter")}
    assert back("routing-rules", rows) == rows
    content = export.write("routing-rules", rows).content.decode("utf-8-sig")
    for record in list(csv.reader(io.StringIO(content, newline="")))[2:]:
        for cell in record:
            assert not cell.startswith(("=", "+", "-", "@", "\t", "＝", "0")), cell


SPOILT = ["1.10", "2-3", "3/4", "1:30", "01-02-03", "true", "FALSE", "3.2E+14", "1e5", "1.5E-3", "50%", "2026-10-01",
          "10:30 AM", "3月4日", "Mar-5", "SEPT2", "1,234", ".5", "(12)", "00", "１．１０"]  # fmt: skip


@pytest.mark.parametrize("text", SPOILT)
def test_what_a_spreadsheet_rewrites_stands_behind_an_apostrophe(text: str) -> None:
    assert shield(text) == f"'{text}"
    rows = {"R1": rule(basis=text, channel=text)}
    assert back("routing-rules", rows) == rows


@pytest.mark.parametrize(
    "text", ["320102", "7", "0", "R0900", "D-URBAN", "2 work_hour", "GB/T 47678.5-2026", "CT-LIGHT"]
)
def test_what_it_leaves_alone_stands_as_it_is(text: str) -> None:
    assert shield(text) == text


WORDS = st.one_of(
    st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), min_size=1),
    st.text("'0123456789.:,/-+eE %=truefalse", min_size=1, max_size=12),
).filter(lambda text: text.strip())


@given(WORDS)
def test_any_text_comes_back_from_a_file(text: str) -> None:
    rows = {"R1": rule(basis=text[:400] if text[:400].strip() else "x", channel=text)}
    assert back("routing-rules", rows) == rows


def test_a_date_is_a_date_to_the_spreadsheet() -> None:
    content = export.write("routing-rules", {"R1": rule(valid_from="2026-01-01")}).content.decode()
    assert ",2026-01-01," in content


@given(st.one_of(st.text(), WORDS))
def test_an_apostrophe_put_there_is_taken_away(text: str) -> None:
    assert unshield(shield(text)) == text


def test_what_a_person_writes_behind_an_apostrophe_is_the_text() -> None:
    file = validate(read_bytes((POLICIES + "sign_limit,2 work_hour,'=A1\n").encode()))
    assert file.documents["sign_limit"]["source"] == "=A1"


def test_the_file_opens_in_chinese() -> None:
    content = export.write("policies", CITY["policies"]).content
    assert content.startswith("\ufeff#bihuan policies complete\r\nkey,value,source\r\n".encode())
    keys = [line.split(",")[0] for line in content.decode("utf-8-sig").splitlines()[2:]]
    assert keys == sorted(keys)


def test_the_chinese_encoding_is_read_as_well() -> None:
    text = export.write("routing-rules", CITY["routing-rules"]).content.decode("utf-8-sig")
    assert digest_of(validate(read_bytes(text.encode("gb18030"))).documents) == digest_of(CITY["routing-rules"])


def test_a_broken_utf_8_file_is_not_taken_for_chinese_encoding() -> None:
    content = (POLICIES + "sign_limit,2 work_hour,本区文件规定\n").encode().replace("规".encode(), b"\xe8\xa7")
    with pytest.raises(Malformed) as caught:
        read_bytes(content)
    assert "第 3 行不是 UTF-8" in caught.value.detail


def test_numbers_that_lost_their_digits_are_named() -> None:
    text = "#bihuan areas complete\ncode,name,level\n3.20102E+11,甲,community\n320102,乙,district\n"
    with pytest.raises(Malformed) as caught:
        read_bytes(text.encode())
    (fault,) = caught.value.extra["faults"]
    assert fault["path"] == "第 3 行"
    assert "3.20102E+11" in fault["message"]


def test_dates_are_read_as_spreadsheets_write_them() -> None:
    head = "#bihuan calendar patch\ncalendar_code,row_type,first_on,last_on,name\n"
    file = validate(read_bytes((head + "cn,holiday,2026/10/1,2026/10/07,国庆\n").encode()))
    (row,) = file.documents.values()
    assert (row["first_on"], row["last_on"]) == ("2026-10-01", "2026-10-07")


def test_a_file_without_its_first_line_needs_to_be_told_what_it_is() -> None:
    content = POLICIES.partition("\n")[2].encode() + "sign_limit,2 work_hour,本区\n".encode()
    assert read_bytes(content, "policies", "patch").mode == "patch"
    for kind, mode in ((None, None), ("policies", None)):
        with pytest.raises(Malformed, match="首行应写明"):
            read_bytes(content, kind, mode)  # type: ignore[arg-type]  # None of both is what is tried
    with pytest.raises(Malformed, match="不是 items"):
        read_bytes((POLICIES + "sign_limit,2 work_hour,\n").encode(), "items")
    with pytest.raises(Malformed, match="不是 complete"):
        read_bytes((POLICIES + "sign_limit,2 work_hour,\n").encode(), "policies", "complete")
