"""What can go wrong, as classes with an HTTP status and a stable machine code (DESIGN.md §7).

``detail`` is Chinese and says what the reader can do about it; ``code`` is what programs look at. Nothing
here knows the web framework, so that every layer may raise these.
"""

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar


class BihuanError(Exception):
    """Base of all errors that are told to the asker; becomes RFC 9457 problem details through ``to_problem``.

    ``extra`` holds further members of the answer. They never replace the standard ones.
    """

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal"
    title: ClassVar[str] = "系统内部错误"

    def __init__(self, detail: str, **extra: Any) -> None:
        super().__init__(detail)
        self.detail = detail
        self.extra: dict[str, Any] = extra

    def to_problem(self) -> dict[str, Any]:
        """The body of an ``application/problem+json`` answer."""
        problem: dict[str, Any] = {
            "type": f"urn:bihuan:problem:{self.code}",
            "title": self.title,
            "status": self.status,
            "code": self.code,
            "detail": self.detail,
        }
        for member, value in self.extra.items():
            problem.setdefault(member, value)
        return problem

    def headers(self) -> dict[str, str]:
        """HTTP headers that the answer needs besides its body."""
        return {}


class NotFound(BihuanError):
    """It does not exist, or it is not the asker's: both read the same (DESIGN.md §6)."""

    status = 404
    code = "not_found"
    title = "未找到"


class Forbidden(BihuanError):
    """The asker may see it but may not do this to it."""

    status = 403
    code = "forbidden"
    title = "无权操作"


class Unauthenticated(BihuanError):
    """No valid access token."""

    status = 401
    code = "unauthenticated"
    title = "未登录或登录已失效"

    def headers(self) -> dict[str, str]:
        return {"WWW-Authenticate": "Bearer"}


class Conflict(BihuanError):
    """The request contradicts what is recorded. Subclasses give their own ``code``."""

    status = 409
    code = "conflict"
    title = "与现有记录冲突"


class NotAllowedNow(Conflict):
    """The act is known but not possible in the present state; ``allowed`` names those that are."""

    code = "not_allowed_now"
    title = "当前状态不允许此操作"

    def __init__(self, detail: str, *, allowed: Iterable[str], **extra: Any) -> None:
        super().__init__(detail, allowed=sorted(allowed), **extra)


class PreconditionFailed(BihuanError):
    """The ``If-Match`` version is not the present one: somebody was faster."""

    status = 412
    code = "precondition_failed"
    title = "数据已被他人更新"


class TooLarge(BihuanError):
    """The body is larger than ``max_body_bytes``."""

    status = 413
    code = "too_large"
    title = "内容过大"


class Malformed(BihuanError):
    """The payload cannot be read. ``faults``: one mapping per fault, with ``path`` and ``message``."""

    status = 422
    code = "malformed"
    title = "内容格式有误"

    def __init__(self, detail: str, *, faults: Iterable[Mapping[str, Any]] = (), **extra: Any) -> None:
        super().__init__(detail, faults=[dict(fault) for fault in faults], **extra)


class TooMany(BihuanError):
    """Too many requests; try again after ``retry_after_seconds``."""

    status = 429
    code = "too_many"
    title = "请求过于频繁"

    def __init__(self, detail: str, *, retry_after_seconds: int = 1, **extra: Any) -> None:
        super().__init__(detail, retry_after_seconds=retry_after_seconds, **extra)

    def headers(self) -> dict[str, str]:
        return {"Retry-After": str(self.extra["retry_after_seconds"])}


class Unavailable(BihuanError):
    """Something we depend on does not answer; nothing was recorded and the request may be repeated."""

    status = 503
    code = "unavailable"
    title = "服务暂不可用"


class StorageFull(BihuanError):
    """No room left to keep what was sent."""

    status = 507
    code = "storage_full"
    title = "存储空间不足"
