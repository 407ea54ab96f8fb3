"""Pictures: uploaded before the act that names them, read by those who may see the event that they belong to."""

from typing import Any

from fastapi import APIRouter, Path, Request
from fastapi.responses import Response
from sqlalchemy import text

from app.api.dependencies import ReaderDep, RuntimeDep, SomebodyDep
from app.api.problems import RESPONSES
from app.core.errors import NotFound
from app.core.storage import picture_type
from app.events.store import load_events
from app.events.visibility import Sight

router = APIRouter(prefix="/attachments", tags=["attachments 附件"], responses=RESPONSES)

_OWNERS = text(
    """
    SELECT l.event_id FROM report r JOIN event_report l ON l.report_id = r.id AND l.left_at IS NULL
     WHERE r.pictures @> ARRAY[CAST(:sha AS text)]
    UNION SELECT event_id FROM work_order WHERE evidence @> ARRAY[CAST(:sha AS text)]
    UNION SELECT event_id FROM inspection WHERE evidence @> ARRAY[CAST(:sha AS text)]
    LIMIT 20
    """
)


@router.post("", summary="上传一张照片（JPEG、PNG、WebP，≤ 5 MB），返回编号", status_code=201)
async def upload(request: Request, runtime: RuntimeDep, _: SomebodyDep) -> dict[str, Any]:
    """Stores the request's body as a picture, its metadata stripped; the same picture again has the same id."""
    stored = await runtime.attachments.put(await request.body())
    return {
        "sha256": stored.sha256,
        "size": stored.size,
        "media_type": stored.media_type,
        "taken_at": stored.exif.taken_at,
        "lon_lat": stored.exif.lon_lat,
    }


@router.get("/{sha256}", summary="下载照片")
async def download(reader: ReaderDep, runtime: RuntimeDep, sha256: str = Path(pattern="^[0-9a-f]{64}$")) -> Response:
    """The picture, if it belongs to an event that the asker may see."""
    owners = list((await reader.session.execute(_OWNERS, {"sha": sha256})).scalars())
    sight = Sight.of(reader.asker, reader.masters.organizations)
    events = await load_events(reader.session, owners) if owners else {}
    if not any(sight.sees(aggregate) for aggregate in events.values()):
        raise NotFound("没有这张照片，或不在您的权限范围内。")
    data = await runtime.attachments.get(sha256)
    return Response(data, media_type=picture_type(data), headers={"Cache-Control": "private, max-age=86400"})
