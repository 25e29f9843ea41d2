"""The config of a run: what may be given as one, and the handle that records every change."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from swath.tracking.errors import UsageError
from swath.tracking.runlog.encoding import to_plain_dict, type_name
from swath.tracking.tree import Tree

Record = Callable[[dict[str, Any]], None]


class Config(Tree):
    """`run.config`: read and set by item or attribute, every change is recorded.

    The keys of a sweep's parameters are locked: setting one to another value warns and changes nothing.
    """

    __slots__ = ("_record",)

    _record: Record

    def __init__(self, values: Mapping[str, Any], record: Record, locked: Mapping[str, Any]) -> None:
        object.__setattr__(self, "_record", record)
        super().__init__(merged(values, locked), self._changed, locked, _warn_locked)

    def update(self, *others: Any, allow_val_change: bool | None = None, **more: Any) -> None:
        """Set several keys from a dict, an argparse Namespace, a dataclass or a YAML file.

        With `allow_val_change=False` a key that has another value already is an error, and nothing is set.
        """
        values = {key: value for other in others for key, value in read_config(other).items()}
        values.update(more)
        if allow_val_change is False:
            for key, value in to_plain_dict(values, lenient=True).items():
                if key in self and self[key] != value and key not in self._locked:
                    raise UsageError(
                        f"config key {key!r} is {self[key]!r} and would become {value!r}",
                        "pass allow_val_change=True when it is meant to change",
                    )
        changed = [key for key, value in values.items() if self._store(key, value)]
        if changed:
            self._record({key: self.as_dict()[key] for key in changed})

    def setdefaults(self, values: Any) -> None:
        """Set the keys that have no value yet."""
        self.update({key: value for key, value in read_config(values).items() if key not in self})

    def _changed(self, key: str) -> None:
        value = self[key]
        self._record({key: value.as_dict() if isinstance(value, Tree) else value})


def read_config(source: Any) -> dict[str, Any]:
    """What users pass as a config as a dict: a mapping, Namespace, dataclass, path of a YAML file, None."""
    if source is None:
        return {}
    if isinstance(source, str | os.PathLike):
        return _read_file(Path(source))
    if isinstance(source, Mapping):
        return dict(source)
    if hasattr(source, "model_dump") and not isinstance(source, type):
        return dict(source.model_dump())
    if not isinstance(source, type) and hasattr(source, "__dataclass_fields__"):
        return {name: getattr(source, name) for name in source.__dataclass_fields__}
    if hasattr(source, "__dict__") and not callable(source):
        return {key: value for key, value in vars(source).items() if not key.startswith("_")}
    if isinstance(source, Iterable):
        try:
            return dict(source)
        except (TypeError, ValueError):
            pass
    raise UsageError(
        f"a config cannot be read from {type_name(source)}",
        "pass a dict, an argparse Namespace, a dataclass, a pydantic model, or the path of a YAML file",
    )


def selected(values: dict[str, Any], include: Iterable[str] | None, exclude: Iterable[str] | None) -> dict[str, Any]:
    """The keys that `config_include_keys` and `config_exclude_keys` leave."""
    if include:
        wanted = set(include)
        values = {key: value for key, value in values.items() if key in wanted}
    unwanted = set(exclude or ())
    return {key: value for key, value in values.items() if key not in unwanted}


def merged(values: Mapping[str, Any], winning: Mapping[str, Any]) -> dict[str, Any]:
    """`values` with `winning` laid over them, nested dicts key by key; both are plain."""
    both = dict(values)
    for key, value in winning.items():
        below = both.get(key)
        nested = isinstance(value, Mapping) and isinstance(below, Mapping)
        both[key] = merged(below, value) if nested else value  # type: ignore[arg-type]
    return both


def _warn_locked(key: str, locked: Any, other: Any) -> None:
    warnings.warn(f"config key {key!r} belongs to the sweep: it stays {locked!r}, {other!r} was ignored", stacklevel=4)


def _read_file(path: Path) -> dict[str, Any]:
    from swath.tracking import yamlfile

    try:
        loaded = yamlfile.load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(
            f"the config file {path} cannot be read: {error.strerror or error}",
            "pass a dict, or the path of a YAML file that exists",
        ) from None
    except yamlfile.YAMLError as error:
        raise UsageError(f"the config file {path} is not YAML: {error}", "mend the file") from None
    if loaded is None:
        return {}
    if not isinstance(loaded, dict):
        raise UsageError(f"the config file {path} holds {type_name(loaded)}", "its top level must be a mapping")
    return _unwrapped(loaded)


def _unwrapped(loaded: dict[str, Any]) -> dict[str, Any]:
    """W&B's form `key: {value: v, desc: ...}` as `key: v`; a plain file as it is."""
    values = {key: value for key, value in loaded.items() if key not in ("wandb_version", "_wandb")}
    wrapped = all(isinstance(value, dict) and {"value"} <= set(value) <= {"value", "desc"} for value in values.values())
    return {key: value["value"] for key, value in values.items()} if values and wrapped else values
