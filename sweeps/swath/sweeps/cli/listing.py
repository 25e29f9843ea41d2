"""Tables of sweeps, trials and runs for people: from views to rich tables; reads nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.table import Table
from rich.text import Text

from swath.sweeps.cli import words
from swath.sweeps.cli.live import counts_line, progress_counts
from swath.sweeps.cli.styles import PLAIN_WIDTH, style_of
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


#: Below this width the reason of a trial stands under its config, and not beside it.
WIDE = 120


def trials_table(
    trials: Sequence[TrialView], view: SweepView, now: float, keys: Sequence[str], width: int,
    setups: Sequence[SetupView] = (),
) -> Table:  # fmt: skip
    """The trials in the order given; the best one stands out. On a narrow terminal reasons stand below the configs.

    With `setups`, beside the first run of each what all of its runs come to together.
    """
    wide = width >= WIDE and any(why(trial) for trial in trials)
    fixed = {"justify": "right", "no_wrap": True}
    table = _table(
        *([("setup", fixed), (_together(setups), fixed)] if setups else []),
        ("trial", fixed),
        ("run", {"no_wrap": True}),
        ("state", {"no_wrap": True}),
        (view.metric or "value", fixed),
        ("reports", fixed),
        ("time", fixed),
        ("config", {"overflow": "fold", "ratio": 2}),
        *([("why", {"overflow": "fold", "ratio": 3})] if wide else []),
    )
    table.expand = width < PLAIN_WIDTH
    firsts = {setup.first.run_id: setup for setup in setups}
    for trial in trials:
        cells = _setup_cells(firsts.get(trial.run_id)) if setups else []
        table.add_row(*cells, *_trial_cells(trial, now, keys, wide), style=_row_style(trial, view))
    return table


def _together(setups: Sequence[SetupView]) -> str:
    return f"{setups[0].aggregate} (runs)"


def _setup_cells(setup: SetupView | None) -> list[Text | str]:
    """The number of a setup and what its runs come to, `0.1234 (3/3)`; nothing beside its further runs."""
    if setup is None:
        return ["", ""]
    value = setup.values[0] if setup.values else None
    return [str(setup.number), f"{words.metric(value)} ({setup.counted}/{setup.of})"]


def _row_style(trial: TrialView, view: SweepView) -> str:
    return "bold" if view.best is not None and view.best.run == trial.run_id else ""


def _trial_cells(trial: TrialView, now: float, keys: Sequence[str], wide: bool) -> list[Text | str]:
    until = trial.ended or (now if trial.state == "running" else None)
    spent = until - trial.started if until is not None and trial.started is not None else None
    value = trial.value if trial.value is not None else trial.latest
    again = f" ×{trial.attempt}" if trial.attempt > 1 else ""
    config, reason = Text(words.config_line(trial.config, keys)), Text(why(trial), style="dim")
    if not wide and len(reason):
        config.append("\n").append_text(reason)
    return [
        str(trial.number), Text(trial.run_id), Text(trial.state + again, style=style_of(trial.state)),
        words.metric(value), str(trial.reports), words.duration(spent), config, *([reason] if wide else []),
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


def head_lines(view: SweepView, now: float) -> list[Text]:
    """What stands above the trials: name, state, method, counts, best."""
    first = Text(view.name or view.id, style="bold").append(f"  sweep {view.id}  ", style="dim")
    first.append(view.state, style=style_of(view.state)).append(f"  {view.reason}" if view.reason else "", style="dim")
    done, total = progress_counts(view)
    goal = f"{view.goal} {view.metric}" if view.metric else "no metric"
    spent = words.duration((view.ended or now) - view.started) if view.started is not None else "not started"
    second = f"{view.method} · {goal} · {done}{'' if total is None else f'/{total}'} trials · {spent}"
    lines = [
        first,
        Text(second + (f" · {view.origin}" if view.origin else ""), style="dim"),
        counts_line(view),
    ]
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
