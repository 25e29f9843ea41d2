"""swath's agents: take trials from a `TrialSource`, run them, and report how they ended. Knows nothing of sweeps."""

from swath.agents.agent import Agent, AgentReport, install_signals
from swath.agents.executors.base import Execution, Executor
from swath.agents.executors.group import reap_orphan
from swath.agents.protocol import (
    AgentInfo,
    Assignment,
    Chunk,
    Ending,
    Job,
    Lease,
    Offer,
    Outcome,
    Over,
    Task,
    TrialSource,
    Verdict,
    Wait,
)
from swath.agents.task import TaskError, check_task

__all__ = [
    "Agent",
    "AgentInfo",
    "AgentReport",
    "Assignment",
    "Chunk",
    "Ending",
    "Execution",
    "Executor",
    "Job",
    "Lease",
    "Offer",
    "Outcome",
    "Over",
    "Task",
    "TaskError",
    "TrialSource",
    "Verdict",
    "Wait",
    "check_task",
    "install_signals",
    "reap_orphan",
]
