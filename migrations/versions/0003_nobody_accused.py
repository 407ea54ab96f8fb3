"""That an accusation accuses no unit is a fact that a person states; until now it looked like "not yet said".

Events of before keep false: whom they accuse counts as unknown until somebody says so.
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("event", sa.Column("nobody_accused", sa.Boolean(), server_default=sa.text("false"), nullable=False))
    op.create_check_constraint("nobody_accused", "event", "NOT nobody_accused OR accused_org_ids = '{}'")


def downgrade() -> None:
    op.drop_constraint("nobody_accused", "event", type_="check")
    op.drop_column("event", "nobody_accused")
