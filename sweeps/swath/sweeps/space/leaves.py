"""The leaves of a space, read from the `parameters` of a spec: nesting and conditions become paths and gates."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from swath.sweeps.distributions import Categorical, Distribution, key_of, make_distribution
from swath.sweeps.space.beliefs import Belief, misfit, read_belief
from swath.sweeps.space.bounds import resolve_bounds
from swath.sweeps.space.faults import Keys, SpaceFault

Config = dict[str, Any]
#: Stands under a `choice` for the branch that is taken.
BRANCH = "choice"


@dataclass(frozen=True)
class Condition:
    """Leaf number `parent` of the space is there, and `key_of` its value is one of `keys`."""

    parent: int
    keys: frozenset[str]


@dataclass(frozen=True)
class Leaf:
    """One parameter that is not nested: where it stands in the config, what it may be, and when it is there at all.

    Several leaves may have one path: of parameters with the same name in different branches of a choice at most one
    is there. `belief` is where its best value is expected.
    """

    path: tuple[str, ...]
    distribution: Distribution
    when: tuple[Condition, ...] = ()
    branch: str = ""
    belief: Belief | None = None

    @property
    def name(self) -> str:
        """The path with dots, as people write it; in a choice with the branch that it belongs to."""
        return self.branch or ".".join(self.path)


@dataclass(eq=False)
class _Draft:
    """A leaf whose conditions are not numbered yet."""

    path: tuple[str, ...]
    name: str
    distribution: Distribution
    keys: Keys
    gates: list[_Gate] = field(default_factory=list)
    belief: Belief | None = None
    parents: list[tuple[_Draft, frozenset[str]]] = field(default_factory=list)


@dataclass(frozen=True, eq=False)
class _Gate:
    """A condition as the spec says it: the parameter by name as seen from `scope`, or the choice itself."""

    scope: tuple[str, ...]
    parameter: str
    values: tuple[Any, ...]
    keys: Keys
    choice: _Draft | None = None


def read_leaves(parameters: Mapping[str, Any]) -> tuple[tuple[Leaf, ...], list[SpaceFault]]:
    """The leaves of checked `parameters`, each behind those it depends on and else sorted by name; and what is wrong.

    A leaf whose condition is wrong is there without it; where limits that name parameters are wrong there are none.
    """
    bounded = resolve_bounds(parameters)
    if bounded.faults:
        return (), list(bounded.faults)
    drafts = list(_drafts(bounded.parameters, (), (), "", []))
    faults: list[SpaceFault] = []
    for draft in drafts:
        if draft.belief is not None and (told := misfit(draft.belief, draft.distribution)):
            faults.append(SpaceFault((*draft.keys, "prior"), *told))
        for gate in draft.gates:
            _resolve(draft, gate, drafts, faults)
    return _numbered(drafts, faults), faults


def _drafts(
    parameters: Mapping[str, Any], path: tuple[str, ...], keys: Keys, branch: str, gates: list[_Gate]
) -> Iterator[_Draft]:
    for name in sorted(parameters):
        parameter, here = parameters[name], (*keys, name)
        label = f"{branch}.{name}" if branch else name
        held = [*gates, *_gates(parameter.get("when") or {}, path, here)]
        if "parameters" in parameter:
            yield from _drafts(parameter["parameters"], (*path, name), (*here, "parameters"), label, held)
        elif BRANCH in parameter:
            yield from _branches(parameter, (*path, name), here, label, held)
        else:
            plain = {key: value for key, value in parameter.items() if key not in ("when", "prior")}
            belief = read_belief(parameter)
            yield _Draft((*path, name), label, make_distribution(plain), here, held, belief)


def _gates(when: Mapping[str, Any], scope: tuple[str, ...], keys: Keys) -> Iterator[_Gate]:
    for parameter, value in when.items():
        values = tuple(value) if isinstance(value, list) else (value,)
        yield _Gate(scope, str(parameter), values, (*keys, "when", parameter))


def _branches(
    parameter: Mapping[str, Any], path: tuple[str, ...], keys: Keys, label: str, gates: list[_Gate]
) -> Iterator[_Draft]:
    branches = parameter[BRANCH]
    taken = _Draft((*path, BRANCH), label, Categorical(tuple(branches)), keys, gates, read_belief(parameter))
    yield taken
    for branch in sorted(branches):
        here = (*keys, BRANCH, branch)
        gate = _Gate(path, BRANCH, (branch,), here, taken)
        inner = (branches[branch] or {}).get("parameters") or {}
        yield from _drafts(inner, path, (*here, "parameters"), f"{label}.{branch}", [*gates, gate])


def _resolve(draft: _Draft, gate: _Gate, drafts: Sequence[_Draft], faults: list[SpaceFault]) -> None:
    if gate.choice is not None:
        draft.parents.append((gate.choice, frozenset(key_of(value) for value in gate.values)))
        return
    found = _named(gate, drafts)
    if len(found) != 1:
        message = f"there is no parameter {gate.parameter!r} here" if not found else f"{gate.parameter!r} is not one"
        near = ", ".join(sorted({other.name for other in drafts if other is not draft})[:12])
        faults.append(SpaceFault(gate.keys, message, f"name one of {near}" if near else ""))
        return
    parent = found[0]
    if parent is draft:
        faults.append(SpaceFault(gate.keys, "a parameter cannot depend on itself", "name another parameter"))
        return
    for value in gate.values:
        if not parent.distribution.contains(value):
            faults.append(SpaceFault(gate.keys, f"{parent.name} is never {value!r}", _possible(parent.distribution)))
    draft.parents.append((parent, frozenset(key_of(value) for value in gate.values)))


def _named(gate: _Gate, drafts: Sequence[_Draft]) -> list[_Draft]:
    """The parameter of that name in the nearest scope around; of a choice, the branch that is taken."""
    for depth in range(len(gate.scope), -1, -1):
        inner = [draft for draft in drafts if draft.path[:depth] == gate.scope[:depth]]
        names = {gate.parameter, f"{gate.parameter}.{BRANCH}"}
        found = [draft for draft in inner if ".".join(draft.path[depth:]) in names or draft.name == gate.parameter]
        if found:
            return found
    return []


def _possible(distribution: Distribution) -> str:
    if distribution.size is None:
        return "a condition needs values that can be met exactly: name a parameter with values"
    if distribution.size > 12:
        return f"it takes values such as {distribution.value_at(0)!r}"
    return "it is " + " or ".join(repr(value) for value in distribution.values())


def _numbered(drafts: Sequence[_Draft], faults: list[SpaceFault]) -> tuple[Leaf, ...]:
    """The drafts in an order in which parents stand first, changing the given one as little as it takes."""
    waiting, numbers = list(drafts), dict[int, int]()
    leaves: list[Leaf] = []
    while waiting:
        ready = next((draft for draft in waiting if all(id(parent) in numbers for parent, _ in draft.parents)), None)
        if ready is None:
            circle = ", ".join(draft.name for draft in waiting)
            faults.append(SpaceFault((), f"the conditions of {circle} wait for each other", "remove one of them"))
            break
        waiting.remove(ready)
        numbers[id(ready)] = len(leaves)
        when = tuple(Condition(numbers[id(parent)], keys) for parent, keys in ready.parents)
        leaves.append(Leaf(ready.path, ready.distribution, when, ready.name, ready.belief))
    return tuple(leaves)


def value_in(config: Mapping[str, Any], path: Sequence[str]) -> Any:
    """The value at `path` of a nested config."""
    value: Any = config
    for key in path:
        value = value[key]
    return value


def find(config: Any, path: Sequence[str], default: Any) -> Any:
    """The value at `path` of a nested config, or `default` where it has none."""
    for key in path:
        if not isinstance(config, Mapping) or key not in config:
            return default
        config = config[key]
    return config
