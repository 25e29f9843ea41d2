"""What the verbs list, show, best and runs print, for people or as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NoReturn

import msgspec
import typer

from swath.sweeps.cli import listing, outcome, words
from swath.sweeps.cli.frame import FAILED, complain, put_json, quit_with
from swath.sweeps.cli.styles import console
from swath.sweeps.fronts import Front, front_of
from swath.sweeps.results import metrics_of
from swath.sweeps.setups import SetupView, setups_of, standing_for
from swath.sweeps.states import OVER
from swath.sweeps.views import Best, SweepView, TrialView
from swath.sweeps.workspace import Workspace
from swath.tracking.clock import SYSTEM_CLOCK

if TYPE_CHECKING:
    from swath.sweeps.spec import SweepSpec

#: More rows than any store holds.
EVERYTHING = 2**31


def sweep_json(view: SweepView) -> dict[str, Any]:
    """A sweep as JSON: the view, its id as `sweep`, and the best trial in the form that every verb prints."""
    fields: dict[str, Any] = msgspec.to_builtins(view)
    del fields["id"]
    return {"sweep": view.id, **fields, "best": outcome.best_json(view.best)}


def list_sweeps(as_json: bool) -> None:
    """All sweeps, the newest first."""
    with Workspace.open() as workspace:
        workspace.catch_up()
        views = sorted(workspace.sweeps(), key=lambda view: view.created, reverse=True)
        root = workspace.root
    if as_json:
        put_json([sweep_json(view) for view in views])
    elif views:
        console().print(listing.sweeps_table(views, SYSTEM_CLOCK.now()))
    else:
        typer.echo(f"no sweeps in {root} yet. Make one with: sweep run sweep.yaml")


def show(prefix: str, limit: int, as_json: bool) -> None:
    """One sweep and its trials, best first; with repeats the best configuration first, each with its runs.

    With several metrics they are in the order of `sweep best --top`, with their last values as there.
    """
    with Workspace.open() as workspace:
        sweep_id = workspace.resolve(prefix)
        workspace.catch_up(sweep_id)
        view, trials = workspace.show(sweep_id), workspace.trials(sweep_id)
        spec = workspace.spec(sweep_id)
        agents = sum(agent.state == "active" for agent in workspace.agents(sweep_id))
    setups = setups_of(trials, metrics_of(spec), spec.repeats)
    front = front_of(standing_for(trials, spec.metrics, spec.repeats), spec.metrics) if spec.metrics else None
    ordered = [run for setup in setups for run in setup.runs]
    if not ordered and front is not None:
        ordered = listing.by_front(trials, front)
    ordered = ordered or listing.sorted_trials(trials, view.goal)
    if as_json:
        told: dict[str, Any] = {"setups": outcome.setups_json(setups, spec)} if setups else {}
        if front is not None:
            told |= {"best": None, **outcome.front_json(front)}
        put_json({**sweep_json(view), **told, "runs": [msgspec.to_builtins(trial) for trial in ordered]})
        return
    out, now = console(), SYSTEM_CLOCK.now()
    for line in listing.head_lines(view, now, front):
        out.print(line)
    if not agents and view.state not in OVER:
        out.print(f"no agent is at work on it: sweep run --resume {sweep_id}", style="yellow")
    shown = ordered[:limit] if limit else ordered
    if shown:
        keys = words.varied(trial.config for trial in trials)
        out.print("")
        out.print(listing.trials_table(shown, view, now, keys, out.width, setups, front))
    if len(shown) < len(ordered):
        out.print(
            f"and {words.plural(len(ordered) - len(shown), 'more trial')}: sweep show {sweep_id} --limit 0",
            style="dim",
        )


def best(prefix: str, top: int | None, as_json: bool) -> None:
    """The best trial and how to run it again, or the front of several metrics; exit code 1 when there is none."""
    with Workspace.open() as workspace:
        sweep_id = workspace.resolve(prefix)
        workspace.catch_up(sweep_id)
        view, spec = workspace.show(sweep_id), workspace.spec(sweep_id)
        trials = workspace.trials(sweep_id) if spec.metrics or top is not None else []
    if spec.metrics:
        _front(view, front_of(standing_for(trials, spec.metrics, spec.repeats), spec.metrics), top, as_json)
    elif top is not None and spec.metric is not None and spec.repeats.count > 1:
        _top_setups(view, spec, setups_of(trials, (spec.metric,), spec.repeats), top, as_json)
    elif top is not None and view.metric is not None:
        _top(view, trials, top, as_json)
    else:
        _best(view, spec, as_json)


def _best(view: SweepView, spec: SweepSpec, as_json: bool) -> None:
    if as_json:
        put_json(outcome.best_json(view.best))
    if view.best is None:
        _no_best(view)
    if not as_json:
        from swath.sweeps.cli.report import say_best

        say_best(console(), view, spec)


def _top(view: SweepView, trials: Sequence[TrialView], top: int, as_json: bool) -> None:
    metric = view.metric or ""
    found = [trial for trial in listing.sorted_trials(trials, view.goal) if trial.value is not None][:top]
    if as_json:
        bests = [Best(t.run_id, t.name, t.number, metric, t.value, t.config) for t in found if t.value is not None]
        put_json([outcome.best_json(best) for best in bests])
    if not found:
        _no_best(view)
    if not as_json:
        from swath.sweeps.cli.report import say_top

        say_top(console(), found, metric, words.varied(trial.config for trial in trials))


def _top_setups(view: SweepView, spec: SweepSpec, setups: Sequence[SetupView], top: int, as_json: bool) -> None:
    found = [setup for setup in setups if setup.counted][:top]
    if as_json:
        put_json(outcome.setups_json(found, spec))
    if not found:
        _no_best(view)
    if not as_json:
        from swath.sweeps.cli.report import say_top_setups

        keys = words.varied(setup.config for setup in setups)
        say_top_setups(console(), found, view.metric or "", keys)


def _front(view: SweepView, front: Front, top: int | None, as_json: bool) -> None:
    if as_json:
        put_json({"sweep": view.id, **outcome.front_json(front, top)})
    if not front.ranked:
        names = ", ".join(metric.name for metric in front.metrics)
        complain(f"no trial of sweep {view.id} has a result in each of {names} yet", _LOOK.format(view.id))
        quit_with(FAILED)
    if not as_json:
        from swath.sweeps.cli.report import say_front

        say_front(console(), front, outcome.shown(front, top))


_LOOK = "look at it with: sweep show {}"


def _no_best(view: SweepView) -> NoReturn:
    wanted = (
        f"no trial of sweep {view.id} has a value of {view.metric} yet" if view.metric else "the sweep has no metric"
    )
    complain(wanted, _LOOK.format(view.id))
    quit_with(FAILED)


def list_runs(limit: int, as_json: bool) -> None:
    """The newest runs of the store."""
    with Workspace.open() as workspace:
        runs = workspace.runs(limit=limit or EVERYTHING)
        root = workspace.root
    if as_json:
        put_json([msgspec.to_builtins(run) for run in runs])
    elif runs:
        console().print(listing.runs_table(runs, SYSTEM_CLOCK.now()))
    else:
        typer.echo(f"no runs in {root} yet")
