"""The store: one database of runs, sweeps and events, brought up to date from the run logs."""

from swath.tracking.store.database import Database
from swath.tracking.store.runs import RunRow

__all__ = ["Database", "RunRow"]
