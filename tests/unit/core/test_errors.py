"""Errors turn into problem details that clients can rely on."""

import subprocess
import sys

import pytest

from app.core import errors
from app.core.errors import (
    BihuanError,
    Conflict,
    Malformed,
    NotAllowedNow,
    NotFound,
    TooMany,
    Unauthenticated,
)

ALL = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, BihuanError)]


def test_problem_has_the_standard_members_and_the_extra_ones() -> None:
    assert NotFound("找不到该事件", event_id="x").to_problem() == {
        "type": "urn:bihuan:problem:not_found",
        "title": "未找到",
        "status": 404,
        "code": "not_found",
        "detail": "找不到该事件",
        "event_id": "x",
    }


def test_extra_members_never_replace_standard_ones() -> None:
    problem = NotFound("找不到", status=200, code="ok", title="fine", type="other").to_problem()
    assert (problem["status"], problem["code"], problem["title"]) == (404, "not_found", "未找到")
    assert problem["type"] == "urn:bihuan:problem:not_found"


def test_a_subclass_gives_its_own_code_and_keeps_the_status() -> None:
    class ChangedBody(Conflict):
        code = "changed_body"

    problem = ChangedBody("内容不同").to_problem()
    assert (problem["status"], problem["code"]) == (409, "changed_body")


def test_not_allowed_names_what_is_allowed_in_a_stable_order() -> None:
    error = NotAllowedNow("现在不能签收", allowed={"return", "report_done"})
    assert (error.status, error.to_problem()["allowed"]) == (409, ["report_done", "return"])


def test_malformed_lists_its_faults() -> None:
    faults = [{"path": "lon", "message": "缺少经度"}]
    assert Malformed("有误", faults=faults).to_problem()["faults"] == faults
    assert Malformed("有误").to_problem()["faults"] == []


def test_headers_that_http_requires() -> None:
    assert Unauthenticated("请登录").headers() == {"WWW-Authenticate": "Bearer"}
    assert TooMany("稍后再试", retry_after_seconds=7).headers() == {"Retry-After": "7"}
    assert NotFound("无").headers() == {}


def test_codes_differ() -> None:
    assert len({kind.code for kind in ALL}) == len(ALL)


@pytest.mark.parametrize("kind", ALL)
def test_every_error_has_a_chinese_title_of_its_own(kind: type[BihuanError]) -> None:
    assert any("\u4e00" <= character <= "\u9fff" for character in kind.title)
    assert kind is BihuanError or "title" in vars(kind)


def test_no_web_framework_is_needed() -> None:
    program = "import sys, app.core.errors; sys.exit('fastapi' in sys.modules or 'starlette' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0  # noqa: S603 - ours
