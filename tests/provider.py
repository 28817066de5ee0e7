"""A provider of sign-ins by OpenID Connect, on this machine: whoever asks is let in, and its answers are signed.

Needs authlib, by which Streamlit speaks to it.
"""

import base64
import hashlib
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlencode, urlsplit

CLIENT, SECRET = "gatescope", "of the client"
EMAIL = "ada@example.org"


class Provider(ThreadingHTTPServer):
    """Its key, and what was asked for by each code that it gave."""

    daemon_threads = True

    def __init__(self) -> None:
        from joserfc.jwk import RSAKey

        super().__init__(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server_port}"
        self.key = RSAKey.generate_key(2048, {"kid": "1"})
        self.codes: dict[str, dict[str, str]] = {}
        self.says: dict[str, object] = {}
        """What its tokens claim in place of what is true."""

    def token(self, asked: dict[str, str]) -> str:
        from joserfc import jwt

        now = int(time.time())
        true = {"iss": self.address, "aud": CLIENT, "sub": "1", "email": EMAIL, "iat": now, "exp": now + 600}
        return jwt.encode({"alg": "RS256", "kid": "1"}, true | {"nonce": asked["nonce"]} | self.says, self.key)


class Handler(BaseHTTPRequestHandler):
    """The four addresses of a provider."""

    server: Provider

    def do_GET(self) -> None:
        here, url = self.server.address, urlsplit(self.path)
        if url.path == "/.well-known/openid-configuration":
            ends = {"authorization_endpoint": f"{here}/authorize", "token_endpoint": f"{here}/token"}
            methods = {"code_challenge_methods_supported": ["S256"]}
            return self.answer({"issuer": here, "jwks_uri": f"{here}/keys", **ends, **methods})
        if url.path == "/keys":
            return self.answer({"keys": [self.server.key.as_dict(private=False)]})
        asked = {key: values[0] for key, values in parse_qs(url.query).items()}
        code = str(len(self.server.codes))
        self.server.codes[code] = asked
        self.send_response(302)
        self.send_header("Location", f"{asked['redirect_uri']}?{urlencode({'code': code, 'state': asked['state']})}")
        return self.end_headers()

    def do_POST(self) -> None:
        given = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        asked = self.server.codes.pop(given["code"][0])
        hashed = hashlib.sha256(given["code_verifier"][0].encode()).digest()
        known = base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode()
        assert self.headers["Authorization"] == f"Basic {known}"
        assert base64.urlsafe_b64encode(hashed).decode().rstrip("=") == asked["code_challenge"]
        self.answer({"access_token": "a", "token_type": "Bearer", "id_token": self.server.token(asked)})

    def answer(self, content: object) -> None:
        data = json.dumps(content).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


@contextmanager
def running() -> Iterator[Provider]:
    """The provider, until the block ends."""
    with Provider() as provider:
        thread = threading.Thread(target=provider.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield provider
        finally:
            provider.shutdown()
            thread.join()
