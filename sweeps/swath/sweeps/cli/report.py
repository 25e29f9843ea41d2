"""The last words of a sweep for people: how it came out, the best trial, how to run it again, how to look further."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

from swath.sweeps.cli import outcome, words
from swath.sweeps.cli.live import counts_line
from swath.sweeps.cli.styles import style_of
from swath.sweeps.flat import flatten
from swath.sweeps.running import OVER
from swath.sweeps.views import SweepView

if TYPE_CHECKING:
    from rich.console import Console

    from swath.sweeps.spec import SweepSpec


def say_result(out: Console, view: SweepView, spec: SweepSpec, duration_s: float) -> None:
    """What stands at the end of `sweep run`."""
    line = Text("sweep ").append(view.id, style="bold").append(" ")
    if view.state in OVER:
        line.append(view.state, style=style_of(view.state)).append(f" in {words.duration(duration_s)}: ")
    else:
        line.append("is not over", style="yellow").append(f" ({view.state}) after {words.duration(duration_s)}: ")
    out.print(line.append_text(counts_line(view)), soft_wrap=True)
    if view.reason:
        out.print(Text(view.reason, style="dim"), soft_wrap=True)
    if view.best is not None:
        out.print("")
        say_best(out, view, spec)
    out.print(
        Text("look further     ", style="dim").append(f"sweep show {view.id}", style="default"),
        soft_wrap=True,
    )


def say_best(out: Console, view: SweepView, spec: SweepSpec) -> None:
    """The best run, its config, and the command line that runs it again."""
    best = view.best
    assert best is not None
    head = Text("best  ", style="bold").append(f"{best.metric} = {words.number(best.value, 6)}", style="bold green")
    out.print(head.append(f"  trial {best.number}, run {best.run}", style="dim"), soft_wrap=True)
    flat = flatten(best.config)
    width = max((len(key) for key in flat), default=0)
    for key, value in flat.items():
        out.print(Text(f"  {key.ljust(width)}  ").append(str(value), style="cyan"), soft_wrap=True)
    command = outcome.again(spec, best.config)
    if command:
        out.print(Text("\nrun it again     ", style="dim").append(command, style="default"), soft_wrap=True)
