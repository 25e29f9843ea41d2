"""The server's thread: it answers when `start` returns, and it leaves nothing behind when `stop` does."""

from __future__ import annotations

import socket
import threading

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from swath.tracking.errors import UsageError
from swath.tracking.server import ServerThread, create_app


def health(url: str) -> int:
    return httpx.get(f"{url}/health", trust_env=False).status_code


def test_it_answers_as_soon_as_it_has_started_and_not_after_it_stopped() -> None:
    server = ServerThread(create_app("t", []))
    server.start()
    assert server.port != 0
    assert health(server.url) == 200
    server.stop()
    server.stop()
    with pytest.raises(httpx.ConnectError):
        health(server.url)
    assert not [thread for thread in threading.enumerate() if thread.name == "swath-server"]


def test_it_can_start_again_on_the_port_it_had() -> None:
    server = ServerThread(create_app("t", []))
    with server:
        first = server.url
        assert health(first) == 200
    with server:
        assert server.url == first
        assert health(first) == 200


def test_a_port_that_is_taken_is_said_with_its_number() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UsageError, match=rf"cannot listen on 127\.0\.0\.1:{port}.*") as caught:
            ServerThread(create_app("t", []), port=port).start()
    assert "port" in caught.value.hint


def test_an_address_that_is_not_of_this_machine_is_an_error_at_once() -> None:
    with pytest.raises(UsageError, match=r"192\.0\.2\.1"):
        ServerThread(create_app("t", []), host="192.0.2.1").start()


def test_starting_twice_is_an_error() -> None:
    with ServerThread(create_app("t", [])) as server, pytest.raises(UsageError, match="already"):
        server.start()


def test_a_stop_waits_for_the_request_under_way() -> None:
    entered, go_on = threading.Event(), threading.Event()

    async def slow(request: Request) -> Response:
        import anyio.to_thread

        entered.set()
        await anyio.to_thread.run_sync(go_on.wait, 10)
        return Response(b"done")

    answers: list[bytes] = []
    server = ServerThread(create_app("", [Route("/slow", slow)])).start()
    asking = threading.Thread(
        target=lambda: answers.append(httpx.get(f"{server.url}/slow", trust_env=False, timeout=20).content)
    )
    asking.start()
    assert entered.wait(10)
    stopping = threading.Thread(target=server.stop)
    stopping.start()
    go_on.set()
    stopping.join(20)
    asking.join(20)
    assert answers == [b"done"]


def test_the_url_names_the_host_that_clients_know() -> None:
    with ServerThread(create_app("t", []), host="0.0.0.0") as server:
        assert server.url == f"http://127.0.0.1:{server.port}"
        assert server.url_at("10.0.0.7") == f"http://10.0.0.7:{server.port}"
        assert server.url_at("fe80::1") == f"http://[fe80::1]:{server.port}"
