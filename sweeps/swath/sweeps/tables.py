"""The tables of sweeps, trials, rungs and agents, and the migrations that make them. JSON is kept as text."""

from __future__ import annotations

import sqlalchemy as sa

metadata = sa.MetaData()

sweeps = sa.Table(
    "sweeps",
    metadata,
    sa.Column("id", sa.String, primary_key=True),
    sa.Column("name", sa.String, nullable=False),
    sa.Column("state", sa.String, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("spec", sa.Text, nullable=False),
    sa.Column("origin", sa.Text, nullable=False),
    sa.Column("cwd", sa.Text, nullable=False),
    sa.Column("seed", sa.BigInteger, nullable=False),
    sa.Column("total", sa.BigInteger),
    # How many trials were ever made, and a counter that every step of the controller moves on by one.
    sa.Column("made", sa.BigInteger, nullable=False),
    # How often its spec was changed; how many trials ended since the best result was last bettered.
    sa.Column("edits", sa.BigInteger, nullable=False),
    sa.Column("stale", sa.BigInteger, nullable=False),
    sa.Column("version", sa.BigInteger, nullable=False),
    sa.Column("best_value", sa.Float),
    sa.Column("best_run", sa.String),
    sa.Column("metrics_seen", sa.Text, nullable=False),
    sa.Column("warned", sa.Text, nullable=False),
    sa.Column("created", sa.Float, nullable=False),
    sa.Column("started", sa.Float),
    sa.Column("ended", sa.Float),
    # When an agent of it, whichever, was heard last.
    sa.Column("heard", sa.Float),
)

trials = sa.Table(
    "trials",
    metadata,
    # Kept in the order in which they are made, so that new ones are appended. `run_id` is "<sweep_id>-<number>".
    sa.Column("run_id", sa.String, nullable=False),
    sa.Column("sweep_id", sa.String, primary_key=True),
    sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("name", sa.String, nullable=False),
    sa.Column("state", sa.String, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("suggested", sa.Text, nullable=False),
    sa.Column("config", sa.Text, nullable=False),
    sa.Column("point", sa.String, nullable=False),
    # Which configuration it runs, counted from 1, and the how manieth time, from 0; without repeats: `number` and 0.
    sa.Column("setup", sa.BigInteger, nullable=False),
    sa.Column("repeat", sa.BigInteger, nullable=False),
    sa.Column("version", sa.BigInteger, nullable=False),
    # The lease: who may write, until when; `request`: the call that it answered; `closed`: the lease that ended itself.
    sa.Column("attempt", sa.Integer, nullable=False),
    sa.Column("agent_id", sa.String, nullable=False),
    sa.Column("request", sa.String, nullable=False),
    sa.Column("expires", sa.Float),
    sa.Column("closed", sa.String, nullable=False),
    # Whether a row of `runs` stands for it: from its first report on.
    sa.Column("heard", sa.Integer, nullable=False),
    sa.Column("retries", sa.Integer, nullable=False),
    sa.Column("losses", sa.Integer, nullable=False),
    # What the present attempt reported of the sweep's metric.
    sa.Column("reports", sa.Integer, nullable=False),
    # The sum of those values, how many others were NaN or infinite, and at which report the stopper was asked last.
    sa.Column("value_sum", sa.Float, nullable=False),
    sa.Column("unusable", sa.Integer, nullable=False),
    sa.Column("asked", sa.Integer, nullable=False),
    sa.Column("latest", sa.Float),
    sa.Column("best", sa.Float),
    # With several metrics and early stopping: what it reported of all of them, as `reports` keeps it; else "".
    sa.Column("told", sa.Text, nullable=False),
    # The result in each metric, of an ended trial of a sweep with several; seconds that its ended attempts took.
    sa.Column("objectives", sa.Text, nullable=False),
    sa.Column("busy", sa.Float, nullable=False),
    sa.Column("verdict", sa.String, nullable=False),
    sa.Column("verdict_reason", sa.Text, nullable=False),
    # The trial whose checkpoint and config it is to go on from, while it has been told to end for that.
    sa.Column("donor", sa.BigInteger),
    sa.Column("created", sa.Float, nullable=False),
    sa.Column("started", sa.Float),
    sa.Column("ended", sa.Float),
    sa.Column("exit_code", sa.Integer),
    sa.Column("error", sa.Text, nullable=False),
    # A queued trial is not handed out before: it waits after a failure.
    sa.Column("not_before", sa.Float),
    # How often it ran out of memory and was given more.
    sa.Column("ooms", sa.Integer, nullable=False),
    sa.Index("trials_by_version", "sweep_id", "version"),
    sqlite_with_rowid=False,
)

# Only trials that wait or run: few rows, so that handing one out costs the same however many have ended.
_alive = sa.Index(
    "trials_alive", trials.c.sweep_id, trials.c.state, trials.c.version, sqlite_where=trials.c.ended.is_(None)
)

rungs = sa.Table(
    "rungs",
    metadata,
    sa.Column("sweep_id", sa.String, primary_key=True),
    sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("band", sa.BigInteger, primary_key=True, autoincrement=False),
    # What trial `number` had after `band` reports: its value, its best one and the mean up to there.
    sa.Column("value", sa.Float, nullable=False),
    sa.Column("best", sa.Float, nullable=False),
    sa.Column("mean", sa.Float, nullable=False),
    # The same three of each other metric, where there are several; what was decided there, once it was ("": nothing).
    sa.Column("others", sa.Text, nullable=False),
    sa.Column("decided", sa.Text, nullable=False),
    sqlite_with_rowid=False,
)

agents = sa.Table(
    "agents",
    metadata,
    sa.Column("id", sa.String, primary_key=True),
    sa.Column("sweep_id", sa.String, nullable=False),
    sa.Column("name", sa.String, nullable=False),
    sa.Column("host", sa.String, nullable=False),
    sa.Column("pid", sa.Integer, nullable=False),
    sa.Column("started", sa.Float, nullable=False),
    sa.Column("kind", sa.String, nullable=False),
    sa.Column("state", sa.String, nullable=False),
    sa.Column("seen", sa.Float, nullable=False),
    # What it was asked from elsewhere: "drain" to leave after its trial, "stop" to give it back; "": nothing.
    sa.Column("wish", sa.String, nullable=False),
    # The bytes of memory that it shares with the other agents of its pool ("": it has them for itself), and the most
    # that an agent of its launcher could have. NULL: it did not say.
    sa.Column("pool", sa.String, nullable=False),
    sa.Column("memory", sa.BigInteger),
    sa.Column("most", sa.BigInteger),
    sa.Index("agents_by_sweep", "sweep_id", "state"),
)


def _first(connection: sa.Connection) -> None:
    if connection.dialect.name == "postgresql":
        # Not said above: naming a dialect imports it, a fifth of what any command would then take to start.
        _alive.dialect_options["postgresql"]["where"] = trials.c.ended.is_(None)
    metadata.create_all(connection)


def _second(connection: sa.Connection) -> None:
    """Early stopping in several metrics, and what was decided at each rung."""
    for table, column, empty in ((trials, "told", ""), (rungs, "others", "[]"), (rungs, "decided", "")):
        _add_text(connection, table, column, empty)


def _third(connection: sa.Connection) -> None:
    """Agents that are asked to leave from elsewhere; waits before a trial is run again."""
    _add_text(connection, agents, "wish", "")
    _add_time(connection, trials, "not_before")


def _fourth(connection: sa.Connection) -> None:
    """When an agent was heard last: leases do not run out while nobody can be heard."""
    _add_time(connection, sweeps, "heard")


def _fifth(connection: sa.Connection) -> None:
    """Trials that are given more memory, and what agents have of it."""
    _add_text(connection, agents, "pool", "")
    for table, column, kind in (
        ("trials", "ooms", "INTEGER NOT NULL DEFAULT 0"), ("agents", "memory", "BIGINT"), ("agents", "most", "BIGINT"),
    ):  # fmt: skip
        if column not in {known["name"] for known in sa.inspect(connection).get_columns(table)}:
            connection.exec_driver_sql(f"ALTER TABLE {table} ADD COLUMN {column} {kind}")


def _add_time(connection: sa.Connection, table: sa.Table, column: str) -> None:
    if column not in {known["name"] for known in sa.inspect(connection).get_columns(table.name)}:
        connection.exec_driver_sql(f"ALTER TABLE {table.name} ADD COLUMN {column} DOUBLE PRECISION")


def _add_text(connection: sa.Connection, table: sa.Table, column: str, empty: str) -> None:
    if column not in {known["name"] for known in sa.inspect(connection).get_columns(table.name)}:
        adding = f"ALTER TABLE {table.name} ADD COLUMN {column} TEXT NOT NULL DEFAULT '{empty}'"
        connection.exec_driver_sql(adding)


MIGRATIONS = (_first, _second, _third, _fourth, _fifth)
