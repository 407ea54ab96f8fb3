"""What remains readable of names and numbers."""

import time

import pytest

from app.intake.masking import mask_name, mask_personal_numbers, mask_phone
from app.intake.phones import normal_phone, normal_phones


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("电话13812345678一直打不通", "电话138****5678一直打不通"),
        ("1号楼，138 1234 5678。", "1号楼，138****5678。"),
        ("138-1234-5678、13912345678", "138****5678、139****5678"),
        ("+86 138 1234 5678", "138****5678"),
        ("8613812345678", "138****5678"),
        ("013812345678", "138****5678"),
        ("１３８１２３４５６７８", "138****5678"),
        ("１３８－１２３４－５６７８，三楼１号", "138****5678，三楼１号"),
        ("1 3 8.1 2 3.4 5 6.7 8", "138****5678"),
        ("座机025-83190000转8001", "座机025-****0000转8001"),
        ("（025）8319 0000", "（025-****0000"),
        ("0512 65 19 00 00", "0512-****0000"),
        ("0512-6519000 1号楼", "0512-****9000 1号楼"),
        ("010-65190000", "010-****0000"),
        ("证件320102199001011234", f"证件3{'*' * 16}4"),
        ("３２０１０２１９９００１０１１２３ｘ", f"3{'*' * 16}X"),
        ("320102 19900101 123x 本人", f"3{'*' * 16}X 本人"),
    ],
)
def test_personal_numbers_in_free_text(text: str, masked: str) -> None:
    assert mask_personal_numbers(text) == masked


@pytest.mark.parametrize(
    "text",
    [
        "2026-09-01 08:30:00 至 2026-09-02",
        "工单 GD20260901000123，接警单 3201022026090100012",
        "区划 320102002001，12345 热线，110",
        "门牌 1号 18 幢 1801 室，罚款 10000000 元",
        "320102202613011234",
        "",
    ],
)
def test_other_numbers_are_left_alone(text: str) -> None:
    assert mask_personal_numbers(text) == text


def test_masking_twice_changes_nothing_more() -> None:
    once = mask_personal_numbers("13812345678 025-83190000 320102199001011234")
    assert mask_personal_numbers(once) == once


@pytest.mark.parametrize(
    "text",
    ["1" * 200_000, "1 " * 100_000, "0---" * 50_000, "1" + " - " * 60_000, "８６" * 90_000],
    ids=["digits", "spaced", "dashes", "separators", "country"],
)
def test_no_text_makes_masking_slow(text: str) -> None:
    start = time.process_time()
    mask_personal_numbers(text)
    assert time.process_time() - start < 2


@pytest.mark.parametrize(
    ("name", "masked"),
    [("某某某", "某**"), ("某某", "某*"), ("某", "*"), (" ", ""), ("某某某有限公司", "某**")],
)
def test_names(name: str, masked: str) -> None:
    assert mask_name(name) == masked


@pytest.mark.parametrize(
    ("phone", "masked"),
    [
        ("13812345678", "138****5678"),
        ("+86-138-1234-5678", "138****5678"),
        ("02583190000-8001", "025-****0000"),
        ("83190000", "****0000"),
        ("+85291234567", "****4567"),
        ("12345", "****"),
        ("不详", "****"),
    ],
)
def test_phones(phone: str, masked: str) -> None:
    assert mask_phone(phone) == masked


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("+86 138 0000 0000", "13800000000"),
        ("008613800000000", "13800000000"),
        ("１３８００００００００", "13800000000"),
        ("(025)8300-0000", "02583000000"),
        ("025-83000000-8001", "02583000000转8001"),
        ("025-83000000转8001", "02583000000转8001"),
        ("+86 025 83000000", "02583000000"),
        ("83000000", "83000000"),
        ("12345", "12345"),
        ("138****0000", None),
        ("未知", None),
        ("1" * 61, None),
    ],
)
def test_normal_form(text: str, number: str | None) -> None:
    assert normal_phone(text) == number


def test_several_numbers_in_one_field_each_once() -> None:
    assert normal_phones("13800000000、025-83000000/138 0000 0000，无") == ("13800000000", "02583000000")
