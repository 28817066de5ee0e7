"""Where a server asks who a visitor is, no page shows anything before, and a link leads on afterwards."""

import pytest
from streamlit.testing.v1 import AppTest

from attention import serving, ui
from attention.ui import sign_in

AUTH = {"redirect_uri": "http://localhost:8501/oauth2callback", "cookie_secret": "c" * 32, "client_id": "a"}
AUTH |= {"client_secret": "b", "server_metadata_url": "https://provider.example/.well-known/openid-configuration"}
EVERY_PAGE = pytest.mark.parametrize("page", ui.PAGES)


def opened(page, secrets, **link):
    app = AppTest.from_file(serving.APP, default_timeout=120)
    app.secrets.update(secrets)
    for key, value in link.items():
        app.query_params[key] = value
    return (app if page == "overview" else app.switch_page(f"pages/{page}.py")).run()


def shut(app):
    elements = (
        *app.title,
        *app.header,
        *app.markdown,
        *app.caption,
        *app.sidebar.children.values(),
        *app.get("plotly_chart"),
    )
    return not app.exception and not elements


@EVERY_PAGE
def test_a_password_stands_before_every_page_and_its_link(page, monkeypatch):
    monkeypatch.setattr(sign_in, "SECONDS", 0.0)
    app = opened(page, {"password": "wörd"}, network="se")
    assert shut(app) and not app.error
    app.text_input(key="password").set_value("word").run()
    assert shut(app) and len(app.error) == 1
    app.text_input(key="password").set_value("wörd").run()
    assert not app.exception and app.title[0].value == ui.PAGES[page]["title"]
    assert app.selectbox(key="network").value == "se"


@EVERY_PAGE
def test_who_has_not_signed_in_sees_a_button_alone(page):
    app = opened(page, {"auth": AUTH})
    assert shut(app) and [button.label for button in app.button] == ["Sign in"]


def test_a_server_without_secrets_lets_all_in():
    assert opened("overview", {}).title
