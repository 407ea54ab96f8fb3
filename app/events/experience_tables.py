"""What ended clocks have taught: how much of their limits orders like these used, and how many ended late."""

from datetime import datetime

from sqlalchemy import ARRAY, CheckConstraint, ForeignKey, Identity, Index, Integer, SmallInteger
from sqlalchemy.orm import Mapped, mapped_column

from app.core.database import Base


class ClockExperience(Base):
    """One group of ended clocks as a histogram; computed anew from the clocks now and then, so it may be emptied.

    A group is a unit's clocks of one item, all clocks of an item, or all of a domain and level.
    """

    __tablename__ = "clock_experience"
    __table_args__ = (
        CheckConstraint(
            "(item_id IS NOT NULL AND domain IS NULL AND level IS NULL) OR "
            "(item_id IS NULL AND unit_id IS NULL AND domain IS NOT NULL AND level IS NOT NULL)",
            name="group",
        ),
        CheckConstraint("cardinality(bins) = cardinality(counts) AND n >= late_n", name="histogram"),
        Index(
            "uq_clock_experience",
            "jurisdiction_id",
            "kind",
            "item_id",
            "unit_id",
            "domain",
            "level",
            unique=True,
            postgresql_nulls_not_distinct=True,
        ),
    )

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    jurisdiction_id: Mapped[int] = mapped_column(SmallInteger, ForeignKey("jurisdiction.id"))
    kind: Mapped[str]
    item_id: Mapped[int | None]
    unit_id: Mapped[int | None]
    domain: Mapped[str | None]
    level: Mapped[str | None]
    #: how many clocks, and how many of them ended late
    n: Mapped[int]
    late_n: Mapped[int]
    #: of those that ended in time: the share of the budget used, in steps of 1/50 (0 to 49), ascending, and how many
    bins: Mapped[list[int]] = mapped_column(ARRAY(SmallInteger))
    counts: Mapped[list[int]] = mapped_column(ARRAY(Integer))
    refreshed_at: Mapped[datetime]
