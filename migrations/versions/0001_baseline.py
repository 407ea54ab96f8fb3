"""All tables of the first version."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from app.events.timeline_tables import Xid8

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "delivery",
        sa.Column("lane_id", sa.Uuid(), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("destination_id", sa.Integer(), nullable=False),
        sa.Column("report_id", sa.Uuid(), nullable=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("state", sa.Text(), server_default="waiting", nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("next_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("fence", sa.Integer(), server_default="0", nullable=False),
        sa.Column("delivered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "state IN ('waiting', 'leased', 'delivered', 'dead', 'skipped')", name=op.f("ck_delivery_state")
        ),
        sa.PrimaryKeyConstraint("lane_id", "n", name=op.f("pk_delivery")),
    )
    op.create_index(
        "ix_delivery_lane",
        "delivery",
        ["destination_id", "lane_id", "n"],
        unique=False,
        postgresql_where=sa.text("state IN ('waiting', 'leased', 'dead')"),
    )
    op.create_index(
        "ix_delivery_open",
        "delivery",
        ["next_at"],
        unique=False,
        postgresql_where=sa.text("state IN ('waiting', 'leased')"),
    )
    op.create_index("ix_delivery_report", "delivery", ["report_id"], unique=False)
    op.create_table(
        "job",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("args", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("state", sa.Text(), server_default="waiting", nullable=False),
        sa.Column("run_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("fence", sa.Integer(), server_default="0", nullable=False),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.CheckConstraint("state IN ('waiting', 'leased', 'done', 'dead')", name=op.f("ck_job_state")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_job")),
    )
    op.create_index(
        "ix_job_waiting",
        "job",
        ["run_at"],
        unique=False,
        postgresql_where=sa.text("state IN ('waiting', 'leased')"),
    )
    op.create_index(
        "uq_job_key",
        "job",
        ["kind", "key"],
        unique=True,
        postgresql_where=sa.text("state IN ('waiting', 'leased')"),
    )
    op.create_table(
        "jurisdiction",
        sa.Column("id", sa.SmallInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column(
            "release_vector",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'::jsonb"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_jurisdiction")),
        sa.UniqueConstraint("code", name=op.f("uq_jurisdiction_code")),
    )
    op.create_table(
        "report_key",
        sa.Column("report_id", sa.Uuid(), nullable=False),
        sa.Column("wrapped", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("report_id", name=op.f("pk_report_key")),
    )
    op.create_table(
        "item",
        sa.Column("id", sa.Integer(), sa.Identity(always=False), nullable=False),
        sa.Column("jurisdiction_id", sa.SmallInteger(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["jurisdiction_id"], ["jurisdiction.id"], name=op.f("fk_item_jurisdiction_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_item")),
        sa.UniqueConstraint("jurisdiction_id", "key", name=op.f("uq_item_jurisdiction_id_key")),
    )
    op.create_table(
        "machine_client",
        sa.Column("id", sa.Integer(), sa.Identity(always=False), nullable=False),
        sa.Column("jurisdiction_id", sa.SmallInteger(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("secret_hash", sa.Text(), nullable=False),
        sa.Column("token_version", sa.Integer(), server_default="0", nullable=False),
        sa.Column("crs", sa.Text(), nullable=True),
        sa.Column("endpoint_url", sa.Text(), nullable=True),
        sa.Column("endpoint_secret_sealed", sa.LargeBinary(), nullable=True),
        sa.Column("active", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.ForeignKeyConstraint(
            ["jurisdiction_id"], ["jurisdiction.id"], name=op.f("fk_machine_client_jurisdiction_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_machine_client")),
        sa.UniqueConstraint("jurisdiction_id", "code", name=op.f("uq_machine_client_jurisdiction_id_code")),
    )
    op.create_table(
        "organization",
        sa.Column("id", sa.Integer(), sa.Identity(always=False), nullable=False),
        sa.Column("jurisdiction_id", sa.SmallInteger(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["jurisdiction_id"], ["jurisdiction.id"], name=op.f("fk_organization_jurisdiction_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_organization")),
        sa.UniqueConstraint("jurisdiction_id", "code", name=op.f("uq_organization_jurisdiction_id_code")),
    )
    op.create_table(
        "release",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("jurisdiction_id", sa.SmallInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("status", sa.Text(), server_default="draft", nullable=False),
        sa.Column("mode", sa.Text(), server_default="new_only", nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("row_count", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("published_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("published_by", sa.Text(), nullable=True),
        sa.Column("retired_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("mode IN ('new_only', 're_decide_open')", name=op.f("ck_release_mode")),
        sa.CheckConstraint("status IN ('draft', 'published', 'retired')", name=op.f("ck_release_status")),
        sa.ForeignKeyConstraint(["jurisdiction_id"], ["jurisdiction.id"], name=op.f("fk_release_jurisdiction_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_release")),
    )
    op.create_index(
        "uq_release_draft",
        "release",
        ["jurisdiction_id", "kind"],
        unique=True,
        postgresql_where=sa.text("status = 'draft'"),
    )
    op.create_index("uq_release_number", "release", ["jurisdiction_id", "kind", "number"], unique=True)
    op.create_index(
        "uq_release_published",
        "release",
        ["jurisdiction_id", "kind"],
        unique=True,
        postgresql_where=sa.text("status = 'published'"),
    )
    op.create_table(
        "event",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("jurisdiction_id", sa.SmallInteger(), nullable=False),
        sa.Column("event_no", sa.Text(), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("head", sa.LargeBinary(), nullable=False),
        sa.Column("head_n", sa.Integer(), nullable=False),
        sa.Column("head_tag", sa.LargeBinary(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("end_kind", sa.Text(), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("settled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("merged_into", sa.Uuid(), nullable=True),
        sa.Column("triage", sa.Text(), nullable=True),
        sa.Column("item_id", sa.Integer(), nullable=True),
        sa.Column("standard_row_no", sa.Integer(), nullable=True),
        sa.Column("closure_profile", sa.Text(), nullable=False),
        sa.Column("demand_type", sa.Text(), nullable=True),
        sa.Column("domain", sa.Text(), nullable=True),
        sa.Column("level", sa.Text(), nullable=False),
        sa.Column("urgency", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("district_code", sa.Text(), nullable=True),
        sa.Column("street_code", sa.Text(), nullable=True),
        sa.Column("community_code", sa.Text(), nullable=True),
        sa.Column("cell_id", sa.Text(), nullable=True),
        sa.Column("duty_grid_code", sa.Text(), nullable=True),
        sa.Column("lon", sa.Double(), nullable=True),
        sa.Column("lat", sa.Double(), nullable=True),
        sa.Column("place_bucket", sa.BigInteger(), nullable=True),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("lead_unit_id", sa.Integer(), nullable=True),
        sa.Column("accused_org_ids", sa.ARRAY(sa.BigInteger()), server_default="{}", nullable=False),
        sa.Column("report_count", sa.Integer(), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("release_vector", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("foreign_system", sa.Text(), nullable=True),
        sa.Column("foreign_ref", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "(ended_at IS NOT NULL) = (state IN ('closed', 'not_accepted', 'handed_over', 'merged', 'cancelled'))",
            name=op.f("ck_event_ended_at"),
        ),
        sa.CheckConstraint("(merged_into IS NOT NULL) = (state = 'merged')", name=op.f("ck_event_merged_into")),
        sa.CheckConstraint("level IN ('grid', 'street', 'district', 'city')", name=op.f("ck_event_level")),
        sa.CheckConstraint(
            "state IN ('analyzing', 'handling', 'verifying', 'answering', 'closing', 'closed', 'not_accepted', 'handed_over', 'merged', 'cancelled')",
            name=op.f("ck_event_state"),
        ),
        sa.CheckConstraint("urgency IN ('normal', 'urgent', 'critical')", name=op.f("ck_event_urgency")),
        sa.CheckConstraint("settled_at IS NULL OR ended_at IS NOT NULL", name=op.f("ck_event_settled_at")),
        sa.ForeignKeyConstraint(["item_id"], ["item.id"], name=op.f("fk_event_item_id")),
        sa.ForeignKeyConstraint(["jurisdiction_id"], ["jurisdiction.id"], name=op.f("fk_event_jurisdiction_id")),
        sa.ForeignKeyConstraint(["lead_unit_id"], ["organization.id"], name=op.f("fk_event_lead_unit_id")),
        sa.ForeignKeyConstraint(["merged_into"], ["event.id"], name=op.f("fk_event_merged_into")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_event")),
        sa.UniqueConstraint("event_no", name=op.f("uq_event_event_no")),
    )
    op.create_index("ix_event_community", "event", ["community_code", "id"], unique=False)
    op.create_index("ix_event_item", "event", ["item_id", "id"], unique=False)
    op.create_index("ix_event_lead", "event", ["lead_unit_id", "id"], unique=False)
    op.create_index("ix_event_list", "event", ["jurisdiction_id", "id"], unique=False)
    op.create_index(
        "ix_event_merged_into",
        "event",
        ["merged_into"],
        unique=False,
        postgresql_where=sa.text("merged_into IS NOT NULL"),
    )
    op.create_index(
        "ix_event_open",
        "event",
        ["jurisdiction_id", "id"],
        unique=False,
        postgresql_where=sa.text("ended_at IS NULL"),
    )
    op.create_index(
        "ix_event_open_street",
        "event",
        ["street_code", "id"],
        unique=False,
        postgresql_where=sa.text("ended_at IS NULL"),
    )
    op.create_index("ix_event_received", "event", ["jurisdiction_id", "received_at", "id"], unique=False)
    op.create_index(
        "ix_event_same_place",
        "event",
        ["item_id", "place_bucket"],
        unique=False,
        postgresql_where=sa.text("ended_at IS NULL"),
    )
    op.create_index("ix_event_street", "event", ["street_code", "id"], unique=False)
    op.create_index(
        "ix_event_triage",
        "event",
        ["jurisdiction_id", "id"],
        unique=False,
        postgresql_where=sa.text("triage IS NOT NULL"),
    )
    op.create_table(
        "inbox",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("client_id", sa.Integer(), nullable=False),
        sa.Column("source_ref", sa.Text(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("fault", sa.Text(), nullable=True),
        sa.CheckConstraint("(state = 'held') = (fault IS NOT NULL)", name=op.f("ck_inbox_fault")),
        sa.CheckConstraint("state IN ('accepted', 'held', 'supplement')", name=op.f("ck_inbox_state")),
        sa.ForeignKeyConstraint(["client_id"], ["machine_client.id"], name=op.f("fk_inbox_client_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_inbox")),
        sa.UniqueConstraint("client_id", "source_ref", "revision", name=op.f("uq_inbox_client_id_source_ref_revision")),
    )
    op.create_index("ix_inbox_held", "inbox", ["received_at"], unique=False, postgresql_where=sa.text("state = 'held'"))
    op.create_table(
        "release_row",
        sa.Column("release_id", sa.BigInteger(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("body", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("valid_from", sa.Date(), nullable=True),
        sa.Column("valid_to", sa.Date(), nullable=True),
        sa.ForeignKeyConstraint(
            ["release_id"], ["release.id"], name=op.f("fk_release_row_release_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("release_id", "key", name=op.f("pk_release_row")),
    )
    op.create_table(
        "report",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("jurisdiction_id", sa.SmallInteger(), nullable=False),
        sa.Column("client_id", sa.Integer(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("source_ref", sa.Text(), nullable=False),
        sa.Column("linked_ref", sa.Text(), nullable=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("demand_type", sa.Text(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("source_lon_lat", sa.Text(), nullable=True),
        sa.Column("source_crs", sa.Text(), nullable=True),
        sa.Column("pictures", sa.ARRAY(sa.Text()), server_default="{}", nullable=False),
        sa.Column("anonymous", sa.Boolean(), nullable=False),
        sa.Column("confidential", sa.Boolean(), nullable=False),
        sa.Column("reply_wanted", sa.Boolean(), nullable=False),
        sa.Column("chase_count", sa.Integer(), server_default="0", nullable=False),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("kind IN ('demand', 'finding')", name=op.f("ck_report_kind")),
        sa.CheckConstraint("state IN ('open', 'replied', 'settled', 'withdrawn')", name=op.f("ck_report_state")),
        sa.ForeignKeyConstraint(["client_id"], ["machine_client.id"], name=op.f("fk_report_client_id")),
        sa.ForeignKeyConstraint(["jurisdiction_id"], ["jurisdiction.id"], name=op.f("fk_report_jurisdiction_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_report")),
    )
    op.create_index("ix_report_client", "report", ["client_id", "source_ref"], unique=False)
    op.create_index(
        "ix_report_linked",
        "report",
        ["client_id", "linked_ref"],
        unique=False,
        postgresql_where=sa.text("linked_ref IS NOT NULL"),
    )
    op.create_index("ix_report_list", "report", ["jurisdiction_id", "id"], unique=False)
    op.create_table(
        "user_account",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("jurisdiction_id", sa.SmallInteger(), nullable=False),
        sa.Column("username", sa.Text(), nullable=False),
        sa.Column("display_name", sa.Text(), nullable=False),
        sa.Column("org_id", sa.Integer(), nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=True),
        sa.Column("token_version", sa.Integer(), server_default="0", nullable=False),
        sa.Column("failures", sa.Integer(), server_default="0", nullable=False),
        sa.Column("locked_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("active", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.CheckConstraint("failures >= 0", name=op.f("ck_user_account_failures")),
        sa.ForeignKeyConstraint(["jurisdiction_id"], ["jurisdiction.id"], name=op.f("fk_user_account_jurisdiction_id")),
        sa.ForeignKeyConstraint(["org_id"], ["organization.id"], name=op.f("fk_user_account_org_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_user_account")),
        sa.UniqueConstraint("jurisdiction_id", "username", name=op.f("uq_user_account_jurisdiction_id_username")),
    )
    op.create_table(
        "callback",
        sa.Column("report_id", sa.Uuid(), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("called_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("agent_id", sa.Uuid(), nullable=True),
        sa.Column("reached", sa.Boolean(), nullable=False),
        sa.Column("contacted", sa.Boolean(), nullable=True),
        sa.Column("resolved", sa.Boolean(), nullable=True),
        sa.Column("satisfaction_level", sa.SmallInteger(), nullable=True),
        sa.Column("satisfaction_scale", sa.Text(), nullable=True),
        sa.Column("satisfied", sa.Boolean(), nullable=True),
        sa.CheckConstraint("reached = (satisfaction_level IS NOT NULL)", name=op.f("ck_callback_reached")),
        sa.CheckConstraint("satisfaction_level BETWEEN 1 AND 5", name=op.f("ck_callback_satisfaction_level")),
        sa.ForeignKeyConstraint(["event_id"], ["event.id"], name=op.f("fk_callback_event_id")),
        sa.ForeignKeyConstraint(["report_id"], ["report.id"], name=op.f("fk_callback_report_id")),
        sa.PrimaryKeyConstraint("report_id", "n", name=op.f("pk_callback")),
    )
    op.create_index(
        "ix_callback_called",
        "callback",
        ["called_at"],
        unique=False,
        postgresql_using="brin",
        postgresql_with={"autosummarize": True},
    )
    op.create_index(op.f("ix_callback_event_id"), "callback", ["event_id"], unique=False)
    op.create_table(
        "clock",
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("jurisdiction_id", sa.SmallInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("order_n", sa.Integer(), nullable=True),
        sa.Column("report_id", sa.Uuid(), nullable=True),
        sa.Column("unit_id", sa.Integer(), nullable=True),
        sa.Column("item_id", sa.Integer(), nullable=True),
        sa.Column("district_code", sa.Text(), nullable=True),
        sa.Column("street_code", sa.Text(), nullable=True),
        sa.Column("community_code", sa.Text(), nullable=True),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("limit_value", sa.Integer(), nullable=False),
        sa.Column("limit_unit", sa.Text(), nullable=False),
        sa.Column("calendar_code", sa.Text(), nullable=False),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("assumed", sa.Boolean(), nullable=False),
        sa.Column("fired_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("(state = 'running') = (ended_at IS NULL)", name=op.f("ck_clock_ended_at")),
        sa.CheckConstraint(
            "kind IN ('signing', 'first_contact', 'handling', 'citizen_total')", name=op.f("ck_clock_kind")
        ),
        sa.CheckConstraint("state IN ('running', 'met', 'stopped')", name=op.f("ck_clock_state")),
        sa.CheckConstraint("limit_value > 0", name=op.f("ck_clock_limit_value")),
        sa.ForeignKeyConstraint(["event_id"], ["event.id"], name=op.f("fk_clock_event_id")),
        sa.PrimaryKeyConstraint("event_id", "n", name=op.f("pk_clock")),
    )
    op.create_index(
        "ix_clock_due",
        "clock",
        ["jurisdiction_id", "due_at", "event_id", "n"],
        unique=False,
        postgresql_where=sa.text("state = 'running'"),
    )
    op.create_index(
        "ix_clock_period",
        "clock",
        ["due_at"],
        unique=False,
        postgresql_using="brin",
        postgresql_with={"autosummarize": True},
    )
    op.create_index(
        "ix_clock_report", "clock", ["report_id"], unique=False, postgresql_where=sa.text("state = 'running'")
    )
    op.create_index(
        "ix_clock_street",
        "clock",
        ["street_code", "due_at", "event_id", "n"],
        unique=False,
        postgresql_where=sa.text("state = 'running'"),
    )
    op.create_index(
        "ix_clock_sweep",
        "clock",
        ["due_at"],
        unique=False,
        postgresql_where=sa.text("state = 'running' AND fired_at IS NULL"),
    )
    op.create_index(
        "ix_clock_unit",
        "clock",
        ["unit_id", "due_at", "event_id", "n"],
        unique=False,
        postgresql_where=sa.text("state = 'running' AND unit_id IS NOT NULL"),
    )
    op.create_table(
        "debt",
        sa.Column("report_id", sa.Uuid(), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("owed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("paid_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("waived", sa.Text(), nullable=True),
        sa.CheckConstraint("kind IN ('reply', 'callback', 'result')", name=op.f("ck_debt_kind")),
        sa.CheckConstraint("paid_at IS NULL OR waived IS NULL", name=op.f("ck_debt_paid_or_waived")),
        sa.ForeignKeyConstraint(["report_id"], ["report.id"], name=op.f("fk_debt_report_id")),
        sa.PrimaryKeyConstraint("report_id", "n", name=op.f("pk_debt")),
    )
    op.create_index(
        "ix_debt_open",
        "debt",
        ["kind", "report_id"],
        unique=False,
        postgresql_where=sa.text("paid_at IS NULL AND waived IS NULL"),
    )
    op.create_index(
        "uq_debt_open",
        "debt",
        ["report_id", "kind"],
        unique=True,
        postgresql_where=sa.text("paid_at IS NULL AND waived IS NULL"),
    )
    op.create_table(
        "event_participant",
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("org_id", sa.Integer(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "role IN ('lead', 'supporting', 'inspector', 'desk')", name=op.f("ck_event_participant_role")
        ),
        sa.CheckConstraint("until IS NULL OR until >= since", name=op.f("ck_event_participant_period")),
        sa.ForeignKeyConstraint(["event_id"], ["event.id"], name=op.f("fk_event_participant_event_id")),
        sa.ForeignKeyConstraint(["org_id"], ["organization.id"], name=op.f("fk_event_participant_org_id")),
        sa.PrimaryKeyConstraint("event_id", "n", name=op.f("pk_event_participant")),
    )
    op.create_index(
        "ix_participant_org",
        "event_participant",
        ["org_id", "event_id"],
        unique=False,
        postgresql_where=sa.text("until IS NULL"),
    )
    op.create_table(
        "event_report",
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("report_id", sa.Uuid(), nullable=False),
        sa.Column("joined_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("left_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "cause IN ('first', 'same_place', 'linked_by_person', 'unlinked')",
            name=op.f("ck_event_report_cause"),
        ),
        sa.ForeignKeyConstraint(["event_id"], ["event.id"], name=op.f("fk_event_report_event_id")),
        sa.ForeignKeyConstraint(["report_id"], ["report.id"], name=op.f("fk_event_report_report_id")),
        sa.PrimaryKeyConstraint("event_id", "report_id", name=op.f("pk_event_report")),
    )
    op.create_index(
        "uq_event_report_current",
        "event_report",
        ["report_id"],
        unique=True,
        postgresql_where=sa.text("left_at IS NULL"),
    )
    op.create_table(
        "inbox_refused",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("inbox_id", sa.Uuid(), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["inbox_id"], ["inbox.id"], name=op.f("fk_inbox_refused_inbox_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_inbox_refused")),
        sa.UniqueConstraint("inbox_id", "digest", name=op.f("uq_inbox_refused_inbox_id_digest")),
    )
    op.create_table(
        "late_act",
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("act_id", sa.Uuid(), nullable=False),
        sa.Column("resource", sa.Text(), nullable=False),
        sa.Column("subject_n", sa.Integer(), nullable=True),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("body", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("actor_id", sa.Text(), nullable=False),
        sa.Column("acted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("refused_because", sa.Text(), nullable=False),
        sa.Column("resolved_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["event_id"], ["event.id"], name=op.f("fk_late_act_event_id")),
        sa.PrimaryKeyConstraint("event_id", "act_id", name=op.f("pk_late_act")),
    )
    op.create_table(
        "login_identity",
        sa.Column("issuer", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["user_account.id"], name=op.f("fk_login_identity_user_id")),
        sa.PrimaryKeyConstraint("issuer", "subject", name=op.f("pk_login_identity")),
    )
    op.create_index(op.f("ix_login_identity_user_id"), "login_identity", ["user_id"], unique=False)
    op.create_table(
        "reply",
        sa.Column("report_id", sa.Uuid(), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("method", sa.Text(), nullable=False),
        sa.Column("result", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("replied_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("length(body) BETWEEN 1 AND 4000", name=op.f("ck_reply_body")),
        sa.ForeignKeyConstraint(["report_id"], ["report.id"], name=op.f("fk_reply_report_id")),
        sa.PrimaryKeyConstraint("report_id", "n", name=op.f("pk_reply")),
    )
    op.create_table(
        "report_identity",
        sa.Column("report_id", sa.Uuid(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("masked_name", sa.Text(), nullable=False),
        sa.Column("masked_phone", sa.Text(), nullable=False),
        sa.Column("phone_digests", sa.ARRAY(sa.LargeBinary()), server_default="{}", nullable=False),
        sa.ForeignKeyConstraint(["report_id"], ["report.id"], name=op.f("fk_report_identity_report_id")),
        sa.PrimaryKeyConstraint("report_id", name=op.f("pk_report_identity")),
    )
    op.create_index(
        "ix_report_identity_phones",
        "report_identity",
        ["phone_digests"],
        unique=False,
        postgresql_using="gin",
    )
    op.create_table(
        "seat",
        sa.Column("id", sa.Integer(), sa.Identity(always=False), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("scope_area", sa.Text(), nullable=True),
        sa.Column("scope_org_id", sa.Integer(), nullable=True),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "role IN ('operator', 'dispatcher', 'callback_agent', 'shift_leader', 'collector', 'grid_worker', 'unit_liaison', 'handler', 'quality_reviewer', 'adjudicator', 'supervisor', 'knowledge_editor', 'system_administrator', 'security_administrator', 'audit_administrator')",
            name=op.f("ck_seat_role"),
        ),
        sa.CheckConstraint("scope_area IS NULL OR scope_org_id IS NULL", name=op.f("ck_seat_one_scope")),
        sa.CheckConstraint("until IS NULL OR until > since", name=op.f("ck_seat_period")),
        sa.ForeignKeyConstraint(["scope_org_id"], ["organization.id"], name=op.f("fk_seat_scope_org_id")),
        sa.ForeignKeyConstraint(["user_id"], ["user_account.id"], name=op.f("fk_seat_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_seat")),
    )
    op.create_index(
        "uq_seat_current",
        "seat",
        [
            "user_id",
            "role",
            sa.literal_column("coalesce(scope_area, '')"),
            sa.literal_column("coalesce(scope_org_id, 0)"),
        ],
        unique=True,
        postgresql_where=sa.text("until IS NULL"),
    )
    op.create_table(
        "timeline",
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("jurisdiction_id", sa.SmallInteger(), nullable=False),
        sa.Column("xact_id", Xid8(), server_default=sa.text("pg_current_xact_id()"), nullable=False),
        sa.Column("act", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("subject_n", sa.Integer(), nullable=True),
        sa.Column("report_id", sa.Uuid(), nullable=True),
        sa.Column("from_state", sa.Text(), nullable=True),
        sa.Column("to_state", sa.Text(), nullable=True),
        sa.Column("actor_kind", sa.Text(), nullable=False),
        sa.Column("actor_id", sa.Text(), nullable=True),
        sa.Column("actor_role", sa.Text(), nullable=True),
        sa.Column("actor_org_id", sa.Integer(), nullable=True),
        sa.Column("act_id", sa.Uuid(), nullable=True),
        sa.Column("acted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("data", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("note_digest", sa.LargeBinary(), nullable=True),
        sa.Column("mac", sa.LargeBinary(), nullable=False),
        sa.CheckConstraint("actor_kind IN ('user', 'client', 'system')", name=op.f("ck_timeline_actor_kind")),
        sa.ForeignKeyConstraint(["event_id"], ["event.id"], name=op.f("fk_timeline_event_id")),
        sa.PrimaryKeyConstraint("event_id", "n", name=op.f("pk_timeline")),
    )
    op.create_index("ix_timeline_changes", "timeline", ["jurisdiction_id", "xact_id", "event_id", "n"], unique=False)
    op.create_index(
        "ix_timeline_report",
        "timeline",
        ["report_id", "n"],
        unique=False,
        postgresql_where=sa.text("report_id IS NOT NULL"),
    )
    op.create_index(
        "uq_timeline_act",
        "timeline",
        ["event_id", "act_id"],
        unique=True,
        postgresql_where=sa.text("act_id IS NOT NULL"),
    )
    op.create_table(
        "work_order",
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("jurisdiction_id", sa.SmallInteger(), nullable=False),
        sa.Column("unit_id", sa.Integer(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("item_id", sa.Integer(), nullable=True),
        sa.Column("district_code", sa.Text(), nullable=True),
        sa.Column("street_code", sa.Text(), nullable=True),
        sa.Column("community_code", sa.Text(), nullable=True),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("urgency", sa.Text(), nullable=False),
        sa.Column("decision_n", sa.Integer(), nullable=False),
        sa.Column("dispatched_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("signed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("signed_automatically", sa.Boolean(), nullable=False),
        sa.Column("first_contact_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reported_done_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("result", sa.Text(), nullable=True),
        sa.Column("evidence", sa.ARRAY(sa.Text()), server_default="{}", nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "(ended_at IS NOT NULL) = (state IN ('returned', 'transferred', 'completed', 'cancelled'))",
            name=op.f("ck_work_order_ended_at"),
        ),
        sa.CheckConstraint("result IN ('resolved', 'explained')", name=op.f("ck_work_order_result")),
        sa.CheckConstraint("role IN ('lead', 'supporting')", name=op.f("ck_work_order_role")),
        sa.CheckConstraint(
            "state IN ('dispatched', 'signed', 'handling', 'returned', 'reported_done', 'transferred', 'completed', 'cancelled')",
            name=op.f("ck_work_order_state"),
        ),
        sa.ForeignKeyConstraint(["event_id"], ["event.id"], name=op.f("fk_work_order_event_id")),
        sa.ForeignKeyConstraint(["unit_id"], ["organization.id"], name=op.f("fk_work_order_unit_id")),
        sa.PrimaryKeyConstraint("event_id", "n", name=op.f("pk_work_order")),
    )
    op.create_index(
        "ix_work_order_open",
        "work_order",
        ["jurisdiction_id", "event_id", "n"],
        unique=False,
        postgresql_where=sa.text("ended_at IS NULL"),
    )
    op.create_index("ix_work_order_unit", "work_order", ["unit_id", "event_id", "n"], unique=False)
    op.create_index(
        "ix_work_order_unit_open",
        "work_order",
        ["unit_id", "event_id", "n"],
        unique=False,
        postgresql_where=sa.text("ended_at IS NULL"),
    )
    op.create_index(
        "uq_work_order_lead",
        "work_order",
        ["event_id"],
        unique=True,
        postgresql_where=sa.text("role = 'lead' AND ended_at IS NULL"),
    )
    op.create_table(
        "clock_due",
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("clock_n", sa.Integer(), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column("timeline_n", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["event_id", "clock_n"], ["clock.event_id", "clock.n"], name=op.f("fk_clock_due_event_id_clock_n")
        ),
        sa.ForeignKeyConstraint(
            ["event_id", "timeline_n"],
            ["timeline.event_id", "timeline.n"],
            name=op.f("fk_clock_due_event_id_timeline_n"),
        ),
        sa.PrimaryKeyConstraint("event_id", "clock_n", "generation", name=op.f("pk_clock_due")),
        sa.UniqueConstraint(
            "event_id",
            "clock_n",
            "generation",
            "due_at",
            name=op.f("uq_clock_due_event_id_clock_n_generation_due_at"),
        ),
    )
    op.create_table(
        "inspection",
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("jurisdiction_id", sa.SmallInteger(), nullable=False),
        sa.Column("order_n", sa.Integer(), nullable=False),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("collector_id", sa.Uuid(), nullable=True),
        sa.Column("evidence", sa.ARRAY(sa.Text()), server_default="{}", nullable=False),
        sa.Column("requested_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "state IN ('requested', 'claimed', 'passed', 'failed', 'cancelled')",
            name=op.f("ck_inspection_state"),
        ),
        sa.ForeignKeyConstraint(
            ["event_id", "order_n"],
            ["work_order.event_id", "work_order.n"],
            name=op.f("fk_inspection_event_id_order_n"),
        ),
        sa.PrimaryKeyConstraint("event_id", "n", name=op.f("pk_inspection")),
    )
    op.create_index(
        "ix_inspection_open",
        "inspection",
        ["jurisdiction_id", "event_id"],
        unique=False,
        postgresql_where=sa.text("ended_at IS NULL"),
    )
    op.create_index(
        "uq_inspection_open",
        "inspection",
        ["event_id"],
        unique=True,
        postgresql_where=sa.text("ended_at IS NULL"),
    )
    op.create_table(
        "return_request",
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("order_n", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason_code", sa.Text(), nullable=False),
        sa.Column("suggested_unit_id", sa.Integer(), nullable=True),
        sa.Column("requested_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "state IN ('requested', 'approved', 'rejected', 'withdrawn')",
            name=op.f("ck_return_request_state"),
        ),
        sa.ForeignKeyConstraint(
            ["event_id", "order_n"],
            ["work_order.event_id", "work_order.n"],
            name=op.f("fk_return_request_event_id_order_n"),
        ),
        sa.PrimaryKeyConstraint("event_id", "n", name=op.f("pk_return_request")),
    )
    op.create_index(
        "uq_return_open",
        "return_request",
        ["event_id", "order_n"],
        unique=True,
        postgresql_where=sa.text("state = 'requested'"),
    )
    op.create_table(
        "timeline_note",
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("salt", sa.LargeBinary(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.CheckConstraint("length(body) <= 4000", name=op.f("ck_timeline_note_body")),
        sa.ForeignKeyConstraint(
            ["event_id", "n"], ["timeline.event_id", "timeline.n"], name=op.f("fk_timeline_note_event_id_n")
        ),
        sa.PrimaryKeyConstraint("event_id", "n", name=op.f("pk_timeline_note")),
    )
    op.create_foreign_key(
        "fk_clock_due",
        "clock",
        "clock_due",
        ["event_id", "n", "generation", "due_at"],
        ["event_id", "clock_n", "generation", "due_at"],
    )


def downgrade() -> None:
    op.drop_constraint("fk_clock_due", "clock")
    op.drop_table("timeline_note")
    op.drop_index("uq_return_open", table_name="return_request", postgresql_where=sa.text("state = 'requested'"))
    op.drop_table("return_request")
    op.drop_index("uq_inspection_open", table_name="inspection", postgresql_where=sa.text("ended_at IS NULL"))
    op.drop_index("ix_inspection_open", table_name="inspection", postgresql_where=sa.text("ended_at IS NULL"))
    op.drop_table("inspection")
    op.drop_table("clock_due")
    op.drop_index(
        "uq_work_order_lead",
        table_name="work_order",
        postgresql_where=sa.text("role = 'lead' AND ended_at IS NULL"),
    )
    op.drop_index("ix_work_order_unit_open", table_name="work_order", postgresql_where=sa.text("ended_at IS NULL"))
    op.drop_index("ix_work_order_unit", table_name="work_order")
    op.drop_index("ix_work_order_open", table_name="work_order", postgresql_where=sa.text("ended_at IS NULL"))
    op.drop_table("work_order")
    op.drop_index("uq_timeline_act", table_name="timeline", postgresql_where=sa.text("act_id IS NOT NULL"))
    op.drop_index("ix_timeline_report", table_name="timeline", postgresql_where=sa.text("report_id IS NOT NULL"))
    op.drop_index("ix_timeline_changes", table_name="timeline")
    op.drop_table("timeline")
    op.drop_index("uq_seat_current", table_name="seat", postgresql_where=sa.text("until IS NULL"))
    op.drop_table("seat")
    op.drop_index("ix_report_identity_phones", table_name="report_identity", postgresql_using="gin")
    op.drop_table("report_identity")
    op.drop_table("reply")
    op.drop_index(op.f("ix_login_identity_user_id"), table_name="login_identity")
    op.drop_table("login_identity")
    op.drop_table("late_act")
    op.drop_table("inbox_refused")
    op.drop_index("uq_event_report_current", table_name="event_report", postgresql_where=sa.text("left_at IS NULL"))
    op.drop_table("event_report")
    op.drop_index("ix_participant_org", table_name="event_participant", postgresql_where=sa.text("until IS NULL"))
    op.drop_table("event_participant")
    op.drop_index("uq_debt_open", table_name="debt", postgresql_where=sa.text("paid_at IS NULL AND waived IS NULL"))
    op.drop_index("ix_debt_open", table_name="debt", postgresql_where=sa.text("paid_at IS NULL AND waived IS NULL"))
    op.drop_table("debt")
    op.drop_index(
        "ix_clock_unit",
        table_name="clock",
        postgresql_where=sa.text("state = 'running' AND unit_id IS NOT NULL"),
    )
    op.drop_index(
        "ix_clock_sweep",
        table_name="clock",
        postgresql_where=sa.text("state = 'running' AND fired_at IS NULL"),
    )
    op.drop_index("ix_clock_street", table_name="clock", postgresql_where=sa.text("state = 'running'"))
    op.drop_index("ix_clock_report", table_name="clock", postgresql_where=sa.text("state = 'running'"))
    op.drop_index(
        "ix_clock_period",
        table_name="clock",
        postgresql_using="brin",
        postgresql_with={"autosummarize": True},
    )
    op.drop_index("ix_clock_due", table_name="clock", postgresql_where=sa.text("state = 'running'"))
    op.drop_table("clock")
    op.drop_index(op.f("ix_callback_event_id"), table_name="callback")
    op.drop_index(
        "ix_callback_called",
        table_name="callback",
        postgresql_using="brin",
        postgresql_with={"autosummarize": True},
    )
    op.drop_table("callback")
    op.drop_table("user_account")
    op.drop_index("ix_report_list", table_name="report")
    op.drop_index("ix_report_linked", table_name="report", postgresql_where=sa.text("linked_ref IS NOT NULL"))
    op.drop_index("ix_report_client", table_name="report")
    op.drop_table("report")
    op.drop_table("release_row")
    op.drop_index("ix_inbox_held", table_name="inbox", postgresql_where=sa.text("state = 'held'"))
    op.drop_table("inbox")
    op.drop_index("ix_event_triage", table_name="event", postgresql_where=sa.text("triage IS NOT NULL"))
    op.drop_index("ix_event_street", table_name="event")
    op.drop_index("ix_event_same_place", table_name="event", postgresql_where=sa.text("ended_at IS NULL"))
    op.drop_index("ix_event_received", table_name="event")
    op.drop_index("ix_event_open_street", table_name="event", postgresql_where=sa.text("ended_at IS NULL"))
    op.drop_index("ix_event_open", table_name="event", postgresql_where=sa.text("ended_at IS NULL"))
    op.drop_index("ix_event_merged_into", table_name="event", postgresql_where=sa.text("merged_into IS NOT NULL"))
    op.drop_index("ix_event_list", table_name="event")
    op.drop_index("ix_event_lead", table_name="event")
    op.drop_index("ix_event_item", table_name="event")
    op.drop_index("ix_event_community", table_name="event")
    op.drop_table("event")
    op.drop_index("uq_release_published", table_name="release", postgresql_where=sa.text("status = 'published'"))
    op.drop_index("uq_release_number", table_name="release")
    op.drop_index("uq_release_draft", table_name="release", postgresql_where=sa.text("status = 'draft'"))
    op.drop_table("release")
    op.drop_table("organization")
    op.drop_table("machine_client")
    op.drop_table("item")
    op.drop_table("report_key")
    op.drop_table("jurisdiction")
    op.drop_index("uq_job_key", table_name="job", postgresql_where=sa.text("state IN ('waiting', 'leased')"))
    op.drop_index("ix_job_waiting", table_name="job", postgresql_where=sa.text("state IN ('waiting', 'leased')"))
    op.drop_table("job")
    op.drop_index("ix_delivery_report", table_name="delivery")
    op.drop_index("ix_delivery_open", table_name="delivery", postgresql_where=sa.text("state IN ('waiting', 'leased')"))
    op.drop_index(
        "ix_delivery_lane",
        table_name="delivery",
        postgresql_where=sa.text("state IN ('waiting', 'leased', 'dead')"),
    )
    op.drop_table("delivery")
