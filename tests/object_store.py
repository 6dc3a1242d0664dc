"""An S3 server on loopback, behind a gate that can misbehave."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote

HOP = {"transfer-encoding", "connection", "content-length", "server", "date"}


class Gate(BaseHTTPRequestHandler):
    """Hands requests on to the application behind, unless a fault is in the way."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # or the body waits until the head is confirmed

    def log_message(self, *args):
        pass

    def handle_request(self):
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        fault = self.server.owner.fault(self.command, unquote(self.path))
        if isinstance(fault, int):
            self.answer(fault, [], b"")
            return
        # who asks over plain HTTP, without a signature, may read everything
        headers = {"authorization": "AWS a:b"} | {
            name.lower(): value for name, value in self.headers.items()
        }
        response = self.server.owner.behind.open(
            self.path, method=self.command, headers=headers, data=body
        )
        content = response.get_data()
        headers = [(k, v) for k, v in response.headers if k.lower() not in HOP]
        length = response.headers.get("content-length", len(content))
        if fault == "reset":
            self.close_connection = True
            return
        if fault == "truncate":
            content = content[: len(content) // 2]
            self.close_connection = True
        self.answer(response.status_code, headers, content, length)

    def answer(self, status, headers, content, length=0):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("content-length", str(length))
        self.end_headers()
        if self.command != "HEAD":
            self.server.owner.sent += len(content)
            self.wfile.write(content)


for method in ("GET", "HEAD", "PUT", "POST", "DELETE"):
    setattr(Gate, f"do_{method}", Gate.handle_request)


class ObjectStore:
    """A bucket "data" at an endpoint; what is asked of it is kept in ``requests``."""

    def __init__(self):
        from moto.server import create_backend_app
        from werkzeug.test import Client

        self.behind = Client(create_backend_app("s3"), use_cookies=False)
        self.gate = ThreadingHTTPServer(("127.0.0.1", 0), Gate)
        self.gate.daemon_threads = True
        self.gate.owner = self
        threading.Thread(target=self.gate.serve_forever, daemon=True).start()
        self.endpoint = f"http://127.0.0.1:{self.gate.server_port}"
        self.faults, self.requests, self.lock = [], [], threading.Lock()
        self.sent = 0

    @property
    def options(self):
        """What s3fs needs to find the store."""
        return {"key": "a-key", "secret": "a-secret-key", "endpoint_url": self.endpoint}

    def misbehave(self, name, what, times=10**9, methods=("GET", "HEAD")):
        """Answer so many requests for names that contain this with a fault.

        A fault is a status, "reset" or "truncate".
        """
        self.faults.append([name, what, times, methods])

    def fault(self, method, path):
        with self.lock:
            self.requests.append((method, path))
            for fault in self.faults:
                if fault[0] in path and fault[2] > 0 and method in fault[3]:
                    fault[2] -= 1
                    return fault[1]
        return None

    def close(self):
        self.gate.shutdown()
        self.gate.server_close()
