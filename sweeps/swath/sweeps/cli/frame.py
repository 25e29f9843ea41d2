"""The frame of the command line: how help is grouped, how errors are said, and what a command exits with."""

from __future__ import annotations

import sys
import traceback
from typing import TYPE_CHECKING, Any, NoReturn

import typer
from typer.core import TyperGroup

if TYPE_CHECKING:
    from swath.tracking.errors import SwathError

FAILED, BAD_USAGE, BROKEN_PROGRAM, INTERRUPTED, TERMINATED = 1, 2, 3, 130, 143

RUN, LOOK, STEER, SERVE = "Run a sweep", "Look at sweeps", "Steer a sweep", "Share a server"
HELP = "Write and check"


class Grouped(TyperGroup):
    """Lists the verbs by panel, in plain text: rich would triple the time that `--help` takes."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write one section for each panel, in the order of the verbs."""
        panels: dict[str, list[tuple[str, str]]] = {}
        width = max(len(name) for name in self.commands)
        for name, command in self.commands.items():
            if not command.hidden:
                panel = str(getattr(command, "rich_help_panel", None) or "Commands")
                panels.setdefault(panel, []).append(
                    (name.ljust(width), command.get_short_help_str(formatter.width - width - 4))
                )
        for panel, rows in panels.items():
            with formatter.section(panel):
                formatter.write_dl(rows)

    def list_commands(self, ctx: Any) -> list[str]:
        """The verbs in the order in which they were defined."""
        return list(self.commands)

    def invoke(self, ctx: Any) -> Any:
        """Run the verb; a `SwathError` becomes a message and an exit code."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise typer.Exit(INTERRUPTED) from None
        except Exception as error:
            from swath.tracking.errors import SwathError

            if not isinstance(error, SwathError):
                raise
            if _debug():
                traceback.print_exc()
            say_error(error)
            raise typer.Exit(code_of(error)) from None


def code_of(error: SwathError) -> int:
    """The exit code for an error: 2 when the caller can mend the call, else 1."""
    from swath.tracking.errors import NotAllowed, SpecError, UsageError

    return BAD_USAGE if isinstance(error, SpecError | UsageError | NotAllowed) else FAILED


def say_error(error: SwathError) -> None:
    """Message and hint on stderr; of a wrong sweep file one line for each fault, as `file:line:column: key: what`."""
    faults = getattr(error, "faults", None)
    if faults is None:
        complain(error.message, error.hint)
        return
    origin = getattr(error, "origin", "")
    if len(faults) == 1 and faults[0].line is None:
        complain(": ".join(part for part in (origin, faults[0].path, faults[0].message) if part), faults[0].hint)
        return
    complain("the sweep cannot run as it is" if not origin else f"{origin} has {count_faults(len(faults))}")
    for fault in faults:
        say_fault(origin, fault)


def count_faults(count: int) -> str:
    """`1 fault`, `2 faults`."""
    return "1 fault" if count == 1 else f"{count} faults"


def say_fault(origin: str, fault: Any) -> None:
    """One fault of a sweep file on stderr, in the form that editors and terminals make clickable."""
    place = f"{origin}:{fault.line}:{fault.column}: " if fault.line is not None else f"{origin}: " if origin else ""
    subject = f"{fault.path}: " if fault.path else ""
    typer.echo(f"  {place}", nl=False, err=True)
    typer.secho(subject, bold=True, nl=False, err=True)
    typer.echo(fault.message, err=True)
    if fault.hint:
        typer.secho("      hint: ", fg=typer.colors.CYAN, nl=False, err=True)
        typer.echo(fault.hint, err=True)


def complain(message: str, hint: str = "") -> None:
    """`error: ...` and `hint: ...` on stderr, coloured on a terminal only."""
    typer.secho("error: ", fg=typer.colors.RED, bold=True, nl=False, err=True)
    typer.echo(message, err=True)
    if hint:
        typer.secho("hint: ", fg=typer.colors.CYAN, nl=False, err=True)
        typer.echo(hint, err=True)


def quit_with(code: int) -> NoReturn:
    """End the command with this exit code."""
    raise typer.Exit(code)


def put_json(value: Any) -> None:
    """One JSON document on stdout: indented for people, one line for programs. NaN and infinity become null."""
    import msgspec

    text = msgspec.json.encode(value, enc_hook=str)
    if sys.stdout.isatty():
        text = msgspec.json.format(text, indent=2)
    typer.echo(text.decode())


def _debug() -> bool:
    from swath.tracking.settings import Settings

    return Settings.from_environment().debug


app = typer.Typer(
    name="sweep",
    cls=Grouped,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    help="""Hyperparameter sweeps on your own machines: from a YAML file to the best configuration.

    \b
    Start with:  sweep run sweep.yaml --agents 2
    """,
    epilog="ID is the id of a sweep, the beginning of one, a sweep's name, or `last`. Every verb has its own --help.",
)
