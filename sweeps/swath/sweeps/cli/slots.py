"""What `sweep agent --slots` does: several agents as children of one command, each with its share of the machine."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence

import typer

from swath.agents.environment import inherited
from swath.agents.executors.choice import check_executor
from swath.agents.launchers.base import AgentEvent
from swath.agents.launchers.local import LocalLauncher, Seat
from swath.agents.protocol import Needs
from swath.agents.slots import check_custom, most_slots
from swath.sweeps.cli.agents import AgentOptions, asks_server, source_of
from swath.sweeps.cli.frame import BAD_USAGE, BROKEN_PROGRAM, FAILED, INTERRUPTED, TERMINATED, complain, quit_with
from swath.sweeps.crew import room_here, seats
from swath.sweeps.fleets import new_info
from swath.sweeps.plan import needs_of
from swath.sweeps.running import Interrupts
from swath.sweeps.workspace import Workspace
from swath.tracking.clock import SYSTEM_CLOCK
from swath.tracking.errors import UsageError

#: Between two looks at the agents.
LOOK_S = 0.1
#: How an agent tells that a trial came to a good end; what trials print begins with a bracket.
_GOOD_END = re.compile(r"trial \d+ (finished|stopped)\b")


def run(prefix: str, slots: str, options: AgentOptions) -> None:
    """Run agents in as many slots as are asked for, until there are no more trials."""
    check_executor(options.executor)
    if options.count is not None:
        raise UsageError("--count is for one agent, and --slots runs several", "bound the sweep with `run_cap`")
    sweep_id, needs, told = _learn(prefix)
    count = count_of(slots, needs, options.has)
    check_custom(count, needs, options.has)
    dealt = enumerate(seats(count, needs), 1)
    own = [Seat(seat.environment, (*seat.words, *_words(options, number))) for number, seat in dealt]
    if not options.quiet:
        typer.echo(f"{count} {'agent' if count == 1 else 'agents'} for sweep {sweep_id}{_dealt(own)}")
    code = Slots([sys.executable, "-P", "-m", "swath.sweeps", "agent", sweep_id], own, told, options.quiet).run()
    if code:
        quit_with(code)


def count_of(slots: str, needs: Needs, has: Mapping[str, float]) -> int:
    """How many slots `--slots` asks for. Raises `UsageError` when it is neither a number nor `auto`."""
    if slots == "auto":
        return most_slots(needs, room_here(), has)
    if not slots.isdecimal() or int(slots) < 1:
        raise UsageError(f"--slots {slots!r} is no number of at least 1", "write a number, or auto")
    return int(slots)


def _learn(prefix: str) -> tuple[str, Needs, dict[str, str]]:
    """The sweep as its agents name it, what a trial of it needs, and what the agents are told of where it is."""
    if not asks_server(prefix):
        with Workspace.open() as workspace:
            sweep_id = workspace.resolve(prefix)
            needs = needs_of(workspace.spec(sweep_id).resources)
            return sweep_id, needs, {"SWATH_DIR": str(workspace.root.absolute()), "SWATH_URL": ""}
    with source_of(prefix) as source:
        info = new_info(kind="slots")
        needs = source.join(info).needs
        source.leave(info.id, "it only asked what a trial needs")
    return prefix, needs, {}


def _words(options: AgentOptions, number: int) -> tuple[str, ...]:
    name = () if options.name is None else ("--name", f"{options.name}-{number}")
    return (*name, *(() if options.executor is None else ("--executor", options.executor)))


def _dealt(own: Sequence[Seat]) -> str:
    gpus = [seat.environment.get("CUDA_VISIBLE_DEVICES", "") for seat in own]
    return f", with the GPUs {' | '.join(gpus)}" if any(gpus) else ""


class Slots:
    """The agents and the loop that keeps them; `told` are variables of all of them."""

    def __init__(self, argv: Sequence[str], own: Sequence[Seat], told: dict[str, str], quiet: bool) -> None:
        self._quiet = quiet
        self._good = 0
        self._codes: set[int | None] = set()
        self._launcher = LocalLauncher(
            argv, len(own), seats=own, env=inherited() | told, progress=lambda: self._good, on_line=self._on_line,
            on_error=self._on_error,
        )  # fmt: skip

    def run(self) -> int:
        """Until the last agent has left; the exit code of the command."""
        heard, drained = 0, False
        with Interrupts() as interrupts, self._launcher:
            self._launcher.start()
            while self._launcher.alive:
                for event in self._launcher.poll(replace=not interrupts.count):
                    self._note(event)
                if self._launcher.broken and not drained:
                    drained = True
                    self._launcher.stop()
                if interrupts.count > heard:
                    heard = interrupts.count
                    self._hear(heard)
                SYSTEM_CLOCK.sleep(LOOK_S)
        return self._code(interrupts)

    def _hear(self, count: int) -> None:
        """The first Ctrl-C lets running trials finish, the second stops them, the third kills."""
        if count == 1:
            typer.echo("interrupted: running trials finish, no new ones start. Ctrl-C again stops them", err=True)
            self._launcher.stop()
        elif count == 2:
            typer.echo("running trials are stopped and go back to the queue. Ctrl-C once more kills them", err=True)
            self._launcher.stop(graceful=False)
        else:
            self._launcher.kill()

    def _code(self, interrupts: Interrupts) -> int:
        broken = self._launcher.broken
        if broken is not None:
            code = next((code for code in (BROKEN_PROGRAM, BAD_USAGE) if code in self._codes), FAILED)
            hint = "mend the program, then run the failed trials again with: sweep retry ID"
            complain(broken.removeprefix("error: ").splitlines()[0], hint if code == BROKEN_PROGRAM else "")
            return code
        if interrupts.terminated:
            return TERMINATED
        return INTERRUPTED if interrupts.count else 0

    def _note(self, event: AgentEvent) -> None:
        if event.kind == "ended":
            self._codes.add(event.exit_code)
        elif event.kind == "replaced":
            last = (event.reason.splitlines() or ["it said nothing"])[-1]
            typer.echo(f"{event.agent} died ({last}) and was replaced by {event.successor}", err=True)

    def _on_line(self, agent: str, line: str) -> None:
        self._good += _GOOD_END.match(line) is not None
        if not self._quiet:
            typer.echo(f"{agent}: {line}")

    def _on_error(self, agent: str, line: str) -> None:
        if self._launcher.broken is None:
            typer.echo(f"{agent}: {line}", err=True)
