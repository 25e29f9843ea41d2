"""The ASGI application: the wings' routes behind the guard, `/health`, and every error as JSON."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from importlib.metadata import version

import anyio.to_thread
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from swath.tracking.errors import NotFound, SwathError, UsageError
from swath.tracking.faults import body_of, status_of
from swath.tracking.server.alerts import ServerAlerts
from swath.tracking.server.guard import Guard

MAX_BODY = 64 * 1024 * 1024


def create_app(
    token: str, routes: Iterable[BaseRoute], *, max_body: int = MAX_BODY, alerts: ServerAlerts | None = None
) -> Starlette:
    """An application with `routes`, of which all but `/health` need the bearer `token`; errors go out as JSON.

    Plain Starlette routes, so that a hot one costs no more than its own work; a whole sub-application can be
    given as a `Mount`. A handler raises `SwathError`s and never builds an error's answer itself. `alerts` are sent
    as long as the application is served.
    """

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        if alerts is None:
            yield
            return
        alerts.start()
        try:
            yield
        finally:
            await anyio.to_thread.run_sync(alerts.stop)

    return Starlette(
        routes=[Route("/health", _health), *routes],
        middleware=[Middleware(Guard, token=token, max_body=max_body)],
        lifespan=lifespan,
        exception_handlers={SwathError: _swath_error, HTTPException: _http_error},
    )


async def _health(request: Request) -> Response:
    return JSONResponse({"status": "ok", "version": version("swath")})


async def _swath_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, SwathError)
    return _answer(status_of(error), error)


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code == 404:
        told: SwathError = NotFound(f"there is nothing at {request.url.path}", "check the URL and the versions")
    else:
        told = UsageError(f"{request.method} {request.url.path}: {error.detail}")
    return _answer(error.status_code, told)


def _answer(status: int, error: SwathError) -> Response:
    return Response(body_of(error), status, media_type="application/json")
