"""The summary of a run as users see it: what its rows come to, under the values that the user has set."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, MutableMapping
from typing import Any

from swath.tracking.errors import UsageError
from swath.tracking.runlog.encoding import to_plain
from swath.tracking.runlog.metrics import Summarizer
from swath.tracking.tree import Tree


class Summary(MutableMapping[str, Any]):
    """`run.summary`: like a dict, and by attribute. What is set here stays, whatever is logged later."""

    __slots__ = ("_record", "_set", "_summarizer")

    _summarizer: Summarizer
    _set: dict[str, Any]
    _record: Callable[[dict[str, Any]], None]

    def __init__(self, summarizer: Summarizer, record: Callable[[dict[str, Any]], None]) -> None:
        object.__setattr__(self, "_summarizer", summarizer)
        object.__setattr__(self, "_set", {})
        object.__setattr__(self, "_record", record)

    def as_dict(self) -> dict[str, Any]:
        """A plain copy."""
        return {**self._summarizer.values, **self._set}

    def restore(self, values: Mapping[str, Any]) -> None:
        """Take over what was set in an earlier part of the run, without recording it again."""
        self._set.update(values)

    def __getitem__(self, key: str) -> Any:
        value = self._set[key] if key in self._set else self._summarizer.values[key]
        if not isinstance(value, dict):
            return value
        tree = Tree(value, lambda _: self.__setitem__(key, tree.as_dict()), path=key)
        return tree

    def __setitem__(self, key: str, value: Any) -> None:
        self.update({key: value})

    def __delitem__(self, key: str) -> None:
        raise UsageError(f"summary key {key!r} cannot be deleted: it is on record", "set it to None instead")

    def __iter__(self) -> Iterator[str]:
        return iter({**self._summarizer.values, **self._set})

    def __len__(self) -> int:
        return len(self._summarizer.values.keys() | self._set.keys())

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        try:
            return self[name]
        except KeyError:
            raise AttributeError(f"the summary has no {name!r}") from None

    def __setattr__(self, name: str, value: Any) -> None:
        self[name] = value

    def update(self, *others: Any, **more: Any) -> None:
        """Set several keys."""
        values = {}
        for key, value in dict(*others, **more).items():
            if not isinstance(key, str):
                raise UsageError(f"the summary key {key!r} is not a string", f"write {str(key)!r} instead")
            values[key] = to_plain(value, key)
        self._record(values)
        self._set.update(values)

    def __repr__(self) -> str:
        return repr(self.as_dict())
