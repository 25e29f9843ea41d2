"""What tests of agents need: a source in memory, and the laws that every `TrialSource` and `Executor` must keep."""

from swath.agents.testing.executors import ExecutorLaws, FunctionLaws
from swath.agents.testing.memory import MemorySource, MemoryTrial
from swath.agents.testing.sources import SourceWorld, TrialSourceLaws

__all__ = ["ExecutorLaws", "FunctionLaws", "MemorySource", "MemoryTrial", "SourceWorld", "TrialSourceLaws"]
