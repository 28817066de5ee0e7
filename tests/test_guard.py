"""Who is let in: hosts, origins, sizes and orders, by the guard alone and by a server that is started."""

import asyncio
import contextlib
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import quote

import pytest
from streamlit.proto.BackMsg_pb2 import BackMsg
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from attention.limits import MIB
from attention.serving.guard import FILES, FIRST_PAGE, LEAST_BYTES, POLICY, FigureScripts, Guard, LinkKeeper
from tests.test_serving_processes import ROOT, SERVE, free_port, healthy


class Beneath:
    """The server beneath, which notes what reached it; an upload waits there until it is let go."""

    def __init__(self):
        self.seen, self.messages, self.go = [], [], None

    async def __call__(self, scope, receive, send):
        self.seen.append(scope["path"])
        if scope["type"] == "websocket":
            while (message := await receive())["type"] != "websocket.disconnect":
                self.messages.append(message)
            return
        if self.go:
            await self.go.wait()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"ok"})


def scope(path="/", *, kind="http", method="GET", host="localhost:8501", **headers):
    listed = {"host": host, **{name.replace("_", "-"): value for name, value in headers.items()}}
    return {
        "type": kind,
        "path": path,
        "method": method,
        "headers": [(name.encode(), value.encode("latin-1")) for name, value in listed.items()],
    }


def asked(guard, request, *incoming):
    """What the guard answers: its messages."""
    sent, messages = [], iter(incoming)

    async def receive():
        return next(messages)

    async def send(message):
        sent.append(message)

    asyncio.run(guard(request, receive, send))
    return sent


def status(guard, request):
    return asked(guard, request)[0]["status"]


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:8501", "127.0.0.1:1", "[::1]:8501", "10.1.2.3", "a.example"])
def test_this_machine_numbers_and_allowed_names_are_let_in(host):
    assert status(Guard(Beneath(), {}, ["A.example."]), scope(host=host)) == 200


class Page:
    """A server beneath whose page comes in two parts."""

    def __init__(self, kind):
        self.kind, self.packed = kind, None

    async def __call__(self, scope, receive, send):
        self.packed = dict(scope["headers"]).get(b"accept-encoding")
        headers = [(b"content-type", self.kind), (b"content-length", b"27")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        for part, more in ((b"<head></he", True), (b"ad><body></body>", False)):
            await send({"type": "http.response.body", "body": part, "more_body": more})


@pytest.mark.parametrize("accepted", ["text/html", "*/*"])
@pytest.mark.parametrize("kind", [b"text/html; charset=utf-8", b"text/javascript"])
def test_a_first_page_has_room_for_the_sidebar_and_the_length_that_it_says(kind, accepted):
    beneath = Page(kind)
    start, *parts = asked(Guard(beneath, {}), scope(accept=accepted, accept_encoding="gzip"))
    body = b"".join(part["body"] for part in parts)
    roomy = accepted == "text/html" and kind.startswith(b"text/html")
    assert (FIRST_PAGE in body) == roomy and body.replace(FIRST_PAGE, b"</head>") == b"<head></head><body></body>"
    if roomy:
        assert [value for name, value in start["headers"] if name == b"content-length"] == [str(len(body)).encode()]
    assert (beneath.packed is None) == (accepted == "text/html")


@pytest.mark.parametrize("host", ["", "evil.example", "localhost.evil.example", "[", "a:b:c", "localhost@evil.example"])
def test_other_names_are_not(host):
    beneath = Beneath()
    guard = Guard(beneath, {}, ["", "."])
    assert status(guard, scope(host=host)) == 421
    closed = asked(guard, scope(kind="websocket", host=host))
    assert closed[0]["type"] == "websocket.close" and not beneath.seen


@pytest.mark.parametrize(
    ("origin", "code"),
    [("http://localhost:8501", 200), ("http://localhost:1", 403), ("http://evil.example", 403), ("null", 403)],
)
def test_a_page_of_another_site_cannot_ask(origin, code):
    assert status(Guard(Beneath(), {}), scope(origin=origin)) == code


@pytest.mark.parametrize("path", ["/_stcore/metrics", "/base/_stcore/metrics"])
def test_numbers_about_the_server_are_not_for_visitors(path):
    assert status(Guard(Beneath(), {}), scope(path)) == 404


def test_every_answer_has_the_policy():
    for path in ("/", "/_stcore/metrics"):
        headers = dict(asked(Guard(Beneath(), {}), scope(path))[0]["headers"])
        assert headers[b"content-security-policy"] == POLICY.encode()
        assert headers[b"x-content-type-options"] == b"nosniff"


@pytest.mark.parametrize("before", ["", "/below/here"])
def test_what_makes_a_file_of_a_figure_is_fetched_from_the_server_itself(before):
    beneath = Beneath()
    for name, (path, headers) in FILES.items():
        start, body = asked(FigureScripts(beneath), scope(f"{before}/figure_files/{name}"))
        assert (start["status"], start["headers"], body["body"]) == (200, list(headers), path.read_bytes())
    assert beneath.seen == []
    others = ["/figure_files/", "/figure_files/other.js", "/figure_files/../plotly.js", "/plotly.js"]
    for path in others:
        asked(FigureScripts(beneath), scope(path))
    assert beneath.seen == others


def put(size, visitor="one"):
    return scope(f"/_stcore/upload_file/{visitor}/{size}", method="PUT", content_length=str(size))


def test_a_visitor_and_all_of_them_have_a_bound_that_counts_what_is_held(monkeypatch):
    monkeypatch.setenv("GATESCOPE_MAX_UPLOADS_BYTES", str(2 * MIB))
    monkeypatch.setenv("GATESCOPE_MAX_ALL_UPLOADS_BYTES", str(3 * MIB))
    held = {"one": {"a": SimpleNamespace(data=bytes(MIB))}}
    guard = Guard(Beneath(), held)
    assert status(guard, put(MIB)) == 200
    assert status(guard, put(MIB + 1)) == 413
    assert status(guard, put(2 * MIB, "two")) == 200
    assert status(guard, put(2 * MIB + 1, "two")) == 413
    held["two"] = {"b": SimpleNamespace(data=bytes(2 * MIB))}
    assert status(guard, put(1)) == 413


def test_many_small_files_count_as_more(monkeypatch):
    monkeypatch.setenv("GATESCOPE_MAX_UPLOADS_BYTES", str(MIB))
    files = {str(number): SimpleNamespace(data=b"x") for number in range(MIB // LEAST_BYTES)}
    assert status(Guard(Beneath(), {"one": files}), put(1)) == 413


@pytest.mark.parametrize("bound", ["GATESCOPE_MAX_UPLOADS_BYTES", "GATESCOPE_MAX_ALL_UPLOADS_BYTES"])
@pytest.mark.parametrize("others", [False, True])
def test_what_is_coming_in_counts_too_and_is_forgotten_when_it_is_over(monkeypatch, bound, others):
    monkeypatch.setenv(bound, str(MIB))
    beneath = Beneath()
    guard = Guard(beneath, {})

    async def two_at_once():
        beneath.go, sent = asyncio.Event(), ([], [])

        async def one(number):
            async def send(message):
                sent[number].append(message)

            await guard(put(MIB, f"visitor {number * others}"), None, send)

        tasks = [asyncio.ensure_future(one(number)) for number in range(2)]
        await asyncio.sleep(0)
        beneath.go.set()
        await asyncio.gather(*tasks)
        return [each[0]["status"] for each in sent]

    alone = others and "ALL" not in bound
    assert asyncio.run(two_at_once()) == [200, 200 if alone else 413]
    beneath.go = None
    assert status(guard, put(MIB)) == 200


@pytest.mark.parametrize("length", [None, "-1", "", "1e9", "9" * 20, "²"])
def test_an_upload_of_no_length_is_refused(length):
    request = scope(
        "/_stcore/upload_file/one/a", method="PUT", **({} if length is None else {"content_length": length})
    )
    assert status(Guard(Beneath(), {}), request) == 411


def operation(payload):
    message = BackMsg()
    getattr(message.backend_operation_request, payload).SetInParent()
    return message


def test_a_browser_asks_for_what_visitors_need_and_for_nothing_else():
    beneath = Beneath()
    needed = {"rerun_script", "stop_script", "file_urls_request", "app_heartbeat", "deferred_file", "dataframe_chunk"}
    plain = [field for field in BackMsg.DESCRIPTOR.fields if field.name != "backend_operation_request"]
    said = {}
    for field in plain:
        said[field.name] = BackMsg(**{field.name: {} if field.message_type else field.type != field.TYPE_STRING or "a"})
    payloads = BackMsg().backend_operation_request.DESCRIPTOR.oneofs_by_name["payload"].fields
    said |= {payload.name: operation(payload.name) for payload in payloads}
    assert needed < said.keys() and {"clear_cache", "install_skills"} < said.keys()
    passing = [message.SerializeToString() for name, message in said.items() if name in needed]
    passing += [
        b"\xff no message",
        BackMsg().SerializeToString(),
        BackMsg(backend_operation_request={}).SerializeToString(),
    ]
    data = [*(message.SerializeToString() for message in said.values()), *passing[len(needed) :]]
    messages = [{"type": "websocket.receive", "bytes": each} for each in data]
    asked(Guard(beneath, {}), scope(kind="websocket"), *messages, {"type": "websocket.disconnect"})
    assert sorted(message["bytes"] for message in beneath.messages) == sorted(passing)


class Signing:
    """A server beneath that sends on, as Streamlit's sign-in does."""

    async def __call__(self, scope, receive, send):
        await send({"type": "http.response.start", "status": 302, "headers": [(b"location", b"/")]})
        await send({"type": "http.response.body"})


def signed_in(page, *, cookie=None):
    """Where a visitor is led who asked to sign in on this page, and what is kept in the end."""
    server = LinkKeeper(Signing())
    (kept,) = (
        value.decode()
        for name, value in asked(server, scope("/auth/login", referer=page))[0]["headers"]
        if name == b"set-cookie"
    )
    assert "HttpOnly; SameSite=Lax" in kept
    back = scope("/oauth2callback", cookie=cookie or f"other=1; {kept.partition(';')[0]}")
    headers = asked(server, back)[0]["headers"]
    (place,) = (value.decode() for name, value in headers if name == b"location")
    assert any(name == b"set-cookie" and b"Max-Age=0" in value for name, value in headers)
    return place


@pytest.mark.parametrize("link", ["/", "/cbam?network=cbam&block=layer1.0", "/base/compare?class=a%20b&about=x+y;z"])
def test_who_signs_in_is_led_to_the_link_they_came_by(link):
    assert signed_in(f"http://localhost:8501{link}") == link


def test_other_cookies_stand_in_the_way_of_no_link():
    for others in ("a/b=1", "=;;=", "gatescope_linked=%2F"):
        assert signed_in("", cookie=f"{others}; gatescope_link=%2Fcbam%3Fa%3D1") == "/cbam?a=1"


@pytest.mark.parametrize("page", ["", "http://evil.example/cbam", "http://localhost:8501//evil.example/",
                                  "http://localhost:8501/\\evil.example", "http://localhost:8501/" + "x" * 4000,
                                  "javascript:alert(1)", "http://localhost:8501/é"])  # fmt: skip
def test_nobody_is_led_anywhere_else(page):
    assert signed_in(page) == "/"
    hostile = page.partition("8501")[2] or "http://evil.example"
    assert signed_in("", cookie=f"gatescope_link={quote(hostile, safe='')}") == "/"


@pytest.mark.parametrize(
    "cookie", ["gatescope_link=%2F%0d%0aa", "gatescope_link", "=;;=", "gatescope_link=%2F%2Fe.example"]
)
def test_a_broken_cookie_leads_to_the_first_page(cookie):
    assert signed_in("", cookie=cookie) == "/"


@pytest.fixture(scope="module")
def address():
    port = free_port()
    command = [*SERVE, "--model", "tests.factories:classifier", "--port", str(port), "--host", "named.example"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        try:
            assert healthy(f"http://localhost:{port}", process)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.kill()


def code(address, path="/", **headers):
    request = urllib.request.Request(address + path, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, dict(answer.headers)
    except urllib.error.HTTPError as error:
        return error.code, dict(error.headers)


LEAVING = """
import sys
from attention import serving
from attention.serving import server
from streamlit.web.server import server as streamlit_server
server.FORGET_SECONDS = 0.2
storage = streamlit_server.MemorySessionStorage
streamlit_server.MemorySessionStorage = lambda *, ttl_seconds: storage(ttl_seconds=1)
serving.show(None, port=int(sys.argv[1]), headless=True)
"""


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="handles are counted in /proc")
def test_what_a_visitor_had_is_let_go_of_when_the_time_is_over():
    port = free_port()
    command = [sys.executable, "-c", LEAVING, str(port)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL) as process:

        def handles():
            return len(list(Path(f"/proc/{process.pid}/fd").iterdir()))

        try:
            assert healthy(f"http://localhost:{port}", process)
            before = handles()
            with contextlib.ExitStack() as visits:
                for _ in range(10):
                    line = visits.enter_context(connect(f"ws://localhost:{port}/_stcore/stream"))
                    line.send(BackMsg(stop_script=True).SerializeToString())
                assert handles() >= before + 30  # a connection, and an event loop's
            deadline = time.monotonic() + 240
            while handles() > before + 3 and time.monotonic() < deadline:
                time.sleep(0.1)
            assert handles() <= before + 3
        finally:
            process.kill()


ASKING = """
import pathlib, sys
from streamlit import net_util
from attention import serving
net_util.get_external_ip = lambda: pathlib.Path(sys.argv[2]).touch()
serving.show(None, port=int(sys.argv[1]), headless=True, hosts=["named.example"])
"""


def test_no_visitor_makes_the_server_ask_elsewhere_for_its_address(tmp_path):
    port, asked = free_port(), tmp_path / "asked"
    command = [sys.executable, "-c", ASKING, str(port), str(asked)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL) as process:
        try:
            assert healthy(f"http://localhost:{port}", process)
            with connect(f"ws://localhost:{port}/_stcore/stream", origin=f"http://localhost:{port}"):
                pass
            here = socket.create_connection(("localhost", port))
            with connect("ws://named.example/_stcore/stream", sock=here, origin="http://named.example"):
                pass
            assert not asked.exists()
        finally:
            process.kill()


def test_a_server_that_is_started_has_the_guard(address):
    known, headers = code(address)
    assert known == 200 and headers["content-security-policy"] == POLICY
    assert code(address, Host="named.example")[0] == 200
    assert code(address, Host="evil.example")[0] == 421
    assert code(address, "/_stcore/metrics")[0] == 404
    stream = f"ws{address.removeprefix('http')}/_stcore/stream"
    with connect(stream, origin=address), connect(stream):
        pass
    with pytest.raises(InvalidStatus, match="403"):
        connect(stream, origin="http://evil.example")


def test_the_start_and_the_end_of_the_server_itself_are_no_visit():
    begun = []

    async def beneath(scope, receive, send):
        begun.append(await receive())

    asked(Guard(beneath, {}), {"type": "lifespan"}, {"type": "lifespan.startup"})
    assert begun == [{"type": "lifespan.startup"}]
