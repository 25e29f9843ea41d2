"""A question for runs as plain data, and its answer over what is known of them; the store is not known here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from swath.tracking.api import filters
from swath.tracking.api.fields import Columns, Field, field_named
from swath.tracking.errors import UsageError

DEFAULT_ORDER = "+created_at"


class Query(msgspec.Struct, frozen=True):
    """Which runs, in which order. Plain data, so that it can be asked of a server too; see `filters` and `Order`."""

    filters: dict[str, Any] = {}
    order: str = DEFAULT_ORDER


class Order(NamedTuple):
    """By which key, and whether the largest comes first."""

    field: Field
    falling: bool


def query(
    given: Mapping[str, Any] | None = None,
    order: str = DEFAULT_ORDER,
    *,
    entity: str | None = None,
    project: str | None = None,
) -> Query:
    """A checked query. Raises `UsageError` for filters and orders that mean nothing."""
    filters.parse(given)
    parse_order(order)
    place = {key: value for key, value in (("entity", entity), ("project", project)) if value}
    plain = filters.plain(given)
    if place:
        plain = {"$and": [place, plain]} if plain else place
    return Query(plain, order)


def parse_order(order: Any) -> Order:
    """`+created_at`, `-summary_metrics.loss`, `config.lr`: any key that filters know; without a sign it rises."""
    if not isinstance(order, str) or not order.lstrip("+-"):
        raise UsageError(f"order={order!r} names no key", f"write order={DEFAULT_ORDER!r} or order='-config.lr'")
    key = order[1:] if order[0] in "+-" else order
    try:
        return Order(field_named(key), order[0] == "-")
    except UsageError as error:
        raise UsageError(f"order={order!r}: {error.message}", error.hint) from None


def arranged(runs: Sequence[tuple[str, Columns]], order: Order) -> list[str]:
    """The ids in that order; equal ones stay as they stand, and those without a value come last either way."""
    keyed = [(filters.sort_key(order.field.value(columns)), run_id) for run_id, columns in runs]
    placed = [pair for pair in keyed if pair[0] is not None]
    placed.sort(key=lambda pair: pair[0] or (0, 0), reverse=order.falling)
    return [run_id for _, run_id in placed] + [run_id for key, run_id in keyed if key is None]
