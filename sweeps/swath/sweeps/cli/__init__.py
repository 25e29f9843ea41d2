"""The command line `sweep`: verbs, views and exit codes. It decides nothing about sweeps itself."""

from __future__ import annotations

__all__ = ["app", "main"]

from swath.sweeps.cli import (  # noqa: I001 - the order of the help
    run_verbs,  # noqa: F401
    read_verbs,  # noqa: F401
    explain_verbs,  # noqa: F401
    simulate_verb,  # noqa: F401
    control_verbs,  # noqa: F401
    server_verbs,  # noqa: F401
    spec_verbs,  # noqa: F401
)
from swath.sweeps.cli.frame import app


def main() -> None:
    """Run the command line with the arguments of this process."""
    app(prog_name="sweep")
