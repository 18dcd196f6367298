"""receipts of deletions

Revision ID: 0006
Revises: 0005
"""

import sqlalchemy as sa
from alembic import op

revision = '0006'
down_revision = '0005'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('deletions',
    sa.Column('id', sa.String(length=40), nullable=False),
    sa.Column('document_id', sa.String(length=40), nullable=False),
    sa.Column('requested_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('completed_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('places', sa.JSON(), nullable=False),
    sa.Column('fingerprints', sa.JSON(), nullable=False),
    sa.Column('learnt_by', sa.JSON(), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_deletions')),
    sa.UniqueConstraint('document_id', name=op.f('uq_deletions_document_id'))
    )
    op.create_index(op.f('ix_deletions_completed_at'), 'deletions', ['completed_at'], unique=False)


def downgrade() -> None:
    """An older version keeps no receipts; what was purged stays gone, and open deletions stay hidden."""
    op.drop_index(op.f('ix_deletions_completed_at'), table_name='deletions')
    op.drop_table('deletions')
