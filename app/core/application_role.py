"""The role as which the application works: it may add to history, and neither change nor remove any of it.

``bihuan_app`` is made by the migrations and holds the privileges; the application's login is a member of it. See
docs/decisions/0005.
"""

from typing import Final

import structlog
from sqlalchemy import make_url, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from app.core.errors import Unavailable
from app.core.postgres import APP_ROLE

HISTORY: Final = ("timeline", "clock_due", "clock_rung")
"""Tables that only grow."""

_NOT_ALLOWED: Final = "42501"

#: a role that may make roles may also put itself into the owner's, before PostgreSQL 16
_MAY_REWRITE = text(
    """
    SELECT r.rolsuper OR r.rolcreaterole OR has_parameter_privilege('session_replication_role', 'SET') OR EXISTS (
      SELECT FROM pg_class c WHERE c.oid = ANY(CAST(CAST(:history AS text[]) AS regclass[]))
        AND (pg_has_role(c.relowner, 'MEMBER') OR has_table_privilege(c.oid, 'UPDATE, DELETE, TRUNCATE')))
    FROM pg_roles r WHERE r.rolname = current_user
    """
)

log = structlog.get_logger()


async def may_rewrite_history(url: str) -> bool:
    """Whether the login of ``url`` could change history, given the will: then only triggers stand in its way."""
    engine = create_async_engine(url, poolclass=NullPool)
    try:
        async with engine.connect() as connection:
            return bool(await connection.scalar(_MAY_REWRITE, {"history": list(HISTORY)}))
    finally:
        await engine.dispose()


async def warn_of_a_powerful_role(url: str) -> None:
    """Says so in the log when the application's login could rewrite history."""
    if await may_rewrite_history(url):
        log.warning(
            "database.role_may_rewrite_history",
            role=make_url(url).username,
            hint=f"时间线和到期记录只受触发器保护：请以 {APP_ROLE} 的成员连接（BIHUAN_DATABASE_URL），"
            "属主只用于升级结构（BIHUAN_OWNER_DATABASE_URL）",
        )


async def admit(owner_url: str, url: str) -> None:
    """Makes the login of ``url`` a member of ``bihuan_app``; one that is not there is made, with its password.

    Nothing happens for a login that is one already, a superuser among them. Raises ``Unavailable`` with the statement
    that an administrator must run, when the owner may not do it.
    """
    given = make_url(url)
    login = given.username or ""
    engine = create_async_engine(owner_url, poolclass=NullPool, isolation_level="AUTOCOMMIT", hide_parameters=True)
    try:
        async with engine.connect() as connection:
            there = await connection.scalar(text("SELECT 1 FROM pg_roles WHERE rolname = :login"), {"login": login})
            if there and await connection.scalar(
                text("SELECT pg_has_role(CAST(:login AS name), :app, 'USAGE')"), {"login": login, "app": APP_ROLE}
            ):
                return
            # Neither names nor passwords can be parameters of these statements; format() quotes them.
            statement = "GRANT %2$I TO %1$I" if there else "CREATE ROLE %1$I LOGIN PASSWORD %3$L IN ROLE %2$I"
            words = await connection.scalar(
                text("SELECT format(:statement, CAST(:login AS text), CAST(:app AS text), CAST(:password AS text))"),
                {"statement": statement, "login": login, "app": APP_ROLE, "password": given.password},
            )
            await connection.exec_driver_sql(str(words))
    except DBAPIError as fault:
        if getattr(fault.orig, "sqlstate", None) != _NOT_ALLOWED:
            raise
        needed = (
            f"GRANT {APP_ROLE} TO {login};" if there else f"CREATE ROLE {login} LOGIN PASSWORD '…' IN ROLE {APP_ROLE};"
        )
        raise Unavailable(f"结构已升级，但属主无权让 {login} 加入 {APP_ROLE}。请数据库管理员执行：{needed}") from None
    finally:
        await engine.dispose()
