"""The verb plot: which figures, and where to: the terminal, an HTML page, PNG pictures, or JSON."""

from __future__ import annotations

import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

import typer

from swath.sweeps.cli import words
from swath.sweeps.cli.drawing import DRAWN, Sheet, draw
from swath.sweeps.cli.frame import put_json
from swath.sweeps.cli.styles import console
from swath.sweeps.explaining import events_of
from swath.sweeps.figures import KINDS, Evidence, Figure
from swath.sweeps.views import SweepView
from swath.sweeps.workspace import Workspace
from swath.tracking.errors import NotFound, UsageError

#: The page in a folder.
PAGE = "plots.html"
_SHORT, _TALL = 12, 18


@dataclass(frozen=True)
class Options:
    """What the verb was asked for; `kind` and `out` are None where nothing was said."""

    kind: str | None
    out: Path | None
    terminal: bool
    params: str | None
    as_json: bool


def plot(prefix: str, options: Options) -> None:
    """Draw the sweep. Raises `NotFound` when there is nothing to draw of what was asked for."""
    form = _form(options)
    with Workspace.open() as workspace:
        sweep_id = workspace.resolve(prefix)
        workspace.catch_up(sweep_id)
        given = _evidence(workspace, sweep_id, options)
    kind = options.kind or ("all" if form else "history")
    found = _figures(given, kind)
    files = _write(found, form, options.out, given.view) if options.out is not None and form else []
    if options.as_json:
        put_json(
            {"sweep": sweep_id, "files": [str(file) for file in files], "figures": [asdict(each) for each in found]}
        )
        return
    if options.terminal or not form:
        _draw(found, kind)
    for file in files:
        typer.echo(f"wrote {file}")


def _form(options: Options) -> str:
    """`html`, `png`, `folder`, or "" for nothing to write."""
    if options.out is None:
        return ""
    ending = options.out.suffix.lower()
    if ending in (".html", ".htm"):
        return "html"
    if ending == ".png":
        return "png"
    if ending and not options.out.is_dir():
        raise UsageError(f"a plot cannot be written as {ending}", "end the file in .html or .png, or name a folder")
    return "folder"


def _evidence(workspace: Workspace, sweep_id: str, options: Options) -> Evidence:
    wanted = tuple(name for part in (options.params or "").split(",") if (name := part.strip()))
    given = Evidence(
        workspace.show(sweep_id), workspace.spec(sweep_id), workspace.trials(sweep_id), workspace.marks(sweep_id),
        list(events_of(workspace, sweep_id)), wanted,
    )  # fmt: skip
    known = [parameter.name for parameter in Evidence(given.view, given.spec, ()).parameters]
    unknown = [name for name in wanted if name not in known]
    if unknown:
        raise UsageError(f"the sweep searches no parameter {unknown[0]!r}", f"name some of {', '.join(known)}")
    return given


def _figures(given: Evidence, kind: str) -> list[Figure]:
    makers = KINDS.values() if kind == "all" else [KINDS[kind]]
    found = [figure for make in makers if (figure := make(given)) is not None]
    if not found:
        what = "nothing" if kind == "all" else f"no {kind}"
        raise NotFound(f"there is {what} to draw in sweep {given.view.id}", _NEEDS.get(kind, _VALUES))
    return found


_VALUES = "it takes parameters, and trials with a value of the metric"
_NEEDS = {
    "rungs": "it takes a sweep with early_terminate and trials that came to a rung of it",
    "front": "it takes a sweep with several `metrics`, and trials that ended with a result in each",
    "importance": "it takes ten trials or more that ended with different values",
    "contour": "it takes two parameters, and trials with a value that have both",
}


def _write(found: list[Figure], form: str, out: Path, view: SweepView) -> list[Path]:
    """Write the files; which."""
    from swath.sweeps.figures.html import page
    from swath.sweeps.figures.png import png

    files: list[tuple[Path, str | bytes]] = []
    title = f"{view.name or view.id} ({view.id})"
    subtitle = f"{view.method}, {words.plural(sum(view.trials.values()), 'trial')}, {view.state}"
    if form in ("html", "folder"):
        files.append((out if form == "html" else out / PAGE, page(found, title, subtitle)))
    if form == "folder":
        files += [(out / f"{figure.kind}.png", png(figure)) for figure in found]
    elif form == "png":
        several = len(found) > 1
        files += [(out.with_stem(f"{out.stem}-{each.kind}") if several else out, png(each)) for each in found]
    for path, content in files:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return [path for path, _ in files]


def _draw(found: list[Figure], kind: str) -> None:
    out = console()
    drawn = [figure for figure in found if figure.kind in DRAWN]
    if not drawn:
        hint = f"write it to a file: sweep plot ID --kind {kind} --out FILE.html"
        raise UsageError(f"{kind} is not drawn in a terminal", hint)
    width = min(out.width if out.is_terminal else _columns(), 160)
    for place, figure in enumerate(drawn):
        height = _TALL if len(figure.panels) == 1 else _SHORT
        if place:
            out.print("")
        for line in draw(figure, Sheet(width, height, out.options.ascii_only)):
            out.print(line, soft_wrap=True)


def _columns() -> int:
    """The width that is asked for off a terminal."""
    return shutil.get_terminal_size((100, 24)).columns
