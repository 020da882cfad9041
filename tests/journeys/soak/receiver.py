"""A function that runs elsewhere and outlives the kills: notes what it got, fails and refuses as keys tell it to."""

import json
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Receiver:
    """Keys with `flaky` in them fail at first; those with `refused` are refused until `healed`."""

    def __init__(self) -> None:
        self.got: defaultdict[str, list[str]] = defaultdict(list)
        """CloudEvent ids by key, one for each time it was taken."""
        self.healed = False
        self.url = ""
        self._seen: set[str] = set()

    def take(self, event: dict[str, str]) -> int:
        """The status for one CloudEvent."""
        key = event["subject"]
        first = key not in self._seen
        self._seen.add(key)
        if "refused" in key and not self.healed:
            return 422
        if "flaky" in key and first:
            return 503
        self.got[key].append(event["id"])
        return 200


@contextmanager
def receiving() -> Iterator[Receiver]:
    """A receiver on loopback."""
    receiver = Receiver()

    class Door(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            """Take one event."""
            body = self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(receiver.take(json.loads(body)))
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    class Server(ThreadingHTTPServer):
        def handle_error(self, *_: object) -> None:
            """A connection that a kill cut is no news."""

    server = Server(("127.0.0.1", 0), Door)
    receiver.url = f"http://127.0.0.1:{server.server_address[1]}/"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
