"""What ended clocks have taught, so that it can be said which open orders will likely miss their limits.

The worker fills it; it can be emptied at any time.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "clock_experience",
        sa.Column("id", sa.Integer(), sa.Identity(), nullable=False),
        sa.Column("jurisdiction_id", sa.SmallInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("item_id", sa.Integer(), nullable=True),
        sa.Column("unit_id", sa.Integer(), nullable=True),
        sa.Column("domain", sa.Text(), nullable=True),
        sa.Column("level", sa.Text(), nullable=True),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("late_n", sa.Integer(), nullable=False),
        sa.Column("bins", postgresql.ARRAY(sa.SmallInteger()), nullable=False),
        sa.Column("counts", postgresql.ARRAY(sa.Integer()), nullable=False),
        sa.Column("refreshed_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "(item_id IS NOT NULL AND domain IS NULL AND level IS NULL) OR "
            "(item_id IS NULL AND unit_id IS NULL AND domain IS NOT NULL AND level IS NOT NULL)",
            name=op.f("ck_clock_experience_group"),
        ),
        sa.CheckConstraint(
            "cardinality(bins) = cardinality(counts) AND n >= late_n", name=op.f("ck_clock_experience_histogram")
        ),
        sa.ForeignKeyConstraint(
            ["jurisdiction_id"], ["jurisdiction.id"], name=op.f("fk_clock_experience_jurisdiction_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_clock_experience")),
    )
    op.create_index(
        "uq_clock_experience",
        "clock_experience",
        ["jurisdiction_id", "kind", "item_id", "unit_id", "domain", "level"],
        unique=True,
        postgresql_nulls_not_distinct=True,
    )


def downgrade() -> None:
    op.drop_table("clock_experience")
