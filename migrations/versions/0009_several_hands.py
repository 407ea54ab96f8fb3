"""Whose job it is when units disagree, several hands on one event, and catalogues that two people answer for.

Disputes with their parties and precedents; sub-dispatch, call-outs, parts of an event, who holds an order; deputies;
reviewed and scheduled releases; the component and the first receiver of an event.
"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


#: (table, constraint) → what it allowed, what it allows
_CHECKS = {
    ("clock", "kind"): (
        "kind IN ('acceptance', 'filing', 'dispatch', 'signing', 'first_contact', 'handling', 'return_review', "
        "'inspection', 'callback', 'citizen_total')",
        "kind IN ('acceptance', 'filing', 'dispatch', 'signing', 'first_contact', 'handling', 'return_review', "
        "'negotiation', 'ruling', 'sub_handling', 'appearance', 'inspection', 'callback', 'citizen_total')",
    ),
    ("event_participant", "role"): (
        "role IN ('lead', 'supporting', 'inspector', 'desk', 'supervising')",
        "role IN ('lead', 'supporting', 'sub', 'callout', 'inspector', 'desk', 'supervising', 'party')",
    ),
    ("work_order", "role"): (
        "role IN ('lead', 'supporting')",
        "role IN ('lead', 'supporting', 'sub', 'callout')",
    ),
    ("release", "status"): (
        "status IN ('draft', 'published', 'retired')",
        "status IN ('draft', 'reviewed', 'published', 'retired')",
    ),
}

_NEW_CHECKS = {
    ("work_order", "parent_n"): "(parent_n IS NOT NULL) = (role IN ('sub', 'callout'))",
    ("release", "reviewed"): "(reviewed_at IS NULL) = (reviewed_by IS NULL)",
    ("release", "second_person"): "NOT (reviewed_by = ANY (string_to_array(created_by, '|')))",
    ("release", "publish_at"): "publish_at IS NULL OR status IN ('reviewed', 'published', 'retired')",
}


def _one_draft(statuses: str) -> None:
    op.drop_index("uq_release_draft", table_name="release")
    op.create_index(
        "uq_release_draft",
        "release",
        ["jurisdiction_id", "kind"],
        unique=True,
        postgresql_where=sa.text(f"status {statuses}"),
    )


def _replace_checks(which: int) -> None:
    for (table, name), allowed in _CHECKS.items():
        op.drop_constraint(op.f(f"ck_{table}_{name}"), table, type_="check")
        op.create_check_constraint(op.f(f"ck_{table}_{name}"), table, allowed[which])


def upgrade() -> None:
    _replace_checks(1)
    _one_draft("IN ('draft', 'reviewed')")
    op.create_table(
        "component_correction",
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("jurisdiction_id", sa.SmallInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("component_id", sa.Text(), nullable=False),
        sa.Column("duty", sa.Text(), nullable=False),
        sa.Column("unit_id", sa.Integer(), nullable=True),
        sa.Column("proposed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("duty IN ('competent', 'owner', 'maintainer')", name=op.f("ck_component_correction_duty")),
        sa.CheckConstraint("state IN ('proposed', 'accepted', 'rejected')", name=op.f("ck_component_correction_state")),
        sa.ForeignKeyConstraint(["event_id"], ["event.id"], name=op.f("fk_component_correction_event_id")),
        sa.ForeignKeyConstraint(["unit_id"], ["organization.id"], name=op.f("fk_component_correction_unit_id")),
        sa.PrimaryKeyConstraint("event_id", "n", name=op.f("pk_component_correction")),
    )
    op.create_index(
        "ix_component_correction_open",
        "component_correction",
        ["jurisdiction_id", "event_id"],
        unique=False,
        postgresql_where=sa.text("decided_at IS NULL"),
    )
    op.create_table(
        "deputy",
        sa.Column("id", sa.Integer(), sa.Identity(always=False), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("deputy_id", sa.Uuid(), nullable=False),
        sa.Column("since_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("until_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("given_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("given_by", sa.Text(), nullable=False),
        sa.CheckConstraint("until_at > since_at", name=op.f("ck_deputy_period")),
        sa.CheckConstraint("user_id <> deputy_id", name=op.f("ck_deputy_another")),
        sa.ForeignKeyConstraint(["deputy_id"], ["user_account.id"], name=op.f("fk_deputy_deputy_id")),
        sa.ForeignKeyConstraint(["user_id"], ["user_account.id"], name=op.f("fk_deputy_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_deputy")),
    )
    op.create_index("ix_deputy", "deputy", ["deputy_id", "until_at"], unique=False)
    op.create_table(
        "dispute",
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("jurisdiction_id", sa.SmallInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column("order_n", sa.Integer(), nullable=True),
        sa.Column("acting_unit_id", sa.Integer(), nullable=True),
        sa.Column("unit_id", sa.Integer(), nullable=True),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "(ended_at IS NOT NULL) = (state IN ('agreed', 'ruled', 'dropped'))", name=op.f("ck_dispute_ended_at")
        ),
        sa.CheckConstraint("cause IN ('second_return', 'dispatcher', 'no_agreement')", name=op.f("ck_dispute_cause")),
        sa.CheckConstraint(
            "state IN ('negotiating', 'ruling', 'agreed', 'ruled', 'dropped')", name=op.f("ck_dispute_state")
        ),
        sa.ForeignKeyConstraint(["acting_unit_id"], ["organization.id"], name=op.f("fk_dispute_acting_unit_id")),
        sa.ForeignKeyConstraint(["event_id"], ["event.id"], name=op.f("fk_dispute_event_id")),
        sa.ForeignKeyConstraint(["unit_id"], ["organization.id"], name=op.f("fk_dispute_unit_id")),
        sa.PrimaryKeyConstraint("event_id", "n", name=op.f("pk_dispute")),
    )
    op.create_index(
        "ix_dispute_open",
        "dispute",
        ["jurisdiction_id", "event_id"],
        unique=False,
        postgresql_where=sa.text("ended_at IS NULL"),
    )
    op.create_index(
        "uq_dispute_open", "dispute", ["event_id"], unique=True, postgresql_where=sa.text("ended_at IS NULL")
    )
    op.create_table(
        "dispute_party",
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("dispute_n", sa.Integer(), nullable=False),
        sa.Column("unit_id", sa.Integer(), nullable=False),
        sa.Column("invited_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("stance", sa.Text(), nullable=True),
        sa.Column("suggested_unit_id", sa.Integer(), nullable=True),
        sa.Column("stated_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("stance IN ('ours', 'not_ours', 'shared')", name=op.f("ck_dispute_party_stance")),
        sa.CheckConstraint("(stance IS NULL) = (stated_at IS NULL)", name=op.f("ck_dispute_party_stated_at")),
        sa.ForeignKeyConstraint(
            ["event_id", "dispute_n"],
            ["dispute.event_id", "dispute.n"],
            name=op.f("fk_dispute_party_event_id_dispute_n"),
        ),
        sa.ForeignKeyConstraint(
            ["suggested_unit_id"], ["organization.id"], name=op.f("fk_dispute_party_suggested_unit_id")
        ),
        sa.ForeignKeyConstraint(["unit_id"], ["organization.id"], name=op.f("fk_dispute_party_unit_id")),
        sa.PrimaryKeyConstraint("event_id", "n", name=op.f("pk_dispute_party")),
    )
    op.create_index("uq_dispute_party", "dispute_party", ["event_id", "dispute_n", "unit_id"], unique=True)
    op.create_table(
        "precedent",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("jurisdiction_id", sa.SmallInteger(), nullable=False),
        sa.Column("item_id", sa.Integer(), nullable=False),
        sa.Column("area_code", sa.Text(), nullable=False),
        sa.Column("unit_id", sa.Integer(), nullable=False),
        sa.Column("supporting_ids", sa.ARRAY(sa.BigInteger()), server_default="{}", nullable=False),
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("dispute_n", sa.Integer(), nullable=False),
        sa.Column("summary", sa.Text(), nullable=False),
        sa.Column("ruled_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_by", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["event_id", "dispute_n"], ["dispute.event_id", "dispute.n"], name=op.f("fk_precedent_event_id_dispute_n")
        ),
        sa.ForeignKeyConstraint(["item_id"], ["item.id"], name=op.f("fk_precedent_item_id")),
        sa.ForeignKeyConstraint(["jurisdiction_id"], ["jurisdiction.id"], name=op.f("fk_precedent_jurisdiction_id")),
        sa.ForeignKeyConstraint(["unit_id"], ["organization.id"], name=op.f("fk_precedent_unit_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_precedent")),
    )
    op.create_index(
        "ix_precedent_offered",
        "precedent",
        ["jurisdiction_id", "item_id"],
        unique=False,
        postgresql_where=sa.text("ended_at IS NULL"),
    )
    op.add_column("event", sa.Column("split_from", sa.Uuid(), nullable=True))
    op.add_column("event", sa.Column("component_id", sa.Text(), nullable=True))
    op.add_column("event", sa.Column("first_receiver_id", sa.Integer(), nullable=True))
    op.create_index(
        "ix_event_split_from", "event", ["split_from"], unique=False, postgresql_where=sa.text("split_from IS NOT NULL")
    )
    op.create_foreign_key(op.f("fk_event_first_receiver_id"), "event", "organization", ["first_receiver_id"], ["id"])
    op.create_foreign_key(op.f("fk_event_split_from"), "event", "event", ["split_from"], ["id"])
    op.add_column("release", sa.Column("reviewed_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("release", sa.Column("reviewed_by", sa.Text(), nullable=True))
    op.add_column("release", sa.Column("publish_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("release", sa.Column("unreviewed_because", sa.Text(), nullable=True))
    op.add_column("release", sa.Column("brings_back_id", sa.BigInteger(), nullable=True))
    op.create_foreign_key(op.f("fk_release_brings_back_id"), "release", "release", ["brings_back_id"], ["id"])
    op.add_column("user_account", sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("work_order", sa.Column("parent_n", sa.Integer(), nullable=True))
    op.add_column("work_order", sa.Column("holder_id", sa.Uuid(), nullable=True))
    op.create_index(
        "ix_work_order_holder",
        "work_order",
        ["holder_id", "event_id", "n"],
        unique=False,
        postgresql_where=sa.text("holder_id IS NOT NULL AND ended_at IS NULL"),
    )
    op.create_foreign_key(op.f("fk_work_order_holder_id"), "work_order", "user_account", ["holder_id"], ["id"])
    op.create_foreign_key(
        op.f("fk_work_order_event_id_parent_n"), "work_order", "work_order", ["event_id", "parent_n"], ["event_id", "n"]
    )
    for (table, name), allowed in _NEW_CHECKS.items():
        op.create_check_constraint(op.f(f"ck_{table}_{name}"), table, allowed)


def downgrade() -> None:
    for table, name in _NEW_CHECKS:
        op.drop_constraint(op.f(f"ck_{table}_{name}"), table, type_="check")
    op.execute("DELETE FROM event_participant WHERE role IN ('sub', 'callout', 'party')")
    _one_draft("= 'draft'")
    op.drop_constraint(op.f("fk_work_order_event_id_parent_n"), "work_order", type_="foreignkey")
    op.drop_constraint(op.f("fk_work_order_holder_id"), "work_order", type_="foreignkey")
    op.drop_index(
        "ix_work_order_holder",
        table_name="work_order",
        postgresql_where=sa.text("holder_id IS NOT NULL AND ended_at IS NULL"),
    )
    op.drop_column("work_order", "holder_id")
    op.drop_column("work_order", "parent_n")
    op.drop_column("user_account", "closed_at")
    op.drop_constraint(op.f("fk_release_brings_back_id"), "release", type_="foreignkey")
    op.drop_column("release", "brings_back_id")
    op.drop_column("release", "unreviewed_because")
    op.drop_column("release", "publish_at")
    op.drop_column("release", "reviewed_by")
    op.drop_column("release", "reviewed_at")
    op.drop_constraint(op.f("fk_event_split_from"), "event", type_="foreignkey")
    op.drop_constraint(op.f("fk_event_first_receiver_id"), "event", type_="foreignkey")
    op.drop_index("ix_event_split_from", table_name="event", postgresql_where=sa.text("split_from IS NOT NULL"))
    op.drop_column("event", "first_receiver_id")
    op.drop_column("event", "component_id")
    op.drop_column("event", "split_from")
    op.drop_index("ix_precedent_offered", table_name="precedent", postgresql_where=sa.text("ended_at IS NULL"))
    op.drop_table("precedent")
    op.drop_index("uq_dispute_party", table_name="dispute_party")
    op.drop_table("dispute_party")
    op.drop_index("uq_dispute_open", table_name="dispute", postgresql_where=sa.text("ended_at IS NULL"))
    op.drop_index("ix_dispute_open", table_name="dispute", postgresql_where=sa.text("ended_at IS NULL"))
    op.drop_table("dispute")
    op.drop_index("ix_deputy", table_name="deputy")
    op.drop_table("deputy")
    op.drop_index(
        "ix_component_correction_open",
        table_name="component_correction",
        postgresql_where=sa.text("decided_at IS NULL"),
    )
    op.drop_table("component_correction")
    _replace_checks(0)
