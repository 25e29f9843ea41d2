"""The tracker's HTTP client asks again as long as it was told to, and says what the server said."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from swath.tracking.errors import NotAllowed, NotFound, RetryLater, StoreCorrupt, StoreFull, SwathError, UsageError
from swath.tracking.server import ServerThread, create_app
from swath.tracking.shipping.client import Client, checked_url

ERRORS: dict[str, Exception] = {
    "full": StoreFull("no room", "make some"),
    "bug": ZeroDivisionError("division by zero"),
    "corrupt": StoreCorrupt("broken"),
    "missing": NotFound("not there"),
}


class Failing:
    """Answers with an error so many times, then well."""

    def __init__(self) -> None:
        self.left = 0
        self.asked = 0

    async def answer(self, request: Request) -> Response:
        self.asked += 1
        if self.left:
            self.left -= 1
            raise ERRORS[request.path_params["name"]]
        if request.path_params["name"] == "moved":
            return Response(status_code=301, headers={"Location": "/elsewhere"})
        return Response(await request.body(), headers={"Offset": request.query_params.get("offset", "")})


@pytest.fixture
def failing() -> Failing:
    return Failing()


@pytest.fixture
def server(failing: Failing) -> Iterator[ServerThread]:
    with ServerThread(create_app("t", [Route("/{name}", failing.answer, methods=["GET", "PUT"])])) as made:
        yield made


def test_an_answer_has_status_headers_and_content(server: ServerThread) -> None:
    with Client(server.url + "/", "t\n") as client:
        answer = client.ask("PUT", "/x", query={"offset": 7}, content=b"hello")
    assert (answer.status, answer.headers["offset"], answer.content) == (200, "7", b"hello")


@pytest.mark.parametrize("name", ["full", "bug"])
def test_what_may_pass_is_asked_again(server: ServerThread, failing: Failing, name: str) -> None:
    heard: list[SwathError] = []
    failing.left = 2
    with Client(server.url, "t", sleep=lambda seconds: None, on_retry=heard.append) as client:
        assert client.ask("PUT", f"/{name}", content=b"x").content == b"x"
    assert failing.asked == 3
    assert [type(error) for error in heard] == [StoreFull if name == "full" else SwathError] * 2


@pytest.mark.parametrize(("name", "kind"), [("corrupt", StoreCorrupt), ("missing", NotFound)])
def test_what_will_not_pass_is_raised_at_once(
    server: ServerThread, failing: Failing, name: str, kind: type[SwathError]
) -> None:
    failing.left = 2
    with Client(server.url, "t") as client, pytest.raises(kind, match=str(ERRORS[name])):
        client.ask("GET", f"/{name}")
    assert failing.asked == 1


def test_a_status_that_is_accepted_is_an_answer(server: ServerThread, failing: Failing) -> None:
    failing.left = 1
    with Client(server.url, "t") as client:
        assert client.ask("GET", "/missing", accept=(404,)).status == 404


def test_a_redirect_is_not_followed_and_not_taken_for_an_answer(server: ServerThread, failing: Failing) -> None:
    with Client(server.url, "t") as client, pytest.raises(SwathError, match="301"):
        client.ask("GET", "/moved")
    assert failing.asked == 1


def test_a_wrong_token_is_raised_at_once(server: ServerThread, failing: Failing) -> None:
    for token in ("wrong", "", "schlüssel"):
        with Client(server.url, token) as client, pytest.raises(NotAllowed, match="token"):
            client.ask("GET", "/x")
    assert failing.asked == 0


def test_the_pauses_grow_until_the_deadline_or_the_end() -> None:
    pauses: list[float] = []
    ended = threading.Event()

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 60:
            ended.set()

    with (
        Client("http://127.0.0.1:1", deadline_s=None, longest_pause_s=5.0, ended=ended, sleep=sleep) as client,
        pytest.raises(RetryLater, match="no answer"),
    ):
        client.ask("GET", "/x")
    assert len(pauses) == 60
    assert max(pauses[:3]) <= 0.8
    assert 1.0 < max(pauses) <= 5.0
    with (
        Client("http://127.0.0.1:1", deadline_s=0.0) as client,
        pytest.raises(RetryLater, match="no answer"),
    ):
        client.ask("GET", "/x")


@pytest.mark.parametrize("url", ["", "localhost", "localhost:80", "ftp://host", "http://", "http://:80", "//host"])
def test_what_is_no_address_is_said(url: str) -> None:
    with pytest.raises(UsageError, match="no address of a server"):
        checked_url(url)
