"""From YAML text to plain data that knows the line of each key; what the keys mean is not its business."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import yaml

from swath.sweeps.spec.faults import Fault
from swath.tracking.runlog.encoding import utf8_text

Path: TypeAlias = tuple[str | int, ...]

_PLAIN = "use text, numbers, true/false, null, lists and dicts"
#: Bits of a whole number that is a float as well.
_WIDEST = 1023
#: Levels of nesting, far from those at which Python gives up.
_DEEPEST = 100
_TOO_DEEP = Fault("", f"values stand more than {_DEEPEST} levels deep, or inside themselves", "flatten them")


@dataclass(frozen=True)
class Loaded:
    """Plain data (dicts with text keys, lists, str, int, float, bool, None), the place of each key, and the faults."""

    data: Any
    marks: Mapping[Path, tuple[int, int]] = field(default_factory=dict)
    faults: tuple[Fault, ...] = ()


def path_text(path: Path) -> str:
    """`("command", 2)` as `command[2]`."""
    return re.sub(r"\.\[", "[", ".".join(f"[{part}]" if isinstance(part, int) else part for part in path))


class _Loader(yaml.SafeLoader):
    """YAML 1.1 as PyYAML reads it, except that `1e-3` is a number and a date stays text."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)[eE][-+]?[0-9]+$"),
    list("-+.0123456789"),
)


def load_yaml(text: str) -> Loaded:
    """The data of `text`, with all duplicate keys, or the syntax error, as faults."""
    try:
        loader = _Loader(text)
        try:
            node = loader.get_single_node()
            builder = _Builder(loader)
            return Loaded(builder.build(node, ()), builder.marks, tuple(builder.faults))
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        problem = error.problem or "not YAML"
        line, column = (mark.line + 1, mark.column + 1) if mark else (None, None)
        hint = "indent with spaces" if "'\\t'" in problem else ""
        return Loaded(None, {}, (Fault("", f"YAML syntax error: {problem}", hint, line, column),))
    except yaml.YAMLError as error:
        return Loaded(None, {}, (Fault("", f"YAML syntax error: {error}"),))
    except RecursionError:
        return Loaded(None, {}, (_TOO_DEEP,))


class _Builder:
    """Walks a node tree once."""

    def __init__(self, loader: _Loader) -> None:
        self.loader = loader
        self.marks: dict[Path, tuple[int, int]] = {}
        self.faults: list[Fault] = []
        self._open: set[int] = set()

    def build(self, node: yaml.Node | None, path: Path) -> Any:
        if node is None:
            return None
        _check_depth(path)
        if id(node) in self._open:
            self._fault(path, node, "an alias of a thing inside itself", "write the inner thing out")
            return None
        self._open.add(id(node))
        try:
            return self._built(node, path)
        finally:
            self._open.discard(id(node))

    def _built(self, node: yaml.Node, path: Path) -> Any:
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            for index, item in enumerate(node.value):
                self._mark((*path, index), item)
            return [self.build(item, (*path, index)) for index, item in enumerate(node.value)]
        try:
            value = self.loader.construct_object(node, deep=True)
        except (yaml.YAMLError, ValueError) as error:
            self._fault(path, node, f"not a plain value: {getattr(error, 'problem', None) or error}", "")
            return None
        except (KeyError, AttributeError, IndexError, TypeError):  # PyYAML, of a tag that does not fit the value
            self._fault(path, node, f"'{node.value}' is no {node.tag.rpartition(':')[2]}", "remove the tag")
            return None
        plain, complaint = _atom(value)
        if complaint:
            self._fault(path, node, complaint, _PLAIN)
        return plain

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Any]:
        self._check_duplicates(node, path)
        self.loader.flatten_mapping(node)
        data = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                self._fault(path, key, "a key must be text", "")
                continue
            name, complaint = _atom(key.value)
            self._mark((*path, name), key)
            if complaint:
                self._fault((*path, name), key, complaint, _PLAIN)
            data[name] = self.build(value, (*path, name))
        return data

    def _check_duplicates(self, node: yaml.MappingNode, path: Path) -> None:
        first: dict[str, int] = {}
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.tag.endswith(":merge"):
                continue
            name = utf8_text(key.value)
            if name in first:
                message = f"the key '{name}' stands twice (first in line {first[name]})"
                self._fault((*path, name), key, message, "remove one of the two")
            first.setdefault(name, key.start_mark.line + 1)

    def _mark(self, path: Path, node: yaml.Node) -> None:
        self.marks[path] = (node.start_mark.line + 1, node.start_mark.column + 1)

    def _fault(self, path: Path, node: yaml.Node, message: str, hint: str) -> None:
        line, column = node.start_mark.line + 1, node.start_mark.column + 1
        self.faults.append(Fault(path_text(path), message, hint, line, column))


def load_mapping(source: Mapping[Any, Any]) -> Loaded:
    """Plain data of a spec written in Python: tuples, ranges and arrays become lists, NumPy numbers plain ones."""
    faults: list[Fault] = []
    try:
        return Loaded(_plain(source, (), faults), {}, tuple(faults))
    except RecursionError:
        return Loaded(None, {}, (_TOO_DEEP,))


def _check_depth(path: Path) -> None:
    if len(path) > _DEEPEST:
        raise RecursionError


def _plain(value: Any, path: Path, faults: list[Fault]) -> Any:
    _check_depth(path)
    if isinstance(value, Mapping):
        return {
            _plain(str(key), path, faults): _plain(item, (*path, utf8_text(str(key))), faults)
            for key, item in value.items()
        }
    if isinstance(value, (list, tuple, range)):
        return [_plain(item, (*path, index), faults) for index, item in enumerate(value)]
    if hasattr(value, "tolist"):
        return _plain(value.tolist(), path, faults)
    plain, complaint = _atom(value)
    if complaint:
        faults.append(Fault(path_text(path), complaint, _PLAIN))
    return plain


def _atom(value: Any) -> tuple[Any, str]:
    """A value that holds no others in plain form, and why it cannot stand in a spec, or ""."""
    if value is None or isinstance(value, bool):
        return value, ""
    if isinstance(value, str):
        text = utf8_text(value)
        return text, "" if text == value else f"the text '{text}' holds half a character (a lone surrogate)"
    if isinstance(value, float):
        return float(value), ""
    if not isinstance(value, int):
        return None, f"a {type(value).__name__} cannot stand in a spec"
    if value.bit_length() > _WIDEST:
        return None, "the number is greater than a float can hold"
    return int(value), ""


def dump_json(data: Any) -> str:
    """The text kept as the source of a spec that was written in Python."""
    return json.dumps(data, indent=2, ensure_ascii=False)


def as_list(value: Sequence[str]) -> str:
    """`a, b or c` for messages."""
    return value[0] if len(value) == 1 else f"{', '.join(value[:-1])} or {value[-1]}"
