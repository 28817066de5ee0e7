"""What stands around Streamlit's own server, in layers of ASGI that know nothing of the pages.

`Guard` says who is let in, `LinkKeeper` keeps the link that a visitor came by while they sign in elsewhere, and
`FigureScripts` has what a browser fetches once it is to make a file of a figure.
"""

import ipaddress
import re
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, MutableMapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from attention.figure_files import FONT, PLOTLY, SCRIPT
from attention.limits import MIB, Limits

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

LOCAL = ("localhost",)
"""Names of this machine; an address in numbers cannot be another's name, and is always let in."""
POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' blob:; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self' data:; media-src 'self' blob:; "
    "worker-src 'self' blob:; object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'self'"
)
"""Nothing is fetched from elsewhere, and nothing else frames a page. Streamlit and plotly write styles into their
pages, and Streamlit's first page has a script in it."""
HEADERS = (
    (b"content-security-policy", POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
)
FIRST_PAGE = b"<style>%b</style><script>%b</script></head>" % tuple(
    Path(__file__).with_name(f"first_page.{kind}").read_bytes() for kind in ("css", "js")
)
"""Goes into Streamlit's first page: room for what is to come, and a history in which Back leads to the page before."""
HTML = (b"content-type", b"text/html; charset=utf-8")
METRICS = "/_stcore/metrics"
UPLOADS = "/_stcore/upload_file/"
REQUESTS = frozenset(
    {"rerun_script", "stop_script", "file_urls_request", "app_heartbeat", "deferred_file", "dataframe_chunk"}
)
"""What a visitor's browser asks of Streamlit. What else it can ask is not for visitors: to empty what all of them
share, to write files of Streamlit's own into this folder, to end the server."""
LEAST_BYTES = 4096
"""Bytes that a file counts for at least."""


class Guard:
    """Refuses foreign hosts and origins, uploads that are too much, and what is no visitor's business.

    `uploads` are the files that Streamlit holds, by visitor and by file, each with its `data`; `hosts` are names by
    which visitors reach this server.
    """

    def __init__(self, app: App, uploads: Mapping[str, Mapping[str, Any]], hosts: Collection[str] = LOCAL) -> None:
        self._app, self._uploads = app, uploads
        self._hosts = {host.lower().rstrip(".") for host in (*LOCAL, *hosts)} - {""}
        self._coming: Counter[str] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request, or one connection."""
        if scope["type"] not in ("http", "websocket"):
            return await self._app(scope, receive, send)
        headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        if refusal := self._refused(scope, headers):
            return await _refuse(scope, send, *refusal)
        if scope["type"] == "websocket":
            return await self._app(scope, _requests_only(receive), send)
        if scope["method"] != "PUT" or UPLOADS not in scope["path"]:
            if "text/html" in headers.get(b"accept", ""):  # of a page that is to be read here, and so is not packed
                named = [(name, value) for name, value in scope["headers"] if name != b"accept-encoding"]
                return await self._app({**scope, "headers": named}, receive, _with_first_page(with_headers(send)))
            return await self._app(scope, receive, with_headers(send))
        return await self._take(scope, receive, send, headers.get(b"content-length", ""))

    def _refused(self, scope: Scope, headers: Mapping[bytes, str]) -> tuple[int, str] | None:
        host, origin = headers.get(b"host", ""), headers.get(b"origin")
        if not self._is_here(host):
            return 421, "This server does not go by that name; whoever starts it allows one with --host."
        if origin is not None and urlsplit(origin).netloc.lower() != host.lower():
            return 403, "Another site's page cannot ask this server."
        return (404, "Not found.") if scope["path"].endswith(METRICS) else None

    def _is_here(self, host: str) -> bool:
        try:
            name = (urlsplit(f"//{host}").hostname or "").rstrip(".")
            return name in self._hosts or bool(ipaddress.ip_address(name))
        except ValueError:
            return False

    async def _take(self, scope: Scope, receive: Receive, send: Send, length: str) -> None:
        """An upload, counted while it comes in. Its length is stated, and no more than that is read."""
        # Python refuses to read a number of thousands of digits, by an error that is no answer.
        if not (length.isascii() and length.isdigit() and len(length) < 16):
            return await _refuse(scope, send, 411, "An upload states its length.")
        visitor, size = scope["path"].rstrip("/").split("/")[-2], max(int(length), LEAST_BYTES)
        limits = Limits.of_environment()
        if self._held(visitor) + self._coming[visitor] + size > limits.uploads_bytes:
            return await _refuse(
                scope, send, 413, f"A visitor's files have {limits.uploads_bytes / MIB:g} MiB at most in all."
            )
        if sum(map(self._held, list(self._uploads))) + self._coming.total() + size > limits.all_uploads_bytes:
            every = f"{limits.all_uploads_bytes / MIB:g} MiB"
            return await _refuse(scope, send, 413, f"All visitors' files have {every} at most; try again later.")
        self._coming[visitor] += size
        try:
            await self._app(scope, receive, with_headers(send))
        finally:
            self._coming[visitor] -= size
            if not self._coming[visitor]:
                del self._coming[visitor]

    def _held(self, visitor: str) -> int:
        return sum(max(len(file.data), LEAST_BYTES) for file in list(self._uploads.get(visitor, {}).values()))


async def _refuse(scope: Scope, send: Send, status: int, sentence: str) -> None:
    if scope["type"] == "websocket":
        return await send({"type": "websocket.close", "code": 1008, "reason": sentence})
    kind = (b"content-type", b"text/plain; charset=utf-8")
    await with_headers(send)({"type": "http.response.start", "status": status, "headers": [kind]})
    return await send({"type": "http.response.body", "body": sentence.encode()})


def with_headers(send: Send, more: Iterable[tuple[bytes, bytes]] = HEADERS) -> Send:
    """A response with these headers besides its own."""

    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message.get("headers", ()), *more]
        await send(message)

    return sent


def _with_first_page(send: Send) -> Send:
    """A first page with `FIRST_PAGE` in it; anything else as it is."""
    held: list[Message] = []

    async def sent(message: Message) -> None:
        starts = message["type"] == "http.response.start"
        if not held and not (starts and message["status"] == 200 and HTML in message["headers"]):
            await send(message)
            return
        held.append(message)
        if not starts and not message.get("more_body"):
            start, *parts = held
            body = b"".join(part.get("body", b"") for part in parts).replace(b"</head>", FIRST_PAGE, 1)
            kept = [(name, value) for name, value in start["headers"] if name != b"content-length"]
            await send({**start, "headers": [*kept, (b"content-length", str(len(body)).encode())]})
            await send({"type": "http.response.body", "body": body})

    return sent


def _requests_only(receive: Receive) -> Receive:
    """What a browser says, as far as it is of REQUESTS."""

    async def received() -> Message:
        while _is_order(message := await receive()):
            pass
        return message

    return received


def _is_order(message: Message) -> bool:
    from streamlit.proto.BackMsg_pb2 import BackMsg

    try:
        request = BackMsg.FromString(message.get("bytes") or b"")
    except Exception:  # of protobuf, which is Streamlit's own affair: it answers what is no message
        return False
    kind = request.WhichOneof("type")
    if kind == "backend_operation_request":
        kind = request.backend_operation_request.WhichOneof("payload")
    return kind is not None and kind not in REQUESTS


LOGIN, CALLBACK = "/auth/login", "/oauth2callback"
"""Where Streamlit sends a browser to sign in, and where the provider sends it back."""
COOKIE = "gatescope_link"
SECONDS = 600
"""That somebody may take to sign in."""
LONGEST = 3500
"""Bytes of a link that is kept; browsers keep cookies of 4096."""
_LOCAL_LINK = re.compile(r"/(?![/\\])[!-\[\]-~]*")


class LinkKeeper:
    """Streamlit's server, whose sign-in leads on to the page that was asked for.

    The browser keeps the link in a cookie. Only a place on this server is ever led to.
    """

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request, or one connection."""
        if scope["type"] == "http" and scope["path"].endswith((LOGIN, CALLBACK)):
            headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
            keeps = scope["path"].endswith(LOGIN)
            send = _with_cookie(send, _referer_link(headers)) if keeps else _with_redirect(send, _cookie_link(headers))
        await self._app(scope, receive, send)


def _referer_link(headers: dict[bytes, str]) -> str:
    """The page that the sign-in was asked for on, without its host; "" where it is not known."""
    page = urlsplit(headers.get(b"referer", ""))
    link = page.path + (f"?{page.query}" if page.query else "")
    own = page.netloc.lower() == headers.get(b"host", "").lower()
    return link if own and _is_link(link) else ""


def _cookie_link(headers: dict[bytes, str]) -> str:
    """The link in the cookie; "" where there is none."""
    cookies = (cookie.strip().partition("=") for cookie in headers.get(b"cookie", "").split(";"))
    link = unquote(next((value for name, _, value in cookies if name == COOKIE), ""))
    return link if _is_link(link) else ""


def _is_link(link: str) -> bool:
    return bool(_LOCAL_LINK.fullmatch(link)) and len(quote(link)) <= LONGEST


def _with_cookie(send: Send, link: str) -> Send:
    cookie = f"{COOKIE}={quote(link, safe='')}; Path=/; Max-Age={SECONDS if link else 0}; HttpOnly; SameSite=Lax"
    return with_headers(send, [(b"set-cookie", cookie.encode())])


def _with_redirect(send: Send, link: str) -> Send:
    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start" and link and 300 <= message["status"] < 400:
            others = [each for each in message.get("headers", ()) if each[0].lower() != b"location"]
            message["headers"] = [*others, (b"location", link.encode())]
        await send(message)

    return _with_cookie(sent, "")


FOLDER = "/figure_files/"
"""Where the files are, below wherever the dashboard is."""
TEXT = (b"content-type", b"text/javascript; charset=utf-8")
FILES: dict[str, tuple[Path, tuple[tuple[bytes, bytes], ...]]] = {
    "plotly.js": (PLOTLY, (TEXT, (b"content-encoding", b"gzip"))),
    "figure_file.js": (SCRIPT, (TEXT,)),
    "font.woff": (FONT, ((b"content-type", b"font/woff"),)),
}


class FigureScripts:
    """A server that has `FILES` beside what another one has."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request, or one connection."""
        _, folder, name = scope.get("path", "").rpartition(FOLDER)
        if scope["type"] != "http" or not folder or name not in FILES:
            return await self._app(scope, receive, send)
        path, headers = FILES[name]
        await send({"type": "http.response.start", "status": 200, "headers": list(headers)})
        return await send({"type": "http.response.body", "body": path.read_bytes()})
