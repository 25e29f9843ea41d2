"""A run folder that an agent keeps for its next trial never brings the log of one trial into another."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from swath.agents import Agent, Job
from swath.agents.protocol import Assignment, Ending, Outcome, Task
from swath.agents.testing import MemorySource
from swath.agents.testing.worlds import INFO, job_of
from swath.tracking.context import TrialContext
from swath.tracking.layout import segment_name
from swath.tracking.runlog.logfile import LogWriter
from swath.tracking.runlog.records import Row
from swath.tracking.testing import FakeClock

OTHER = INFO.__class__("agent-2", "two", "elsewhere", 2, 0.0)


class Scripted:
    """Logs the trial's number, does what the script says, and ends so."""

    inline = False
    pids = ()

    def __init__(self, script: dict[tuple[int, int], tuple[Ending, Callable[[], None]]]) -> None:
        self._script = script

    def prepare(self, job: Job) -> None: ...

    def start(self, assignment: Assignment, job: Job, run_dir: Path, context: TrialContext) -> Scripted:
        self._assignment, self._run_dir = assignment, run_dir
        return self

    def wait(self) -> Outcome:
        number, attempt = self._assignment.number, self._assignment.lease.attempt
        writer = LogWriter(self._run_dir / segment_name(attempt))
        writer.append(Row(0, 0.0, {"number": number}))
        writer.close()
        ending, act = self._script[number, attempt]
        act()
        return Outcome(ending, 0 if ending == "finished" else 1)

    def stop(self, reason: str, ending: Ending = "stopped") -> None: ...

    def terminate(self, reason: str, ending: Ending = "killed") -> None: ...

    def kill(self, reason: str, ending: Ending = "killed") -> None: ...

    def interrupt(self) -> None: ...

    def close(self) -> None: ...


def test_a_trial_that_was_given_up_in_the_spare_folder_leaves_nothing_in_the_next_trials_log(tmp_path: Path) -> None:
    clock = FakeClock()
    source = MemorySource(job_of(Task(program="none"), lease_s=1e6), [{"x": 1}, {"x": 2}], clock=clock)
    source.join(OTHER)

    def lose_the_lease() -> None:
        clock.advance(2e6)
        taken = source.acquire(OTHER.id, "other-1")
        assert isinstance(taken, Assignment)
        assert taken.number == 1
        source.finish(taken.lease, Outcome("finished", 0), ())

    script: dict[tuple[int, int], tuple[Ending, Callable[[], None]]] = {
        (1, 1): ("crashed", lambda: None),
        (1, 2): ("crashed", lose_the_lease),
        (2, 1): ("crashed", lambda: None),
        (2, 2): ("finished", lambda: None),
    }
    report = Agent(source, Scripted(script), INFO, clock=clock, run_root=tmp_path / "runs").run()
    assert report.trials == {"crashed": 2, "lost": 1, "finished": 1}
    assert [row.values for row in source.rows(2)] == [{"number": 2}]
