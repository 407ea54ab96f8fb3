"""An ended clock stays as it ended, and no clock changes its start, or its limit without a record.

A clock of a merged event ends under the lock of the event that answers for it, while sweep and recalculation hold
the merged one's: whichever comes second finds it ended, and is refused.
"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_REFUSE = """
CREATE FUNCTION refuse_clock_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'clock % of event %: it has ended, or its start or limit would change without a record',
    OLD.n, OLD.event_id USING ERRCODE = 'restrict_violation';
END $$
"""

# Only UPDATE is looked at, and only a change calls the function: a report's new clocks pay nothing. A decision may
# still leave the lateness of an ended clock out of statistics (exempted_n).
_GUARD = """
CREATE TRIGGER clock_history BEFORE UPDATE ON clock FOR EACH ROW WHEN (
  NEW.started_at IS DISTINCT FROM OLD.started_at
  OR (NEW.generation = OLD.generation
    AND (NEW.limit_value IS DISTINCT FROM OLD.limit_value OR NEW.limit_unit IS DISTINCT FROM OLD.limit_unit))
  OR (OLD.ended_at IS NOT NULL
    AND (NEW.ended_at IS DISTINCT FROM OLD.ended_at OR NEW.state IS DISTINCT FROM OLD.state
      OR NEW.generation IS DISTINCT FROM OLD.generation OR NEW.due_at IS DISTINCT FROM OLD.due_at
      OR NEW.next_at IS DISTINCT FROM OLD.next_at))
) EXECUTE FUNCTION refuse_clock_change()
"""


def upgrade() -> None:
    op.execute(sa.text(_REFUSE))
    op.execute(sa.text(_GUARD))


def downgrade() -> None:
    op.execute("DROP TRIGGER clock_history ON clock")
    op.execute("DROP FUNCTION refuse_clock_change()")
