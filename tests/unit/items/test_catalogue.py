import pickle
from collections.abc import Sequence

import pytest

from app.items.catalogue import Catalogue, faults
from app.items.rows import ItemRow
from tests.unit.items.conftest import STANDARD, item_row, standard_row


def test_items_are_found_by_key_only(catalogue: Catalogue) -> None:
    found = catalogue.item(f"{STANDARD}/matter/0102")
    assert found is not None
    assert found.name == "井盖异常"
    assert catalogue.item("0102") is None


def test_filing_rows_are_sorted_and_the_lowest_is_the_default(catalogue: Catalogue) -> None:
    key = f"{STANDARD}/matter/0102"
    assert [row.row_no for row in catalogue.standards_of(key)] == [1, 2]
    default = catalogue.default_standard(key)
    assert default is not None
    assert default.is_urgent


def test_the_default_row_need_not_be_number_one(catalogue: Catalogue) -> None:
    default = catalogue.default_standard(f"{STANDARD}/matter/0601")
    assert default is not None
    assert default.row_no == 3


def test_an_item_without_filing_rows_has_no_default(catalogue: Catalogue) -> None:
    assert catalogue.standards_of(f"{STANDARD}/matter/1001") == ()
    assert catalogue.default_standard(f"{STANDARD}/matter/1001") is None


@pytest.mark.parametrize(
    ("hint", "code", "kind"),
    [
        (["环境", "油烟污染"], "0601", "matter"),
        ([" 环境 ", "", "油烟　污染"], "0601", "matter"),
        (["公用设施", "路灯"], "0101", "component"),
        (["城市管理", "扰民", "噪声扰民"], "0602", "matter"),
        (["0601"], "0601", "matter"),
        ([f"{STANDARD}/component/0102"], "0102", "component"),
    ],
)
def test_a_hint_that_names_one_item_is_trusted(catalogue: Catalogue, hint: Sequence[str], code: str, kind: str) -> None:
    found = catalogue.by_hint(hint)
    assert found is not None
    assert (found.code, found.kind) == (code, kind)


@pytest.mark.parametrize(
    "hint",
    [
        [],
        [""],
        ["环境"],  # a wider class
        ["秩序", "停车"],  # the path of two items
        ["0102"],  # the code of a component and of a matter
        ["环境", "油烟污染", "餐饮"],  # narrower than any item
        ["油烟污染", "其他"],
    ],
)
def test_a_hint_that_names_none_or_several_is_not(catalogue: Catalogue, hint: Sequence[str]) -> None:
    assert catalogue.by_hint(hint) is None


def test_faults_name_every_broken_row() -> None:
    found = faults(
        [item_row("01", "路灯"), item_row("01", "井盖"), item_row("02", "树木")],
        [
            standard_row("02", 1, "1 work_day"),
            standard_row("02", 1, "2 work_day"),
            standard_row("03", 1, "1 work_day"),
        ],
    )
    assert len(found) == 3
    assert any("matter/01 " in fault for fault in found)
    assert any("matter/02#1 " in fault for fault in found)
    assert any("matter/03 " in fault for fault in found)


def test_sound_rows_have_no_faults(items: list[ItemRow]) -> None:
    assert faults(items, [standard_row("0102", 1, "2 urgent_hour")]) == []


def test_a_faulty_catalogue_is_not_built() -> None:
    with pytest.raises(ValueError, match="出现了 2 次"):
        Catalogue.build([item_row("01", "路灯"), item_row("01", "井盖")])


def test_a_catalogue_can_be_sent_to_another_process(catalogue: Catalogue) -> None:
    assert pickle.loads(pickle.dumps(catalogue)).by_hint(["环境", "油烟污染"]).code == "0601"  # noqa: S301 our own bytes
