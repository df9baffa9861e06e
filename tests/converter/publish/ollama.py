"""A stand-in of Ollama's API: blobs that are held against their digest, create, push."""

import hashlib
import json
from http.server import BaseHTTPRequestHandler
from typing import Any

from tests.converter.publish.server import Reply, Seen, Server, send


class Ollama(Server):
    """Attributes:
    blobs: content by digest.
    models: what create was asked for, by name.
    pushed: names that were sent on.
    user: who is signed in, and may push.
    """

    def __init__(self) -> None:
        super().__init__()
        self.blobs: dict[str, bytes] = {}
        self.models: dict[str, dict[str, Any]] = {}
        self.pushed: list[str] = []
        self.user = "someone"
        self.routes = [
            ("HEAD", r"/api/blobs/sha256:(?P<digest>[0-9a-f]{64})", self.has),
            ("POST", r"/api/blobs/sha256:(?P<digest>[0-9a-f]{64})", self.take_blob),
            ("POST", "/api/create", self.create),
            ("POST", "/api/push", self.push),
        ]

    def has(self, request: BaseHTTPRequestHandler, seen: Seen, digest: str) -> None:
        send(request, 200 if digest in self.blobs else 404)

    def take_blob(self, request: BaseHTTPRequestHandler, seen: Seen, digest: str) -> None:
        got = hashlib.sha256(seen.body).hexdigest()
        if got != digest:
            raise Reply(400, {"error": f"digest mismatch, expected {digest}, got {got}"})
        self.blobs[digest] = seen.body
        send(request, 201)

    def create(self, request: BaseHTTPRequestHandler, seen: Seen) -> None:
        wanted = json.loads(seen.body)
        for digest in wanted["files"].values():
            if digest.removeprefix("sha256:") not in self.blobs:
                raise Reply(400, {"error": f"blob {digest} does not exist"})
        template = wanted.get("template", "")
        if template.count("{{") != template.count("}}"):
            raise Reply(400, {"error": "template error: unclosed action"})
        self.models[wanted["model"]] = wanted
        self._say(request, "parsing GGUF", "writing manifest", "success")

    def push(self, request: BaseHTTPRequestHandler, seen: Seen) -> None:
        name = json.loads(seen.body)["model"]
        if name.split("/")[0] != self.user:
            error = {"error": "you are not authorized to push to this namespace"}
            send(request, 200, json.dumps(error).encode() + b"\n")
            return
        self.pushed.append(name)
        self._say(
            request,
            "retrieving manifest",
            {"status": "pushing", "digest": "sha256:0", "total": 10, "completed": 5},
            {"status": "pushing", "digest": "sha256:0", "total": 10, "completed": 10},
            "success",
        )

    def _say(self, request: BaseHTTPRequestHandler, *lines: str | dict[str, Any]) -> None:
        said = [line if isinstance(line, dict) else {"status": line} for line in lines]
        send(request, 200, b"".join(json.dumps(line).encode() + b"\n" for line in said))
