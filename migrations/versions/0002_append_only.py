"""What is history cannot be changed: the timeline and the due times of clocks take INSERT only.

A note may be deleted (erasure), never rewritten. The block number of event numbers is a sequence, so that each process
reserves its own in a statement of its own and gaps are the only trace of a crash.
"""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
          RAISE EXCEPTION '% is append-only: % refused', TG_TABLE_NAME, TG_OP USING ERRCODE = 'restrict_violation';
        END $$
        """
    )
    for table in ("timeline", "clock_due"):
        op.execute(
            f"CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON {table} "
            "FOR EACH ROW EXECUTE FUNCTION refuse_change()"
        )
        op.execute(
            f"CREATE TRIGGER append_only_whole BEFORE TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
        )
    op.execute(
        "CREATE TRIGGER append_only BEFORE UPDATE ON timeline_note FOR EACH ROW EXECUTE FUNCTION refuse_change()"
    )
    op.execute("CREATE SEQUENCE event_no_block")


def downgrade() -> None:
    op.execute("DROP SEQUENCE event_no_block")
    op.execute("DROP TRIGGER append_only ON timeline_note")
    for table in ("clock_due", "timeline"):
        op.execute(f"DROP TRIGGER append_only_whole ON {table}")
        op.execute(f"DROP TRIGGER append_only ON {table}")
    op.execute("DROP FUNCTION refuse_change()")
