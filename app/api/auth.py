"""Logging in, and what the asker may do."""

from collections.abc import Iterable
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form
from fastapi.security import OAuth2PasswordRequestForm

from app.accounts.access import client_login_row
from app.accounts.logging_in import check_password
from app.accounts.people import find_account, usernames
from app.accounts.tokens import ClientSubject, Subject, UserSubject
from app.api.dependencies import ReaderDep, RuntimeDep
from app.api.problems import RESPONSES
from app.clocks.calendar import CHINA_TIME
from app.core.database import Json
from app.core.errors import Unauthenticated
from app.core.timing import now
from app.runtime import Runtime

router = APIRouter(tags=["people 人员"], responses=RESPONSES)


class LoginForm(OAuth2PasswordRequestForm):
    """OAuth 2 form: ``password`` for people, ``client_credentials`` for machine clients."""

    def __init__(
        self,
        username: Annotated[str, Form()] = "",
        password: Annotated[str, Form()] = "",
        grant_type: Annotated[str, Form(pattern="^(password|client_credentials)$")] = "password",
        client_id: Annotated[str, Form()] = "",
        client_secret: Annotated[str, Form()] = "",
        jurisdiction: Annotated[str | None, Form(description="区划代码；用户名在多个区划重复时必填")] = None,
    ) -> None:
        self.username, self.password, self.grant_type = username, password, grant_type
        self.client_id, self.client_secret, self.jurisdiction = client_id, client_secret, jurisdiction


@router.post("/auth/token", summary="登录，取得访问令牌")
async def log_in(form: Annotated[LoginForm, Depends()], runtime: RuntimeDep) -> dict[str, Any]:
    """An access token. The password is checked outside any transaction: it takes a tenth of a second."""
    if form.grant_type == "client_credentials":
        subject, jurisdiction_id, version = await _client(runtime, form)
    else:
        subject, jurisdiction_id, version = await _user(runtime, form)
    token, expires_at = runtime.tokens.issue(subject, jurisdiction_id=jurisdiction_id, token_version=version)
    return {
        "access_token": token,
        "token_type": "bearer",
        "expires_in": int((expires_at - now()).total_seconds()),
    }


async def _user(runtime: Runtime, form: LoginForm) -> tuple[Subject, int, int]:
    row = await check_password(
        runtime.sessions, runtime.settings, runtime.passwords, form.username, form.password, form.jurisdiction
    )
    return UserSubject(row.id), row.jurisdiction_id, row.token_version


def _arrangements(rows: Iterable[Json]) -> list[Json]:
    return [row | {name: row[name].astimezone(CHINA_TIME) for name in ("since_at", "until_at")} for row in rows]


async def _client(runtime: Runtime, form: LoginForm) -> tuple[Subject, int, int]:
    async with runtime.sessions() as session:
        row = await client_login_row(session, form.client_id or form.username, form.jurisdiction)
    ok, _ = await runtime.passwords.verify(form.client_secret or form.password, row.secret_hash if row else None)
    if row is None or not ok:
        raise Unauthenticated("来源系统代码或密钥不正确。", reason="wrong_secret")
    return ClientSubject(row.id), row.jurisdiction_id, row.token_version


@router.get("/me", summary="我是谁、有哪些席位")
async def me(reader: ReaderDep) -> dict[str, Any]:
    """The asker's name, organization and seats, those held as a deputy with whose they are."""
    asker, organizations = reader.asker, reader.masters.organizations
    account = await find_account(reader.session, asker.jurisdiction_id, asker.username)
    lenders = await usernames(reader.session, [one.user_id for one in asker.principals])
    return {
        "username": asker.username,
        "display_name": asker.display_name,
        "jurisdiction": asker.jurisdiction_code,
        "organization": organizations.code_of(asker.org_id),
        "organization_name": organizations.name(asker.org_id),
        "seats": [
            {
                "role": seat.role,
                "area": seat.area,
                "organization": organizations.code_of(seat.org_id) if seat.org_id else None,
                "lent_by": lenders.get(seat.lent_by) if seat.lent_by else None,
            }
            for seat in asker.seats
        ],
        "deputies": _arrangements(account.deputies),
        "stands_in_for": _arrangements(account.stands_in_for),
    }
