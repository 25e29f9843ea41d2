"""What the verb launch does: agents on Ray for a sweep that exists, watched here or by a process in the background."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import typer

from swath.agents.environment import inherited
from swath.agents.launchers.ray_options import RayOptions, pairs_of, requirements
from swath.sweeps.cli import running
from swath.sweeps.cli.frame import FAILED, complain, quit_with
from swath.sweeps.crew import AUTO, crew_for
from swath.sweeps.plan import folder_of
from swath.sweeps.running import Following
from swath.sweeps.states import OVER
from swath.sweeps.workspace import Workspace
from swath.tracking.clock import SYSTEM_CLOCK
from swath.tracking.errors import NotAllowed, UsageError

#: How long the start of a detached launch is waited for: a Ray of its own takes some seconds to stand.
STAND_S = 45.0
SHOWN_LINES = 20


@dataclass(frozen=True)
class LaunchOptions:
    """What `sweep launch` was told."""

    agents: int | str | None = None
    gpu: float | None = None
    cpu: float | None = None
    address: str | None = None
    detach: bool = False
    ray: RayOptions | None = None
    has: Mapping[str, float] = field(default_factory=dict)


def launch(prefix: str, options: LaunchOptions) -> None:
    """Run agents on Ray until the sweep is over."""
    with Workspace.open() as workspace:
        sweep_id = workspace.resolve(prefix)
        state = workspace.show(sweep_id).state
        if state in OVER:
            raise NotAllowed(f"sweep {sweep_id} is {state}", f"reopen it first: sweep run --resume {sweep_id}")
        if options.detach:
            _detach(workspace, sweep_id, options)
            return
        crew = crew_for(
            workspace, sweep_id, agents=options.agents, on="ray", address=options.address, cpu=options.cpu,
            gpu=options.gpu, ray=options.ray, has=options.has,
        )  # fmt: skip
        code = running.attend(workspace, sweep_id, crew, running.Options(resume=sweep_id))
    if code:
        quit_with(code)


def agents_of(text: str | None) -> int | str | None:
    """How many agents `--agents` asks for."""
    if text is None or text == AUTO:
        return text
    if not text.isdecimal() or int(text) < 1:
        raise UsageError(f"--agents {text} is no number of at least 1", "write a number, or auto")
    return int(text)


def placed(
    spread: bool,
    pack: bool,
    labels: Sequence[str] | None,
    working_dir: str | None,
    pip: Sequence[str] | None,
    env: Sequence[str] | None,
) -> RayOptions:
    """What the command line says of agents on Ray."""
    if spread and pack:
        raise UsageError("--spread and --pack were both given", "ask for one of them, or let Ray decide")
    return RayOptions(
        "spread" if spread else "pack" if pack else None,
        pairs_of("--label", labels or []),
        working_dir,
        requirements(pip or []),
        pairs_of("--env", env or []),
    )


def _detach(workspace: Workspace, sweep_id: str, options: LaunchOptions) -> None:
    """Start this very command in the background, and wait until its first agent stands or it has failed."""
    log = folder_of(workspace.root, sweep_id) / "launch.log"
    process = _spawn(workspace, sweep_id, options, log)
    if not _stands(workspace, sweep_id, process):
        complain(f"the launch in the background ended at once; the end of {log}:")
        typer.echo("\n".join(log.read_text(errors="replace").splitlines()[-SHOWN_LINES:]), err=True)
        quit_with(process.returncode or FAILED)
    typer.echo(f"sweep {sweep_id} goes on in the background, as process {process.pid}")
    typer.echo(f"  follow it:    sweep watch {sweep_id}    or    tail -f {log}")
    typer.echo(f"  end it:       sweep stop {sweep_id}     (running trials finish)    or    sweep cancel {sweep_id}")
    typer.echo(f"  agents only:  kill -INT {process.pid}     (running trials finish, the sweep can go on elsewhere)")


def _spawn(workspace: Workspace, sweep_id: str, options: LaunchOptions, log: Path) -> subprocess.Popen[bytes]:
    argv = [sys.executable, "-P", "-m", "swath.sweeps", "launch", sweep_id]
    for name in ("agents", "gpu", "cpu", "address"):
        value = getattr(options, name)
        argv += [f"--{name}", str(value)] if value is not None else []
    argv += options.ray.to_arguments() if options.ray else []
    argv += [word for name, amount in options.has.items() for word in ("--resource", f"{name}={amount!r}")]
    env = inherited() | {"SWATH_DIR": str(workspace.root)}
    with log.open("ab") as file:
        return subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=file, stderr=file, start_new_session=True, env=env
        )


def _stands(workspace: Workspace, sweep_id: str, process: subprocess.Popen[bytes]) -> bool:
    following, until = Following(workspace, sweep_id), SYSTEM_CLOCK.monotonic() + STAND_S
    before = {agent.id for agent in workspace.agents(sweep_id)}
    while SYSTEM_CLOCK.monotonic() < until:
        following.read()
        if process.poll() is not None:
            return following.view.state in OVER
        if {agent.id for agent in workspace.agents(sweep_id)} - before:
            return True
        SYSTEM_CLOCK.sleep(0.1)
    return True
