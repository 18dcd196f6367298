"""which processes run jobs, what jobs log, and the step that a job is at

Revision ID: 0008
Revises: 0007
"""

import sqlalchemy as sa
from alembic import op

revision = '0008'
down_revision = '0007'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column('job_progress', sa.Column('step', sa.String(length=40), nullable=True))
    op.add_column('job_progress', sa.Column('step_began_at', sa.DateTime(timezone=True), nullable=True))
    op.create_table('job_log',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('job_id', sa.String(length=40), nullable=False),
    sa.Column('at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('level', sa.String(length=10), nullable=False),
    sa.Column('event', sa.String(length=80), nullable=False),
    sa.Column('fields', sa.JSON(), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_job_log'))
    )
    op.create_index(op.f('ix_job_log_job_id'), 'job_log', ['job_id'], unique=False)
    op.create_table('job_workers',
    sa.Column('id', sa.String(length=40), nullable=False),
    sa.Column('host', sa.String(length=255), nullable=False),
    sa.Column('seen_at', sa.DateTime(timezone=True), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_job_workers'))
    )


def downgrade() -> None:
    op.drop_table('job_workers')
    op.drop_table('job_log')
    op.drop_column('job_progress', 'step_began_at')
    op.drop_column('job_progress', 'step')
