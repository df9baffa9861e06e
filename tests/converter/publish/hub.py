"""A stand-in of the Hugging Face Hub that takes publications and gives them out again.

It answers what huggingface_hub asks: create, tree, preupload, LFS batch and upload (whole or
in parts), verify, validate-yaml, commit, resolve. It holds every digest and size against the
bytes that came, as the Hub does. Xet is not offered.
"""

import base64
import hashlib
import json
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import unquote

import yaml

from tests.converter.publish.server import Reply, Seen, Server, send

TOKEN = "hf_" + "t" * 34


@dataclass
class Repository:
    private: bool = False
    files: dict[str, bytes] = field(default_factory=dict)
    lfs: set[str] = field(default_factory=set)
    commits: list[str] = field(default_factory=lambda: ["0" * 40])


def git_name(data: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


class Hub(Server):
    """Attributes:
    token: what may write.
    owners: under whose names it may.
    part: bytes of a part; 0 takes weights whole.
    storage: where the weights are to be sent, when not here.
    small: whether it keeps weights as it keeps texts.
    """

    def __init__(self) -> None:
        super().__init__()
        self.token, self.owners = TOKEN, {"owner"}
        self.part, self.storage, self.small = 0, "", False
        self.repositories: dict[str, Repository] = {}
        self.objects: dict[str, bytes] = {}
        self.parts: dict[str, dict[int, bytes]] = {}
        repo = r"(?P<repo>[\w.-]+/[\w.-]+)"
        self.routes = [
            ("POST", "/api/repos/create", self.create),
            ("GET", f"/api/models/{repo}", self.facts),
            ("GET", f"/api/models/{repo}/tree/main", self.tree),
            ("POST", "/api/validate-yaml", self.validate),
            ("POST", f"/api/models/{repo}/preupload/main", self.preupload),
            ("POST", f"/{repo}.git/info/lfs/objects/batch", self.batch),
            ("PUT", r"/lfs/(?P<oid>\w{64})", self.put),
            ("PUT", r"/lfs/(?P<oid>\w{64})/(?P<number>\d+)", self.put_part),
            ("POST", r"/lfs/(?P<oid>\w{64})/complete", self.complete),
            ("POST", r"/lfs/(?P<oid>\w{64})/verify", self.verify),
            ("POST", f"/api/models/{repo}/commit/main", self.commit),
            ("GET", f"/{repo}/resolve/(?P<revision>[^/]+)/(?P<name>.+)", self.resolve),
            ("HEAD", f"/{repo}/resolve/(?P<revision>[^/]+)/(?P<name>.+)", self.resolve),
        ]

    def _check_token(self, seen: Seen) -> None:
        if seen.authorization != f"Bearer {self.token}":
            raise Reply(401, {"error": "Invalid username or password."})

    def _repository(self, seen: Seen, repo: str) -> Repository:
        self._check_token(seen)
        if repo not in self.repositories:
            raise Reply(404, {"error": "Repository not found"}, X_Error_Code="RepoNotFound")
        return self.repositories[repo]

    def create(self, request: BaseHTTPRequestHandler, seen: Seen) -> None:
        self._check_token(seen)
        wanted = json.loads(seen.body)
        if wanted["organization"] not in self.owners:
            raise Reply(403, {"error": "You don't have the rights to create a model here"})
        name = f"{wanted['organization']}/{wanted['name']}"
        answer = {"url": f"{self.url}/{name}"}
        if name in self.repositories:
            raise Reply(409, {"error": "You already created this model repo", **answer})
        hidden = wanted.get("visibility") == "private" or bool(wanted.get("private"))
        self.repositories[name] = Repository(hidden, {".gitattributes": b"*.gguf filter=lfs\n"})
        send(request, 200, json.dumps(answer).encode())

    def facts(self, request: BaseHTTPRequestHandler, seen: Seen, repo: str) -> None:
        found = self._repository(seen, repo)
        names = [{"rfilename": name} for name in found.files]
        content = {"id": repo, "sha": found.commits[-1], "siblings": names}
        send(request, 200, json.dumps(content).encode())

    def tree(self, request: BaseHTTPRequestHandler, seen: Seen, repo: str) -> None:
        found, entries = self._repository(seen, repo), []
        for name, data in found.files.items():
            entry: dict[str, Any] = {"type": "file", "path": name, "size": len(data)}
            entry["oid"] = git_name(data)
            if name in found.lfs:
                oid = hashlib.sha256(data).hexdigest()
                entry["lfs"] = {"oid": oid, "size": len(data), "pointerSize": 132}
            entries.append(entry)
        send(request, 200, json.dumps(entries).encode())

    def validate(self, request: BaseHTTPRequestHandler, seen: Seen) -> None:
        content = json.loads(seen.body)["content"]
        _, head, _ = content.split("---\n", 2)
        fields = yaml.safe_load(head)
        errors = [
            {"message": f"{name} is missing"}
            for name in ("license", "language", "tags", "pipeline_tag")
            if name not in fields
        ]
        if errors:
            raise Reply(400, {"errors": errors, "warnings": []})
        send(request, 200, b'{"errors": [], "warnings": []}')

    def preupload(self, request: BaseHTTPRequestHandler, seen: Seen, repo: str) -> None:
        found, answers = self._repository(seen, repo), []
        for file in json.loads(seen.body)["files"]:
            name, answer = file["path"], {"shouldIgnore": False}
            answer["path"] = name
            answer["uploadMode"] = "lfs" if name.endswith(".gguf") and not self.small else "regular"
            if name in found.files:
                data = found.files[name]
                lfs = name in found.lfs
                answer["oid"] = hashlib.sha256(data).hexdigest() if lfs else git_name(data)
            answers.append(answer)
        send(request, 200, json.dumps({"files": answers}).encode())

    def batch(self, request: BaseHTTPRequestHandler, seen: Seen, repo: str) -> None:
        self._repository(seen, repo)
        wanted, answers = json.loads(seen.body), []
        for item in wanted["objects"]:
            answer: dict[str, Any] = {"oid": item["oid"], "size": item["size"]}
            if item["oid"] not in self.objects:
                answer["actions"] = self._actions(item["oid"], item["size"])
            answers.append(answer)
        transfer = "multipart" if self.part else "basic"
        send(request, 200, json.dumps({"transfer": transfer, "objects": answers}).encode())

    def _actions(self, oid: str, size: int) -> dict[str, Any]:
        place = f"{self.storage or self.url}/lfs/{oid}"
        upload: dict[str, Any] = {"href": f"{place}?X-Amz-Signature=secret"}
        if self.part:
            numbers = range(1, -(-size // self.part) + 1)
            parts = {str(number): f"{place}/{number}?X-Amz-Signature=secret" for number in numbers}
            upload = {
                "href": f"{place}/complete",
                "header": {"chunk_size": str(self.part), **parts},
            }
            self.parts[oid] = {}
        return {"upload": upload, "verify": {"href": f"{place}/verify"}}

    def put(self, request: BaseHTTPRequestHandler, seen: Seen, oid: str) -> None:
        # A storage host must never be told the Hub's token.
        assert not seen.authorization
        self._store(oid, seen.body)
        send(request, 200)

    def _store(self, oid: str, data: bytes) -> None:
        if hashlib.sha256(data).hexdigest() != oid:
            raise Reply(400, {"error": "digest mismatch"})
        self.objects[oid] = data

    def put_part(self, request: BaseHTTPRequestHandler, seen: Seen, oid: str, number: str) -> None:
        assert not seen.authorization
        self.parts[oid][int(number)] = seen.body
        send(request, 200, headers={"ETag": f'"{hashlib.md5(seen.body).hexdigest()}"'})

    def complete(self, request: BaseHTTPRequestHandler, seen: Seen, oid: str) -> None:
        told = json.loads(seen.body)
        for part in told["parts"]:
            etag = hashlib.md5(self.parts[oid][part["partNumber"]]).hexdigest()
            assert part["etag"] == f'"{etag}"'
        self._store(oid, b"".join(data for _, data in sorted(self.parts[oid].items())))
        send(request, 200, b"{}")

    def verify(self, request: BaseHTTPRequestHandler, seen: Seen, oid: str) -> None:
        self._check_token(seen)
        told = json.loads(seen.body)
        if oid not in self.objects or len(self.objects[oid]) != told["size"]:
            raise Reply(404, {"error": "no such object"})
        send(request, 200, b"{}")

    def commit(self, request: BaseHTTPRequestHandler, seen: Seen, repo: str) -> None:
        found = self._repository(seen, repo)
        lines = [json.loads(line) for line in seen.body.splitlines()]
        assert lines[0]["key"] == "header" and lines[0]["value"]["summary"]
        files, lfs = dict(found.files), set(found.lfs)
        for line in lines[1:]:
            value = line["value"]
            if line["key"] == "lfsFile":
                if len(self.objects.get(value["oid"], b"")) != value["size"]:
                    raise Reply(400, {"error": "an LFS object is missing"})
                files[value["path"]] = self.objects[value["oid"]]
                lfs.add(value["path"])
            else:
                assert line["key"] == "file"
                files[value["path"]] = base64.b64decode(value["content"])
        found.files, found.lfs = files, lfs
        oid = hashlib.sha1(seen.body + found.commits[-1].encode()).hexdigest()
        found.commits.append(oid)
        answer = {"success": True, "commitOid": oid, "commitUrl": f"{self.url}/{repo}/commit/{oid}"}
        send(request, 200, json.dumps(answer).encode())

    def resolve(
        self, request: BaseHTTPRequestHandler, seen: Seen, repo: str, revision: str, name: str
    ) -> None:
        found = self.repositories[repo]
        if (data := found.files.get(unquote(name))) is None:
            raise Reply(404, {"error": "Entry not found"}, X_Error_Code="EntryNotFound")
        etag = hashlib.sha256(data).hexdigest() if name in found.lfs else git_name(data)
        headers = {
            "X-Repo-Commit": found.commits[-1],
            "ETag": f'"{etag}"',
            "Content-Type": "application/octet-stream",
        }
        if name in found.lfs:
            headers |= {"X-Linked-ETag": f'"{etag}"', "X-Linked-Size": str(len(data))}
        send(request, 200, data, headers)
