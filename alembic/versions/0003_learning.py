"""searches, clicks, questions of products, training and evaluation runs

Revision ID: 0003
Revises: 0002
"""

import sqlalchemy as sa
from alembic import op

revision = '0003'
down_revision = '0002'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('searches',
    sa.Column('id', sa.String(length=40), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('question', sa.Text(), nullable=False),
    sa.Column('index_version', sa.String(length=40), nullable=False),
    sa.Column('shown', sa.JSON(), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_searches'))
    )
    op.create_index(op.f('ix_searches_created_at'), 'searches', ['created_at'], unique=False)
    op.create_table('product_questions',
    sa.Column('question_sha256', sa.String(length=64), nullable=False),
    sa.Column('question', sa.Text(), nullable=False),
    sa.Column('products', sa.JSON(), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.PrimaryKeyConstraint('question_sha256', name=op.f('pk_product_questions'))
    )
    op.create_table('training_runs',
    sa.Column('id', sa.String(length=40), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('ended_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('kind', sa.String(length=12), nullable=False),
    sa.Column('state', sa.String(length=8), nullable=False),
    sa.Column('base', sa.String(length=64), nullable=False),
    sa.Column('fingerprint', sa.String(length=64), nullable=True),
    sa.Column('report', sa.JSON(), nullable=False),
    sa.Column('error', sa.Text(), nullable=True),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_training_runs'))
    )
    op.create_index(op.f('ix_training_runs_created_at'), 'training_runs', ['created_at'], unique=False)
    op.create_table('evaluation_runs',
    sa.Column('id', sa.String(length=40), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('suite', sa.String(length=200), nullable=False),
    sa.Column('subject', sa.JSON(), nullable=False),
    sa.Column('report', sa.JSON(), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_evaluation_runs'))
    )
    op.create_index(op.f('ix_evaluation_runs_created_at'), 'evaluation_runs', ['created_at'], unique=False)
    op.create_index(op.f('ix_evaluation_runs_suite'), 'evaluation_runs', ['suite'], unique=False)
    with op.batch_alter_table('interactions', schema=None) as batch_op:
        batch_op.add_column(sa.Column('kind', sa.String(length=5), server_default='thumb', nullable=False))
        batch_op.add_column(sa.Column('search_id', sa.String(length=40), nullable=True))
        batch_op.add_column(sa.Column('passage_id', sa.String(length=40), nullable=True))
        batch_op.add_column(sa.Column('position', sa.Integer(), nullable=True))
        batch_op.alter_column('answer_id', existing_type=sa.String(length=40), nullable=True)
        batch_op.alter_column('thumb', existing_type=sa.String(length=4), nullable=True)
        batch_op.create_index(op.f('ix_interactions_search_id'), ['search_id'], unique=False)
        batch_op.create_foreign_key(
            op.f('fk_interactions_search_id'), 'searches', ['search_id'], ['id']
        )
    with op.batch_alter_table('interactions', schema=None) as batch_op:
        batch_op.alter_column('kind', existing_type=sa.String(length=5), server_default=None)


def downgrade() -> None:
    """What an older version can't hold is lost: clicks, and thumbs on searches."""
    op.execute("DELETE FROM interactions WHERE kind <> 'thumb' OR answer_id IS NULL")
    with op.batch_alter_table('interactions', schema=None) as batch_op:
        batch_op.drop_constraint(op.f('fk_interactions_search_id'), type_='foreignkey')
        batch_op.drop_index(op.f('ix_interactions_search_id'))
        batch_op.alter_column('thumb', existing_type=sa.String(length=4), nullable=False)
        batch_op.alter_column('answer_id', existing_type=sa.String(length=40), nullable=False)
        batch_op.drop_column('position')
        batch_op.drop_column('passage_id')
        batch_op.drop_column('search_id')
        batch_op.drop_column('kind')
    op.drop_index(op.f('ix_evaluation_runs_suite'), table_name='evaluation_runs')
    op.drop_index(op.f('ix_evaluation_runs_created_at'), table_name='evaluation_runs')
    op.drop_table('evaluation_runs')
    op.drop_index(op.f('ix_training_runs_created_at'), table_name='training_runs')
    op.drop_table('training_runs')
    op.drop_table('product_questions')
    op.drop_index(op.f('ix_searches_created_at'), table_name='searches')
    op.drop_table('searches')
