from datetime import timedelta

import pytest
from pydantic import ValidationError

from app.masters.policies import KNOWN, Policies, PolicyRow
from app.masters.presets import FOLDER
from app.masters.validation import read_master


def test_without_rows_every_policy_has_its_default_with_a_source() -> None:
    policies = Policies.build()
    assert policies.duplicate_radius_m == 50.0
    assert policies.duplicate_window == timedelta(hours=24)
    assert policies.total_limit("complaint", "normal") == ("5 legal_work_day", "total_limit.complaint")
    assert policies.total_limit("finding", "critical") == ("15 legal_work_day", "total_limit.finding")
    assert policies.handling_limit("grid") == "4 work_hour"
    assert policies.callback_attempts == 3
    assert all(policies.source(key) for key in KNOWN)


def test_a_row_replaces_one_default_and_brings_its_own_source() -> None:
    policies = Policies.build([PolicyRow(key="sign_limit", value="30  urgent_hour", source="本区文件")])
    assert policies.sign_limit == "30 urgent_hour"
    assert policies.source("sign_limit") == "本区文件"
    assert policies.first_contact_limit == "1 legal_work_day"


def test_an_unknown_key_is_refused_naming_the_known_ones() -> None:
    with pytest.raises(ValidationError) as caught:
        PolicyRow(key="duplicate_radius", value="50")
    assert "duplicate_radius_m" in str(caught.value)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("duplicate_radius_m", "-1"),
        ("duplicate_radius_m", "nan"),
        ("duplicate_window_hours", "一天"),
        ("classify_min_precision", "1.5"),
        ("sign_limit", "2 hours"),
        ("callback_attempts", "0"),
        ("callback_attempts", "2.5"),
        ("satisfaction_scale", "seven"),
        ("calendar", "a/b"),
    ],
)
def test_a_value_that_cannot_be_used_is_refused_in_chinese(key: str, value: str) -> None:
    with pytest.raises(ValidationError) as caught:
        PolicyRow(key=key, value=value)
    sentence = str(caught.value.errors()[0]["ctx"]["error"])
    assert f"{key} 的值“{value}”不能用" in sentence
    assert "could not" not in sentence
    assert "invalid" not in sentence


def test_an_unknown_demand_type_or_level_is_an_error() -> None:
    with pytest.raises(KeyError):
        Policies.build().total_limit("rumour", "normal")
    with pytest.raises(KeyError):
        Policies.build().handling_limit("province")


def _preset(name: str) -> Policies:
    file = read_master(FOLDER / f"{name}.csv", "policies")
    assert file.mode == "patch", "a preset is a patch: what it does not name stays as it is"
    return Policies.build(row for row in file.rows.values() if isinstance(row, PolicyRow))


def test_the_shipped_presets_are_the_published_tiers() -> None:
    shanghai, beijing = _preset("shanghai"), _preset("beijing")
    assert [shanghai.total_limit(kind, "urgent")[0] for kind in ("inquiry", "help", "finding")] == [
        "1 legal_work_day",
        "5 legal_work_day",
        "15 legal_work_day",
    ]
    assert beijing.total_limit("help", "critical") == ("2 urgent_hour", "total_limit.urgency.critical")
    assert beijing.total_limit("help", "urgent") == ("24 natural_hour", "total_limit.urgency.urgent")
    assert beijing.total_limit("help", "normal") == ("7 natural_day", "total_limit.help")
    assert beijing.total_limit("finding", "normal") == ("15 natural_day", "total_limit.finding")
