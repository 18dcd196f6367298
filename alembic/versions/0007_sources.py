"""sources, what they hold, and the last runs of schedules

Revision ID: 0007
Revises: 0006
"""

import sqlalchemy as sa
from alembic import op

revision = '0007'
down_revision = '0006'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('sources',
    sa.Column('id', sa.String(length=40), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('kind', sa.String(length=10), nullable=False),
    sa.Column('name', sa.String(length=200), nullable=False),
    sa.Column('location', sa.Text(), nullable=False),
    sa.Column('options', sa.JSON(), nullable=False),
    sa.Column('product_id', sa.String(length=40), nullable=True),
    sa.Column('uri_prefix', sa.Text(), nullable=True),
    sa.Column('schedule', sa.String(length=200), nullable=True),
    sa.Column('zone', sa.String(length=60), nullable=False),
    sa.Column('removal_share', sa.Double(), nullable=False),
    sa.Column('sync_job', sa.String(length=80), nullable=True),
    sa.Column('sync_started_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('sync_ended_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('sync_counts', sa.JSON(), nullable=False),
    sa.Column('sync_error', sa.Text(), nullable=True),
    sa.ForeignKeyConstraint(['product_id'], ['products.id'], name=op.f('fk_sources_product_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_sources')),
    sa.UniqueConstraint('name', name=op.f('uq_sources_name'))
    )
    op.create_index(op.f('ix_sources_product_id'), 'sources', ['product_id'], unique=False)
    op.create_table('source_items',
    sa.Column('source_id', sa.String(length=40), nullable=False),
    sa.Column('key', sa.Text(), nullable=False),
    sa.Column('document_id', sa.String(length=40), nullable=True),
    sa.Column('sha256', sa.String(length=64), nullable=True),
    sa.Column('etag', sa.Text(), nullable=True),
    sa.Column('last_modified', sa.Text(), nullable=True),
    sa.Column('seen_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('held_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('problem', sa.Text(), nullable=True),
    sa.ForeignKeyConstraint(['source_id'], ['sources.id'], name=op.f('fk_source_items_source_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('source_id', 'key', name=op.f('pk_source_items'))
    )
    op.create_index(op.f('ix_source_items_document_id'), 'source_items', ['document_id'], unique=False)
    op.create_table('scheduled_runs',
    sa.Column('subject', sa.String(length=40), nullable=False),
    sa.Column('ran_for', sa.DateTime(timezone=True), nullable=False),
    sa.PrimaryKeyConstraint('subject', name=op.f('pk_scheduled_runs'))
    )
    op.add_column('documents', sa.Column('source_id', sa.String(length=40), nullable=True))
    op.create_index(op.f('ix_documents_source_id'), 'documents', ['source_id'], unique=False)


def downgrade() -> None:
    """An older version knows no sources: their documents stay, as if they had been uploaded."""
    op.drop_index(op.f('ix_documents_source_id'), table_name='documents')
    op.drop_column('documents', 'source_id')
    op.drop_table('scheduled_runs')
    op.drop_index(op.f('ix_source_items_document_id'), table_name='source_items')
    op.drop_table('source_items')
    op.drop_index(op.f('ix_sources_product_id'), table_name='sources')
    op.drop_table('sources')
