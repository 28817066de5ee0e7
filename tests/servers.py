"""A web server of the tests' own, on this machine, which serves weight files and can fail in every way that matters."""

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

COMMIT = "c" * 40


@dataclass
class Server:
    """What is served, how it fails, and what was asked for."""

    address: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    """By path."""
    stated: dict[str, str] = field(default_factory=dict)
    """The SHA-256 that is said of a path's file, where it is not the true one."""
    cuts: int = 0
    """How many of the next answers end in the middle."""
    silent: bool = False
    """Whether answers stop in the middle, with the connection open."""
    ranges: bool = True
    """Whether parts of files can be asked for."""
    asked: list[tuple[str, str, str]] = field(default_factory=list)
    """Method, path and range of each request."""
    over: threading.Event = field(default_factory=threading.Event)

    def gets(self) -> list[tuple[str, str]]:
        """Path and range of what was downloaded."""
        return [(path, asked) for method, path, asked in self.asked if method == "GET" and path in self.files]


class Handler(BaseHTTPRequestHandler):
    """Answers as a plain file server, and with the headers by which the Hugging Face hub names its files."""

    server: "Service"

    def do_HEAD(self) -> None:
        self.answer()

    def do_GET(self) -> None:
        self.answer()

    def answer(self) -> None:
        here, asked = self.server.state, self.headers.get("Range", "")
        here.asked.append((self.command, self.path, asked))
        if self.path not in here.files:
            return self.head(404, 0, {"X-Repo-Commit": COMMIT, "X-Error-Code": "EntryNotFound"})
        whole = here.files[self.path]
        start = int(asked.removeprefix("bytes=").partition("-")[0] or 0) if here.ranges else 0
        if start and start >= len(whole):
            return self.head(416, 0, {})
        digest = here.stated.get(self.path, hashlib.sha256(whole).hexdigest())
        self.head(206 if start else 200, len(whole) - start, {"X-Repo-Commit": COMMIT, "ETag": f'"{digest}"'})
        if self.command == "GET":
            self.body(whole[start:])
        return None

    def head(self, status: int, length: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in ({"Content-Length": str(length)} | headers).items():
            self.send_header(name, value)
        self.end_headers()

    def body(self, data: bytes) -> None:
        here = self.server.state
        broken = here.silent or here.cuts > 0
        here.cuts -= 1
        self.wfile.write(data[: len(data) // 2] if broken else data)
        if here.silent:
            here.over.wait(30)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: the tests read what was asked."""


class Service(ThreadingHTTPServer):
    state: Server
    daemon_threads = True


@contextmanager
def running() -> Iterator[Server]:
    """The server, on a port of its own, until the block ends."""
    with Service(("127.0.0.1", 0), Handler) as service:
        service.state = Server(f"http://127.0.0.1:{service.server_port}")
        thread = threading.Thread(target=service.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield service.state
        finally:
            service.state.over.set()
            service.shutdown()
            thread.join()
