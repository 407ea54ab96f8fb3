"""A small item list made for these tests: two components, their matters and a few more, with examples."""

import pytest

from app.items.catalogue import Catalogue
from app.items.rows import FilingStandardRow, ItemRow

STANDARD = "GB/T 0-2026"


def item_row(
    code: str,
    name: str,
    *,
    kind: str = "matter",
    synonyms: str = "",
    examples: str = "",
    path: str = "",
    standard_ref: str = STANDARD,
) -> ItemRow:
    """An item as a CSV row gives it: lists as text."""
    return ItemRow.model_validate(
        {
            "standard_ref": standard_ref,
            "kind": kind,
            "code": code,
            "name": name,
            "default_level": "street",
            "closure_profile": "both",
            "synonyms": synonyms,
            "examples": examples,
            "path": path,
        }
    )


def standard_row(code: str, row_no: int, limit: str, *, kind: str = "matter") -> FilingStandardRow:
    return FilingStandardRow.model_validate(
        {"standard_ref": STANDARD, "kind": kind, "code": code, "row_no": row_no, "limit": limit}
    )


@pytest.fixture
def items() -> list[ItemRow]:
    return [
        item_row("0101", "路灯", kind="component", synonyms="灯杆|照明灯", path="公用设施|路灯"),
        item_row("0102", "井盖", kind="component", synonyms="窨井盖", path="公用设施|井盖"),
        item_row(
            "0101",
            "路灯异常",
            synonyms="灯不亮|路灯坏了",
            examples="小区门口的灯灭了好几天",
            path="设施|路灯",
        ),
        item_row("0102", "井盖异常", synonyms="井盖丢失|盖子翘起来", examples="人行道上的盖子一踩就响"),
        item_row(
            "0601",
            "油烟污染",
            synonyms="油烟味|烟熏",
            examples="楼下饭馆的烟全飘进我家",
            path="环境|油烟污染",
        ),
        item_row("0602", "噪声扰民", synonyms="太吵|音响声", examples="半夜还在放音乐睡不着", path="环境|噪声扰民"),
        item_row("0901", "机动车乱停放", synonyms="违停|乱停车", examples="有车堵在出口出不去", path="秩序|停车"),
        item_row("0902", "非机动车乱停放", synonyms="电动车乱放", examples="单车倒了一地", path="秩序|停车"),
        item_row("1001", "拖欠工资", synonyms="欠薪|不发工资", examples="干了三个月老板一分钱没给"),
    ]


@pytest.fixture
def catalogue(items: list[ItemRow]) -> Catalogue:
    return Catalogue.build(
        items,
        [
            standard_row("0102", 2, "1 work_day"),
            standard_row("0102", 1, "2 urgent_hour"),
            standard_row("0601", 3, "5 work_day"),
        ],
    )
