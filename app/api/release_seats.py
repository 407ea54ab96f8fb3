"""Who may look at drafts and at what they would do."""

from collections.abc import Sequence
from typing import Final

from app.accounts.access import Asker
from app.core.errors import Forbidden

#: those who may take suggestions into a draft, and those whose work drafts are
DRAFTING: Final = ("knowledge_editor", "shift_leader", "adjudicator", "system_administrator")
REVIEWING: Final = ("shift_leader", "supervisor", "adjudicator", "knowledge_editor")
PUBLISHING: Final = ("shift_leader", "system_administrator")
READING: Final = tuple(dict.fromkeys((*DRAFTING, *REVIEWING, *PUBLISHING)))


def require_everywhere(asker: Asker, roles: Sequence[str], told: str) -> None:
    """Masters hold everywhere, so the seat must be for all of the jurisdiction. Raises ``Forbidden``."""
    if asker.jurisdiction_code not in asker.areas(roles):
        raise Forbidden(f"{told}，席位须为全辖区。", needs=list(roles))
