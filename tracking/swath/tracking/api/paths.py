"""What users write to say which run or which project: `entity/project/id` and its shorter forms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from swath.tracking.errors import UsageError
from swath.tracking.layout import check_run_id


class RunPath(NamedTuple):
    """A run's id, and what was said about where it belongs; None where nothing was said."""

    entity: str | None
    project: str | None
    id: str


class ProjectPath(NamedTuple):
    """A project, or all of them; None where nothing was said."""

    entity: str | None
    project: str | None


def run_path(path: str | Sequence[str]) -> RunPath:
    """Parses `entity/project/id`, `project/id` and `id`; `runs/` before the id and `project:id` are as in W&B."""
    hint = 'write "entity/project/id", "project/id" or "id"'
    parts = _parts(path, hint)
    if len(parts) > 1 and parts[-2] == "runs":
        del parts[-2]
    if parts and ":" in parts[-1]:
        parts[-1:] = parts[-1].split(":", 1)
    if not 1 <= len(parts) <= 3 or not all(parts):
        raise UsageError(f"{path!r} is no path of a run", hint)
    entity, project, run_id = (None,) * (3 - len(parts)) + tuple(parts)
    return RunPath(entity, project, check_run_id(run_id or ""))


def project_path(path: str | Sequence[str] | None) -> ProjectPath:
    """Parses `entity/project` and `project`; None and "" mean every project."""
    hint = 'write "entity/project" or "project"'
    parts = _parts(path, hint) if path else []
    if len(parts) > 2 or not all(parts):
        raise UsageError(f"{path!r} is no path of a project", hint)
    entity, project = (None,) * (2 - len(parts)) + tuple(parts)
    return ProjectPath(entity, project)


def _parts(path: str | Sequence[str], hint: str) -> list[str]:
    if isinstance(path, str):
        path = path.strip().strip("/").split("/")
    if not isinstance(path, list | tuple) or not all(isinstance(part, str) for part in path):
        raise UsageError(f"{path!r} is no path", hint)
    return [part.strip() for part in path]
