"""``bihuan release review``: a second person vouches for a draft from the command line, by their own account.

Who sits at the machine is not known there: several people may share an account of the operating system, and one may
have two. So a review takes a Bihuan account and its password, a seat that may review, and the digest of what was
looked at.
"""

import os
import re
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.text import Text

from app.accounts.access import user_of
from app.accounts.deputies import same_hands
from app.accounts.logging_in import check_password
from app.accounts.passwords import Passwords
from app.accounts.tokens import AccessToken, UserSubject
from app.api.release_seats import REVIEWING, require_everywhere
from app.commands.db import DatabaseOption
from app.commands.load import JurisdictionOption, find_jurisdiction, run
from app.commands.release_tables import title_of
from app.commands.session import open_sessions
from app.core import reviews
from app.core.database import transaction
from app.core.ids import uuid7
from app.core.tables import Jurisdiction
from app.core.timing import now
from app.masters.files import unreadable
from app.masters.kinds import RELEASED_KINDS

#: the password for scripts; else it is asked for
_FROM_SCRIPTS: Final = "BIHUAN_REVIEWER_PASSWORD"
_DIGEST: Final = re.compile(r"[0-9a-f]{12,64}", re.IGNORECASE)

_out = Console()


def review_command(
    kind: Annotated[str, typer.Argument(help="基础数据的种类")],
    digest: Annotated[str, typer.Option(help="preview 列出的摘要：看过的是哪一份草稿；其后改过的就不予复核")],
    username: Annotated[str, typer.Option("--as", metavar="用户名", help="复核人的闭环账号，须有可以复核的席位")],
    jurisdiction: JurisdictionOption = None,
    database: DatabaseOption = "bihuan",
) -> None:
    """复核草稿：由没有改动过它的第二人以自己的账号确认；复核之后再有改动，复核随之作废。

    密码当场输入；供脚本用时放在环境变量 BIHUAN_REVIEWER_PASSWORD 里。
    """
    password = os.environ.get(_FROM_SCRIPTS) or typer.prompt(f"{username} 的密码", hide_input=True, err=True)
    run(_review(kind, digest, username, password, jurisdiction, database))


async def _review(kind: str, digest: str, username: str, password: str, code: str | None, database: str) -> None:
    if kind not in RELEASED_KINDS:
        raise unreadable(f"没有“{kind}”这种可发布的基础数据，可用：{'、'.join(RELEASED_KINDS)}")
    if not _DIGEST.fullmatch(digest):
        raise unreadable("--digest 应为 bihuan release preview 列出的摘要（12 位以上的十六进制数）")
    async with open_sessions(database=database) as opened:
        async with transaction(opened.sessions) as session:
            jurisdiction = await session.get_one(Jurisdiction, await find_jurisdiction(session, code))
            jurisdiction_id, jurisdiction_code = jurisdiction.id, jurisdiction.code
        known = await check_password(
            opened.sessions, opened.settings, Passwords(), username, password, jurisdiction_code
        )
        at = now()
        token = AccessToken(UserSubject(known.id), jurisdiction_id, known.token_version, at, at, str(uuid7()))
        async with transaction(opened.sessions) as session:
            asker = await user_of(session, token)
            require_everywhere(asker, REVIEWING, "复核须为值班长、督查员、裁决员或知识库编辑")
            hands = await same_hands(session, jurisdiction_id, asker.username)
            draft = await reviews.review(
                session, jurisdiction_id, kind, by=asker.username, same_hands=hands, digest=digest
            )
            told = f"{title_of(kind)}草稿第 {draft.number} 版：{draft.reviewed_by} 已复核"
    _out.print(Text(told))
