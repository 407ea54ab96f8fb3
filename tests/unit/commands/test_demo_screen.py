"""A decision on the screen says in a word which principles were asked before the one that decided."""

from typing import Any

from app.commands.demo.words import why


def test_the_principles_stand_before_the_sentence() -> None:
    steps = [{"step": name, "outcome": "passed", "reason": ""} for name in ("emergency_handover", "component")]
    data: dict[str, Any] = {"sentence": "“路灯异常”按部件登记的养护单位，由路灯养护队承办。", "steps": steps}
    assert why(data) == f"［紧急先行→部件权责］{data['sentence']}"
    assert why({"sentence": "由派遣员指定。"}) == "由派遣员指定。"
    assert why(data | {"steps": [{"step": "of_another_version"}]}) == data["sentence"]
    many = ("emergency_handover", "component", "statutory_department", "level", "territorial")
    asked = {"steps": [{"step": name} for name in many]}
    assert why(data | asked).startswith("［…→法定部门→层级与跨界→属地］")
