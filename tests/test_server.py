"""The local server: its files, its answers, and whom it refuses, through real sockets."""

import http.client
import json
import queue
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from dreamer_jax.faults import Fault
from dreamer_jax.playable import server

FILES = {"index.html": b"<p>page</p>", "app.js": b"1"}


class Stopped(Exception):
    """Ends a server from inside, as Ctrl-C does."""


@pytest.fixture
def port() -> Iterator[int]:
    """A server that repeats what it is asked, in a thread of its own."""
    said: queue.SimpleQueue[str] = queue.SimpleQueue()

    def answer(what: str, details: Any) -> dict[str, Any]:
        if what == "wrong":
            raise ValueError("two\nlines")
        if what == "fault":
            raise RuntimeError("the game broke")
        return {"what": what, "details": details}

    def serve() -> None:
        server.serve(FILES, answer, port=0, say=said.put)

    threading.Thread(target=serve, daemon=True).start()
    address = said.get(timeout=20)
    assert address.startswith("http://127.0.0.1:")
    yield int(address.rstrip("/").rpartition(":")[2])


def ask(
    port: int, path: str, body: bytes | None = None, **headers: str
) -> tuple[int, bytes, http.client.HTTPMessage]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    sent = {"Content-Type": "application/json"} if body is not None else {}
    sent |= {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request("GET" if body is None else "POST", path, body, sent)
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    return answer.status, content, answer.headers


def test_the_page_and_its_answers_are_served(port: int) -> None:
    status, content, headers = ask(port, "/?seed=1")
    assert (status, content) == (200, FILES["index.html"])
    assert headers["Content-Type"].startswith("text/html")
    assert ask(port, "/app.js")[2]["Content-Type"] == "text/javascript"
    status, content, _ = ask(port, "/step", b'{"action": null}')
    assert status == 200
    assert json.loads(content) == {"what": "step", "details": {"action": None}}


def test_nothing_but_its_files_is_served(port: int) -> None:
    for path in ("/../setup.py", "/%2e%2e/setup.py", "//etc/passwd", "/web/app.js"):
        assert ask(port, path)[0] == 404


def test_other_pages_get_no_answer(port: int) -> None:
    """Neither a page of another site nor one that gave its own name this machine's address."""
    body, own = b"{}", f"http://127.0.0.1:{port}"
    assert ask(port, "/step", body, Origin=own)[0] == 200
    assert ask(port, "/step", body, Origin=f"http://localhost:{port}")[0] == 200
    for origin in ("http://evil.example", f"https://127.0.0.1:{port}", "null", "http://127.0.0.1"):
        assert ask(port, "/step", body, Origin=origin)[0] == 403
    assert ask(port, "/step", body, Host=f"evil.example:{port}")[0] == 403
    assert ask(port, "/", Host="evil.example")[0] == 403


def test_a_form_of_another_site_gets_no_answer(port: int) -> None:
    """Browsers send forms without asking first, but never as JSON."""
    assert ask(port, "/step", b"{}", Content_Type="text/plain")[0] == 415
    assert ask(port, "/step", b"{}", Content_Length=str(server.MOST_BYTES + 1))[0] == 413


def test_mistakes_and_faults_are_one_line_and_the_server_goes_on(port: int) -> None:
    for path, body, status, message in (
        ("/wrong", b"{}", 400, "two lines"),
        ("/fault", b"{}", 500, "the game broke"),
        ("/step", b"{", 400, "Expecting"),
    ):
        found, content, _ = ask(port, path, body)
        assert found == status
        assert json.loads(content)["error"].startswith(message)
    assert ask(port, "/step", b"{}")[0] == 200


def test_one_connection_serves_many_requests(port: int) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    for number in range(3):
        body = json.dumps({"number": number})
        connection.request("POST", "/step", body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        assert json.loads(answer.read())["details"] == {"number": number}
    connection.close()


def test_a_port_that_is_taken_is_an_error() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(Fault, match=r"--port=\d+: Address already in use; another --port"):
            server.serve(FILES, lambda *_: {}, port=taken.getsockname()[1], say=print)


def test_an_interrupt_frees_the_port() -> None:
    said: list[str] = []

    def say(address: str) -> None:
        said.append(address)
        raise Stopped

    with pytest.raises(Stopped):
        server.serve(FILES, lambda *_: {}, port=0, say=say)
    number = int(said[0].rstrip("/").rpartition(":")[2])
    with socket.socket() as again, pytest.raises(OSError, match="refused"):
        again.connect(("127.0.0.1", number))
