"""The tables of runs and events, and the migrations that make them. JSON is kept as text, the same on every backend."""

from __future__ import annotations

import sqlalchemy as sa

metadata = sa.MetaData()

runs = sa.Table(
    "runs",
    metadata,
    sa.Column("id", sa.String, primary_key=True),
    sa.Column("name", sa.String, nullable=False),
    sa.Column("entity", sa.String, nullable=False),
    sa.Column("project", sa.String, nullable=False),
    sa.Column("run_group", sa.String, nullable=False),
    sa.Column("job_type", sa.String, nullable=False),
    sa.Column("tags", sa.Text, nullable=False),
    sa.Column("notes", sa.Text, nullable=False),
    sa.Column("sweep_id", sa.String, nullable=False),
    sa.Column("state", sa.String, nullable=False),
    sa.Column("config", sa.Text, nullable=False),
    sa.Column("summary", sa.Text, nullable=False),
    # How the summary goes on: definitions of metrics, means with their counts, keys that the user has set.
    sa.Column("metrics", sa.Text, nullable=False),
    sa.Column("attempt", sa.Integer, nullable=False),
    sa.Column("rows", sa.Integer, nullable=False),
    sa.Column("created", sa.Float, nullable=False),
    sa.Column("updated", sa.Float, nullable=False),
    sa.Column("ended", sa.Float),
    sa.Column("exit_code", sa.Integer),
    sa.Column("error", sa.Text, nullable=False),
    sa.Column("host", sa.String, nullable=False),
    sa.Column("pid", sa.Integer, nullable=False),
    sa.Column("applied", sa.Text, nullable=False),
    sqlite_with_rowid=False,
)

events = sa.Table(
    "events",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("time", sa.Float, nullable=False),
    sa.Column("kind", sa.String, nullable=False),
    sa.Column("scope", sa.String, nullable=False),
    sa.Column("subject", sa.String, nullable=False),
    sa.Column("payload", sa.Text, nullable=False),
    sa.Index("events_by_scope", "scope", "id"),
)


def _first(connection: sa.Connection) -> None:
    metadata.create_all(connection)


MIGRATIONS = (_first,)
