"""The server's door, as plain ASGI: checks token and size before anything else runs; no bug leaves unanswered."""

from __future__ import annotations

import hmac
import logging

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from swath.tracking.errors import NotAllowed, SwathError, UsageError
from swath.tracking.faults import body_of

logger = logging.getLogger("swath.server")

OPEN_PATHS = frozenset({"/health"})
"""Paths that answer without a token: they tell nothing but that the server stands."""


class Guard:
    """Lets a request through to `app` when it carries `token` and is no larger than `max_body` bytes.

    With an empty `token` nobody needs one: a choice for a server that only its own machine can reach.
    """

    def __init__(self, app: ASGIApp, token: str, max_body: int) -> None:
        self.app = app
        self.expected = f"Bearer {token}".encode() if token else b""
        self.max_body = max_body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        given, length = _headers(scope)
        if not self._knows(given) and scope["path"] not in OPEN_PATHS:
            await _refuse(send, 401, body_of(_unknown(given)))
        elif length is not None and length > self.max_body:
            await _refuse(send, 413, body_of(_too_large(self.max_body)))
        else:
            await self._pass(scope, receive if length is not None else _Counted(receive, self.max_body), send)

    def _knows(self, given: bytes) -> bool:
        return not self.expected or hmac.compare_digest(given, self.expected)

    async def _pass(self, scope: Scope, receive: Receive, send: Send) -> None:
        begun = False

        async def sending(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self.app(scope, receive, sending)
        except _TooLarge:
            await _refuse(send, 413, body_of(_too_large(self.max_body)))
        except Exception as error:
            if begun:
                raise
            logger.exception("%s %s failed", scope["method"], scope["path"])
            await _refuse(send, 500, body_of(_bug(scope, error)))


class _TooLarge(Exception):
    """A body without a stated length went beyond the limit."""


class _Counted:
    """`receive` of a body that does not state its length; one that does is held to it by the HTTP parser."""

    def __init__(self, receive: Receive, limit: int) -> None:
        self.receive = receive
        self.left = limit

    async def __call__(self) -> Message:
        message = await self.receive()
        self.left -= len(message.get("body", b""))
        if self.left < 0:
            raise _TooLarge
        return message


def _headers(scope: Scope) -> tuple[bytes, int | None]:
    """The Authorization header (empty when there is none) and the stated length of the body."""
    given, length = b"", None
    for name, value in scope["headers"]:
        if name == b"authorization":
            given = value
        elif name == b"content-length":
            length = int(value)
    return given, length


async def _refuse(send: Send, status: int, body: bytes) -> None:
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    if status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _unknown(given: bytes) -> NotAllowed:
    what = "the token of the request is not the server's" if given else "the request carries no token"
    return NotAllowed(what, "pass the server's token (SWATH_TOKEN, sent as `Authorization: Bearer TOKEN`)")


def _bug(scope: Scope, error: Exception) -> SwathError:
    return SwathError(
        f"the server failed at {scope['method']} {scope['path']}: {type(error).__name__}: {error}",
        "the traceback is in the server's log",
    )


def _too_large(limit: int) -> UsageError:
    return UsageError(f"the request is larger than {limit} bytes", "send it in smaller parts")
