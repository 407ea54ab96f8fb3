"""The policies about extensions, deferrals, waiting and appeals: their defaults, and what they refuse."""

import pytest
from pydantic import ValidationError

from app.masters.policies import KNOWN, Policies, PolicyRow


def test_the_defaults_are_the_stated_ones() -> None:
    policies = Policies.build()
    numbers = ("extension_times", "extension_share", "extension_long_share", "deferral_times", "deferral_max_days")
    assert [policies.number(key) for key in numbers] == [1, 1.0, 0.5, 1, 365]
    assert policies.approvers("extension") == ("dispatcher",)
    assert policies.approvers("extension_long") == ("dispatcher", "shift_leader")
    assert policies.approvers("deferral") == ("dispatcher", "shift_leader")
    assert policies.approvers("waiting") == ()
    assert policies.appeal_reviewers == ("quality_reviewer", "adjudicator")
    assert (policies.waiting_max, policies.appeal_window) == ("5 natural_day", "5 legal_work_day")
    assert all(KNOWN[key].source for key in numbers)


def test_approvers_are_roles_of_the_centre_in_their_order() -> None:
    policies = Policies.build([PolicyRow(key="waiting_approvers", value="shift_leader | dispatcher")])
    assert policies.approvers("waiting") == ("shift_leader", "dispatcher")


@pytest.mark.parametrize(
    ("key", "value", "why"),
    [
        ("extension_approvers", "unit_liaison", "没有“unit_liaison”这种审批席位"),
        ("extension_approvers", "dispatcher||adjudicator", "没有“”这种审批席位"),
        ("extension_approvers", "none", "没有“none”这种审批席位"),
        ("waiting_approvers", "none|dispatcher", "没有“none”这种审批席位"),
        ("extension_share", "0", "应为大于 0、不超过 10 的倍数"),
        ("extension_share", "nan", "应为大于 0、不超过 10 的倍数"),
        ("extension_times", "0", "应为 1 到 100 的整数"),
        ("deferral_max_days", "4000", "应为 1 到 3660 的整数"),
        ("waiting_max", "5 days", "时限“5 days”写法不对"),
    ],
)
def test_what_cannot_be_used_is_refused_in_chinese(key: str, value: str, why: str) -> None:
    with pytest.raises(ValidationError) as caught:
        PolicyRow(key=key, value=value)
    assert why in str(caught.value.errors()[0]["ctx"]["error"])
