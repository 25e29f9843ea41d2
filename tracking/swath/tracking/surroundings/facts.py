"""What is found out once about a run's program, code, packages and machine, in one plain dict; how, others know.

| key | what |
|---|---|
| `program` | the program's own file; "" in a notebook |
| `module` | the module's name, under `python -m` |
| `notebook` | true in a notebook |
| `args` | the arguments, with passwords, tokens and keys masked |
| `cwd`, `user`, `host`, `pid` | where and as whom the process runs |
| `python`, `executable` | the version of Python, and its file |
| `os`, `os_name` | the kernel, and the system by its own name |
| `git` | `root`, `commit`, `branch`, `remote` (without credentials), `dirty`, and `program` inside the repository |
| `packages` | the version of each installed distribution, by name |
| `cpu`, `cpu_count`, `cpu_cores`, `cpu_limit` | the processor, its threads and cores, and how many are allowed here |
| `memory_bytes`, `memory_limit_bytes` | the machine's memory, and what is allowed of it where that is less |
| `gpus` | for each card: `name`, `uuid`, `memory_bytes`, and whether it is `visible` to this process |
| `gpu_driver`, `cuda` | the version of the driver, and of the CUDA that it can run |
| `container` | "docker", "kubernetes", "podman", ...; "" outside of any |

What cannot be found out is left out. Environment variables are not recorded.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from swath.tracking.imports import unforked
from swath.tracking.surroundings import git, program


def quick_facts() -> dict[str, Any]:
    """What the process knows of itself; at most a millisecond or two, so `init()` may wait for it."""
    return _or_empty(program.facts)


def slow_facts(cwd: Path, visible_devices: str | None = None, *, code: bool = True) -> dict[str, Any]:
    """What others must be asked for: git, packages, machine and GPUs. For a thread beside the program.

    Where `cwd` is in no repository, the one that the program's file lies in counts. `visible_devices` is what
    CUDA_VISIBLE_DEVICES says, None when it is not set. `code=False` asks no git.
    """
    found: dict[str, Any] = {}
    if code and (repository := _or_empty(lambda: _git(cwd))):
        found["git"] = repository
    if packages := _or_empty(_packages):
        found["packages"] = packages
    found.update(_or_empty(_machine))
    found.update(_or_empty(lambda: _gpus(visible_devices)))
    return found


def _git(cwd: Path) -> dict[str, Any]:
    file = program.source(sys.argv[0] if sys.argv else "")
    found = git.facts(cwd, file)
    if found or file is None:
        return found
    return git.facts(file.parent, file)


def _packages() -> dict[str, Any]:
    with unforked():
        from swath.tracking.surroundings.packages import installed

    return dict(installed())


def _machine() -> dict[str, Any]:
    with unforked():
        from swath.tracking.surroundings import machine

    return machine.facts()


def _gpus(visible_devices: str | None) -> dict[str, Any]:
    with unforked():
        from swath.tracking.surroundings.gpus import open_gpus

    cards = open_gpus()
    return cards.facts(visible_devices) if cards is not None else {}


def _or_empty(find: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    try:
        return find()
    except Exception:  # what cannot be found out is left out, whatever the reason
        return {}
