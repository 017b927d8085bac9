"""Alembic's entrance: runs the steps over the connection that `cloud.migrate` hands over, in one transaction."""

from alembic import context

from cloud.models import Model

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=Model.metadata,
    render_as_batch=True,  # SQLite alters a table by copying it
    compare_type=True,
    transactional_ddl=True,
    on_version_apply=context.config.attributes.get("told"),
)
context.run_migrations()
