"""What a browser fetches once it is to make a file of a figure."""

from pathlib import Path
from typing import TYPE_CHECKING

from attention.figure_files import FONT, PLOTLY, SCRIPT

if TYPE_CHECKING:
    from attention.serving.guard import App, Receive, Scope, Send

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

    def __init__(self, app: "App") -> None:
        self._app = app

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        """One request, or one connection."""
        _, folder, name = scope.get("path", "").rpartition(FOLDER)
        if scope["type"] != "http" or not folder or name not in FILES:
            return await self._app(scope, receive, send)
        path, headers = FILES[name]
        await send({"type": "http.response.start", "status": 200, "headers": list(headers)})
        return await send({"type": "http.response.body", "body": path.read_bytes()})
