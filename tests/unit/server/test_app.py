"""What the embedded server promises whatever routes it was given: the token, the size limit, and errors as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from swath.tracking.errors import LeaseLost, NotFound, SwathError
from swath.tracking.faults import STATUS, body_of, error_of, status_of
from swath.tracking.server import ServerThread, create_app

TOKEN = "a-token"
RAISED: dict[str, Exception] = {
    "lost": LeaseLost("attempt 1 is over", "drop it"),
    "bug": ZeroDivisionError("division by zero"),
}


async def echo(request: Request) -> Response:
    return Response(await request.body())


async def failing(request: Request) -> Response:
    raise RAISED[request.path_params["name"]]


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    routes = [Route("/echo", echo, methods=["POST"]), Route("/raise/{name}", failing, methods=["POST"])]
    with ServerThread(create_app(TOKEN, routes, max_body=1000)) as server:
        yield server.url


@pytest.fixture(scope="module")
def client(url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=url, headers={"Authorization": f"Bearer {TOKEN}"}, trust_env=False) as client:
        yield client


def told(response: httpx.Response) -> tuple[int, str]:
    """Status and kind of an error's answer, which must have a message as well."""
    body = response.json()
    assert set(body) == {"error", "message", "hint"}
    assert body["message"]
    return response.status_code, body["error"]


def test_a_request_with_the_token_is_let_through(client: httpx.Client) -> None:
    assert client.post("/echo", content=b"hello").content == b"hello"


@pytest.mark.parametrize("given", ["", "Bearer", "Bearer another", "Basic a-token", "Bearer a-token2"])
def test_a_request_without_the_token_is_refused(url: str, given: str) -> None:
    answer = httpx.post(f"{url}/echo", headers={"Authorization": given} if given else {}, trust_env=False)
    assert told(answer) == (401, "NotAllowed")
    assert answer.headers["www-authenticate"] == "Bearer"


def test_a_path_that_is_not_there_is_told_only_to_those_who_have_the_token(client: httpx.Client, url: str) -> None:
    assert told(client.post("/elsewhere")) == (404, "NotFound")
    assert told(httpx.post(f"{url}/elsewhere", trust_env=False)) == (401, "NotAllowed")


def test_health_answers_without_a_token(url: str) -> None:
    assert httpx.get(f"{url}/health", trust_env=False).json()["status"] == "ok"


def test_an_error_of_swath_goes_out_with_its_message_and_hint(client: httpx.Client) -> None:
    answer = client.post("/raise/lost")
    assert answer.status_code == 409
    assert answer.json() == {"error": "LeaseLost", "message": "attempt 1 is over", "hint": "drop it"}


def test_a_bug_is_answered_as_json_and_the_server_goes_on(
    client: httpx.Client, caplog: pytest.LogCaptureFixture
) -> None:
    answer = client.post("/raise/bug")
    assert told(answer) == (500, "SwathError")
    assert "ZeroDivisionError" in answer.json()["message"]
    assert client.post("/echo", content=b"x").status_code == 200
    assert "ZeroDivisionError" in caplog.text


def test_a_wrong_method_is_a_usage_error(client: httpx.Client) -> None:
    assert told(client.get("/echo")) == (405, "UsageError")


def test_a_request_that_is_too_large_is_refused_whether_it_states_its_length_or_not(client: httpx.Client) -> None:
    assert client.post("/echo", content=b"x" * 1000).status_code == 200
    assert told(client.post("/echo", content=b"x" * 1001)) == (413, "UsageError")
    assert client.post("/echo", content=(b"x" * 100 for _ in range(10))).status_code == 200
    assert told(client.post("/echo", content=(b"x" * 100 for _ in range(11)))) == (413, "UsageError")


@pytest.mark.parametrize("kind", STATUS)
def test_every_error_comes_back_as_what_it_went_out_as(kind: type[SwathError]) -> None:
    error = kind("what was wrong", "what to do")
    back = error_of(status_of(error), body_of(error), "the server")
    assert (type(back), back.message, back.hint) == (kind, "what was wrong", "what to do")


def test_a_kind_of_error_that_clients_do_not_know_goes_out_as_its_base() -> None:
    class NoSuchShelf(NotFound):
        pass

    assert json.loads(body_of(NoSuchShelf("no shelf")))["error"] == "NotFound"


@pytest.mark.parametrize("body", [b"<html>Bad Gateway</html>", b"", b"[]", b'{"detail": "no"}'])
def test_an_error_without_a_body_of_ours_is_told_by_its_status(body: bytes) -> None:
    assert type(error_of(502, body, "http://proxy")).__name__ == "RetryLater"
    assert "http://proxy" in error_of(404, body, "http://proxy").message
