"""A page for a browser on this machine, and requests that the page makes."""

import json
import queue
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from dreamer_jax.faults import Fault, one_line

HOST = "127.0.0.1"
NAMES = (HOST, "localhost")  # of this machine, as a browser may write them
MOST_BYTES = 65_536  # of a request
TYPES = {
    **{"html": "text/html; charset=utf-8", "css": "text/css", "js": "text/javascript"},
    "json": "application/json",
}
Answer = Callable[[str, Any], dict[str, Any]]  # (what, details) -> an answer; ValueError if wrong


class Request(NamedTuple):
    """A question of the page, waiting for the thread that plays."""

    what: str
    details: Any
    answer: Future[dict[str, Any]]


def serve(
    files: Mapping[str, bytes], answer: Answer, *, port: int, say: Callable[[str], None]
) -> None:
    """Serves files, and answers requests one at a time in this thread, until it is interrupted.

    Only this machine reaches the server, and only its own page may ask: a page of another site in
    the same browser gets no answer.

    Args:
      files: name -> content; "index.html" is the page.
      answer: is called with the last part of the address and the decoded JSON of each request.
      port: 0 for a free one.
      say: receives the address once it can be opened.

    Raises Fault if the port is taken.
    """
    requests: queue.SimpleQueue[Request] = queue.SimpleQueue()
    try:
        server = ThreadingHTTPServer((HOST, port), handler(files, requests))
    except OSError as error:
        hint = "another --port may be free, and without the flag a free one is taken"
        raise Fault(f"--port={port}: {one_line(error)}; {hint}") from None
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        say(f"http://{HOST}:{server.server_port}/")
        while True:
            request = requests.get()
            try:
                request.answer.set_result(answer(request.what, request.details))
            except Exception as error:  # the page shows it, and may go on
                request.answer.set_exception(error)
    finally:
        server.shutdown()
        server.server_close()


def is_own(headers: Message, *, port: int) -> bool:
    """Whether a request is one of the server's own page, or typed into the address line.

    The name of the host tells a page that gave its own name the address of this machine.
    """
    hosts = {f"{name}:{port}" for name in NAMES}
    origins = {f"http://{host}" for host in hosts} | {None}  # None: no page asks, but a person
    return headers.get("Host") in hosts and headers.get("Origin") in origins


def handler(
    files: Mapping[str, bytes], requests: "queue.SimpleQueue[Request]"
) -> type[BaseHTTPRequestHandler]:
    """A handler of HTTP for these files, which puts every other request into the queue."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"  # one connection for all steps
        wbufsize = -1  # an answer is one packet: the second one would wait 40 ms for the first
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            name = urlsplit(self.path).path.removeprefix("/") or "index.html"
            if not is_own(self.headers, port=self.connection.getsockname()[1]):
                self.reply(403, b"not from this page", "txt")
            elif name in files:
                self.reply(200, files[name], name.rpartition(".")[2])
            else:
                self.reply(404, b"not found", "txt")

        def do_POST(self) -> None:
            length = self.headers.get("Content-Length", "")
            if not length.isdecimal() or int(length) > MOST_BYTES:
                self.close_connection = True
                return self.say(413, {"error": "too long"})
            content = self.rfile.read(int(length))
            if not is_own(self.headers, port=self.connection.getsockname()[1]):
                return self.say(403, {"error": "not from this page"})
            if self.headers.get("Content-Type") != "application/json":
                return self.say(415, {"error": "expected JSON"})
            return self.say(*self.answered(content))

        def answered(self, content: bytes) -> tuple[int, dict[str, Any]]:
            """The status and the answer to a request."""
            try:
                details, answer = json.loads(content), Future[dict[str, Any]]()
                what = urlsplit(self.path).path.removeprefix("/")
                requests.put(Request(what, details, answer))
                return 200, answer.result()
            except ValueError as error:
                return 400, {"error": one_line(error)}
            except Exception as error:  # of the game, for example
                return 500, {"error": one_line(error)}

        def say(self, status: int, answer: dict[str, Any]) -> None:
            """Sends JSON."""
            self.reply(status, json.dumps(answer).encode(), "json")

        def reply(self, status: int, content: bytes, kind: str) -> None:
            """Sends bytes."""
            self.send_response(status)
            self.send_header("Content-Type", TYPES.get(kind, "text/plain"))
            self.send_header("Content-Length", str(len(content)))
            self.send_header("Cache-Control", "no-store")
            self.send_header("X-Content-Type-Options", "nosniff")
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: Any) -> None:
            """Prints nothing: a step is no event."""

    return Handler
