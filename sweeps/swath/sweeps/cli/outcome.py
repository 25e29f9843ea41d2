"""How a sweep came out: JSON, exit code, what went wrong, and how to run a configuration again. Prints nothing."""

from __future__ import annotations

import difflib
import json
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from swath.sweeps.cli.frame import FAILED
from swath.sweeps.fronts import Front, Ranked
from swath.sweeps.results import metrics_of
from swath.sweeps.views import Best, SweepView, TrialView

if TYPE_CHECKING:
    from swath.sweeps.setups import SetupView
    from swath.sweeps.spec import SweepSpec


@dataclass(frozen=True)
class Conclusion:
    """The exit code, and what to say when it is not 0."""

    code: int = 0
    message: str = ""
    hint: str = ""


def conclude(view: SweepView, last_failed: Callable[[], TrialView | None]) -> Conclusion:
    """What became of a sweep whose agents have left. One without a metric succeeds when any trial finished."""
    counts = view.trials
    ended_well = counts.get("finished", 0) + counts.get("stopped", 0)
    if view.state == "cancelled":
        return Conclusion(FAILED, f"sweep {view.id} was cancelled", f"reopen it with: sweep run --resume {view.id}")
    if view.state != "finished":
        left = counts.get("queued", 0) + counts.get("running", 0)
        why = f"its agents have left it {view.state}" + (f" with {left} trials queued or running" if left else "")
        return Conclusion(FAILED, f"sweep {view.id} is not over: {why}", f"go on with: sweep run --resume {view.id}")
    if not ended_well and counts.get("failed", 0):
        return _all_failed(view, last_failed())
    if view.metric and view.best is None and ended_well:
        return _no_metric(view)
    if not ended_well:
        return Conclusion(FAILED, f"sweep {view.id} ended without a finished trial", view.reason)
    return Conclusion()


def _all_failed(view: SweepView, trial: TrialView | None) -> Conclusion:
    count = view.trials["failed"]
    what = "the only trial failed" if count == 1 else f"all {count} trials failed"
    if trial is None:
        return Conclusion(FAILED, what, f"sweep show {view.id}")
    said = trial.error.strip() or trial.reason or "it said nothing"
    where = "" if count == 1 else f"; the last one, trial {trial.number}"
    hint = f"mend the program, then: sweep retry {view.id} && sweep run --resume {view.id}"
    return Conclusion(FAILED, f"{what}{where} (run {trial.run_id}):\n{tail(said)}", hint)


def _no_metric(view: SweepView) -> Conclusion:
    metric = view.metric or ""
    if metric in view.metrics_seen:
        message = f"no trial logged {metric} as a finite number: every value was NaN, infinite or not a number"
        return Conclusion(FAILED, message, f"look at what was logged: sweep show {view.id}")
    seen = ", ".join(view.metrics_seen) if view.metrics_seen else "none at all"
    near = difflib.get_close_matches(metric, view.metrics_seen, n=1, cutoff=0.5)
    meant = f"did you mean {near[0]}? " if near else ""
    call = f"run.log({{{json.dumps(metric)}: value}})"
    hint = f"{meant}log it under that name, as in {call}, or mend metric.name in the sweep"
    return Conclusion(FAILED, f"no trial logged the metric {metric}; metrics that were logged: {seen}", hint)


def tail(text: str, lines: int = 15) -> str:
    """The last lines of an error, indented."""
    return "\n".join("  " + line for line in text.rstrip().split("\n")[-lines:])


def best_json(best: Best | None) -> dict[str, Any] | None:
    """The best trial as `run --json`, `show --json` and `best --json` print it."""
    if best is None:
        return None
    found = {"run": best.run, "metric": best.metric, "value": best.value, "config": best.config}
    repeats = {"setup": best.setup, "aggregate": best.aggregate, "values": list(best.values)}
    return found | (repeats if best.setup else {})


def front_json(front: Front, top: int | None = None) -> dict[str, Any]:
    """The trials of a sweep with several metrics as JSON: the front, or the `top` trials in order.

    While no trial keeps all limits these are the ones that overstep them least. `limits_kept` says which it is.
    """
    return {
        "metrics": [metric.to_dict() for metric in front.metrics],
        "limits_kept": front.keeps_limits,
        "front": [_ranked_json(each, front) for each in shown(front, top)],
    }


#: So many of the trials that overstep limits are shown when none keeps them.
LEAST_OVER = 5


def shown(front: Front, top: int | None = None) -> Sequence[Ranked]:
    """The trials to show: the front, or the `top` of all."""
    if top is not None:
        return front.ranked[:top]
    if not front.keeps_limits:
        return front.ranked[:LEAST_OVER]
    return [each for each in front.ranked if each.front == 1]


def _ranked_json(each: Ranked, front: Front) -> dict[str, Any]:
    names = (metric.name for metric in front.metrics)
    return {
        "run": each.trial.run_id,
        "number": each.trial.number,
        "front": each.front,
        "violation": each.violation,
        "values": dict(zip(names, each.trial.objectives, strict=True)),
        "config": each.trial.config,
    }


def result_json(view: SweepView, duration_s: float, front: Front | None = None) -> dict[str, Any]:
    """What `run --json` prints; with several metrics the front is there, and no trial is the best one."""
    return {
        "sweep": view.id,
        "state": str(view.state),
        "trials": dict(view.trials),
        "best": best_json(view.best) if front is None else None,
        **({} if front is None else front_json(front)),
        "duration_s": round(duration_s, 3),
    }


def setups_json(setups: Sequence[SetupView], spec: SweepSpec) -> list[dict[str, Any]]:
    """The configurations of a sweep with repeats as JSON, each with its runs."""
    return [setup.to_dict(metrics_of(spec)) for setup in setups]


def again(spec: SweepSpec, config: dict[str, Any]) -> str | None:
    """The command line that runs `config` without a sweep; None for a function that has no name to call it by."""
    from swath.agents.macros import MacroError, default_command, expand

    if spec.function:
        call = f"sweeps.call('{spec.function}', {config!r})"
        return f"python -c {_quoted(f'from swath import sweeps; {call}')}"
    if not (spec.program or spec.command):
        return None
    command = list(spec.command) if spec.command else default_command(spec.program or "")
    try:
        return shlex.join(expand([w for w in command if w != "${env}"], config, spec.program, interpreter="python"))
    except MacroError:
        return None


def _quoted(code: str) -> str:
    """Python code as one word of a shell, in double quotes where they do, since the code holds single ones."""
    return shlex.quote(code) if set(code) & set('"$`\\!') else f'"{code}"'
