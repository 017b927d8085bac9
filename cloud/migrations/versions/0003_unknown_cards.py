"""Cards that nobody is known behind, numbers that two cards have, and what taps tell of their cards."""

import sqlalchemy as sa
from alembic import op

from cloud.database import Moment

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add what the tables lack; of entries that are there already nobody knows a proof."""
    op.add_column("entry", sa.Column("also", sa.String(), nullable=True))
    op.add_column("entry", sa.Column("proof", sa.String(), nullable=True))
    op.create_table(
        "unknown_card",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("customer_id", sa.String(), nullable=False),
        sa.Column("seen_at", Moment(), nullable=False),
        sa.Column("terminal", sa.String(), nullable=False),
        sa.Column("reader", sa.String(), nullable=False),
        sa.Column("project", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(["customer_id"], ["customer.id"], name="fk_unknown_card_customer_id"),
        sa.PrimaryKeyConstraint("id", name="pk_unknown_card"),
    )
    op.create_index("ix_unknown_card_customer_id_seen_at", "unknown_card", ["customer_id", "seen_at"])
    op.create_table(
        "unknown_identity",
        sa.Column("customer_id", sa.String(), nullable=False),
        sa.Column("identity", sa.String(), nullable=False),
        sa.Column("unknown_card_id", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["customer_id"], ["customer.id"], name="fk_unknown_identity_customer_id"),
        sa.ForeignKeyConstraint(
            ["unknown_card_id"], ["unknown_card.id"], name="fk_unknown_identity_unknown_card_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("customer_id", "identity", name="pk_unknown_identity"),
    )
    op.create_index("ix_unknown_identity_unknown_card_id", "unknown_identity", ["unknown_card_id"])
    _card_conflict()


def downgrade() -> None:
    """Take it away again, with what is in it."""
    op.drop_table("card_conflict")
    op.drop_table("unknown_identity")
    op.drop_table("unknown_card")
    op.drop_column("entry", "proof")
    op.drop_column("entry", "also")


def _card_conflict() -> None:
    op.create_table(
        "card_conflict",
        sa.Column("card_id", sa.String(), nullable=False),
        sa.Column("identity", sa.String(), nullable=False),
        sa.Column("other_card_id", sa.String(), nullable=False),
        sa.Column("customer_id", sa.String(), nullable=False),
        sa.Column("seen_at", Moment(), nullable=False),
        sa.ForeignKeyConstraint(["card_id"], ["card.id"], name="fk_card_conflict_card_id", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["customer_id"], ["customer.id"], name="fk_card_conflict_customer_id"),
        sa.ForeignKeyConstraint(
            ["other_card_id"], ["card.id"], name="fk_card_conflict_other_card_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("card_id", "identity", name="pk_card_conflict"),
    )
    op.create_index("ix_card_conflict_customer_id", "card_conflict", ["customer_id"])
