"""Tables of sweeps, trials and runs for people: from views to rich tables; reads nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.table import Table
from rich.text import Text

from swath.sweeps.cli import words
from swath.sweeps.cli.fronts import front_title, metric_title
from swath.sweeps.cli.live import counts_line, progress_counts
from swath.sweeps.cli.styles import PLAIN_WIDTH, style_of
from swath.sweeps.fronts import Front, Ranked
from swath.sweeps.memory import said
from swath.sweeps.settling import is_plain
from swath.sweeps.setups import SetupView
from swath.sweeps.views import SweepView, TrialView
from swath.tracking.store import RunRow


def _table(*columns: tuple[str, dict[str, Any]]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for name, options in columns:
        table.add_column(name, **options)
    return table


def sweeps_table(views: Sequence[SweepView], now: float) -> Table:
    """One line a sweep."""
    table = _table(
        ("id", {"no_wrap": True}),
        ("name", {"no_wrap": True, "overflow": "ellipsis", "max_width": 28}),
        ("state", {"no_wrap": True}),
        ("method", {"no_wrap": True}),
        ("trials", {"justify": "right", "no_wrap": True}),
        ("best", {"no_wrap": True, "overflow": "ellipsis"}),
        ("created", {"no_wrap": True}),
    )
    for view in views:
        done, total = progress_counts(view)
        best = f"{view.best.metric} {words.metric(view.best.value)}" if view.best else "-"
        table.add_row(
            Text(view.id, style="bold"), Text(view.name), Text(view.state, style=style_of(view.state)),
            Text(view.method), f"{done}/{total}" if total is not None else str(done), Text(best),
            words.ago(view.created, now),
        )  # fmt: skip
    return table


def sorted_trials(trials: Sequence[TrialView], goal: str) -> list[TrialView]:
    """Best first; trials without a value last, in the order of their numbers."""
    sign = -1.0 if goal == "maximize" else 1.0

    def order(trial: TrialView) -> tuple[bool, float, int]:
        return trial.value is None, sign * (trial.value or 0.0), trial.number

    return sorted(trials, key=order)


def by_front(trials: Sequence[TrialView], front: Front) -> list[TrialView]:
    """Those with all their results in the order of `sweep best`; the others last, in the order of their numbers."""
    places = {each.trial.number: place for place, each in enumerate(front.ranked)}
    return sorted(trials, key=lambda trial: (places.get(trial.number, len(places)), trial.number))


#: Below this width the reason of a trial stands under its config, and not beside it.
WIDE = 120


def trials_table(
    trials: Sequence[TrialView], view: SweepView, now: float, keys: Sequence[str], width: int,
    setups: Sequence[SetupView] = (), front: Front | None = None,
) -> Table:  # fmt: skip
    """The trials in the order given; the best one stands out. On a narrow terminal reasons stand below the configs.

    With `setups`, beside the first run of each what all of its runs come to together. With several metrics, which is
    when there is a `front`, each trial's last values, and which front it is on; those of the first one stand out.
    """
    wide = width >= WIDE and any(why(trial) for trial in trials)
    fixed = {"justify": "right", "no_wrap": True}
    table = _table(
        *([("setup", fixed), (_together(setups), fixed)] if setups else []),
        ("trial", fixed),
        ("run", {"no_wrap": True}),
        ("state", {"no_wrap": True}),
        *_metric_columns(view, front, fixed),
        ("reports", fixed),
        ("time", fixed),
        ("config", {"overflow": "fold", "ratio": 2}),
        *([("why", {"overflow": "fold", "ratio": 3})] if wide else []),
    )
    table.expand = width < PLAIN_WIDTH
    firsts = {setup.first.run_id: setup for setup in setups}
    ranked = {each.trial.number: each for each in front.ranked} if front is not None else {}
    for trial in trials:
        cells = _setup_cells(firsts.get(trial.run_id)) if setups else []
        values = [words.metric(trial.value if trial.value is not None else trial.latest)]
        if front is not None:
            values = _values(trial, front, ranked.get(trial.number))
        style = "bold" if _is_best(trial, view, front, ranked.get(trial.number)) else ""
        table.add_row(*cells, *_trial_cells(trial, now, keys, wide, values), style=style)
    return table


def _metric_columns(view: SweepView, front: Front | None, options: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    if front is None:
        return [(view.metric or "value", options)]
    return [*((metric_title(metric), options) for metric in front.metrics), ("front", options)]


def _values(trial: TrialView, front: Front, ranked: Ranked | None) -> list[str]:
    """The last value of each metric, as far as known, and the trial's front; `over` where it oversteps a limit."""
    known: Sequence[float | None] = trial.objectives or (trial.latest, *[None] * (len(front.metrics) - 1))
    place = "" if ranked is None else "over" if ranked.front is None else str(ranked.front)
    return [*map(words.metric, known), place]


def _is_best(trial: TrialView, view: SweepView, front: Front | None, ranked: Ranked | None) -> bool:
    if front is not None:
        return ranked is not None and ranked.front == 1
    return view.best is not None and view.best.run == trial.run_id


def _together(setups: Sequence[SetupView]) -> str:
    return f"{setups[0].aggregate} (runs)"


def _setup_cells(setup: SetupView | None) -> list[Text | str]:
    """The number of a setup and what its runs come to, `0.1234 (3/3)`; nothing beside its further runs."""
    if setup is None:
        return ["", ""]
    values = ", ".join(words.metric(value) for value in setup.values) or words.metric(None)
    return [str(setup.number), f"{values} ({setup.counted}/{setup.of})"]


def _trial_cells(
    trial: TrialView, now: float, keys: Sequence[str], wide: bool, values: Sequence[str]
) -> list[Text | str]:
    until = trial.ended or (now if trial.state == "running" else None)
    spent = until - trial.started if until is not None and trial.started is not None else None
    again = f" ×{trial.attempt}" if trial.attempt > 1 else ""
    config, reason = Text(words.config_line(trial.config, keys)), Text(why(trial), style="dim")
    if not wide and len(reason):
        config.append("\n").append_text(reason)
    return [
        str(trial.number), Text(trial.run_id), Text(trial.state + again, style=style_of(trial.state)),
        *values, str(trial.reports), words.duration(spent), config, *([reason] if wide else []),
    ]  # fmt: skip


def why(trial: TrialView) -> str:
    """Why the trial stands where it stands; nothing for one that simply ran to its end or runs."""
    if trial.state in ("finished", "running") and trial.attempt <= 1:
        return ""
    last_line = trial.error.strip().rsplit("\n", 1)[-1].strip() if trial.state == "failed" else ""
    if is_plain(trial.reason):
        return " ".join((last_line or trial.reason).split())
    given = f" with {said(trial.memory)} of memory" if trial.memory and trial.state == "finished" else ""
    more = f": {last_line}" if last_line and last_line not in trial.reason else ""
    return " ".join(f"{trial.reason}{given}{more}".split())


def head_lines(view: SweepView, now: float, front: Front | None = None) -> list[Text]:
    """What stands above the trials: name, state, method, counts, best; with several metrics how large the front is."""
    first = Text(view.name or view.id, style="bold").append(f"  sweep {view.id}  ", style="dim")
    first.append(view.state, style=style_of(view.state)).append(f"  {view.reason}" if view.reason else "", style="dim")
    done, total = progress_counts(view)
    goal = f"{view.goal} {view.metric}" if view.metric else "no metric"
    if front is not None:
        goal = ", ".join(f"{metric.goal} {metric.name}" for metric in front.metrics)
    spent = words.duration((view.ended or now) - view.started) if view.started is not None else "not started"
    second = f"{view.method} · {goal} · {done}{'' if total is None else f'/{total}'} trials · {spent}"
    lines = [
        first,
        Text(second + (f" · {view.origin}" if view.origin else ""), style="dim"),
        counts_line(view),
    ]
    if front is not None:
        return [*lines, Text(front_title(front), style="bold green" if front.best else "yellow")]
    if view.best:
        lines.append(
            Text("best  ").append(f"{view.best.metric} {words.number(view.best.value, 6)}", style="bold green")
        )
        if view.best.setup:
            counted = sum(value is not None for value in view.best.values)
            lines[-1].append(f"  {view.best.aggregate} of {words.plural(counted, 'run')} of setup {view.best.setup}")
        lines[-1].append(f"  trial {view.best.number} (run {view.best.run})")
    return lines


def runs_table(runs: Sequence[RunRow], now: float) -> Table:
    """One line a run."""
    table = _table(
        ("run", {"no_wrap": True}),
        ("name", {"no_wrap": True, "overflow": "ellipsis", "max_width": 24}),
        ("project", {"no_wrap": True, "overflow": "ellipsis", "max_width": 20}),
        ("state", {"no_wrap": True}),
        ("rows", {"justify": "right", "no_wrap": True}),
        ("time", {"justify": "right", "no_wrap": True}),
        ("created", {"no_wrap": True}),
        ("summary", {"no_wrap": True, "overflow": "ellipsis", "ratio": 1}),
    )
    for run in runs:
        spent = words.duration((run.ended or run.updated) - run.created) if run.created else ""
        table.add_row(
            Text(run.id, style="bold"), Text(run.name), Text(run.project), Text(run.state, style=style_of(run.state)),
            str(run.rows), spent, words.ago(run.created, now), Text(words.summary_line(run.summary)),
        )  # fmt: skip
    return table
