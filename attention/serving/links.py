"""The link that a visitor came by, kept while they sign in elsewhere: Streamlit's sign-in leads to the first page."""

import re
from urllib.parse import quote, unquote, urlsplit

from attention.serving.guard import App, Message, Receive, Scope, Send, with_headers

LOGIN, CALLBACK = "/auth/login", "/oauth2callback"
"""Where Streamlit sends a browser to sign in, and where the provider sends it back."""
COOKIE = "gatescope_link"
SECONDS = 600
"""That somebody may take to sign in."""
LONGEST = 3500
"""Bytes of a link that is kept; browsers keep cookies of 4096."""
_HERE = re.compile(r"/(?![/\\])[!-\[\]-~]*")


class LinksKept:
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
            send = _keeping(send, _asked_for(headers)) if keeps else _leading(send, _kept(headers))
        await self._app(scope, receive, send)


def _asked_for(headers: dict[bytes, str]) -> str:
    """The page that the sign-in was asked for on, without its host; "" where it is not known."""
    page = urlsplit(headers.get(b"referer", ""))
    link = page.path + (f"?{page.query}" if page.query else "")
    own = page.netloc.lower() == headers.get(b"host", "").lower()
    return link if own and _is_here(link) else ""


def _kept(headers: dict[bytes, str]) -> str:
    """The link in the cookie; "" where there is none."""
    cookies = (cookie.strip().partition("=") for cookie in headers.get(b"cookie", "").split(";"))
    link = unquote(next((value for name, _, value in cookies if name == COOKIE), ""))
    return link if _is_here(link) else ""


def _is_here(link: str) -> bool:
    return bool(_HERE.fullmatch(link)) and len(quote(link)) <= LONGEST


def _keeping(send: Send, link: str) -> Send:
    cookie = f"{COOKIE}={quote(link, safe='')}; Path=/; Max-Age={SECONDS if link else 0}; HttpOnly; SameSite=Lax"
    return with_headers(send, [(b"set-cookie", cookie.encode())])


def _leading(send: Send, link: str) -> Send:
    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start" and link and 300 <= message["status"] < 400:
            others = [each for each in message.get("headers", ()) if each[0].lower() != b"location"]
            message["headers"] = [*others, (b"location", link.encode())]
        await send(message)

    return _keeping(sent, "")
