"""The verb explain: the facts about one trial in sentences for people, or as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime

import msgspec
from rich.padding import Padding
from rich.text import Text

from swath.sweeps.cli import words
from swath.sweeps.cli.frame import put_json
from swath.sweeps.cli.styles import console, style_of
from swath.sweeps.explaining import Attempt, Decided, Explanation, Moved, Passed, Peer, Place, explain
from swath.sweeps.memory import said
from swath.sweeps.resolving import resolve_trial
from swath.sweeps.states import ENDED
from swath.sweeps.stopping.base import ordinal
from swath.sweeps.workspace import Workspace
from swath.tracking.clock import SYSTEM_CLOCK

Lines = Iterator[str | Text]

_AFTER = {"requeued": "queued again", "exploited": "went on from another trial"}
_TITLES = {"stop": "Why it was stopped", "pause": "Why it was paused", "exploit": "Why it went on from another trial"}
_ENDED = frozenset(str(state) for state in ENDED)
_DONE = {"stop": "stopped", "pause": "paused", "exploit": "went on from another"}
#: So many rungs are shown at each end of a long ladder.
_RUNGS = 8


def show(text: str, sweep: str | None, as_json: bool) -> None:
    """Explain the trial meant by `text`."""
    with Workspace.open() as workspace:
        sweep_id, number = resolve_trial(workspace, text, sweep)
        workspace.catch_up(sweep_id)
        found = explain(workspace, sweep_id, number)
    if as_json:
        put_json(msgspec.to_builtins(found))
        return
    out = console()
    for line in lines(found, SYSTEM_CLOCK.now()):
        if not line:
            out.print("")
            continue
        depth = len(line.plain) - len(line.plain.lstrip())
        out.print(Padding(line[depth:], (0, 0, 0, depth), expand=False))


def lines(found: Explanation, now: float) -> Iterator[Text]:
    """All that is to say, a paragraph for each question; a line is indented by as much as what follows on wrapping."""
    head = Text(f"trial {found.number}", style="bold").append(f"  {found.name}  run {found.run}  ", style="dim")
    yield head.append(found.state, style=style_of(found.state))
    if config := words.config_line(found.config):
        yield Text(f"  {config}", style="cyan")
    yield from _section("Why this configuration", _choice(found))
    yield from _section("What happened", _attempts(found, now))
    for decided in found.decisions:
        yield from _section(_TITLES.get(decided.action, f"Why it was told to {decided.action}"), _decision(decided))
    yield from _section("At the rungs", _rungs(found))
    yield from _section("Its repeats", _repeats(found))
    yield from _section("How it compares", _places(found))


def _section(title: str, told: Lines) -> Iterator[Text]:
    told = iter(told)
    first = next(told, None)
    if first is None:
        return
    yield Text("")
    yield Text(title, style="bold")
    for line in (first, *told):
        yield Text("  ").append_text(line) if isinstance(line, Text) else Text(f"  {line}")


def _choice(found: Explanation) -> Lines:
    chosen = found.suggested
    yield chosen.reason or f"{chosen.method}: no reason was noted"
    if chosen.best_before is not None:
        ended = f"{words.plural(chosen.ended_before, 'trial')} had ended"
        yield f"by then {ended}; the best of them had {_peer(chosen.best_before)}"
    elif chosen.ended_before:
        yield f"by then {words.plural(chosen.ended_before, 'trial')} had ended"
    else:
        yield "by then no trial had ended"


def _peer(peer: Peer) -> str:
    value = "a value that is not kept" if peer.value is None else words.number(peer.value, 6)
    return f"{_values(peer.values) or value} (trial {peer.trial}, {peer.name})"


def _values(values: Mapping[str, float]) -> str:
    """`loss 0.25, ms 12.0`; nothing where there is one metric only."""
    return ", ".join(f"{name} {words.number(value, 6)}" for name, value in values.items())


def _attempts(found: Explanation, now: float) -> Lines:
    if not found.attempts:
        yield "it has not run yet"
        return
    told = {decided.reason for decided in found.decisions}
    moves = list(found.moves)
    for attempt in found.attempts:
        while moves and moves[0].time <= attempt.started:
            yield _move(moves.pop(0))
        yield _attempt(attempt, now, told)
        last = attempt.error.strip().rsplit("\n", 1)[-1]
        if last and last not in attempt.reason:
            yield Text(f"  {words.cut(last, 300)}", style="red")
    yield from (_move(move) for move in moves)
    if found.attempts[-1].end not in (found.state, "running") and found.state in _ENDED:
        yield Text("then ").append(found.state, style=style_of(found.state)).append(f": {found.reason}")
    again = sum(attempt.end == "requeued" for attempt in found.attempts)
    if again:
        yield f"it was queued again {'once' if again == 1 else f'{again} times'}"


def _attempt(attempt: Attempt, now: float, told: set[str]) -> Text:
    spent = words.duration((attempt.ended if attempt.ended is not None else now) - attempt.started)
    end = _AFTER.get(attempt.end, attempt.end)
    given = f" with {said(attempt.memory)}" if attempt.memory else ""
    line = Text(f"attempt {attempt.number}  {_clock(attempt.started)}  {spent} on {attempt.agent or '?'}{given}: ")
    line.append(end, style=style_of(attempt.end))
    reason = "by a decision, see below" if attempt.reason in told else attempt.reason
    return line.append(f", {reason}" if reason else "")


def _move(move: Moved) -> str:
    return f"{move.kind}  {_clock(move.time)}  {move.reason}"


def _clock(time: float) -> str:
    return f"{datetime.fromtimestamp(time):%Y-%m-%d %H:%M:%S}"


def _decision(decided: Decided) -> Lines:
    yield decided.reason
    facts = [f"rule {decided.rule}"] if decided.rule else []
    if decided.band is not None:
        facts.append(f"after {words.plural(decided.band, 'report')}")
    if decided.values:
        facts.append(f"its values {_values(decided.values)}")
    elif decided.value is not None:
        facts.append(f"its value {words.number(decided.value, 6)}")
    if decided.threshold is not None:
        facts.append(f"threshold {words.number(decided.threshold, 6)}")
    if decided.rank is not None:
        facts.append(f"rank {decided.rank} of {decided.n}")
    yield Text(" · ".join(facts), style="dim")
    if decided.dominated and decided.peers:
        yield "dominated, among others, by:" if decided.dominated > len(decided.peers) else "dominated by:"
    elif decided.peers:
        yield "it was compared with, among others:" if decided.n > len(decided.peers) + 1 else "it was compared with:"
    for peer in decided.peers:
        yield f"  {_peer(peer)}"
    if decided.donor is not None:
        yield f"it goes on from {_peer(decided.donor)}"


def _rungs(found: Explanation) -> Lines:
    ends = {decided.band: decided.action for decided in found.decisions}
    rungs = found.rungs
    cut = len(rungs) > 2 * _RUNGS
    for rung in (*rungs[:_RUNGS], *rungs[-_RUNGS:]) if cut else rungs:
        action = _DONE.get(ends.get(rung.band, ""), "")
        value = _values(rung.values) or f"{words.metric(rung.value):>10}"
        line = Text(f"{rung.band:>6} reports  {value}")
        if not rung.values:
            line.append(f"  now {ordinal(rung.rank)} of {rung.n}")
        line.append(f"  {action}" if action else "", style="yellow")
        yield line
        if rung.then is not None and not action:
            yield Text(f"                {_then(rung.then)}", style="dim")
        if cut and rung is rungs[_RUNGS - 1]:
            yield f"   ... {words.plural(len(rungs) - 2 * _RUNGS, 'more rung')}: --json has them all"


def _then(then: Passed) -> str:
    """What was decided when the trial came to a rung; where it is is said before."""
    passed = then.reason.partition(": ")[2] or then.reason
    return f"{'passed' if then.action == 'continue' else _DONE.get(then.action, then.action)} then: {passed}"


def _repeats(found: Explanation) -> Lines:
    own = found.repeats
    if own is None:
        return
    yield f"repeat {own.repeat + 1} of {own.of} of setup {own.setup}; {own.aggregate} of {own.counted} with a result:"
    for name, together in own.values.items():
        yield f"  {name} {words.number(together, 6)}"
    for run in own.runs:
        here = "  (this one)" if run.trial == found.number else ""
        value = _values(run.values) or ("no result" if run.value is None else words.number(run.value, 6))
        yield f"  trial {run.trial}: {value}{here}"


def _places(found: Explanation) -> Lines:
    for place in found.places:
        yield _place(place, found)
    if found.violation:
        yield Text(f"it oversteps the limits by {words.number(found.violation)} in all", style="yellow")
    if found.different:
        what = "trial" if found.repeats is None else "configuration"
        other = f"the best {what}" if len(found.places) == 1 else f"the best {what} of {found.places[0].metric}"
        yield f"what {other} had instead:"
    width = max((len(key) for key in found.different), default=0)
    for key, (own, best) in found.different.items():
        yield f"  {key.removesuffix('.choice').ljust(width)}  {_value(own)} here, {_value(best)} there"


def _place(place: Place, found: Explanation) -> str:
    if place.value is None:
        told = f"it has no value of {place.metric}"
    else:
        rank, own = ordinal(place.rank or 1), found.repeats
        runs = "" if own is None else f", the {own.aggregate} of {words.plural(own.counted, 'run')},"
        of = f"{place.n}" if own is None else words.plural(place.n, "configuration")
        told = f"{place.metric} {words.number(place.value, 6)}{runs} is {rank} of {of} ({place.goal})"
    if place.limit_kept is not None:
        told += f", {'within' if place.limit_kept else 'beyond'} its limit {place.limit:g}"
    if place.best is None:
        return f"{told}; no trial has one yet"
    if place.best.trial == found.number or (found.repeats and place.best.trial == found.repeats.runs[0].trial):
        return told
    return f"{told}; the best is {_peer(place.best)}"


def _value(value: object) -> str:
    return "absent" if value is None else words.plain(value)
