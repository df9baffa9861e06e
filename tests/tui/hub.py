"""A small stand-in of the Hugging Face Hub on loopback: a model's facts, and its files in ranges."""

import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Hub:
    """Serves repositories; use as a context manager.

    Attributes:
        files: content by file name, for each repository.
        statuses: repositories that are answered by an error: (status, the Hub's error code).
        break_at: bytes after which the next download's connection is cut; 0 for never.
        requests: (path, Range header, Authorization header) of each request.
    """

    def __init__(self) -> None:
        self.files: dict[str, dict[str, bytes]] = {}
        self.statuses: dict[str, tuple[int, str]] = {}
        self.break_at = 0
        self.wrong_hash = False
        self.ranges = True
        self.requests: list[tuple[str, str | None, str | None]] = []
        hub = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                hub.answer(self)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    @property
    def url(self) -> str:
        """What HF_ENDPOINT is set to."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> "Hub":
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        headers = request.headers
        self.requests.append((request.path, headers["Range"], headers["Authorization"]))
        parts = request.path.partition("?")[0].strip("/").split("/")
        facts = parts[:2] == ["api", "models"]
        repository = "/".join(parts[2:4] if facts else parts[:2])
        if repository in self.statuses:
            status, code = self.statuses[repository]
            _send(request, status, b"{}", {"X-Error-Code": code} if code else {})
        elif repository not in self.files:
            _send(request, 401, b"{}", {"X-Error-Code": "RepoNotFound"})
        elif facts and parts[4:] not in ([], ["revision", "main"]):
            _send(request, 404, b"{}", {"X-Error-Code": "RevisionNotFound"})
        elif facts:
            _send(request, 200, self._facts(repository), {"Content-Type": "application/json"})
        else:
            assert parts[2:4] == ["resolve", COMMIT], parts
            self._send_file(request, self.files[repository]["/".join(parts[4:])])

    def _facts(self, repository: str) -> bytes:
        def sibling(name: str, data: bytes) -> dict[str, object]:
            digest = hashlib.sha256(data + (b"x" if self.wrong_hash else b"")).hexdigest()
            lfs = {"sha256": digest, "size": len(data), "pointerSize": 130}
            return {"rfilename": name, "size": len(data), "lfs": lfs}

        files = self.files[repository].items()
        facts = {"id": repository, "sha": COMMIT, "siblings": [sibling(*file) for file in files]}
        return json.dumps(facts).encode()

    def _send_file(self, request: BaseHTTPRequestHandler, data: bytes) -> None:
        begin = request.headers["Range"]
        start = int(begin.removeprefix("bytes=").removesuffix("-")) if begin and self.ranges else 0
        request.send_response(206 if start else 200)
        request.send_header("Content-Length", str(len(data) - start))
        request.end_headers()
        end = self.break_at or len(data)
        self.break_at = 0
        request.wfile.write(data[start:end])


def _send(
    request: BaseHTTPRequestHandler, status: int, body: bytes, headers: dict[str, str]
) -> None:
    request.send_response(status)
    for name, value in {**headers, "Content-Length": str(len(body))}.items():
        request.send_header(name, value)
    request.end_headers()
    request.wfile.write(body)
