"""What both stand-ins share: HTTP on loopback, a list of requests, and faults on order."""

import json
import re
import socket
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Fault:
    """Something that goes wrong with the next request that fits."""

    method: str
    path: str
    """Regular expression."""
    status: int = 0
    """The answer; 0 cuts the connection instead."""
    headers: dict[str, str] = field(default_factory=dict)
    times: int = 1
    after: int = 0
    """Bytes of the body that are read before the connection is cut."""
    late: bool = False
    """The request is carried out; only its answer is lost."""
    body: bytes = b'{"error": "on order"}'


@dataclass
class Seen:
    """A request that came."""

    method: str
    path: str
    """With its query."""
    authorization: str
    body: bytes = b""


class Reply(Exception):  # noqa: N818
    """Ends the handling of a request with an answer that is no success."""

    def __init__(self, status: int, content: Any = None, **headers: str) -> None:
        self.status, self.content = status, content if content is not None else {"error": "no"}
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


class Server:
    """A server on loopback; use as a context manager. Subclasses fill `routes`."""

    def __init__(self) -> None:
        self.faults: list[Fault] = []
        self.seen: list[Seen] = []
        self.lock = threading.RLock()
        self.routes: list[tuple[str, str, Callable[..., None]]] = []
        stand_in = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = 1 << 16  # an answer in one piece, or TCP waits 40 ms for the second

            def _any(self) -> None:
                stand_in.take(self)

            do_GET = do_HEAD = do_POST = do_PUT = _any  # noqa: N815

            def log_message(self, *_: object) -> None:
                pass

        class Quiet(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_: object) -> None:
                pass  # a client that is killed or a connection that is cut on order

        self._server = Quiet(("127.0.0.1", 0), Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Any:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def calls(self, method: str, path: str = "") -> list[Seen]:
        """The requests so far of one kind."""
        with self.lock:
            return [s for s in self.seen if s.method == method and re.search(path, s.path)]

    def take(self, request: BaseHTTPRequestHandler) -> None:
        seen = Seen(request.command, request.path, request.headers["Authorization"] or "")
        with self.lock:
            self.seen.append(seen)
            fault = self._fault(seen)
        if fault and fault.status == 0 and not fault.late:
            request.rfile.read(fault.after)
            cut(request)
            return
        seen.body = read_body(request)
        if fault and fault.status:
            send(request, fault.status, fault.body, fault.headers)
            return
        if fault:
            request.wfile = Nowhere()  # type: ignore[assignment]
        path = request.path.partition("?")[0]
        try:
            for method, pattern, handler in self.routes:
                if method == request.command and (found := re.fullmatch(pattern, path)):
                    handler(request, seen, **found.groupdict())
                    break
            else:
                send(request, 404, b'{"error": "no such address"}')
        except Reply as reply:
            send(request, reply.status, json.dumps(reply.content).encode(), reply.headers)
        if fault:
            cut(request)

    def _fault(self, seen: Seen) -> Fault | None:
        for fault in self.faults:
            if fault.method == seen.method and re.search(fault.path, seen.path):
                fault.times -= 1
                if fault.times <= 0:
                    self.faults.remove(fault)
                return fault
        return None


class Nowhere:
    """Swallows an answer."""

    def write(self, data: bytes) -> int:
        return len(data)

    def flush(self) -> None:
        pass


def read_body(request: BaseHTTPRequestHandler) -> bytes:
    if "chunked" in (request.headers["Transfer-Encoding"] or ""):
        raise AssertionError("a body of unknown length")
    length = int(request.headers["Content-Length"] or 0)
    data = request.rfile.read(length)
    if len(data) < length:
        raise ConnectionError("the client went away")
    return data


def send(
    request: BaseHTTPRequestHandler,
    status: int,
    body: bytes = b"",
    headers: dict[str, str] | None = None,
) -> None:
    request.send_response(status)
    given = {
        "Content-Length": str(len(body)),
        "Content-Type": "application/json",
        **(headers or {}),
    }
    for name, value in given.items():
        request.send_header(name, value)
    request.end_headers()
    if request.command != "HEAD":
        request.wfile.write(body)


def cut(request: BaseHTTPRequestHandler) -> None:
    """Resets the connection, as a network that breaks does."""
    request.close_connection = True
    linger = struct.pack("ii", 1, 0)
    request.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    request.connection.close()
