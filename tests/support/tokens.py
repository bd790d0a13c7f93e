"""Signed tokens and their keys, made by the openssl program, and an HTTP server that publishes the keys."""

import base64
import contextlib
import http.server
import json
import ssl
import subprocess
import tempfile
import threading
import time

from scratch import scratch

CHUNK = 100  # bytes of an answer over HTTPS


def encoded(value):
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def signing_key(key_id="k"):
    """(JWKS, path of the private key)"""
    folder = tempfile.mkdtemp(dir=scratch())
    subprocess.run(["openssl", "genrsa", "-out", f"{folder}/key", "2048"], check=True, capture_output=True)
    modulus = subprocess.run(["openssl", "rsa", "-in", f"{folder}/key", "-noout", "-modulus"], check=True, capture_output=True, text=True).stdout
    number = bytes.fromhex(modulus.strip().split("=")[1])
    return {"keys": [{"kty": "RSA", "kid": key_id, "n": encoded(number), "e": encoded(b"\x01\x00\x01")}]}, f"{folder}/key"


def signed_token(key, claims, key_id="k"):
    """(token, when it expires: what a client believes, whatever the token says)"""
    header = {"alg": claims.pop("alg", "RS256"), "kid": key_id}
    body = {"iss": "https://issuer", "aud": "millstream", "exp": time.time() + 300, **claims}
    text = f"{encoded(header)}.{encoded(body)}"
    signature = subprocess.run(["openssl", "dgst", "-sha256", "-sign", key], input=text.encode(), check=True, capture_output=True).stdout
    return f"{text}.{encoded(b'' if header['alg'] == 'none' else signature)}", time.time() + 300


class KeyServer:
    """`with KeyServer(jwks) as keys:` answers keys.url with keys.document; `keys.open.clear()` lets those who ask wait. With an
    identity (certificates.py) it speaks HTTPS, and answers in chunks."""

    def __init__(self, jwks, tls=None):
        self.publish(jwks)
        self.open, self.asked = threading.Event(), threading.Semaphore(0)
        self.open.set()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                outer.asked.release()
                outer.open.wait()
                body = outer.document.encode()
                self.send_response(200)
                self.send_header(*(("Transfer-Encoding", "chunked") if tls else ("Content-Length", str(len(body)))))
                self.end_headers()
                with contextlib.suppress(OSError):
                    for piece in (body[i:i + CHUNK] for i in range(0, len(body), CHUNK)):
                        self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece) if tls else piece)
                    self.wfile.write(b"0\r\n\r\n" if tls else b"")

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http{'s' if tls else ''}://127.0.0.1:{self.server.server_port}/keys"
        if tls:
            Handler.protocol_version = "HTTP/1.1"
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            context.load_cert_chain(tls.certificate, tls.key)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)

    def publish(self, *jwks):
        self.document = json.dumps({"keys": [key for one in jwks for key in one["keys"]]})

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.open.set()
        self.server.shutdown()
        self.server.server_close()
