"""`python -m swath.sweeps`: the same as the command `sweep`."""

from __future__ import annotations

from swath.sweeps.cli import main

if __name__ == "__main__":
    main()
