"""A small Hugging Face Hub over real HTTP: public and private repositories, commits with a parent check, and faults on demand."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit


@dataclass
class Repo:
    """Commits in order; each is the whole tree, path -> bytes. lfs: paths whose sha256 the Hub knows."""

    private: bool = False
    gated: bool = False
    commits: list[tuple[str, dict[str, bytes]]] = field(default_factory=list)
    lies: dict[str, bytes] = field(default_factory=dict)  # what is sent instead of a file

    def commit(self, changes: dict[str, bytes]) -> str:
        tree = {**(self.commits[-1][1] if self.commits else {}), **changes}
        oid = hashlib.sha1(f"{len(self.commits)} {sorted(tree)}".encode(), usedforsecurity=False).hexdigest()
        self.commits.append((oid, tree))
        return oid

    def at(self, revision: str) -> tuple[str, dict[str, bytes]] | None:
        if revision == "main":
            return self.commits[-1]
        return next((commit for commit in self.commits if commit[0] == revision), None)


@dataclass
class Fault:
    """Applied to the next request whose method and path match: an HTTP status, or "cut" before or after the work is done."""

    method: str
    pattern: str
    action: int | str
    times: int = 1


class FakeHub:
    """Start with ``with FakeHub() as hub``; ``hub.url`` is the endpoint, ``hub.requests`` what came in, headers and all."""

    def __init__(self) -> None:
        self.repos: dict[tuple[str, str], Repo] = {}
        self.requests: list[tuple[str, str, dict[str, str]]] = []
        self.faults: list[Fault] = []
        self.before_commit: Any = None  # called once before the next commit is judged, to let another writer slip in
        hub = self

        class Handler(_Handler):
            pass

        Handler.hub = hub
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def __enter__(self) -> FakeHub:
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02})
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()

    def repo(self, kind: str, name: str, files: dict[str, bytes] | None = None, **options: Any) -> Repo:
        repo = self.repos[kind, name] = Repo(**options)
        repo.commit(files or {"README.md": b"#"})
        return repo


class _Handler(BaseHTTPRequestHandler):
    hub: FakeHub
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        self._handle()

    def do_HEAD(self) -> None:
        self._handle()

    def do_POST(self) -> None:
        self._handle()

    def _handle(self) -> None:
        path = unquote(urlsplit(self.path).path)
        self.hub.requests.append((self.command, path, {name.lower(): value for name, value in self.headers.items()}))
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        fault = next((f for f in self.hub.faults if f.times and f.method == self.command and re.search(f.pattern, path)), None)
        if fault:
            fault.times -= 1
            if isinstance(fault.action, int):
                return self._json(fault.action, {"error": "a fault on demand"})
            if fault.action == "cut before":
                return self._cut()
        answer = self._answer(path, body)
        if fault and fault.action == "cut after":
            return self._cut()
        if answer is None:
            return self._json(404, {"error": "Repository not found"}, {"X-Error-Code": "RepoNotFound"})
        return answer()

    def _cut(self) -> None:
        self.close_connection = True
        self.connection.close()

    def _json(self, status: int, value: Any, headers: dict[str, str] | None = None) -> None:
        self._send(status, json.dumps(value).encode(), {"Content-Type": "application/json", **(headers or {})})

    def _send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _repo(self, kind: str, name: str) -> Repo | None:
        repo = self.hub.repos.get((kind, name))
        if repo and repo.private and "authorization" not in {key.lower() for key in self.headers}:
            return None
        return repo

    def _answer(self, path: str, body: bytes) -> Any:
        if found := re.fullmatch(r"/api/(model|dataset)s/([^/]+/[^/]+)(?:/(revision|tree|preupload|commit|paths-info)/([^/]+)(?:/(.*))?)?", path):
            kind, name, verb, revision, rest = found.groups()
            repo = self._repo(kind, name)
            if repo is None:
                return None
            if repo.gated:
                return lambda: self._json(403, {"error": "gated"}, {"X-Error-Code": "GatedRepo"})
            commit = repo.at(revision or "main")
            if commit is None:
                return lambda: self._json(404, {"error": "no revision"}, {"X-Error-Code": "RevisionNotFound"})
            return getattr(self, f"_{(verb or 'revision').replace('-', '_')}")(name, repo, commit, rest or "", body)
        if found := re.fullmatch(r"/(datasets/)?([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path):
            repo = self._repo("dataset" if found[1] else "model", found[2])
            commit = repo.at(found[3]) if repo else None
            if repo is None or commit is None:
                return None
            if found[4] not in commit[1]:
                return lambda: self._json(404, {"error": "no file"}, {"X-Error-Code": "EntryNotFound"})
            content = repo.lies.get(found[4], commit[1][found[4]])
            headers = {"X-Repo-Commit": commit[0], "ETag": f'"{hashlib.sha256(content).hexdigest()}"', "Content-Type": "application/octet-stream"}
            return lambda: self._send(200, content, headers)
        return None

    @staticmethod
    def _entry(path: str, content: bytes, **more: Any) -> dict[str, Any]:
        oid = hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()
        entry = {"type": "file", "path": path, "size": len(content), "oid": oid, **more}
        if not path.endswith((".json", ".md", ".yaml")):
            entry["lfs"] = {"oid": hashlib.sha256(content).hexdigest(), "size": len(content), "pointerSize": 130}
        return entry

    def _revision(self, name: str, repo: Repo, commit: tuple[str, dict[str, bytes]], rest: str, body: bytes) -> Any:
        siblings = []
        for path, content in commit[1].items():
            entry = self._entry(path, content)
            lfs = {"lfs": {"sha256": entry["lfs"]["oid"], "size": entry["size"], "pointerSize": 130}} if "lfs" in entry else {}
            siblings.append({"rfilename": path, "size": entry["size"], "blobId": entry["oid"], **lfs})
        value = {"_id": "1", "id": name, "sha": commit[0], "private": repo.private, "gated": False, "siblings": siblings, "tags": [], "downloads": 0}
        return lambda: self._json(200, value)

    def _tree(self, name: str, repo: Repo, commit: tuple[str, dict[str, bytes]], rest: str, body: bytes) -> Any:
        files = [self._entry(path, content) for path, content in commit[1].items() if not rest or path.startswith(rest + "/")]
        if "expand=True" in self.path or "expand=true" in self.path:
            for file in files:
                first = next(oid for oid, tree in repo.commits if file["path"] in tree)
                file["lastCommit"] = {"id": first, "title": "results", "date": "2026-01-02T03:04:05.000Z"}
        if rest and not files:
            return lambda: self._json(404, {"error": "no folder"}, {"X-Error-Code": "EntryNotFound"})
        return lambda: self._json(200, files)

    def _paths_info(self, name: str, repo: Repo, commit: tuple[str, dict[str, bytes]], rest: str, body: bytes) -> Any:
        paths = parse_qs(body.decode())["paths"]
        return lambda: self._json(200, [self._entry(path, commit[1][path]) for path in paths if path in commit[1]])

    def _preupload(self, name: str, repo: Repo, commit: tuple[str, dict[str, bytes]], rest: str, body: bytes) -> Any:
        files = [{"path": file["path"], "uploadMode": "regular", "shouldIgnore": False} for file in json.loads(body)["files"]]
        return lambda: self._json(200, {"files": files})

    def _commit(self, name: str, repo: Repo, commit: tuple[str, dict[str, bytes]], rest: str, body: bytes) -> Any:
        if "authorization" not in {key.lower() for key in self.headers}:
            return lambda: self._json(401, {"error": "who are you"})
        if hook := self.hub.before_commit:
            self.hub.before_commit = None
            hook()
        changes: dict[str, bytes] = {}
        for line in body.splitlines():
            item = json.loads(line)
            if item["key"] == "header" and item["value"].get("parentCommit", repo.commits[-1][0]) != repo.commits[-1][0]:
                return lambda: self._json(409, {"error": "A commit has happened since. Please refresh and try again."})
            if item["key"] == "file":
                changes[item["value"]["path"]] = base64.b64decode(item["value"]["content"])
        oid = repo.commit(changes)
        return lambda: self._json(200, {"commitUrl": f"{self.hub.url}/{name}/commit/{oid}", "commitOid": oid, "pullRequestUrl": None})
