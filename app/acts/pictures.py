"""Evidence 证据 is looked up before the act's transaction: the store is another system."""

from app.acts.action import ActBody
from app.core.errors import Malformed
from app.runtime import Runtime


async def refuse_unknown_pictures(runtime: Runtime, body: ActBody) -> None:
    """Raises ``Malformed`` naming each picture of ``evidence`` that was never uploaded."""
    named: list[str] = getattr(body, "evidence", [])
    faults = [
        {"path": f"evidence.{position}", "code": "not_uploaded", "message": f"没有编号为 {sha256} 的照片"}
        for position, sha256 in enumerate(named)
        if not await runtime.attachments.has(sha256)
    ]
    if faults:
        raise Malformed("证据照片尚未上传：请先上传照片，再用返回的编号提交。", faults=faults)
