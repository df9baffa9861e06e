"""A server on this machine: one request, its answer line by line, to be left at any moment."""

import http.client
import json
import os
import queue
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

from medllm import guard
from medllm.errors import EngineError, UsageError

_POLL_S = 0.1
_Item = bytes | Exception | None


class Server:
    """Where an engine listens.

    Args:
        url: of the API's root, http on loopback.
        name: what it is called in messages to the user.
        start_hint: how it is started.
        patience: seconds of silence after which it counts as lost.
        token: sent as a bearer token where it is not empty.

    Raises:
        UsageError: the address is no http URL on this machine.
    """

    def __init__(
        self, url: str, name: str, start_hint: str, patience: float = 120.0, token: str = ""
    ) -> None:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        if parts.scheme != "http" or not parts.hostname or not guard.is_loopback(parts.hostname):
            raise UsageError(
                f"{url} is not an http address on this machine.",
                "Questions do not leave it: name a server like http://127.0.0.1:8000/v1.",
            )
        self.url, self.name = f"http://{parts.netloc}{parts.path.rstrip('/')}", name
        self._host, self._port, self._path = parts.hostname, parts.port or 80, parts.path
        self._start_hint, self.patience = start_hint, patience
        self._headers = {"Content-Type": "application/json"}
        if token:
            self._headers["Authorization"] = f"Bearer {token}"

    def get(self, path: str) -> dict[str, Any]:
        """The JSON object at `path`."""
        return self._object("GET", path, None)

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """The JSON object that `body` is answered with."""
        return self._object("POST", path, body)

    def exchange(self, method: str, path: str, body: dict[str, Any] | None) -> "Exchange":
        """A request under way, its lines to be read."""
        return Exchange(self, method, f"{self._path.rstrip('/')}{path}", body)

    def _object(self, method: str, path: str, body: dict[str, Any] | None) -> dict[str, Any]:
        exchange = self.exchange(method, path, body)
        try:
            return self.parse(b"\n".join(exchange.lines()))
        finally:
            exchange.close()

    def parse(self, data: bytes) -> dict[str, Any]:
        """`data` as a JSON object; an `error` in it is raised.

        Raises:
            EngineError: it is none, or tells of an error.
        """
        try:
            found = json.loads(data)
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise EngineError(f"{self.name} answered what is not its protocol: {data[:60]!r}.")
        if error := found.get("error"):
            told = error.get("message", error) if isinstance(error, dict) else error
            raise EngineError(f"{self.name} refused: {' '.join(str(told).split())[:200]}.")
        return found

    def connection(self) -> http.client.HTTPConnection:
        """A new connection, whose reads give up after the patience."""
        return http.client.HTTPConnection(self._host, self._port, timeout=self.patience)

    def headers(self) -> dict[str, str]:
        """Headers of every request."""
        return self._headers

    def lost(self, error: Exception) -> EngineError:
        """The error for a connection that failed."""
        if isinstance(error, ConnectionRefusedError | socket.gaierror):
            return EngineError(f"No {self.name} listens at {self.url}.", self._start_hint)
        if isinstance(error, TimeoutError):
            return EngineError(
                f"{self.name} gave no sign of life for {self.patience:.0f} seconds.",
                "Look at its log, or start it again.",
            )
        what = " ".join(f"{type(error).__name__} {error}".split())
        return EngineError(f"{self.name} broke the connection off ({what}).", self._start_hint)


class Exchange:
    """One request, read by a thread of its own, so that whoever waits can leave."""

    def __init__(self, server: Server, method: str, path: str, body: dict[str, Any] | None) -> None:
        self._server = server
        self._connection = server.connection()
        self._socket: socket.socket | None = None
        self._items: queue.SimpleQueue[_Item] = queue.SimpleQueue()
        self._closed = threading.Event()
        data = json.dumps(body).encode() if body is not None else None
        threading.Thread(
            target=self._read, args=(method, path, data), name="server-reader", daemon=True
        ).start()

    def lines(self) -> Iterator[bytes]:
        """The answer's lines that are not empty, as they come; ends early after `close`.

        Raises:
            EngineError: the server can't be reached, refuses, breaks off or falls silent.
        """
        heard = time.monotonic()
        while not self._closed.is_set():
            try:
                item = self._items.get(timeout=_POLL_S)
            except queue.Empty:
                if time.monotonic() - heard > self._server.patience:
                    self.close()
                    raise self._server.lost(TimeoutError()) from None
                continue
            if item is None:
                return
            if isinstance(item, Exception):
                if self._closed.is_set():
                    return
                raise item if isinstance(item, EngineError) else self._server.lost(item)
            heard = time.monotonic()
            yield item

    def close(self) -> None:
        """Breaks the connection off, from any thread; the server then stops its work."""
        self._closed.set()
        if self._socket is not None:
            with suppress(OSError):  # it may be closed already
                self._socket.shutdown(socket.SHUT_RDWR)

    def _read(self, method: str, path: str, data: bytes | None) -> None:
        try:
            self._connection.request(method, path, data, self._server.headers())
            # Kept for `close`: where the server ends the connection with its answer, the
            # response takes the socket over.
            self._socket = self._connection.sock
            response = self._connection.getresponse()
            if response.status != http.client.OK:
                self._items.put(self._refusal(response))
                return
            for line in response:
                if line.strip():
                    self._items.put(line.strip())
            self._items.put(None)
        except (OSError, http.client.HTTPException) as error:
            self._items.put(error)
        finally:
            self._connection.close()

    def _refusal(self, response: http.client.HTTPResponse) -> EngineError:
        try:
            self._server.parse(response.read(1 << 16))
        except EngineError as error:
            return EngineError(f"{error.message[:-1]} (status {response.status}).", error.hint)
        return EngineError(f"{self._server.name} answered with status {response.status}.")


def bearer_token() -> str:
    """The token of an OpenAI-compatible server, from the environment; may be empty."""
    return os.environ.get("OPENAI_API_KEY", "")
