"""A dict that is read and set by attribute too, and tells its owner of changes; config and summary use it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from swath.tracking.errors import UsageError
from swath.tracking.runlog.encoding import to_plain, to_plain_dict

Notify = Callable[[str], None]
Refused = Callable[[str, Any, Any], None]


class Tree(dict[str, Any]):
    """Nested values by item and by attribute: `tree["a"]["b"]`, `tree.a.b`.

    `notify` is called with the key whose value has changed, at this level. `locked` holds values that stay:
    an attempt to set another one calls `refused` with the key, the locked value and the other one. Nothing
    can be deleted, since a log only ever adds.
    """

    __slots__ = ("_locked", "_notify", "_path", "_refused")

    _locked: Mapping[str, Any]
    _notify: Notify
    _path: str
    _refused: Refused

    def __init__(
        self,
        values: Mapping[str, Any],
        notify: Notify,
        locked: Mapping[str, Any] | None = None,
        refused: Refused | None = None,
        path: str = "",
    ) -> None:
        super().__init__()
        object.__setattr__(self, "_notify", notify)
        object.__setattr__(self, "_locked", locked or {})
        object.__setattr__(self, "_refused", refused or _ignore)
        object.__setattr__(self, "_path", path)
        for key, value in values.items():
            super().__setitem__(key, self._wrapped(key, value))

    def as_dict(self) -> dict[str, Any]:
        """A plain copy that is tied to nothing."""
        return {key: value.as_dict() if isinstance(value, Tree) else value for key, value in self.items()}

    def __setitem__(self, key: str, value: Any) -> None:
        if self._store(key, value):
            self._notify(key)

    def __getattr__(self, name: str) -> Any:
        if name in self:
            return self[name]
        known = ", ".join(map(str, list(self)[:10])) or "nothing"
        raise AttributeError(f"there is no {self._named(name)!r} here; there is: {known}")

    def __setattr__(self, name: str, value: Any) -> None:
        self[name] = value

    def update(self, *others: Any, **more: Any) -> None:
        """Set several keys; nested dicts replace nested dicts."""
        for key, value in dict(*others, **more).items():
            self[key] = value

    def setdefault(self, key: str, default: Any = None) -> Any:
        """The value of `key`, which is `default` from now on when there was none."""
        if key not in self:
            self[key] = default
        return self[key]

    def __ior__(self, other: Mapping[str, Any] | Iterable[tuple[str, Any]]) -> Tree:  # type: ignore[override,misc]
        self.update(other)
        return self

    def __delitem__(self, key: str) -> None:
        raise UsageError(f"{self._named(key)!r} cannot be deleted: it is on record", "set it to None instead")

    def __delattr__(self, name: str) -> None:
        del self[name]

    def pop(self, key: str, *default: Any) -> Any:
        """Refused, as every deletion is."""
        del self[key]

    def popitem(self) -> tuple[str, Any]:
        """Refused, as every deletion is."""
        raise UsageError("nothing can be deleted here: it is on record", "set the keys to None instead")

    def clear(self) -> None:
        """Refused, as every deletion is."""
        self.popitem()

    def __reduce__(self) -> tuple[Any, ...]:
        return dict, (self.as_dict(),)

    def __copy__(self) -> dict[str, Any]:
        return self.as_dict()

    def __deepcopy__(self, memo: dict[int, Any]) -> dict[str, Any]:
        return to_plain_dict(self.as_dict())

    def _store(self, key: str, value: Any) -> bool:
        """Put a value without telling the owner; whether something may have changed."""
        if not isinstance(key, str):
            raise UsageError(f"the key {key!r} is not a string", f"write {str(key)!r} instead")
        plain = to_plain(value, self._named(key), lenient=True)
        if key not in self._locked:
            super().__setitem__(key, self._wrapped(key, plain))
            return True
        locked = self._locked[key]
        if isinstance(locked, Mapping) and isinstance(plain, dict):
            changes = [self[key]._store(inner, each) for inner, each in plain.items()]
            return any(changes)
        if plain != locked:
            self._refused(self._named(key), locked, plain)
        return False

    def _wrapped(self, key: str, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        locked = self._locked.get(key)
        inner = locked if isinstance(locked, Mapping) else None
        return Tree(value, lambda _: self._notify(key), inner, self._refused, self._named(key))

    def _named(self, key: object) -> str:
        return f"{self._path}.{key}" if self._path else str(key)


def _ignore(key: str, locked: Any, other: Any) -> None:
    """Nobody wants to know."""
