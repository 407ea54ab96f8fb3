"""Loading a user file against the masters in force."""

from collections.abc import Iterable
from pathlib import Path

from pydantic import BaseModel
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.accounts.load_users import UsersOutcome, load_users
from app.accounts.organizations import Organizations
from app.accounts.passwords import Passwords
from app.accounts.rows import OrganizationRow, UserRow
from app.accounts.tables import Organization
from app.core import releases
from app.core.errors import Conflict
from app.masters.publishing import publish, put_file, read_folder


class NotPublishedYet(Conflict):
    """A kind that others rest on has no release in force."""

    code = "not_published_yet"
    title = "基础数据尚未发布"


async def put_users(
    session: AsyncSession, jurisdiction_id: int, rows: Iterable[BaseModel], *, passwords: Passwords
) -> UsersOutcome:
    """Loads ``UserRow`` rows against the published units and areas. See ``load_users`` for the rest.

    Raises NotPublishedYet without published organizations.
    """
    standing = await releases.published_of(session, jurisdiction_id, "organizations")
    if standing is None:
        raise NotPublishedYet("请先载入并发布组织机构（organizations），再载入人员账号")
    units = await releases.rows_of(session, standing.id)
    ids = await session.execute(
        select(Organization.code, Organization.id).where(Organization.jurisdiction_id == jurisdiction_id)
    )
    organizations = Organizations.build(
        (OrganizationRow.model_validate(body) for body in units.values()), {code: id_ for code, id_ in ids}
    )
    areas = await releases.published_of(session, jurisdiction_id, "areas")
    area_codes = await releases.rows_of(session, areas.id) if areas else {}
    return await load_users(
        session,
        jurisdiction_id,
        [row for row in rows if isinstance(row, UserRow)],
        organizations,
        area_codes=area_codes.keys(),
        passwords=passwords,
    )


async def load_city(
    session: AsyncSession, jurisdiction_id: int, folder: Path, *, by: str, passwords: Passwords
) -> UsersOutcome | None:
    """A whole folder of master files at once: drafts, checks, publication without a review, then the people.

    For setting up: a city at work loads and reviews kind by kind. Repeating it changes nothing. None when there is
    no users file. Raises Malformed or Inconsistent with all faults.
    """
    files = read_folder(folder)
    users = files.pop("users", None)
    changed = []
    for file in files.values():
        if not (await put_file(session, jurisdiction_id, file, by=by)).nothing_changed:
            changed.append(file.kind)
    if changed:
        await publish(
            session,
            jurisdiction_id,
            changed,
            by=by,
            usernames=users.rows if users else (),
            unreviewed_because="整套基础数据由文件夹载入",
        )
    if users is None:
        return None
    return await put_users(session, jurisdiction_id, users.rows.values(), passwords=passwords)
