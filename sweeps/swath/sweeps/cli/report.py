"""The last words of a sweep for people: how it came out, the best trial, how to run it again, how to look further."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

from swath.sweeps.cli import outcome, words
from swath.sweeps.cli.fronts import front_title, metric_title
from swath.sweeps.cli.live import counts_line
from swath.sweeps.cli.styles import PLAIN_WIDTH, style_of
from swath.sweeps.flat import flatten
from swath.sweeps.fronts import Front, Ranked
from swath.sweeps.states import OVER
from swath.sweeps.views import SweepView, TrialView

if TYPE_CHECKING:
    from rich.console import Console

    from swath.sweeps.setups import SetupView
    from swath.sweeps.spec import SweepSpec


def say_result(out: Console, view: SweepView, spec: SweepSpec, duration_s: float, front: Front | None = None) -> None:
    """What stands at the end of `sweep run`; `front` for a sweep with several metrics."""
    line = Text("sweep ").append(view.id, style="bold").append(" ")
    if view.state in OVER:
        line.append(view.state, style=style_of(view.state)).append(f" in {words.duration(duration_s)}: ")
    else:
        line.append("is not over", style="yellow").append(f" ({view.state}) after {words.duration(duration_s)}: ")
    out.print(line.append_text(counts_line(view)), soft_wrap=True)
    if view.reason:
        out.print(Text(view.reason, style="dim"), soft_wrap=True)
    if front is not None:
        out.print("")
        say_front(out, front, outcome.shown(front))
    elif view.best is not None:
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
    if best.setup:
        known = [value for value in best.values if value is not None]
        told = f"{best.aggregate} of {words.plural(len(known), 'run')} of setup {best.setup}: "
        out.print(Text(f"  {told}{_singles(best.values)}", style="dim"), soft_wrap=True)
    flat = flatten(best.config)
    width = max((len(key) for key in flat), default=0)
    for key, value in flat.items():
        out.print(Text(f"  {key.ljust(width)}  ").append(str(value), style="cyan"), soft_wrap=True)
    command = outcome.again(spec, best.config)
    if command:
        out.print(Text("\nrun it again     ", style="dim").append(command, style="default"), soft_wrap=True)


def say_top(out: Console, trials: Sequence[TrialView], metric: str, keys: Sequence[str]) -> None:
    """The best trials, one a line; `keys` are the parameters that differ."""
    table = _table(out)
    for name, right in (("", True), ("trial", True), (metric, True), ("state", False), ("run", False)):
        table.add_column(name, justify="right" if right else "left", no_wrap=True)
    table.add_column("config", ratio=1, overflow="fold")
    for place, trial in enumerate(trials, 1):
        state = Text(trial.state, style=style_of(trial.state))
        config = Text(words.config_line(trial.config, keys))
        row: list[Any] = [str(place), str(trial.number), Text(words.metric(trial.value), style="bold"), state]
        table.add_row(*row, Text(trial.run_id, style="dim"), config)
    out.print(table)


def say_top_setups(out: Console, setups: Sequence[SetupView], metric: str, keys: Sequence[str]) -> None:
    """The best configurations, one a line, each with what its runs come to together and the result of each run."""
    table = _table(out)
    for name, right in (("", True), ("setup", True), (f"{setups[0].aggregate} of {metric}", True), ("runs", True),
                        ("each", False)):  # fmt: skip
        table.add_column(name, justify="right" if right else "left", no_wrap=name != "each")
    table.add_column("config", ratio=1, overflow="fold")
    for place, setup in enumerate(setups, 1):
        value = Text(words.metric(setup.values[0]), style="bold" if setup.complete else "")
        each = Text(_singles([single[0] for single in setup.singles]), style="dim")
        config = Text(words.config_line(setup.config, keys))
        table.add_row(str(place), str(setup.number), value, f"{setup.counted}/{setup.of}", each, config)
    out.print(table)


def _singles(values: Sequence[float | None]) -> str:
    return ", ".join(words.metric(value) for value in values)


def say_front(out: Console, front: Front, shown: Sequence[Ranked]) -> None:
    """The trials of a sweep with several metrics, one a line, under a sentence that says which these are."""
    out.print(Text(front_title(front, shown), style="bold" if front.keeps_limits else "yellow"), soft_wrap=True)
    if not shown:
        return
    ranks = any(each.front != 1 for each in shown) and front.keeps_limits
    table = _table(out)
    table.add_column("trial", justify="right", no_wrap=True)
    for metric in front.metrics:
        table.add_column(metric_title(metric), justify="right", no_wrap=True)
    if ranks:
        table.add_column("front", justify="right", no_wrap=True)
    if any(each.violation for each in shown):
        table.add_column("over by", justify="right", no_wrap=True)
    table.add_column("run", no_wrap=True)
    table.add_column("config", ratio=1, overflow="fold")
    keys = words.varied(each.trial.config for each in front.ranked)
    for each in shown:
        table.add_row(*_front_cells(each, ranks, any(other.violation for other in shown), keys))
    out.print(table)


def _front_cells(each: Ranked, ranks: bool, overs: bool, keys: Sequence[str]) -> list[Text | str]:
    style = "bold" if each.front == 1 else ""
    cells: list[Text | str] = [str(each.trial.number)]
    cells += [Text(words.metric(value), style=style) for value in each.trial.objectives]
    if ranks:
        cells.append("-" if each.front is None else str(each.front))
    if overs:
        cells.append(words.number(each.violation) if each.violation else "")
    return [*cells, Text(each.trial.run_id, style="dim"), Text(words.config_line(each.trial.config, keys))]


def _table(out: Console) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    table.expand = out.width < PLAIN_WIDTH
    return table
