"""Pictures: uploaded before the act that names them, read by those who may see the event that they belong to."""

from typing import Any

from fastapi import APIRouter, Path, Request
from fastapi.responses import Response
from sqlalchemy import TextClause, text

from app.api.dependencies import ReaderDep, RuntimeDep, SomebodyDep
from app.api.problems import RESPONSES
from app.core.errors import NotFound
from app.core.storage import picture_type
from app.events.visibility import Sight, visible_report

router = APIRouter(prefix="/attachments", tags=["attachments 附件"], responses=RESPONSES)

#: more owners of one picture than this are not looked at; those that the asker does not see are none of them
_MOST_OWNERS = 200


def _owners(condition: str) -> TextClause:
    """Events under ``condition`` that own the picture; a merged event's reports belong to its target, however far up.

    No index knows pictures: three scans of tables narrowed by jurisdiction only.
    """
    return text(
        f"""
        WITH RECURSIVE owner(event_id, demand_type, confidential, reported) AS (
          SELECT l.event_id, r.demand_type, r.confidential, true
            FROM report r JOIN event_report l ON l.report_id = r.id AND l.left_at IS NULL
           WHERE r.jurisdiction_id = :sight_jurisdiction AND r.pictures @> ARRAY[CAST(:sha AS text)]
          UNION ALL SELECT event_id, NULL, false, false FROM work_order
           WHERE jurisdiction_id = :sight_jurisdiction AND evidence @> ARRAY[CAST(:sha AS text)]
          UNION ALL SELECT event_id, NULL, false, false FROM inspection
           WHERE jurisdiction_id = :sight_jurisdiction AND evidence @> ARRAY[CAST(:sha AS text)]
        ), up AS (
          SELECT event_id, demand_type, confidential, reported FROM owner
          UNION SELECT e.merged_into, up.demand_type, up.confidential, up.reported
            FROM up JOIN event e ON e.id = up.event_id WHERE e.merged_into IS NOT NULL AND up.reported
        )
        SELECT up.demand_type, up.confidential, up.reported, e.demand_type AS event_demand_type, e.accused_org_ids,
               e.nobody_accused, e.lead_unit_id, e.district_code, e.street_code, e.community_code
        FROM up JOIN event e ON e.id = up.event_id WHERE {condition} ORDER BY e.id DESC LIMIT {_MOST_OWNERS}
        """  # noqa: S608 - our own condition; values are parameters
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
    """The picture, if it belongs to an event, and to a report of it, that the asker may see."""
    sight = Sight.of(reader.asker, reader.masters.organizations)
    condition, values = sight.condition()
    owners = await reader.session.execute(_owners(condition), values | {"sha": sha256})
    if not any(not row.reported or visible_report(sight.list_stand(row), row).content for row in owners):
        raise NotFound("没有这张照片，或不在您的权限范围内。")
    data = await runtime.attachments.get(sha256)
    return Response(data, media_type=picture_type(data), headers={"Cache-Control": "private, max-age=86400"})
