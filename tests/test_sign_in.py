"""Who signs in by OpenID Connect ends on the link they came by; nobody else sees a page."""

import asyncio
import json
import os
import subprocess

import httpx2
import pytest
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.sync.client import connect

from attention.serving.guard import LinkKeeper
from tests import provider
from tests.test_serving_processes import ROOT, SERVE, free_port, healthy

LINK = "/excitation?network=se&channel=3"


@pytest.fixture(scope="module")
def people():
    with provider.running() as state:
        yield state


@pytest.fixture(scope="module")
def address(people, tmp_path_factory):
    """A server that asks who its visitors are."""
    folder, port = tmp_path_factory.mktemp("server"), free_port()
    here = f"http://localhost:{port}"
    auth = {"redirect_uri": f"{here}/oauth2callback", "cookie_secret": "c" * 40, "client_id": provider.CLIENT}
    auth |= {"client_secret": provider.SECRET}
    auth |= {"server_metadata_url": f"{people.address}/.well-known/openid-configuration"}
    (folder / ".streamlit").mkdir()
    settings = "".join(f"{key} = {json.dumps(value)}\n" for key, value in auth.items())
    (folder / ".streamlit" / "secrets.toml").write_text(f"[auth]\n{settings}")
    command = [*SERVE, "--model", "tests.factories:classifier", "--port", str(port)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "NO_PROXY": "*"}
    with subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.DEVNULL) as process:
        try:
            assert healthy(here, process)
            yield here
        finally:
            process.kill()


@pytest.fixture
def browser(address):
    """What a browser keeps: its cookies."""
    with httpx2.Client(base_url=address, trust_env=False, timeout=60) as client:
        client.get("/_stcore/health").raise_for_status()  # has a cookie against foreign sites
        yield client


def seen(browser, *, press=""):
    """The texts of the page's buttons and headings, or where a click sends the browser."""
    here = str(browser.base_url).rstrip("/")
    cookies = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
    known = {"subprotocols": ["streamlit", browser.cookies["_streamlit_xsrf"]], "origin": here}
    known |= {"additional_headers": {"Cookie": cookies}, "max_size": None}
    message = BackMsg()
    message.rerun_script.query_string = LINK.partition("?")[2]
    with connect(f"ws{here.removeprefix('http')}/_stcore/stream", **known) as line:
        line.send(message.SerializeToString())
        shown, _ = answered(line)
        if not press:
            return list(shown)
        message.rerun_script.widget_states.widgets.add(id=shown[press]).trigger_value = True
        line.send(message.SerializeToString())
        return answered(line)[1]


def answered(line):
    """What a run of the page shows, each button with its widget's name, and where it sends the browser."""
    shown, leads = {}, ""
    while True:
        answer = ForwardMsg.FromString(line.recv(120))
        if answer.WhichOneof("type") == "script_finished":
            return shown, leads
        leads = answer.auth_redirect.url or leads
        element = answer.delta.new_element
        if element.WhichOneof("type") == "button":
            shown[element.button.label] = element.button.id
        elif element.WhichOneof("type") == "heading":
            shown[element.heading.body] = ""


def signed_in(browser):
    """Where the browser ends that signs in on LINK's page."""
    place, headers = seen(browser, press="Sign in"), {"Referer": f"{str(browser.base_url).rstrip('/')}{LINK}"}
    for _ in range(3):  # to the provider, back from it, and on
        place = browser.get(place, headers=headers).headers["Location"]
        headers = {}
    return place


def test_before_the_sign_in_there_is_its_button_alone_and_after_it_the_link_s_page(browser):
    assert seen(browser) == ["Sign in"]
    assert signed_in(browser) == LINK
    assert len(seen(browser)) > 1 and "Sign in" not in seen(browser)


@pytest.mark.parametrize("claim", [{"iss": "http://evil.example"}, {"aud": "another"}, {"exp": 1}, {"nonce": "old"}])
def test_a_token_that_is_not_for_this_server_lets_nobody_in(browser, people, monkeypatch, claim):
    monkeypatch.setattr(people, "says", claim)
    signed_in(browser)
    assert seen(browser) == ["Sign in"]


def test_a_cookie_of_a_person_s_own_making_lets_nobody_in(browser):
    browser.cookies.set("_streamlit_user", json.dumps({"email": provider.EMAIL, "is_logged_in": True}))
    assert seen(browser) == ["Sign in"]


def test_an_answer_that_nobody_asked_for_lets_nobody_in(browser):
    browser.get("/oauth2callback?code=0&state=made-up")
    assert seen(browser) == ["Sign in"]


@pytest.mark.parametrize(("page", "kept"), [(f"http://here:1{LINK}", True), (f"http://there:1{LINK}", False)])
def test_only_a_link_of_this_server_is_kept(page, kept):
    sent = []

    async def app(_scope, _receive, send):
        await send({"type": "http.response.start", "status": 302, "headers": []})

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "path": "/auth/login", "headers": [(b"host", b"here:1"), (b"referer", page.encode())]}
    asyncio.run(LinkKeeper(app)(scope, None, send))
    ((_, cookie),) = sent[0]["headers"]
    assert (b"Max-Age=0;" not in cookie) == (b"excitation" in cookie) == kept
