"""Expressions over parameters, as constraints use them: parsed, and worked out by walking the tree, not as code."""

from __future__ import annotations

import ast
import math
import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

_BINARY: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
}
_COMPARE: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.In: lambda item, group: item in group,
    ast.NotIn: lambda item, group: item not in group,
}
_UNARY: dict[type[ast.unaryop], Callable[[Any], Any]] = {
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
    ast.Not: operator.not_,
}
_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "abs": abs,
    "ceil": math.ceil,
    "exp": math.exp,
    "floor": math.floor,
    "log": math.log,
    "log2": math.log2,
    "log10": math.log10,
    "max": max,
    "min": min,
    "round": round,
    "sqrt": math.sqrt,
}
_WORDS = {"true": True, "false": False, "null": None, "True": True, "False": False, "None": None}
_QUOTED = re.compile(r"`([^`]*)`")
#: Powers are worked out as floats: whole ones could fill the memory.
_LONGEST, _DEEPEST = 1000, 50


class ExpressionFault(ValueError):
    """What is wrong with the text of an expression, and in `hint` what to write instead."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class _Absent(Exception):
    """A parameter of the expression has no value in this config."""


@dataclass(frozen=True)
class Expression:
    """`width * depth <= 4096` and the like: numbers, names, texts, lists, + - * / // % **, comparisons, and, or, not.

    A name is that of a parameter, nested ones with dots; one with other characters stands in backquotes. Raises
    `ExpressionFault` when it is made of anything else.
    """

    text: str
    _tree: ast.expr = field(init=False, repr=False, compare=False)
    _quoted: dict[str, str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        quoted: dict[str, str] = {}

        def placeholder(match: re.Match[str]) -> str:
            quoted[f"_quoted_{len(quoted)}"] = match[1]
            return f"_quoted_{len(quoted) - 1}"

        if len(self.text) > _LONGEST:
            raise ExpressionFault(f"it is longer than {_LONGEST} characters", "write several shorter ones")
        try:
            tree = ast.parse(_QUOTED.sub(placeholder, self.text.strip()), mode="eval").body
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            reason = error.msg if isinstance(error, SyntaxError) else str(error)
            raise ExpressionFault(f"it cannot be read: {reason}", 'write it like "width * depth <= 4096"') from None
        object.__setattr__(self, "_tree", tree)
        object.__setattr__(self, "_quoted", quoted)
        _check(tree, 0)

    @cached_property
    def names(self) -> frozenset[str]:
        """The parameters that it speaks of."""
        return frozenset(self._names(self._tree))

    def _names(self, node: ast.expr) -> list[str]:
        dotted = self._dotted(node)
        if dotted is not None:
            return [] if dotted in _WORDS else [dotted]
        children = [child for child in ast.iter_child_nodes(node) if isinstance(child, ast.expr)]
        if isinstance(node, ast.Call):
            children = node.args
        return [name for child in children for name in self._names(child)]

    def _dotted(self, node: ast.expr) -> str | None:
        if isinstance(node, ast.Name):
            return self._quoted.get(node.id, node.id)
        if isinstance(node, ast.Attribute):
            before = self._dotted(node.value)
            return None if before is None else f"{before}.{node.attr}"
        return None

    def value(self, values: Mapping[str, Any]) -> Any:
        """What it comes to; None when a parameter that it needs is absent. Raises `ExpressionFault` where it fails."""
        try:
            return self._value(self._tree, values)
        except _Absent:
            return None
        except (TypeError, ValueError, ArithmeticError) as error:
            raise ExpressionFault(f"it cannot be worked out: {error}") from None

    def holds(self, values: Mapping[str, Any]) -> bool:
        """Whether it is true, or speaks of a parameter that is absent; what cannot be worked out does not hold."""
        try:
            found = self.value(values)
        except ExpressionFault:
            return False
        return found is None or bool(found)

    def _value(self, node: ast.expr, values: Mapping[str, Any]) -> Any:
        dotted = self._dotted(node)
        if dotted is not None:
            return self._named(dotted, values)
        match node:
            case ast.Constant():
                return node.value
            case ast.BinOp():
                return _binary(node.op, self._value(node.left, values), self._value(node.right, values))
            case ast.UnaryOp():
                return _UNARY[type(node.op)](self._value(node.operand, values))
            case ast.BoolOp():
                return self._logic(node, values)
            case ast.Compare():
                return self._compared(node, values)
            case ast.Call():
                return _FUNCTIONS[node.func.id](*(self._value(arg, values) for arg in node.args))  # type: ignore[attr-defined]
            case ast.List() | ast.Tuple():
                return [self._value(item, values) for item in node.elts]
            case ast.IfExp():
                return self._value(node.body if self._value(node.test, values) else node.orelse, values)
        raise ExpressionFault("it holds something that is no part of an expression")

    def _named(self, name: str, values: Mapping[str, Any]) -> Any:
        if name in values:
            return values[name]
        if name in _WORDS:
            return _WORDS[name]
        raise _Absent

    def _logic(self, node: ast.BoolOp, values: Mapping[str, Any]) -> bool:
        parts = (bool(self._value(part, values)) for part in node.values)
        return all(parts) if isinstance(node.op, ast.And) else any(parts)

    def _compared(self, node: ast.Compare, values: Mapping[str, Any]) -> bool:
        left = self._value(node.left, values)
        for op, right_node in zip(node.ops, node.comparators, strict=True):
            right = self._value(right_node, values)
            if not _COMPARE[type(op)](left, right):
                return False
            left = right
        return True


def _binary(op: ast.operator, left: Any, right: Any) -> Any:
    if isinstance(op, ast.Pow):
        return float(left) ** float(right)
    if isinstance(op, ast.Mult) and not all(isinstance(side, (int, float)) for side in (left, right)):
        raise TypeError("only numbers can be multiplied")
    return _BINARY[type(op)](left, right)


def _check(node: ast.AST, depth: int) -> None:
    """Raise `ExpressionFault` for anything that is not arithmetic over parameters."""
    if depth > _DEEPEST:
        raise ExpressionFault("it is nested too deeply", "write several simpler ones")
    known = (
        ast.Name, ast.Attribute, ast.List, ast.Tuple, ast.IfExp, ast.BoolOp, ast.Compare, ast.BinOp, ast.UnaryOp,
        ast.Call, ast.Constant, ast.expr_context, ast.boolop, ast.operator, ast.cmpop, ast.unaryop,
    )  # fmt: skip
    if not isinstance(node, known):
        raise ExpressionFault(f"{_shown(node)} has no place in it", "numbers, parameters, + - * / // % **, comparisons")
    if isinstance(node, ast.Call):
        _check_call(node)
    if isinstance(node, ast.Attribute) and not isinstance(node.value, (ast.Name, ast.Attribute)):
        raise ExpressionFault(f"{_shown(node)} is no parameter", "a nested parameter is written as outer.inner")
    if isinstance(node, ast.Constant) and not isinstance(node.value, (int, float, str, bool, type(None))):
        raise ExpressionFault(f"{_shown(node)} has no place in it")
    operators = {*_BINARY, ast.Pow, *_COMPARE, *_UNARY}
    if isinstance(node, (ast.operator, ast.cmpop, ast.unaryop)) and type(node) not in operators:
        raise ExpressionFault(
            f"the operator {type(node).__name__} has no place in it", "use + - * / // % ** and == != < >"
        )
    children = node.args if isinstance(node, ast.Call) else ast.iter_child_nodes(node)
    for child in children:
        _check(child, depth + 1)


def _check_call(node: ast.Call) -> None:
    name = node.func.id if isinstance(node.func, ast.Name) else None
    if name not in _FUNCTIONS or node.keywords or any(isinstance(arg, ast.Starred) for arg in node.args):
        raise ExpressionFault(f"{_shown(node)} cannot be called", f"the functions are {', '.join(_FUNCTIONS)}")


def _shown(node: ast.AST) -> str:
    try:
        return f"`{ast.unparse(node)}`"
    except (ValueError, RecursionError, AttributeError):
        return type(node).__name__
