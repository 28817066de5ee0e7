"""Who may see the pages, where the server's `secrets.toml` says so: those who sign in, or who know a password."""

import hmac
import time

import streamlit as st

_LET_IN = "_let_in"
SECONDS = 1.0
"""What a wrong password costs."""


def require() -> None:
    """Stops the page until the visitor is let in; the address stays, so that a link leads on to what it asks for.

    `[auth]` is Streamlit's own sign-in (OpenID Connect), `password` one word for everybody; without either, all are in.
    """
    if not st.secrets.load_if_toml_exists():
        return
    if "auth" in st.secrets and not st.user.get("is_logged_in"):
        st.button("Sign in", on_click=st.login, icon=":material/login:", key="sign_in")
        st.stop()
    if "password" in st.secrets and not st.session_state.get(_LET_IN):
        password = st.text_input("Password", type="password", key="password")
        # It takes as long for a wrong first letter as for a wrong last one.
        if password and hmac.compare_digest(password.encode(), str(st.secrets["password"]).encode()):
            st.session_state[_LET_IN] = True
            st.rerun()
        if password:
            time.sleep(SECONDS)
            st.error("This is not the password of this server.", icon=":material/error:")
        st.stop()
