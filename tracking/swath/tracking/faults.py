"""How errors travel over HTTP: the table of status codes and the JSON body; no server, no client."""

from __future__ import annotations

import json

from swath.tracking.errors import (
    LeaseLost,
    NotAllowed,
    NotFound,
    OutOfStep,
    RetryLater,
    SpecError,
    StoreCorrupt,
    StoreFull,
    SwathError,
    SweepOver,
    UsageError,
)

#: Which status code tells of which error; a subclass stands before its base.
STATUS: dict[type[SwathError], int] = {
    NotFound: 404,
    UsageError: 400,
    SpecError: 422,
    NotAllowed: 403,
    LeaseLost: 409,
    OutOfStep: 409,
    SweepOver: 410,
    StoreCorrupt: 500,
    StoreFull: 507,
    RetryLater: 503,
    SwathError: 500,
}

#: Errors that come without a body of ours: from a proxy, or from a server that is no swath.
BY_STATUS: dict[int, type[SwathError]] = {
    400: UsageError,
    401: NotAllowed,
    403: NotAllowed,
    404: NotFound,
    405: UsageError,
    408: RetryLater,
    413: UsageError,
    429: RetryLater,
    502: RetryLater,
    503: RetryLater,
    504: RetryLater,
}

BY_NAME: dict[str, type[SwathError]] = {kind.__name__: kind for kind in STATUS}


def status_of(error: SwathError) -> int:
    """The status code that tells of `error`."""
    return next(status for kind, status in STATUS.items() if isinstance(error, kind))


def body_of(error: SwathError) -> bytes:
    """`error` as JSON {error, message, hint}, under the name of the nearest kind that clients know."""
    name = next(kind.__name__ for kind in STATUS if isinstance(error, kind))
    return json.dumps({"error": name, "message": error.message, "hint": error.hint}).encode()


def error_of(status: int, body: bytes, where: str) -> SwathError:
    """The error that an answer with this status and body tells of; `where` names the server for people."""
    told = _told(body)
    if told is None:
        kind = BY_STATUS.get(status, SwathError)
        return kind(f"{where} answered with HTTP status {status}", "check that the URL names a swath server")
    name, message, hint = told
    return BY_NAME.get(name, BY_STATUS.get(status, SwathError))(message, hint)


def _told(body: bytes) -> tuple[str, str, str] | None:
    try:
        told = json.loads(body)
    except ValueError:
        return None
    if not isinstance(told, dict) or not isinstance(told.get("error"), str):
        return None
    return told["error"], str(told.get("message", "")), str(told.get("hint", ""))
