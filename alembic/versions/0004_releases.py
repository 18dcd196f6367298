"""releases, what happened to them, and the pointer to the live one

Revision ID: 0004
Revises: 0003
"""

import sqlalchemy as sa
from alembic import op

revision = '0004'
down_revision = '0003'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('releases',
    sa.Column('id', sa.String(length=40), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('state', sa.String(length=10), nullable=False),
    sa.Column('encoder', sa.Text(), nullable=False),
    sa.Column('encoder_weights', sa.String(length=64), nullable=False),
    sa.Column('vectors', sa.String(length=64), nullable=False),
    sa.Column('reranker', sa.Text(), nullable=True),
    sa.Column('reranker_weights', sa.String(length=64), nullable=True),
    sa.Column('generator', sa.Text(), nullable=False),
    sa.Column('generator_weights', sa.Text(), nullable=False),
    sa.Column('prompt_version', sa.String(length=20), nullable=False),
    sa.Column('index_version', sa.String(length=40), nullable=False),
    sa.Column('thresholds', sa.JSON(), nullable=False),
    sa.Column('training_runs', sa.JSON(), nullable=False),
    sa.Column('gate', sa.JSON(), nullable=True),
    sa.Column('force_reason', sa.Text(), nullable=True),
    sa.Column('replaced', sa.String(length=40), nullable=True),
    sa.Column('note', sa.Text(), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_releases'))
    )
    op.create_index(op.f('ix_releases_created_at'), 'releases', ['created_at'], unique=False)
    op.create_table('release_events',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('release_id', sa.String(length=40), nullable=False),
    sa.Column('at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('kind', sa.String(length=12), nullable=False),
    sa.Column('detail', sa.JSON(), nullable=False),
    sa.ForeignKeyConstraint(['release_id'], ['releases.id'], name=op.f('fk_release_events_release_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_release_events'))
    )
    op.create_index(op.f('ix_release_events_release_id'), 'release_events', ['release_id'], unique=False)
    op.create_table('live_release',
    sa.Column('slot', sa.Integer(), autoincrement=False, nullable=False),
    sa.Column('release_id', sa.String(length=40), nullable=True),
    sa.ForeignKeyConstraint(['release_id'], ['releases.id'], name=op.f('fk_live_release_release_id')),
    sa.PrimaryKeyConstraint('slot', name=op.f('pk_live_release'))
    )
    op.execute('INSERT INTO live_release (slot, release_id) VALUES (1, NULL)')


def downgrade() -> None:
    """An older version knows no releases: settings say again what answers."""
    op.drop_table('live_release')
    op.drop_index(op.f('ix_release_events_release_id'), table_name='release_events')
    op.drop_table('release_events')
    op.drop_index(op.f('ix_releases_created_at'), table_name='releases')
    op.drop_table('releases')
