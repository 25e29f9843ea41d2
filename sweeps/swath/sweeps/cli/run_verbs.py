"""The verbs that make trials run: run, create, agent, launch. Options and help only; imports are lazy."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from swath.sweeps.cli.frame import RUN, app

Sweep = Annotated[str, typer.Argument(metavar="ID", help="Id, beginning of an id, name, or `last`.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON on stdout and nothing else.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress, only the result.")]
Address = Annotated[
    Optional[str],  # noqa: UP045 - read by typer at run time
    typer.Option(metavar="ADDRESS", help="A Ray cluster: `auto`, HOST:PORT or ray://HOST:PORT."),
]
Cpu = Annotated[Optional[float], typer.Option(min=0, metavar="X", help="CPUs of each agent on Ray.")]  # noqa: UP045
Gpu = Annotated[float | None, typer.Option(min=0, metavar="X", help="GPUs of each agent; may be a part of one.")]
Agents = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option(
        "--agents",
        "-n",
        metavar="N|auto",
        help="Trials at the same time; `auto`: as many as there is room for. Default: the spec's `agents`, else 1.",
    ),
]
Spread = Annotated[bool, typer.Option("--spread", help="Agents on as many nodes of the Ray as there are.")]
Pack = Annotated[bool, typer.Option("--pack", help="Agents on as few nodes of the Ray as hold them all.")]
Label = Annotated[
    Optional[list[str]],  # noqa: UP045
    typer.Option("--label", metavar="KEY=VALUE", help="Only nodes of the Ray with this label. Repeatable."),
]
WorkingDir = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option("--working-dir", metavar="DIR", help="A folder that is sent to the Ray's nodes; trials run in it."),
]
Pip = Annotated[
    Optional[list[str]],  # noqa: UP045
    typer.Option("--pip", metavar="PACKAGE|FILE", help="Installed for the agents on Ray. Repeatable."),
]
Env = Annotated[
    Optional[list[str]],  # noqa: UP045
    typer.Option("--env", metavar="KEY=VALUE", help="A variable of the agents on Ray. Repeatable."),
]
Resource = Annotated[
    Optional[list[str]],  # noqa: UP045
    typer.Option(metavar="NAME=AMOUNT", help="What this machine has of a resource of `resources.custom`. Repeatable."),
]
Executor = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option(
        metavar="process|cold|inline",
        help="A child process for each trial, libraries loaded beforehand, or cold; or (functions) inside the agent.",
    ),
]


@app.command(rich_help_panel=RUN)
def run(
    spec: Annotated[Optional[Path], typer.Argument(metavar="SPEC", help="The sweep's YAML file.")] = None,  # noqa: UP045
    agents: Agents = None,
    on: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(
            metavar="local|ray",
            help="Where agents run. Default: ray for an address or trials of several nodes, else local.",
        ),
    ] = None,
    address: Address = None,
    executor: Executor = None,
    cpu: Cpu = None,
    gpu: Gpu = None,
    spread: Spread = False,
    pack: Pack = False,
    label: Label = None,
    working_dir: WorkingDir = None,
    pip: Pip = None,
    env: Env = None,
    resource: Resource = None,
    resume: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(metavar="ID", help="Go on with a sweep that was interrupted or killed, instead of SPEC."),
    ] = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Create a sweep, run agents, watch, print the best config.

    Ctrl-C once lets running trials finish, twice stops them; the sweep can be resumed either way.
    Exit codes: 0 done, 1 the sweep failed, 2 bad usage or a bad spec, 130 interrupted.

    \b
    Examples:  sweep run sweep.yaml --agents 4
               sweep run sweep.yaml --on ray --address auto --gpu 0.5 --agents 8
               sweep run --resume last
    """
    from swath.agents.slots import parse_custom
    from swath.sweeps.cli import launching, running

    placed = launching.placed(spread, pack, label, working_dir, pip, env)
    count, has = launching.agents_of(agents), parse_custom(resource or [])
    running.run(spec, running.Options(count, on, address, executor, cpu, gpu, resume, json, quiet, placed, has))


@app.command(rich_help_panel=RUN)
def create(
    spec: Annotated[Path, typer.Argument(metavar="SPEC", help="The sweep's YAML file.")],
    json: Json = False,
) -> None:
    """Register a sweep and print its id; nothing runs yet.

    \b
    Example:  sweep create sweep.yaml      then, in as many terminals as you like:  sweep agent ID
    """
    from swath.sweeps.cli import creating

    creating.create(spec, json)


@app.command(rich_help_panel=RUN)
def agent(
    sweep: Sweep,
    count: Annotated[int | None, typer.Option(min=1, metavar="N", help="End after so many trials.")] = None,
    name: Annotated[
        str | None, typer.Option(metavar="NAME", help="The agent's name. Default: made from host and pid.")
    ] = None,
    executor: Executor = None,
    slots: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(
            metavar="N|auto",
            help="Trials at the same time, each by an agent of its own; `auto`: as many as fit. Default: 1.",
        ),
    ] = None,
    resource: Resource = None,
    watch_parent: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option(hidden=True, help="File descriptor of a pipe: the agent ends when its other end closes."),
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Run one agent in the foreground; with --slots several.

    It takes trials of the sweep until there are no more. Several agents, in several terminals, share one sweep.
    With SWATH_URL (and SWATH_TOKEN) the trials come from that server.
    With --slots the GPUs that `resources` asks for are dealt out among the agents, and dead ones are replaced.
    Exit codes: 3 the program is broken (it failed three times at the start), 130 interrupted, 143 ended by SIGTERM.

    \b
    Examples:  sweep agent last --count 10
               sweep agent last --slots auto
    """
    from swath.agents.slots import parse_custom
    from swath.sweeps.cli import agents

    options = agents.AgentOptions(count, name, executor, watch_parent, quiet, parse_custom(resource or []))
    if slots is None:
        agents.agent(sweep, options)
        return
    from swath.sweeps.cli import slots as several

    several.run(sweep, slots, options)


@app.command(rich_help_panel=RUN)
def launch(
    sweep: Sweep,
    agents: Agents = None,
    gpu: Gpu = None,
    cpu: Cpu = None,
    address: Address = None,
    spread: Spread = False,
    pack: Pack = False,
    label: Label = None,
    working_dir: WorkingDir = None,
    pip: Pip = None,
    env: Env = None,
    resource: Resource = None,
    detach: Annotated[bool, typer.Option("--detach", "-d", help="Go on in the background.")] = False,
) -> None:
    """Run agents for a sweep on the workers of a Ray cluster.

    Without an address (or RAY_ADDRESS) a Ray is started on this machine.

    \b
    Example:  sweep launch last --address auto --agents 8 --gpu 1 --detach
    """
    from swath.agents.slots import parse_custom
    from swath.sweeps.cli import launching

    placed = launching.placed(spread, pack, label, working_dir, pip, env)
    count, has = launching.agents_of(agents), parse_custom(resource or [])
    launching.launch(sweep, launching.LaunchOptions(count, gpu, cpu, address, detach, placed, has))
