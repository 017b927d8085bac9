"""The tables this product begins with."""

import sqlalchemy as sa
from alembic import op

from cloud.database import BigNumber, Moment

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


# long because a step is never split: it is what every database began with
TABLES = (
    "customer",
    "ledger_head",
    "refused",
    "table_head",
    "table_row",
    "account",
    "company",
    "entry",
    "person",
    "project",
    "audit",
    "block",
    "card",
    "session",
    "unit",
    "card_identity",
    "project_person",
    "unit_status",
)


def upgrade() -> None:
    """Make every table, those that others point to first."""
    _customer()
    _ledger_head()
    _refused()
    _table_head()
    _table_row()
    _account()
    _company()
    _entry()
    _person()
    _project()
    _audit()
    _block()
    _card()
    _session()
    _unit()
    _card_identity()
    _project_person()
    _unit_status()


def downgrade() -> None:
    """Take every table away, with all that is in it."""
    for table in reversed(TABLES):
        op.drop_table(table)


def _customer() -> None:
    op.create_table(
        "customer",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("org_number", sa.String(), nullable=True),
        sa.Column("created_at", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_customer"),
    )


def _ledger_head() -> None:
    op.create_table(
        "ledger_head",
        sa.Column("terminal", sa.String(), nullable=False),
        sa.Column("ledger", sa.LargeBinary(), nullable=False),
        sa.Column("upto", sa.BigInteger(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("terminal", "ledger", name="pk_ledger_head"),
    )


def _refused() -> None:
    op.create_table(
        "refused",
        sa.Column("id", BigNumber, autoincrement=True, nullable=False),
        sa.Column("terminal", sa.String(), nullable=False),
        sa.Column("ledger", sa.LargeBinary(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.Column("received_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_refused"),
        sa.UniqueConstraint("terminal", "ledger", "seq", "hash", name="uq_refused_terminal_ledger_seq_hash"),
    )


def _table_head() -> None:
    op.create_table(
        "table_head",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("scope", sa.String(), nullable=False),
        sa.Column("epoch", sa.LargeBinary(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("published", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", "scope", name="pk_table_head"),
    )


def _table_row() -> None:
    op.create_table(
        "table_row",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("scope", sa.String(), nullable=False),
        sa.Column("key", sa.LargeBinary(), nullable=False),
        sa.Column("value", sa.LargeBinary(), nullable=True),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", "scope", "key", name="pk_table_row"),
    )
    op.create_index("ix_table_row_name_scope_version", "table_row", ["name", "scope", "version"])


def _account() -> None:
    op.create_table(
        "account",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("customer_id", sa.String(), nullable=True),
        sa.Column("login", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("password_hash", sa.String(), nullable=False),
        sa.Column("language", sa.String(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("created_at", Moment(), nullable=False),
        sa.ForeignKeyConstraint(["customer_id"], ["customer.id"], name="fk_account_customer_id"),
        sa.PrimaryKeyConstraint("id", name="pk_account"),
        sa.UniqueConstraint("login", name="uq_account_login"),
    )
    op.create_index("ix_account_customer_id", "account", ["customer_id"])


def _company() -> None:
    op.create_table(
        "company",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("customer_id", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("org_number", sa.String(), nullable=False),
        sa.Column("country", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["customer_id"], ["customer.id"], name="fk_company_customer_id"),
        sa.PrimaryKeyConstraint("id", name="pk_company"),
    )
    op.create_index("ix_company_customer_id", "company", ["customer_id"])


def _entry() -> None:
    op.create_table(
        "entry",
        sa.Column("id", BigNumber, autoincrement=True, nullable=False),
        sa.Column("customer_id", sa.String(), nullable=False),
        sa.Column("terminal", sa.String(), nullable=False),
        sa.Column("ledger", sa.LargeBinary(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("occurred_at", sa.BigInteger(), nullable=False),
        sa.Column("registered_at", sa.BigInteger(), nullable=False),
        sa.Column("received_at", sa.BigInteger(), nullable=False),
        sa.Column("clock_quality", sa.String(), nullable=False),
        sa.Column("card", sa.String(), nullable=True),
        sa.Column("person", sa.String(), nullable=True),
        sa.Column("company", sa.String(), nullable=True),
        sa.Column("project", sa.String(), nullable=True),
        sa.Column("reader", sa.String(), nullable=True),
        sa.Column("direction", sa.String(), nullable=True),
        sa.Column("outcome", sa.String(), nullable=True),
        sa.Column("reason", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(["customer_id"], ["customer.id"], name="fk_entry_customer_id"),
        sa.PrimaryKeyConstraint("id", name="pk_entry"),
        sa.UniqueConstraint("terminal", "ledger", "seq", name="uq_entry_terminal_ledger_seq"),
    )
    op.create_index("ix_entry_customer_id_occurred_at_id", "entry", ["customer_id", "occurred_at", "id"])
    op.create_index("ix_entry_occurred_at_id", "entry", ["occurred_at", "id"])


def _person() -> None:
    op.create_table(
        "person",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("customer_id", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("personal_number", sa.String(), nullable=True),
        sa.Column("country", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["customer_id"], ["customer.id"], name="fk_person_customer_id"),
        sa.PrimaryKeyConstraint("id", name="pk_person"),
    )
    op.create_index("ix_person_customer_id", "person", ["customer_id"])


def _project() -> None:
    op.create_table(
        "project",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("customer_id", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("site_id", sa.String(), nullable=False),
        sa.Column("zone", sa.String(), nullable=False),
        sa.Column("mode", sa.String(), nullable=False),
        sa.Column("reset", sa.String(), nullable=True),
        sa.Column("ended_at", Moment(), nullable=True),
        sa.ForeignKeyConstraint(["customer_id"], ["customer.id"], name="fk_project_customer_id"),
        sa.PrimaryKeyConstraint("id", name="pk_project"),
    )
    op.create_index("ix_project_customer_id", "project", ["customer_id"])


def _audit() -> None:
    op.create_table(
        "audit",
        sa.Column("id", BigNumber, autoincrement=True, nullable=False),
        sa.Column("at", Moment(), nullable=False),
        sa.Column("account_id", sa.String(), nullable=True),
        sa.Column("action", sa.String(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("details", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name="fk_audit_account_id"),
        sa.PrimaryKeyConstraint("id", name="pk_audit"),
    )
    op.create_index("ix_audit_account_id", "audit", ["account_id"])
    op.create_index("ix_audit_action_at", "audit", ["action", "at"])
    op.create_index("ix_audit_subject_id", "audit", ["subject", "id"])


def _block() -> None:
    op.create_table(
        "block",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("customer_id", sa.String(), nullable=True),
        sa.Column("card", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("created_at", Moment(), nullable=False),
        sa.Column("account_id", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name="fk_block_account_id"),
        sa.ForeignKeyConstraint(["customer_id"], ["customer.id"], name="fk_block_customer_id"),
        sa.PrimaryKeyConstraint("id", name="pk_block"),
    )
    op.create_index("ix_block_card", "block", ["card"])
    op.create_index("ix_block_customer_id", "block", ["customer_id"])


def _card() -> None:
    op.create_table(
        "card",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("customer_id", sa.String(), nullable=False),
        sa.Column("person_id", sa.String(), nullable=False),
        sa.Column("company_id", sa.String(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["company_id"], ["company.id"], name="fk_card_company_id"),
        sa.ForeignKeyConstraint(["customer_id"], ["customer.id"], name="fk_card_customer_id"),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name="fk_card_person_id"),
        sa.PrimaryKeyConstraint("id", name="pk_card"),
    )
    op.create_index("ix_card_company_id", "card", ["company_id"])
    op.create_index("ix_card_customer_id", "card", ["customer_id"])
    op.create_index("ix_card_person_id", "card", ["person_id"])


def _session() -> None:
    op.create_table(
        "session",
        sa.Column("token_hash", sa.String(), nullable=False),
        sa.Column("account_id", sa.String(), nullable=False),
        sa.Column("csrf", sa.String(), nullable=False),
        sa.Column("created_at", Moment(), nullable=False),
        sa.Column("seen_at", Moment(), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name="fk_session_account_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("token_hash", name="pk_session"),
    )
    op.create_index("ix_session_account_id", "session", ["account_id"])
    op.create_index("ix_session_seen_at", "session", ["seen_at"])


def _unit() -> None:
    op.create_table(
        "unit",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("customer_id", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("project_id", sa.String(), nullable=True),
        sa.Column("place", sa.String(), nullable=False),
        sa.Column("doors", sa.JSON(), nullable=False),
        sa.Column("bound_at", Moment(), nullable=True),
        sa.ForeignKeyConstraint(["customer_id"], ["customer.id"], name="fk_unit_customer_id"),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name="fk_unit_project_id"),
        sa.PrimaryKeyConstraint("id", name="pk_unit"),
    )
    op.create_index("ix_unit_customer_id", "unit", ["customer_id"])
    op.create_index("ix_unit_project_id", "unit", ["project_id"])


def _card_identity() -> None:
    op.create_table(
        "card_identity",
        sa.Column("card_id", sa.String(), nullable=False),
        sa.Column("identity", sa.String(), nullable=False),
        sa.Column("customer_id", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["card_id"], ["card.id"], name="fk_card_identity_card_id", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["customer_id"], ["customer.id"], name="fk_card_identity_customer_id"),
        sa.PrimaryKeyConstraint("card_id", "identity", name="pk_card_identity"),
        sa.UniqueConstraint("customer_id", "identity", name="uq_card_identity_customer_id_identity"),
    )


def _project_person() -> None:
    op.create_table(
        "project_person",
        sa.Column("project_id", sa.String(), nullable=False),
        sa.Column("card_id", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["card_id"], ["card.id"], name="fk_project_person_card_id"),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name="fk_project_person_project_id"),
        sa.PrimaryKeyConstraint("project_id", "card_id", name="pk_project_person"),
    )
    op.create_index("ix_project_person_card_id", "project_person", ["card_id"])


def _unit_status() -> None:
    op.create_table(
        "unit_status",
        sa.Column("unit_id", sa.String(), nullable=False),
        sa.Column("online", sa.Boolean(), nullable=False),
        sa.Column("seen_at", Moment(), nullable=False),
        sa.Column("nonce", sa.LargeBinary(), nullable=False),
        sa.Column("queue_depth", sa.BigInteger(), nullable=False),
        sa.Column("oldest_unsent", sa.BigInteger(), nullable=True),
        sa.Column("clock_quality", sa.String(), nullable=False),
        sa.Column("clock_offset_ms", sa.BigInteger(), nullable=False),
        sa.Column("software", sa.String(), nullable=False),
        sa.Column("ledger", sa.LargeBinary(), nullable=False),
        sa.Column("last_seq", sa.BigInteger(), nullable=False),
        sa.Column("readers", sa.JSON(), nullable=False),
        sa.Column("doors", sa.JSON(), nullable=False),
        sa.Column("tables", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["unit_id"], ["unit.id"], name="fk_unit_status_unit_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("unit_id", name="pk_unit_status"),
    )
