"""The HTTP client of tracker and agents: the token, retries with growing pauses, errors as the server raised them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

import httpx
import tenacity

from swath.tracking.errors import RetryLater, StoreCorrupt, SwathError, UsageError
from swath.tracking.faults import error_of

CONNECT_S = 5.0
KEEP_ALIVE_S = 60.0
_MOST_URLS = 64


class Answer(NamedTuple):
    """What the server said."""

    status: int
    headers: Mapping[str, str]
    content: bytes


class Client:
    """Asks the server at `url`, from any number of threads; every question must be one that can be repeated.

    One that is not answered (no connection, a timeout, a status of 5xx) is asked again after pauses of growing
    random length up to `longest_pause_s`, for `deadline_s` seconds (None: for ever) or until `ended` is set; then
    its error is raised. `sleep` makes the pauses, `on_retry` hears of each failure that is followed by one.
    `answer_s` is how long the server may say nothing. Without `insists`, only what the server calls passing is asked
    again, and a failure of its own (a status of 500) is raised at once. `content_type` is that of all bodies.
    """

    def __init__(
        self,
        url: str,
        token: str = "",
        *,
        deadline_s: float | None = 10.0,
        longest_pause_s: float = 3.0,
        ended: threading.Event | None = None,
        sleep: Callable[[float], None] | None = None,
        on_retry: Callable[[SwathError], None] | None = None,
        answer_s: float = 30.0,
        insists: bool = True,
        content_type: str = "",
    ) -> None:
        self.url = checked_url(url)
        self._urls: dict[str, httpx.URL] = {}
        self._insists = insists
        headers = {"Host": httpx.URL(self.url).netloc.decode(), "Content-Type": content_type}
        headers["Authorization"] = f"Bearer {token.strip()}" if token else ""
        self._headers = {name.encode(): value.encode() for name, value in headers.items() if value}
        self._extensions = {"timeout": {"connect": CONNECT_S, "read": answer_s, "write": answer_s, "pool": answer_s}}
        # The transport without a client around it: cookies, redirects and proxies are of no use here.
        # Authorities are read, for a tenth of a second, only where certificates are met.
        self._transport = httpx.HTTPTransport(
            verify=self.url.startswith("https:"),
            trust_env=False,
            limits=httpx.Limits(keepalive_expiry=KEEP_ALIVE_S),
        )
        self._on_retry = on_retry
        ended = ended or threading.Event()
        stop: tenacity.stop.stop_base = tenacity.stop_when_event_set(ended)
        if deadline_s is not None:
            stop = stop | tenacity.stop_after_delay(deadline_s)
        self._retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(_Unanswered),
            wait=tenacity.wait_random_exponential(multiplier=0.2, max=longest_pause_s),
            stop=stop,
            sleep=sleep or tenacity.sleep_using_event(ended),
            before_sleep=self._tell,
            reraise=True,
        )

    def ask(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str | int] | None = None,
        content: bytes = b"",
        accept: Collection[int] = (),
    ) -> Answer:
        """The answer to a request; one of a status of 300 and above, unless in `accept`, is raised as its error."""
        return self._ask(lambda: self._once(method, path, query, content, accept))

    def fetch(self, method: str, path: str, target: Path, *, content: bytes = b"") -> None:
        """Write what a request is answered with to the file `target`, a block at a time; a new try begins it anew."""
        self._ask(lambda: self._once(method, path, None, content, (), target))

    def close(self) -> None:
        """End the connections."""
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _ask(self, question: Callable[[], Answer]) -> Answer:
        """Ask, and again while it helps. What is made for retries costs as much as a quick answer: at need only."""
        try:
            return question()
        except _Unanswered as failure:
            first: list[_Unanswered] = [failure]

        def attempt() -> Answer:
            if first:
                raise first.pop()
            return question()

        try:
            return self._retrying.copy()(attempt)
        except _Unanswered as failure:
            raise failure.error from failure.__cause__

    def _url(self, path: str) -> httpx.URL:
        """The URL of a path; to parse one takes a tenth of a request, and a few are asked over and over."""
        if path not in self._urls:
            if len(self._urls) >= _MOST_URLS:
                self._urls.clear()
            self._urls[path] = httpx.URL(self.url + path)
        return self._urls[path]

    def _once(
        self,
        method: str,
        path: str,
        query: Mapping[str, str | int] | None,
        content: bytes,
        accept: Collection[int],
        target: Path | None = None,
    ) -> Answer:
        request = httpx.Request(
            method,
            self._url(path),
            params=query,
            headers=self._headers,
            content=content or None,
            extensions=self._extensions,
        )
        answer = self._send(request, target)
        if answer.status < 300 or answer.status in accept:
            return answer
        error = error_of(answer.status, answer.content, self.url)
        may_pass = self._insists and answer.status >= 500 and not isinstance(error, StoreCorrupt)
        if may_pass or isinstance(error, RetryLater):
            raise _Unanswered(error)
        raise error

    def _send(self, request: httpx.Request, target: Path | None) -> Answer:
        try:
            response = self._transport.handle_request(request)
            try:
                if target is None or response.status_code >= 300:
                    return Answer(response.status_code, response.headers, response.read())
                with target.open("wb") as file:
                    file.writelines(response.iter_raw())
                return Answer(response.status_code, response.headers, b"")
            finally:
                response.close()
        except httpx.TransportError as error:
            told = RetryLater(
                f"no answer from {self.url}: {error or type(error).__name__}",
                "check that the server runs and can be reached from this machine",
            )
            raise _Unanswered(told) from error

    def _tell(self, state: tenacity.RetryCallState) -> None:
        failure = state.outcome.exception() if state.outcome is not None else None
        if self._on_retry is not None and isinstance(failure, _Unanswered):
            self._on_retry(failure.error)


class _Unanswered(Exception):
    """The question may be asked again; `error` is what to say if it is not."""

    def __init__(self, error: SwathError) -> None:
        super().__init__(error.message)
        self.error = error


def checked_url(url: str) -> str:
    """A server's address without a slash at its end. Raises `UsageError` when it is none."""
    try:
        parsed = httpx.URL(url)
    except (httpx.InvalidURL, TypeError):
        parsed = httpx.URL("")
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise UsageError(f"{url!r} is no address of a server", "write it as http://host:port")
    return url.rstrip("/")
