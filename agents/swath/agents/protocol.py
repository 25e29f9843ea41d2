"""What an agent and whoever hands out trials say to each other: the facts and the `TrialSource` protocol."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, Protocol

import msgspec

#: How an attempt ended, as the agent saw it.
#: finished: exit code 0. failed: an exception or a non-zero exit code of the program's own. crashed: the process died
#: by a signal that nobody here sent. preempted: the agent had to give the trial up before its end (agent stopped,
#: machine taken away). stopped: ended after the stop that a verdict asked for. killed: ended after a kill verdict.
Ending = Literal["finished", "failed", "crashed", "preempted", "stopped", "killed"]
#: What more is known of a failure or a crash. oom: it got no memory, said by the kernel that killed it or by itself.
#: hung: it was ended after neither a report nor output for `Job.hang_after_s`. "": nothing.
Cause = Literal["", "oom", "hung"]


class AgentInfo(msgspec.Struct, frozen=True):
    """Who an agent is. `id` is made by the agent and unique; `name` is for people.

    `memory` is how many bytes it has for trials, together with all agents of its `pool` ("": for itself alone); `most`
    is how many another agent of its launcher could have. None: it does not say.
    """

    id: str
    name: str
    host: str
    pid: int
    started: float
    kind: str = "local"
    pool: str = ""
    memory: int | None = None
    most: int | None = None


class Task(msgspec.Struct, frozen=True):
    """What a trial runs: exactly one of `program`/`command`, `function` or `pickled` (a cloudpickled callable).

    It runs in the folder `cwd`; `import_paths` are folders that a function is also looked for in, after `cwd`.
    """

    program: str | None = None
    command: tuple[str, ...] | None = None
    function: str | None = None
    pickled: bytes | None = None
    cwd: str | None = None
    import_paths: tuple[str, ...] = ()

    def describe(self) -> str:
        """One word or line for people: the program, the function, or the command."""
        if self.function:
            return self.function
        if self.pickled is not None:
            return "a Python function"
        return self.program or " ".join(self.command or ())


class Needs(msgspec.Struct, frozen=True):
    """What one trial needs: CPU cores, GPUs (a part of one, or whole ones), memory in bytes, and what else by name."""

    cpu: float = 1.0
    gpu: float = 0.0
    memory: int | None = None
    custom: dict[str, float] = {}


class Gang(msgspec.Struct, frozen=True):
    """How one trial is spread: `processes` ranks on each of `nodes` machines, started and ended together."""

    nodes: int = 1
    processes: int = 1

    @property
    def size(self) -> int:
        return self.nodes * self.processes


class Job(msgspec.Struct, frozen=True):
    """What an agent learns once, when it joins: everything that is the same for all trials of the sweep.

    `metric` is the name of the sweep's metric, or None. `decides` is true where reports can stop a trial early, so that
    they should be delivered without delay. `lease_s`: a lease not renewed for so long may be taken over; renew at a
    third of it. `grace_s`: how long a trial may take to end after a stop request, and again after SIGTERM.
    `run_root`: the folder of run folders when the agent shares the source's disk, else None (then the agent keeps
    the logs in a folder of its own until they are delivered). `agent_name` is the name that the sweep knows the agent
    by: the one it asked for, or another one where that was taken; "" where the source gives no names. `needs` is what
    a trial needs of the machine. `gang`: how each trial is spread over several processes; None when it is one process.
    `hang_after_s`: a trial that neither reports nor prints anything for so long is ended.
    """

    sweep_id: str
    sweep_name: str
    project: str
    task: Task
    metric: str | None = None
    decides: bool = False
    lease_s: float = 30.0
    grace_s: float = 10.0
    run_root: str | None = None
    agent_name: str = ""
    needs: Needs = Needs()
    gang: Gang | None = None
    hang_after_s: float | None = None


class Lease(msgspec.Struct, frozen=True):
    """The right to write to a trial. `attempt` (1, 2, ...) is the fencing token: a later one ends an earlier lease."""

    run_id: str
    attempt: int
    agent_id: str


class Assignment(msgspec.Struct, frozen=True, tag="assignment"):
    """One attempt of one trial: run `config` as run `lease.run_id`. `number` counts the trials of the sweep from 1.

    `memory` is what it was given, in bytes, where that is more than the job says.
    """

    lease: Lease
    number: int
    name: str
    config: dict[str, Any]
    memory: int | None = None


class Wait(msgspec.Struct, frozen=True, tag="wait"):
    """Nothing to hand out now, but there may be later: ask again in `seconds`."""

    seconds: float
    reason: str


class Over(msgspec.Struct, frozen=True, tag="over"):
    """The sweep hands out no more trials to this agent, for `reason`."""

    reason: str


Offer = Assignment | Wait | Over


class Chunk(msgspec.Struct, frozen=True):
    """Bytes of one segment of a run log: `data` stands at `offset` of the file `segment` in the run's folder."""

    segment: str
    offset: int
    data: bytes


class Verdict(msgspec.Struct, frozen=True):
    """What is to become of a running trial. `kill`: end it now, without waiting for it to log.

    `leave`: nothing is wrong with the trial, but the agent is asked to give it back and to leave.
    """

    action: Literal["continue", "stop", "kill", "leave"] = "continue"
    reason: str = ""


class Outcome(msgspec.Struct, frozen=True):
    """How an attempt ended. `error` is the traceback or the last lines of output of a trial that did not finish."""

    ending: Ending
    exit_code: int | None = None
    signal: int | None = None
    error: str = ""
    cause: Cause = ""


class TrialSource(Protocol):
    """Hands out trials under leases and takes their reports. The controller is one; an HTTP client of it is another.

    Every call may be repeated with the same arguments after a lost answer, with the effect of one call. Calls may come
    from several threads. A call that the other side cannot answer now raises `RetryLater`.
    """

    def join(self, agent: AgentInfo) -> Job:
        """Register `agent` (again, when it was registered already). Raises `NotFound` when there is no such sweep."""
        ...

    def acquire(self, agent_id: str, request: str) -> Offer:
        """The next trial for this agent, leased to it.

        Requeued trials come first, in the order in which they were requeued, then new ones. The same `request` asked
        again gives the same trial again as long as its lease stands, so that a lost answer loses no trial.
        """
        ...

    def report(self, lease: Lease, chunks: Sequence[Chunk]) -> Verdict:
        """Renew the lease, take over new bytes of the run log, and say what is to become of the trial.

        Bytes taken over already are skipped; `chunks` may be empty. Raises `LeaseLost`, and then nothing was taken.
        """
        ...

    def finish(
        self, lease: Lease, outcome: Outcome, chunks: Sequence[Chunk], request: str | None = None
    ) -> Offer | None:
        """End the attempt with its last bytes, and release the lease.

        With `request`, also acquire the next trial in the same step (saves a round trip), else the answer is None.
        Said again after a lost answer it changes nothing and answers the same. Raises `LeaseLost` when another attempt
        owns the trial or it was ended otherwise meanwhile.
        """
        ...

    def keep(self, digest: str, path: Path) -> None:
        """Keep the file at `path`, which has this SHA-256, among the store's blobs; before a report that names it."""
        ...

    def leave(self, agent_id: str, reason: str) -> None:
        """Unregister the agent; a lease that it still holds is released and its trial requeued."""
        ...
