"""Which trial is meant by a text: a run id, a trial's name, `SWEEP#N` or `SWEEP/N`, a number, or a unique beginning."""

from __future__ import annotations

from difflib import get_close_matches

from swath.sweeps.views import TrialView
from swath.sweeps.workspace import Workspace
from swath.tracking.errors import NotFound, UsageError

#: So many are named when a beginning fits several.
_NAMED = 5


def resolve_trial(workspace: Workspace, text: str, sweep: str | None = None) -> tuple[str, int]:
    """The sweep's id and the number of the trial meant.

    With `sweep` (whatever `Workspace.resolve` takes) only its trials count, and a bare number is one of them. Without
    it, a name that trials of several sweeps have means the newest. Raises `NotFound` or `UsageError`.
    """
    before, slash, number = text.rpartition("/")
    if slash and number.isdecimal():
        text = f"{before}#{number}"
    if "#" in text and sweep is None:
        sweep, _, text = text.rpartition("#")
    text = text.removeprefix("#")
    if text.isascii() and text.isdecimal() and sweep is None:
        raise UsageError(f"trial {text} of which sweep?", f"write SWEEP#{text}, as in last#{text}, or add --sweep ID")
    if sweep is None:
        sweeps = [view.id for view in reversed(workspace.sweeps())]
    else:
        sweeps = [workspace.resolve(sweep)]
    return _found(workspace, text, sweeps, sweep is not None)


def _found(workspace: Workspace, text: str, sweeps: list[str], numbered: bool) -> tuple[str, int]:
    begun: list[tuple[str, TrialView]] = []
    names: list[str] = []
    for sweep_id in sweeps:
        trials = workspace.trials(sweep_id)
        for trial in trials:
            if text in (trial.run_id, trial.name) or (numbered and text == str(trial.number)):
                return sweep_id, trial.number
        begun += [(sweep_id, trial) for trial in trials if text and _begins(trial, text)]
        names += [name for trial in trials for name in (trial.run_id, trial.name)]
    if len(begun) == 1:
        return begun[0][0], begun[0][1].number
    if begun:
        first = ", ".join(f"{trial.run_id} ({trial.name})" for _, trial in begun[:_NAMED])
        more = f" and {len(begun) - _NAMED} more" if len(begun) > _NAMED else ""
        raise NotFound(f"{text!r} begins {len(begun)} trials: {first}{more}", "write one in full")
    near = get_close_matches(text, dict.fromkeys(names), 3)
    where = f"sweep {sweeps[0]}" if numbered else str(workspace.root)
    hint = f"did you mean {' or '.join(near)}?" if near else "list a sweep's trials with: sweep show ID"
    raise NotFound(f"there is no trial {text!r} in {where}", hint)


def _begins(trial: TrialView, text: str) -> bool:
    return trial.run_id.startswith(text) or trial.name.startswith(text)
