"""The verb importance: how much each parameter matters, as bars or as JSON."""

from __future__ import annotations

import msgspec
from rich.table import Table
from rich.text import Text

from swath.sweeps.cli import words
from swath.sweeps.cli.frame import FAILED, complain, put_json, quit_with
from swath.sweeps.cli.styles import console
from swath.sweeps.results import Weights, weights_of
from swath.sweeps.search.importance import LEAST_TRIALS, Importance
from swath.sweeps.workspace import Workspace

_BAR = 24


def show(prefix: str, as_json: bool) -> None:
    """The importances for each metric; exit code 1 when nothing can be told."""
    with Workspace.open() as workspace:
        sweep_id = workspace.resolve(prefix)
        workspace.catch_up(sweep_id)
        found = weights_of(workspace.trials(sweep_id), workspace.spec(sweep_id))
    if as_json:
        put_json({"sweep": sweep_id, "method": "ped-anova", "metrics": [msgspec.to_builtins(each) for each in found]})
    else:
        for place, each in enumerate(found):
            _say(each, first=not place)
    if not any(each.parameters for each in found):
        complain(_why_not(found), f"look at it with: sweep show {sweep_id}")
        quit_with(FAILED)


def _why_not(found: list[Weights]) -> str:
    if not found:
        return "the sweep has no metric: nothing can matter for it"
    trials = max(each.trials for each in found)
    if trials < LEAST_TRIALS:
        return f"what matters cannot be told yet: it takes {LEAST_TRIALS} trials that ended with a value, not {trials}"
    return "what matters cannot be told: all trials have the same value, or there is nothing that differs"


def _say(each: Weights, first: bool) -> None:
    if not each.parameters:
        return
    out = console()
    if not first:
        out.print("")
    title = Text(f"what matters for {each.metric}", style="bold")
    out.print(title.append(f"  {each.goal}, {words.plural(each.trials, 'trial')}, PED-ANOVA", style="dim"))
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for name in ("parameter", "share", "", "half of the best trials", ""):
        table.add_column(name, justify="right" if name == "share" else "left", no_wrap=True, overflow="ellipsis")
    for parameter in each.parameters:
        table.add_row(*_row(parameter, out.options.ascii_only))
    out.print(table)


def _row(parameter: Importance, ascii_only: bool) -> list[Text]:
    style = "" if parameter.certain else "dim"
    notes = [] if parameter.certain else ["no more than chance"]
    if parameter.conditional:
        notes.append(f"among the {words.plural(parameter.trials, 'trial')} that have it")
    return [
        Text(parameter.name, style=style), Text(f"{parameter.share:.0%}", style=style),
        Text(bar(parameter.share, _BAR, ascii_only), style="cyan" if parameter.certain else "dim"),
        Text(_best(parameter), style=style), Text(", ".join(notes), style="dim"),
    ]  # fmt: skip


def bar(share: float, width: int, ascii_only: bool) -> str:
    """A bar of so large a share of `width`."""
    full, rest = divmod(round(share * width * 8), 8)
    return "#" * round(share * width) if ascii_only else "█" * full + " ▏▎▍▌▋▊▉"[rest].strip()


def _best(parameter: Importance) -> str:
    if not parameter.ordered:
        return words.cut(" or ".join(words.plain(value) for value in parameter.best[:3]), 30)
    low, high = parameter.best
    return words.plain(low) if low == high else f"{words.plain(low)} to {words.plain(high)}"
