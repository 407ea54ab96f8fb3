"""The application works as a role that can only add to history; triggers alone do not bind an owner or a superuser.

``bihuan_app`` is a group: whoever connects for the application is a member (docs/decisions/0005). Tables of later
migrations are covered by default privileges; a later table of history takes UPDATE and DELETE back by itself.

A due time moves forward only, by the next record of its clock, written together with the act that moved it.
"""

import sqlalchemy as sa
from alembic import op

from app.core.errors import Unavailable

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    connection = op.get_bind()
    _make_the_role(connection)
    # only ours: a shared schema may hold tables of extensions, which belong to somebody else
    own = connection.scalars(
        sa.text(
            "SELECT oid::regclass::text FROM pg_class WHERE relkind IN ('r', 'p') "
            "AND relnamespace = current_schema()::regnamespace AND pg_has_role(relowner, 'USAGE')"
        )
    ).all()
    schema = _schema(connection)
    op.execute(f"GRANT USAGE ON SCHEMA {schema} TO bihuan_app")
    op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {', '.join(own)} TO bihuan_app")
    op.execute("GRANT USAGE ON SEQUENCE event_no_block TO bihuan_app")
    op.execute("REVOKE UPDATE, DELETE ON timeline, clock_due, clock_rung FROM bihuan_app")
    op.execute("REVOKE UPDATE ON timeline_note FROM bihuan_app")
    # a clock that is deleted and inserted again in one statement would be back at an earlier due time
    op.execute("REVOKE DELETE ON clock FROM bihuan_app")
    op.execute("REVOKE INSERT, UPDATE, DELETE ON alembic_version FROM bihuan_app")
    default = f"ALTER DEFAULT PRIVILEGES IN SCHEMA {schema} GRANT"
    op.execute(f"{default} SELECT, INSERT, UPDATE, DELETE ON TABLES TO bihuan_app")
    op.execute(f"{default} USAGE ON SEQUENCES TO bihuan_app")
    _guard_due_times(schema)


def _make_the_role(connection: sa.Connection) -> None:
    if connection.scalar(sa.text("SELECT 1 FROM pg_roles WHERE rolname = 'bihuan_app'")):
        return
    name, allowed = connection.execute(
        sa.text("SELECT current_user, rolsuper OR rolcreaterole FROM pg_roles WHERE rolname = current_user")
    ).one()
    if not allowed:
        raise Unavailable(
            f"数据库角色 {name} 无权建立角色，结构没有升级。请数据库管理员执行 CREATE ROLE bihuan_app NOLOGIN; "
            "然后重新执行 bihuan db upgrade。"
        )
    # Roles belong to the whole server: another database of it may be migrated at the same moment.
    op.execute(
        "DO $$ BEGIN CREATE ROLE bihuan_app NOLOGIN; "
        "EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$"
    )


def _schema(connection: sa.Connection) -> str:
    return str(connection.scalar(sa.text("SELECT quote_ident(current_schema())")))


_REFUSE_RETURN = """
CREATE FUNCTION refuse_return() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'clock % of event %: its due time cannot go back from generation % to %',
    OLD.n, OLD.event_id, OLD.generation, NEW.generation USING ERRCODE = 'restrict_violation';
END $$
"""

_CHECK_DUE_RECORD = """
CREATE FUNCTION check_due_record() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NOT EXISTS (SELECT FROM clock_due d WHERE d.event_id = NEW.event_id AND d.clock_n = NEW.clock_n
                   AND d.generation = NEW.generation - 1)
  OR NOT EXISTS (SELECT FROM clock c WHERE c.event_id = NEW.event_id AND c.n = NEW.clock_n
                   AND c.generation >= NEW.generation)
  OR NOT EXISTS (SELECT FROM timeline t WHERE t.event_id = NEW.event_id AND t.n = NEW.timeline_n
                   AND t.xact_id = pg_current_xact_id()) THEN
    RAISE EXCEPTION 'clock % of event %: due record % is not the next, not in force, or without an act of its own',
      NEW.clock_n, NEW.event_id, NEW.generation USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NULL;
END $$
"""


def _guard_due_times(schema: str) -> None:
    # Looked at only where a statement names the column: acts that leave the due time alone pay nothing.
    op.execute(_REFUSE_RETURN)
    op.execute(
        "CREATE TRIGGER due_forward BEFORE UPDATE OF generation ON clock FOR EACH ROW "
        "WHEN (NEW.generation < OLD.generation) EXECUTE FUNCTION refuse_return()"
    )
    # A clock's first record needs no look: its foreign keys say the same, and a report writes three or four of them.
    op.execute(_CHECK_DUE_RECORD)
    # A temporary table of the caller's would otherwise answer for the real one.
    op.execute(f"ALTER FUNCTION check_due_record() SET search_path = {schema}, pg_temp")
    op.execute(
        "CREATE TRIGGER due_record AFTER INSERT ON clock_due FOR EACH ROW "
        "WHEN (NEW.generation <> 1) EXECUTE FUNCTION check_due_record()"
    )


def downgrade() -> None:
    connection = op.get_bind()
    schema = _schema(connection)
    op.execute("DROP TRIGGER due_record ON clock_due")
    op.execute("DROP TRIGGER due_forward ON clock")
    op.execute("DROP FUNCTION check_due_record()")
    op.execute("DROP FUNCTION refuse_return()")
    default = f"ALTER DEFAULT PRIVILEGES IN SCHEMA {schema} REVOKE"
    op.execute(f"{default} ALL ON TABLES FROM bihuan_app")
    op.execute(f"{default} ALL ON SEQUENCES FROM bihuan_app")
    op.execute(f"REVOKE ALL ON ALL TABLES IN SCHEMA {schema} FROM bihuan_app")
    op.execute(f"REVOKE ALL ON ALL SEQUENCES IN SCHEMA {schema} FROM bihuan_app")
    op.execute(f"REVOKE USAGE ON SCHEMA {schema} FROM bihuan_app")
    # the role stays: other databases of the server may have given it something
