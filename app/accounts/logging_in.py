"""Whether somebody is who they say: name and password, with the lock after too many wrong ones."""

from datetime import timedelta
from typing import Any, Final

from app.accounts.access import note_login, user_login_row
from app.accounts.passwords import Passwords
from app.core.database import Sessions, transaction
from app.core.errors import TooMany, Unauthenticated
from app.core.settings import Settings
from app.core.timing import now

_WRONG: Final = "用户名或密码不正确。"


async def check_password(
    sessions: Sessions,
    settings: Settings,
    passwords: Passwords,
    username: str,
    password: str,
    jurisdiction: str | None,
) -> Any:
    """The account's row (id, jurisdiction_id, token_version) when name and password are right.

    ``jurisdiction``: its code, needed where the name is in several. The password is checked outside any transaction:
    it takes a tenth of a second. Wrong ones are counted at once, whatever the caller does afterwards. Raises
    Unauthenticated, or TooMany while the account is locked.
    """
    async with sessions() as session:
        row = await user_login_row(session, username, jurisdiction)
    if row is not None and row.locked_until is not None and row.locked_until > now():
        wait = int((row.locked_until - now()).total_seconds()) + 1
        raise TooMany("登录失败次数过多，账号已暂时锁定，请稍后再试。", retry_after_seconds=wait)
    ok, _ = await passwords.verify(password, row.password_hash if row else None)
    if row is not None:
        lock_until = now() + timedelta(minutes=settings.login_lock_minutes)
        async with transaction(sessions) as session:
            await note_login(session, row.id, ok=ok, max_failures=settings.login_max_failures, lock_until=lock_until)
    if row is None or not ok:
        raise Unauthenticated(_WRONG, reason="wrong_password")
    return row
