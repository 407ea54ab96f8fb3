import pytest
from pydantic import ValidationError

from tests.unit.items.conftest import item_row, standard_row


def test_cells_become_lists_without_empty_parts() -> None:
    row = item_row("01", " 路灯异常 ", synonyms="灯不亮| 灯坏了 ||")
    assert row.name == "路灯异常"
    assert row.synonyms == ("灯不亮", "灯坏了")
    assert row.examples == ()


def test_keys_follow_the_contract() -> None:
    row = standard_row("0102", 1, "2 urgent_hour")
    assert row.item_key == "GB/T 0-2026/matter/0102"
    assert row.key == "GB/T 0-2026/matter/0102#1"
    assert item_row("0102", "井盖").key == row.item_key


@pytest.mark.parametrize(
    "limit",
    ["2 urgent_hour", "1 work_hour", "15 work_day", "1 legal_work_day", "24 natural_hour", "60 natural_day"],
)
def test_limits_in_every_unit_are_taken(limit: str) -> None:
    assert standard_row("01", 1, limit).limit == limit


@pytest.mark.parametrize(
    "limit", ["", "2", "2小时", "0 work_day", "-1 work_day", "2  work_day", "2 weeks", "1.5 work_day"]
)
def test_limits_that_no_clock_could_run_are_refused(limit: str) -> None:
    with pytest.raises(ValidationError):
        standard_row("01", 1, limit)


def test_only_urgent_hours_are_urgent() -> None:
    assert standard_row("01", 1, "2 urgent_hour").is_urgent
    assert not standard_row("01", 1, "2 work_hour").is_urgent


@pytest.mark.parametrize("code", ["", "01/02", "01#1", "0 1", "01|02"])
def test_codes_that_would_break_keys_are_refused(code: str) -> None:
    with pytest.raises(ValidationError):
        item_row(code, "路灯")


def test_unknown_kinds_and_row_zero_are_refused() -> None:
    with pytest.raises(ValidationError):
        item_row("01", "路灯", kind="event")
    with pytest.raises(ValidationError):
        standard_row("01", 0, "1 work_day")
