"""The certificate that a terminal showed last, to whose key names are sealed."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Nobody's is known yet; each terminal shows its own when it connects the next time."""
    op.add_column("unit", sa.Column("certificate", sa.LargeBinary(), nullable=True))


def downgrade() -> None:
    """Forget them."""
    op.drop_column("unit", "certificate")
