"""Clocks keep what moved them: pauses, extensions, recalculations; rungs that fired; what was asked for about limits.

A clock is looked at when its next rung is due (``next_at``), not once when its limit has passed (``fired_at``).
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_KINDS = (
    "kind IN ('acceptance', 'filing', 'dispatch', 'signing', 'first_contact', 'handling', 'return_review', "
    "'inspection', 'callback', 'citizen_total')"
)
_CAUSES = "cause IN ('started', 'paused', 'resumed', 'taken_back', 'extended', 'calendar', 'limit')"


def upgrade() -> None:
    op.create_table(
        "clock_rung",
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("clock_n", sa.Integer(), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("rung", sa.Text(), nullable=False),
        sa.Column("rung_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("fired_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("timeline_n", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["event_id", "clock_n"], ["clock.event_id", "clock.n"], name=op.f("fk_clock_rung_event_id_clock_n")
        ),
        sa.ForeignKeyConstraint(
            ["event_id", "timeline_n"],
            ["timeline.event_id", "timeline.n"],
            name=op.f("fk_clock_rung_event_id_timeline_n"),
        ),
        sa.PrimaryKeyConstraint("event_id", "clock_n", "generation", "rung", name=op.f("pk_clock_rung")),
    )
    op.create_table(
        "limit_request",
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("jurisdiction_id", sa.SmallInteger(), nullable=False),
        sa.Column("order_n", sa.Integer(), nullable=False),
        sa.Column("unit_id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason_code", sa.Text(), nullable=False),
        sa.Column("terms", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("approvers", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("decisions", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("requested_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "kind IN ('extension', 'deferral', 'waiting', 'lateness_appeal')", name=op.f("ck_limit_request_kind")
        ),
        sa.CheckConstraint(
            "state IN ('requested', 'reviewed', 'granted', 'rejected', 'withdrawn', 'settling', 'ended')",
            name=op.f("ck_limit_request_state"),
        ),
        sa.ForeignKeyConstraint(
            ["event_id", "order_n"],
            ["work_order.event_id", "work_order.n"],
            name=op.f("fk_limit_request_event_id_order_n"),
        ),
        sa.ForeignKeyConstraint(["event_id"], ["event.id"], name=op.f("fk_limit_request_event_id")),
        sa.PrimaryKeyConstraint("event_id", "n", name=op.f("pk_limit_request")),
    )
    op.create_index(
        "ix_limit_request_open",
        "limit_request",
        ["jurisdiction_id", "requested_at", "event_id", "n"],
        unique=False,
        postgresql_where=sa.text("ended_at IS NULL"),
    )
    op.create_index(
        "uq_limit_request_appeal",
        "limit_request",
        ["event_id", "order_n"],
        unique=True,
        postgresql_where=sa.text("kind = 'lateness_appeal'"),
    )
    op.create_index(
        "uq_limit_request_open",
        "limit_request",
        ["event_id", "order_n", "kind"],
        unique=True,
        postgresql_where=sa.text("state IN ('requested', 'reviewed')"),
    )
    op.execute(
        "CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON clock_rung FOR EACH ROW EXECUTE FUNCTION refuse_change()"
    )
    op.execute(
        "CREATE TRIGGER append_only_whole BEFORE TRUNCATE ON clock_rung "
        "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
    )
    _clock()
    _clock_due()
    op.drop_constraint("ck_event_participant_role", "event_participant")
    op.create_check_constraint(
        op.f("ck_event_participant_role"),
        "event_participant",
        "role IN ('lead', 'supporting', 'inspector', 'desk', 'supervising')",
    )


def _clock() -> None:
    op.add_column("clock", sa.Column("uncounted_cap", sa.Text()))
    op.add_column("clock", sa.Column("given_back", sa.Text(), server_default="covered", nullable=False))
    op.alter_column("clock", "given_back", server_default=None)
    op.add_column("clock", sa.Column("next_at", sa.DateTime(timezone=True)))
    op.add_column("clock", sa.Column("counted_minutes", sa.Integer()))
    op.add_column("clock", sa.Column("elapsed_minutes", sa.Integer()))
    op.add_column("clock", sa.Column("exempted_n", sa.Integer()))
    op.execute("UPDATE clock SET next_at = due_at WHERE state = 'running' AND fired_at IS NULL")
    op.execute(
        """
        INSERT INTO clock_rung (event_id, clock_n, generation, rung, rung_at, fired_at, timeline_n)
        SELECT c.event_id, c.n, c.generation, 'due', c.due_at, c.fired_at, t.n
        FROM clock c JOIN timeline t ON t.event_id = c.event_id AND t.subject = 'clock' AND t.subject_n = c.n
          AND t.act = 'clock_missed'
        WHERE c.fired_at IS NOT NULL
        """
    )
    op.drop_index("ix_clock_sweep", table_name="clock")
    op.drop_column("clock", "fired_at")
    op.create_index("ix_clock_sweep", "clock", ["next_at"], postgresql_where=sa.text("next_at IS NOT NULL"))
    op.drop_constraint("ck_clock_kind", "clock")
    op.create_check_constraint(op.f("ck_clock_kind"), "clock", _KINDS)
    op.create_check_constraint(op.f("ck_clock_next_at"), "clock", "state = 'running' OR next_at IS NULL")
    op.create_check_constraint(op.f("ck_clock_given_back"), "clock", "given_back IN ('covered', 'touched')")


def _clock_due() -> None:
    # What stands there has never moved; the columns of its first record are known from the clock.
    for column in (
        sa.Column("since_at", sa.DateTime(timezone=True)),
        sa.Column("limit_value", sa.Integer()),
        sa.Column("limit_unit", sa.Text()),
        sa.Column("pause_from", sa.DateTime(timezone=True)),
        sa.Column("pause_until", sa.DateTime(timezone=True)),
        sa.Column("of_generation", sa.Integer()),
        sa.Column("grounds", sa.Text(), server_default="", nullable=False),
        sa.Column("approval", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'[]'"), nullable=False),
        sa.Column("calendar_release", sa.Integer()),
    ):
        op.add_column("clock_due", column)
    op.alter_column("clock_due", "grounds", server_default=None)
    op.execute("ALTER TABLE clock_due DISABLE TRIGGER append_only")
    op.execute(
        """
        UPDATE clock_due d SET since_at = c.started_at, limit_value = c.limit_value, limit_unit = c.limit_unit
        FROM clock c WHERE c.event_id = d.event_id AND c.n = d.clock_n
        """
    )
    op.execute("ALTER TABLE clock_due ENABLE TRIGGER append_only")
    for name in ("since_at", "limit_value", "limit_unit"):
        op.alter_column("clock_due", name, nullable=False)
    for name, rule in (
        ("cause", _CAUSES),
        ("generation", "(generation = 1) = (cause = 'started')"),
        ("pause_from", "(cause = 'paused') = (pause_from IS NOT NULL)"),
        ("pause_until", "(cause IN ('paused', 'resumed')) = (pause_until IS NOT NULL)"),
        ("of_generation", "(cause IN ('resumed', 'taken_back')) = (of_generation IS NOT NULL)"),
        ("order", "pause_until >= pause_from AND of_generation < generation"),
    ):
        op.create_check_constraint(op.f(f"ck_clock_due_{name}"), "clock_due", rule)


def downgrade() -> None:
    raise RuntimeError("what moved the clocks cannot be told by the schema before")
