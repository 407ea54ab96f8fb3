"""What a refusal must look like, whoever refuses."""

from typing import Any

import httpx

#: text that would do harm if anything pasted it into a statement
SQLISH = "'; DROP TABLE event; -- \" OR 1=1 /*"
#: an id that nothing has
NOWHERE = "01890000-0000-7000-8000-000000000000"


def refused(answer: httpx.Response, *statuses: int, code: str | None = None) -> dict[str, Any]:
    """Asserts a refusal in problem form with one of these statuses, and returns it."""
    assert answer.status_code in statuses, f"{answer.request.url}: {answer.status_code} {answer.text[:300]}"
    assert answer.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = answer.json()
    assert {"type", "title", "status", "code", "detail"} <= set(problem)
    assert problem["status"] == answer.status_code
    assert any("\u4e00" <= letter <= "\u9fff" for letter in problem["detail"]), "the detail is for a Chinese reader"
    assert code in (None, problem["code"])
    return problem
