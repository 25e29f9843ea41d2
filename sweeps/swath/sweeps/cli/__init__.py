"""The command line `sweep`: verbs, views and exit codes. It decides nothing about sweeps itself."""

from __future__ import annotations

__all__ = ["app", "main"]

from swath.sweeps.cli import run_verbs, read_verbs, explain_verbs, control_verbs, server_verbs, spec_verbs  # noqa: F401, I001 - the order of the help
from swath.sweeps.cli.frame import app


def main() -> None:
    """Run the command line with the arguments of this process."""
    app(prog_name="sweep")
