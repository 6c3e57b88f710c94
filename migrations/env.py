"""Alembic's environment: every package's tables, and the connection that `service.keeping.migrate` hands in."""

from __future__ import annotations

from alembic import context

from accounts import account_table, secret_table, session_table
from accounts.api_key_table import metadata as access_metadata
from auditlog.store import (
    blobs,
    decisions,
    erasures,
    idempotency,
    log,
    logs,
    publications,
    record_events,
    rollup,
    samples,
    sources,
    tallies,
    timestamps,
    vault,
    views,
)
from auditlog.store import metadata as auditlog_metadata
from casework.store import metadata as casework_metadata
from registry.store import metadata as registry_metadata

# Importing a store is what tells its tables to the metadata.
_STORES = (
    record_events,
    blobs,
    decisions,
    erasures,
    idempotency,
    log,
    logs,
    publications,
    rollup,
    samples,
    sources,
    tallies,
    timestamps,
    vault,
    views,
    account_table,
    secret_table,
    session_table,
)


def run() -> None:
    """Run inside one transaction, on PostgreSQL and SQLite alike: a migration that fails leaves nothing behind."""
    connection = context.config.attributes["connection"]
    context.configure(
        connection=connection,
        target_metadata=[auditlog_metadata, registry_metadata, access_metadata, casework_metadata],
        compare_type=True,
        transactional_ddl=True,
        render_as_batch=connection.dialect.name == "sqlite",
    )
    with context.begin_transaction():
        context.run_migrations()


run()
