"""Declared gaps in ledgers, the order of entries, policies of projects, rights of people, conditions of terminals."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add what the tables lack; what is there is kept, and entries get their place in the order."""
    op.create_table(
        "ledger_gap",
        sa.Column("terminal", sa.String(), nullable=False),
        sa.Column("ledger", sa.LargeBinary(), nullable=False),
        sa.Column("first", sa.BigInteger(), nullable=False),
        sa.Column("last", sa.BigInteger(), nullable=False),
        sa.Column("declared_in", sa.LargeBinary(), nullable=False),
        sa.Column("declared_by", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint(
            "terminal", "ledger", "first", "last", "declared_in", "declared_by", name="pk_ledger_gap"
        ),
    )
    _entry()
    op.add_column("project", sa.Column("policies", sa.JSON(), nullable=False, server_default="{}"))
    op.add_column("project_person", sa.Column("rights", sa.JSON(none_as_null=True), nullable=True))
    op.add_column("project_person", sa.Column("long_access", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("unit_status", sa.Column("conditions", sa.JSON(), nullable=False, server_default="[]"))


def downgrade() -> None:
    """Take it away again, with what is in it."""
    op.drop_column("unit_status", "conditions")
    op.drop_column("project_person", "long_access")
    op.drop_column("project_person", "rights")
    op.drop_column("project", "policies")
    op.drop_index("ix_entry_terminal_subject_id", "entry")
    op.drop_index("ix_entry_sorted_at_id", "entry")
    op.drop_index("ix_entry_customer_id_sorted_at_id", "entry")
    op.drop_column("entry", "subject")
    op.drop_column("entry", "sorted_at")
    op.create_index("ix_entry_occurred_at_id", "entry", ["occurred_at", "id"])
    op.create_index("ix_entry_customer_id_occurred_at_id", "entry", ["customer_id", "occurred_at", "id"])
    op.drop_table("ledger_gap")


def _entry() -> None:
    """Added in place: copying the table, as SQLite's batches do, would take hours where there are millions."""
    op.add_column("entry", sa.Column("sorted_at", sa.BigInteger(), nullable=False, server_default="0"))
    op.add_column("entry", sa.Column("subject", sa.String(), nullable=True))
    op.execute(
        "UPDATE entry SET sorted_at = CASE WHEN clock_quality = 'untrusted' OR occurred_at > received_at "
        "THEN received_at ELSE occurred_at END"
    )
    op.drop_index("ix_entry_occurred_at_id", "entry")
    op.drop_index("ix_entry_customer_id_occurred_at_id", "entry")
    op.create_index("ix_entry_customer_id_sorted_at_id", "entry", ["customer_id", "sorted_at", "id"])
    op.create_index("ix_entry_sorted_at_id", "entry", ["sorted_at", "id"])
    facts = sa.text("subject IS NOT NULL")
    op.create_index(
        "ix_entry_terminal_subject_id",
        "entry",
        ["terminal", "subject", "id"],
        sqlite_where=facts,
        postgresql_where=facts,
    )
