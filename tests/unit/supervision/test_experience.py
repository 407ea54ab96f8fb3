"""Outlooks from histograms: which group speaks, what it says, and that few cases never make a certainty."""

import pytest

from app.supervision.experience import BINS, FEWEST, Experience, Histogram

#: 140 cases, 38 late, 14 done in time after 60 % of the budget or more
UNIT = Histogram(140, 38, (5, 29, 30, 49), (60, 28, 10, 4))
ITEM = Histogram(1_000, 100, (0, 40), (500, 400))
FIELD = Histogram(30, 0, (1,), (30,))
KNOWN = Experience({(7, 3, None, None): UNIT, (7, None, None, None): ITEM, (None, None, "sanitation", "street"): FIELD})


def outlook(
    share: float, unit: int | None = 3, item: int | None = 7, level: str = "street"
) -> tuple[str, int, int] | None:
    found = KNOWN.outlook(share, item_id=item, unit_id=unit, domain="sanitation", level=level)
    return (found.scope, found.still_open, found.late_n) if found else None


def test_the_narrowest_group_with_enough_cases_still_open_speaks() -> None:
    assert outlook(0.6) == ("同单位同类工单", 52, 38)
    assert outlook(0.599) == ("同单位同类工单", 80, 38), "those done in the step before were still open then"
    assert outlook(0.6, unit=4) == ("同类工单", 500, 100)
    assert outlook(0.0, item=None) == ("同领域同层级工单", 30, 0)
    assert outlook(0.6, item=None, level="city") is None


def test_where_none_has_enough_the_one_with_the_most_speaks() -> None:
    sparse = Experience({(7, 3, None, None): Histogram(30, 2, (10,), (28,)), (None, None, "a", "city"): FIELD})
    found = sparse.outlook(0.9, item_id=7, unit_id=3, domain="a", level="city")
    assert found is not None
    assert (found.scope, found.still_open) == ("同单位同类工单", 2)
    assert found.risk == pytest.approx(2.5 / 3)


def test_the_reason_says_in_words_what_was_counted() -> None:
    found = KNOWN.outlook(0.61, item_id=7, unit_id=3, domain=None, level=None)
    assert found is not None
    assert found.reason == "同单位同类工单 140 件中，有 52 件用时超过本单目前已用的 60%，其中 38 件超期"
    assert found.risk == pytest.approx(38.5 / 53)


@pytest.mark.parametrize("late", [0, FEWEST])
def test_nothing_is_certain(late: int) -> None:
    one = Experience({(None, None, "a", "city"): Histogram(FEWEST, late, (0,), (FEWEST - late,))})
    for share in (0.0, 0.5, 1.0):
        found = one.outlook(share, item_id=None, unit_id=None, domain="a", level="city")
        assert found is not None
        assert 0 < found.risk < 1


def test_risk_never_falls_as_time_goes_by() -> None:
    """In one group: the late ones are open at every share, the others leave one by one."""
    risks = []
    for step in range(BINS + 1):
        still = ITEM.still_open(step)
        risks.append((ITEM.late_n + 0.5) / (still + 1))
    assert risks == sorted(risks)
    assert ITEM.still_open(BINS) == ITEM.late_n
