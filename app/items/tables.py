"""The lasting identity of a governance item; its name and rules stand in the items release."""

from sqlalchemy import ForeignKey, Identity, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.core.database import Base


class Item(Base):
    """``key`` is ``standard_ref/kind/code``: the same digits mean different things in each standard (DOMAIN.md §1)."""

    __tablename__ = "item"
    __table_args__ = (UniqueConstraint("jurisdiction_id", "key"),)

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    jurisdiction_id: Mapped[int] = mapped_column(ForeignKey("jurisdiction.id"))
    key: Mapped[str]
