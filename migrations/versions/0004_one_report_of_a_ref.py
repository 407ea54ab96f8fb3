"""Of several messages under one source ref only the first becomes a report, also when they come at one instant."""

from alembic import op
from sqlalchemy import text

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(
        "uq_inbox_first",
        "inbox",
        ["client_id", "source_ref"],
        unique=True,
        postgresql_where=text("state <> 'supplement'"),
    )


def downgrade() -> None:
    op.drop_index("uq_inbox_first", table_name="inbox")
