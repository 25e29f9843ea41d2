"""What the verbs validate and schema print: the faults of a sweep file, or what the sweep would do."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import msgspec
import typer

from swath.sweeps.cli import outcome, words
from swath.sweeps.cli.frame import BAD_USAGE, complain, count_faults, put_json, quit_with, say_fault
from swath.sweeps.search.priors import Priors
from swath.sweeps.space import SearchSpace
from swath.sweeps.spec import Fault, SpecFaults, SweepSpec, json_schema, load_spec
from swath.sweeps.spec.keys import PRIORS
from swath.sweeps.spec.search import is_custom, learns
from swath.sweeps.spec.stoppers import Guarded, Rule, compares, rules_in
from swath.sweeps.stopping import make_stopper

SHOWN_BANDS = 5
_LONG_TRIAL = 1_000_000
#: A checked spec has a config that the constraints allow among so many.
_DRAWS = 10_000


def validate(path: Path, as_json: bool) -> None:
    """Exit code 2 and all faults, or a summary."""
    faults: tuple[Fault, ...] = ()
    try:
        spec = load_spec(path)
        faults = runnable_faults(spec, path)
    except SpecFaults as error:
        faults = error.faults
    if faults:
        _refuse(path, faults, as_json)
    facts = summary(spec)
    if as_json:
        put_json({"valid": True, "faults": [], "notices": list(spec.notices), **facts})
    else:
        _say(path, spec, facts)


def _refuse(path: Path, faults: tuple[Fault, ...], as_json: bool) -> None:
    if as_json:
        put_json({"valid": False, "faults": [msgspec.to_builtins(fault) for fault in faults]})
    else:
        complain(f"{path} has {count_faults(len(faults))}")
        for fault in faults:
            say_fault(str(path), fault)
    quit_with(BAD_USAGE)


def runnable_faults(spec: SweepSpec, path: Path) -> tuple[Fault, ...]:
    """What would stop `sweep run` here: a program may stand in the working directory or beside the sweep file."""
    here = spec.runnable_faults(Path.cwd())
    return here if here and spec.runnable_faults(path.absolute().parent) else ()


def summary(spec: SweepSpec) -> dict[str, Any]:
    """What a sweep of this spec would do."""
    space = SearchSpace.from_parameters(spec.parameters, spec.constraints)
    size = space.grid_size if spec.method == "grid" else space.size
    runs = None if size is None else size * spec.repeats.count
    limits = [limit for limit in (runs, spec.most_trials) if limit is not None]
    return {
        "name": spec.name,
        "method": spec.method,
        "metric": spec.metric.name if spec.metric else None,
        "goal": spec.metric.goal if spec.metric else None,
        "runs": spec.function or spec.program or " ".join(spec.command or ()),
        "parameters": {leaf.name: str(type(leaf.distribution).__name__).lower() for leaf in space.leaves},
        "searched": len(space.searched),
        "constraints": [constraint.text for constraint in space.constraints],
        "priors": _priors(space),
        "priors_do": _priors_do(spec, space),
        "space_size": size,
        "trials": min(limits) if limits else None,
        "stopper": stopper.name if (stopper := make_stopper(spec)) else None,
        "rules": [rule.to_dict() for rule in rules_in(spec.early_terminate)],
        "bands": _bands(spec),
        "example": _example(spec, space),
    }


def _priors(space: SearchSpace) -> dict[str, dict[str, Any]]:
    """Where the best value of each parameter that has a prior is expected."""
    found = {leaf.name: leaf.belief for leaf in space.searched}
    return {name: {"value": it.value, "confidence": it.confidence} for name, it in found.items() if it is not None}


def _priors_do(spec: SweepSpec, space: SearchSpace) -> str | None:
    """What the method makes of the priors."""
    if not space.believed:
        return None
    does = PRIORS["custom" if is_custom(spec.method) else spec.method]
    if learns(spec.method) and Priors(space).mode is None:
        return f"{does}. But the constraints allow no trial with all of these values"
    return does


def _bands(spec: SweepSpec) -> list[int] | None:
    """The first numbers of reports at which trials are compared; None where they run to their end."""
    stopper = make_stopper(spec)
    return None if stopper is None else list(stopper.checkpoints(0, _LONG_TRIAL)[:SHOWN_BANDS])


def _example(spec: SweepSpec, space: SearchSpace) -> dict[str, Any]:
    """A config of the space: the grid's first, else one at random that is the same each time."""
    if spec.method == "grid":
        points = (space.grid_point(index) for index in range(min(space.grid_size, _DRAWS)))
        return next((point for point in points if space.allows(point)), space.grid_point(0))
    draw = random.Random(0)
    configs = (space.from_unit([draw.random() for _ in space.searched]) for _ in range(_DRAWS))
    return next(config for config in configs if space.allows(config))


def _say(path: Path, spec: SweepSpec, facts: dict[str, Any]) -> None:
    typer.secho("ok  ", fg=typer.colors.GREEN, bold=True, nl=False)
    typer.echo(f"{path}: {facts['name'] or path.stem}")
    for name, text in _facts(spec, facts):
        typer.echo(f"  {name:<10} {text}")
    for notice in spec.notices:
        typer.secho(f"  note       {notice}", fg=typer.colors.YELLOW)


def _facts(spec: SweepSpec, facts: dict[str, Any]) -> list[tuple[str, str]]:
    """The lines of the summary: a name and a text each."""
    size, trials = facts["space_size"], facts["trials"]
    of = words.plural(len(facts["parameters"]), "parameter")
    rows = [
        ("method", f"{facts['method']}, {facts['searched']} of {of} searched"),
        ("metric", _metrics(spec)),
        ("space", "continuous" if size is None else f"{size:,} configurations"),
        (
            "trials",
            "no limit: runs until it is stopped (set run_cap to end it)" if trials is None else f"{trials:,}",
        ),
        ("stopping", _stopping(spec, facts["stopper"], facts["bands"])),
        ("example", words.config_line(facts["example"])),
    ]
    if facts["priors"]:
        told = [f"{name} {words.plain(it['value'])} ({it['confidence']})" for name, it in facts["priors"].items()]
        rows.insert(3, ("priors", f"{', '.join(told)}: {facts['priors_do']}"))
    if facts["constraints"]:
        parts = [f"({text})" if " or " in text else text for text in facts["constraints"]]
        rows.insert(3, ("where", " and ".join(parts)))
    if spec.repeats.count > 1:
        rows.insert(3, ("repeats", f"{spec.repeats.count} of each configuration, {spec.repeats.aggregate}"))
    command = outcome.again(spec, facts["example"])
    return [*rows, ("runs", command)] if command else rows


def _metrics(spec: SweepSpec) -> str:
    metrics = spec.metrics or ((spec.metric,) if spec.metric else ())
    limits = {metric.name: f" (limit {metric.limit:g})" for metric in metrics if metric.limit is not None}
    said = [f"{metric.goal} {metric.name}{limits.get(metric.name, '')}" for metric in metrics]
    return ", ".join(said) or "none: no best trial will be named"


def _stopping(spec: SweepSpec, rule: str | None, bands: list[int] | None) -> str:
    if rule is None or bands is None:
        return "none: every trial runs to its end"
    kinds = [_kind(each, spec) for each in rules_in(spec.early_terminate)]
    rule = f"any of {', '.join(kinds)}" if rule == "any" else kinds[0]
    if not bands:
        return "hyperband without a band: no trial will be stopped" if rule == "hyperband" else rule
    more = ", ..." if len(bands) == SHOWN_BANDS else ""
    return f"{rule}, trials are compared after {', '.join(map(str, bands))}{more} reports of the metric"


def _kind(rule: Rule | Guarded, spec: SweepSpec) -> str:
    """The type of a rule, and which of several metrics it looks at."""
    kind = str(rule.to_dict()["type"])
    if not spec.metrics:
        return kind
    named = rule.metric if isinstance(rule, Guarded) else None
    if named is None and compares(kind):
        return f"{kind} by all metrics"
    return f"{kind} by {named or spec.metrics[0].name}"


def schema(output: Path | None) -> None:
    """The JSON Schema of sweep files; how to use it goes to stderr."""
    text = msgspec.json.format(msgspec.json.encode(json_schema())).decode()
    if output is None:
        typer.echo(text)
        return
    try:
        output.write_text(text + "\n")
    except OSError as error:
        complain(f"cannot write {output}: {error.strerror}", "name another file with -o")
        quit_with(BAD_USAGE)
    typer.echo(f"wrote {output}. To use it, make this the first line of a sweep file:", err=True)
    typer.echo(f"  # yaml-language-server: $schema={output}", err=True)
