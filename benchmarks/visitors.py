"""Many visitors at once, each with a picture of its own: python -m benchmarks.visitors 10 50.

Each speaks to a fresh server as a browser does, draws nothing, and opens the first page, brings its picture, and opens
the page of excitation. Seconds are from the question to the end of the answer; memory is that of the server. All come
at once and read nothing, unless --reading says for how long they read a page, on average: then they also come one
after the other, over twice that time. With --two there are two servers behind nginx, as docs/two-processes.conf has it.
"""

import asyncio
import io
import json
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import httpx2
import numpy as np
from PIL import Image
from streamlit.proto.Alert_pb2 import Alert
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.asyncio.client import connect

ROOT = Path(__file__).parents[1]
SIDE = 320
PATIENCE = 600
PROXY = ROOT / "docs" / "two-processes.conf"


class Visitor:
    """One connection, with the widgets of its page as they are answered."""

    def __init__(
        self, address: str, seed: int, *, page: str = "excitation", query: str = "", reading: float = 0
    ) -> None:
        """`page` is the one that is opened with the visitor's own picture, `query` what the address asks for; `reading`
        are seconds before each page."""
        self._pauses = np.random.default_rng(seed).uniform(0, 2 * reading, 4).tolist()
        self.address, self.picture, self.own_page, self.query = address, _picture(seed), page, query
        self.widgets: dict[str, Any] = {}
        self.page = self.session = ""
        self.pages: dict[str, str] = {}
        self.seconds: dict[str, float] = {}
        self.waited = 0
        self.errors: list[str] = []

    async def visit(self) -> None:
        """The whole visit."""
        await self._read()
        async with httpx2.AsyncClient(base_url=self.address, timeout=PATIENCE, trust_env=False) as client:
            self.cookies = (await client.get("/_stcore/health")).cookies
        async with connect(
            f"ws{self.address[4:]}/_stcore/stream",
            subprotocols=["streamlit"],
            max_size=None,
            additional_headers={"Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())},
        ) as line:
            self.line = line
            await self._ask("first page", BackMsg())
            await self._read()
            state = BackMsg()
            state.rerun_script.widget_states.widgets.add(id=self._those("source")[0]).string_array_value.data.append(
                "Upload"
            )
            await self._ask("the uploader", state)
            await self._read()
            await self._ask("own picture", await self._upload(state, "upload"))
            await self._read()
            state.rerun_script.page_script_hash = self.pages[self.own_page]
            await self._ask(self.own_page, state)
            await self._stay(state)

    async def _read(self) -> None:
        await asyncio.sleep(self._pauses.pop())

    async def _stay(self, state: BackMsg) -> None:
        """What the visitor does on the page that was opened last: nothing."""

    async def _ask(self, what: str, message: BackMsg) -> None:
        """Sends a run of the script, and reads until it is finished."""
        message.rerun_script.SetInParent()
        message.rerun_script.query_string = self.query
        if self.page and not message.rerun_script.page_script_hash:
            message.rerun_script.page_script_hash = self.page
        start = time.perf_counter()
        await self.line.send(message.SerializeToString())
        while True:
            answer = ForwardMsg.FromString(await asyncio.wait_for(self.line.recv(), PATIENCE))
            self._note(answer)
            if answer.WhichOneof("type") == "script_finished" and answer.script_finished in (0, 3):
                break
        self.seconds[what] = time.perf_counter() - start

    def _note(self, answer: ForwardMsg) -> None:
        kind = answer.WhichOneof("type")
        if kind == "new_session":
            self.widgets = {}
            self.page, self.session = answer.new_session.page_script_hash, answer.new_session.initialize.session_id
        elif kind == "navigation":
            self.pages = {page.url_pathname: page.page_script_hash for page in answer.navigation.app_pages}
        elif kind == "delta" and answer.delta.WhichOneof("type") == "new_element":
            element = answer.delta.new_element
            proto = getattr(element, element.WhichOneof("type"))
            if hasattr(proto, "id"):
                self.widgets[proto.id] = proto
            if element.WhichOneof("type") == "exception":
                self.errors.append(proto.message)
            if element.WhichOneof("type") == "alert" and proto.format == Alert.ERROR:
                self.errors.append(proto.body)
        elif kind == "delta" and answer.delta.WhichOneof("type") == "new_transient":
            self.waited += any(each.WhichOneof("type") == "spinner" for each in answer.delta.new_transient.elements)

    def _those(self, keys: str) -> list[str]:
        """The widgets of the page that have such a key."""
        return [name for name in self.widgets if re.search(f"-({keys})$", name)]

    async def _upload(self, state: BackMsg, key: str) -> BackMsg:
        """The picture, sent as a browser does to the uploader of this key; the state of the page that has it."""
        uploader = self._those(key)[0]
        request = BackMsg()
        request.file_urls_request.request_id, request.file_urls_request.session_id = "1", self.session
        request.file_urls_request.file_names.append("mine.png")
        await self.line.send(request.SerializeToString())
        while True:
            answer = ForwardMsg.FromString(await asyncio.wait_for(self.line.recv(), PATIENCE))
            if answer.WhichOneof("type") == "file_urls_response":
                break
        place = answer.file_urls_response.file_urls[0]
        async with httpx2.AsyncClient(
            base_url=self.address, cookies=self.cookies, timeout=PATIENCE, trust_env=False
        ) as client:
            files = {"file": ("mine.png", self.picture, "image/png")}
            token = {"X-Xsrftoken": self.cookies.get("_streamlit_xsrf", "")}
            (await client.put(place.upload_url, files=files, headers=token)).raise_for_status()
        widget = state.rerun_script.widget_states.widgets.add(id=uploader)
        info = widget.file_uploader_state_value.uploaded_file_info.add(
            name="mine.png", size=len(self.picture), file_id=place.file_id
        )
        info.file_urls.CopyFrom(place)
        return state


def _picture(seed: int) -> bytes:
    file = io.BytesIO()
    noise = np.random.default_rng(seed).integers(0, 255, (SIDE, SIDE, 3)).astype(np.uint8)
    Image.fromarray(noise).save(file, "PNG", compress_level=1)
    return file.getvalue()


@contextmanager
def server(port: int) -> Iterator[tuple[str, tuple[int]]]:
    """A fresh server: its address, and the number of its process."""
    command = [sys.executable, "-m", "attention", "serve", "--headless", "--port", str(port)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL) as process:
        address = f"http://127.0.0.1:{port}"
        try:
            _wait_for(address)
            yield address, (process.pid,)
        finally:
            process.terminate()


@contextmanager
def two_servers(port: int) -> Iterator[tuple[str, tuple[int, int]]]:
    """Two fresh servers that nginx shares visitors out to: their address, and the numbers of their processes."""
    with tempfile.TemporaryDirectory() as folder, server(port + 1) as (first, one), server(port + 2) as (second, two):
        for address in (first, second):
            asyncio.run(crowd(address, 1))
        text = PROXY.read_text(encoding="utf-8")
        for written, taken in ((8501, port), (8511, port + 1), (8512, port + 2)):
            text = text.replace(f"127.0.0.1:{written}", f"127.0.0.1:{taken}")
        Path(folder, "nginx.conf").write_text(text, encoding="utf-8")
        with subprocess.Popen(["nginx", "-p", folder, "-c", "nginx.conf", "-e", "stderr"]) as proxy:
            try:
                _wait_for(f"http://127.0.0.1:{port}")
                yield f"http://127.0.0.1:{port}", (*one, *two)
            finally:
                proxy.terminate()


def _wait_for(address: str) -> None:
    for _ in range(600):
        try:
            httpx2.get(f"{address}/_stcore/health", trust_env=False)
            return
        except httpx2.TransportError:
            time.sleep(0.1)
    raise TimeoutError(f"{address} does not answer.")


def memory(*pids: int) -> dict[str, int]:
    """MiB in memory, open handles and threads of processes together (Linux)."""
    held = {"MiB": 0, "handles": 0, "threads": 0}
    for pid in pids:
        status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
        held["MiB"] += int(status["VmRSS"].split()[0]) // 1024
        held["handles"] += len(list(Path(f"/proc/{pid}/fd").iterdir()))
        held["threads"] += int(status["Threads"])
    return held


async def crowd(address: str, count: int, reading: float = 0) -> list[Visitor]:
    """So many visitors at the same time."""
    visitors = [Visitor(address, 1 + number, reading=reading) for number in range(count)]
    await asyncio.gather(*(visitor.visit() for visitor in visitors))
    return visitors


@click.command()
@click.argument("counts", type=int, nargs=-1, required=True)
@click.option("--port", default=8650, show_default=True)
@click.option("--rest", default=90, show_default=True, help="Seconds after the last has left.")
@click.option("--reading", default=0.0, show_default=True, help="Seconds that a page is read, on average.")
@click.option("--two", is_flag=True, help="Two servers behind nginx.")
def main(counts: tuple[int, ...], port: int, rest: int, reading: float, two: bool) -> None:
    """COUNTS of visitors, a fresh server each; a line of JSON for each of them."""
    for count in counts:
        with two_servers(port) if two else server(port) as (address, pids):
            asyncio.run(crowd(address, 1))  # torch is loaded, and the first network
            before, start = memory(*pids), time.perf_counter()
            visitors = asyncio.run(crowd(address, count, reading))
            elapsed, full = time.perf_counter() - start, memory(*pids)
            time.sleep(rest)
            asyncio.run(crowd(address, 1))  # Streamlit forgets those who left when somebody comes or goes
            seconds = {
                what: [round(float(np.percentile([each.seconds[what] for each in visitors], q)), 2) for q in (50, 95)]
                for what in visitors[0].seconds
            }
            report = {
                "visitors": count,
                "servers": 2 if two else 1,
                "reading, s": reading,
                "median and 95th percentile, s": seconds,
                "whole, s": round(elapsed, 1),
            }
            report |= {"told to wait": sum(each.waited > 0 for each in visitors)}
            report |= {"errors": [error for each in visitors for error in each.errors]}
            report |= {"before": before, "full": full, "after": memory(*pids)}
            print(json.dumps(report), flush=True)


if __name__ == "__main__":
    main()
