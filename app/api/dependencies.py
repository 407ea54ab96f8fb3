"""What every router needs: the runtime, the asker, one transaction for the request."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import OAuth2PasswordBearer
from sqlalchemy.ext.asyncio import AsyncSession

from app.accounts.access import Asker, client_of, user_of
from app.accounts.tokens import AccessToken, ClientSubject
from app.core.database import transaction
from app.core.errors import Unauthenticated
from app.masters import Masters
from app.runtime import Runtime

# Only documents the scheme; a missing token is answered by ``access_token`` in our own form.
_BEARER = OAuth2PasswordBearer(tokenUrl="/api/v1/auth/token", auto_error=False)


async def runtime_of(request: Request) -> Runtime:
    """The process's runtime. Not ``def``: FastAPI would send it to a thread and back, at every request."""
    runtime: Runtime = request.app.state.runtime
    return runtime


RuntimeDep = Annotated[Runtime, Depends(runtime_of)]


async def access_token(runtime: RuntimeDep, bearer: Annotated[str | None, Depends(_BEARER)]) -> AccessToken:
    """What the bearer token says. Raises ``Unauthenticated``."""
    if not bearer:
        raise Unauthenticated("请先登录：请求缺少访问令牌。", reason="missing")
    return runtime.tokens.verify(bearer)


TokenDep = Annotated[AccessToken, Depends(access_token)]


async def write_session(runtime: RuntimeDep) -> AsyncIterator[AsyncSession]:
    """One transaction, committed before the answer goes out."""
    async with transaction(runtime.sessions) as session:
        yield session


async def read_session(runtime: RuntimeDep) -> AsyncIterator[AsyncSession]:
    """One read-only look, from a replica where there is one."""
    async with runtime.read_sessions() as session:
        yield session


# scope="function": FastAPI would otherwise leave the block, and commit, after the answer has gone out.
WriteSession = Annotated[AsyncSession, Depends(write_session, scope="function")]
ReadSession = Annotated[AsyncSession, Depends(read_session, scope="function")]


@dataclass(frozen=True, slots=True)
class Reader:
    """A person who reads: their session, who they are, and the masters in force."""

    session: AsyncSession
    asker: Asker
    masters: Masters


async def reader(session: ReadSession, token: TokenDep, runtime: RuntimeDep) -> Reader:
    """The logged-in person behind a read."""
    asker = await user_of(session, token)
    masters = await runtime.masters.at(session, asker.jurisdiction_id, asker.release_vector)
    return Reader(session, asker, masters)


ReaderDep = Annotated[Reader, Depends(reader, scope="function")]


async def somebody(session: ReadSession, token: TokenDep) -> AccessToken:
    """A person's or a machine client's token whose account still stands. Raises ``Unauthenticated``."""
    if isinstance(token.subject, ClientSubject):
        await client_of(session, token)
    else:
        await user_of(session, token)
    return token


SomebodyDep = Annotated[AccessToken, Depends(somebody, scope="function")]
