"""The notifier posts one message per event to a real HTTP server, and hears what that says."""

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from tests.samples.conftest import Sample, Serve

pytestmark = pytest.mark.slow


@dataclass
class Chat:
    """What was posted, and how it is answered by key."""

    url: str = ""
    posted: list[str] = field(default_factory=list)
    answers: dict[str, int] = field(default_factory=dict)


@pytest.fixture(scope="module")
def chat() -> Iterator[Chat]:
    chat = Chat()

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            text = json.loads(self.rfile.read(int(self.headers["content-length"])))["text"]
            status = next((status for key, status in chat.answers.items() if key in text), 200)
            if status == 200:
                chat.posted.append(text)
            self.send_response(status)
            self.send_header("retry-after", "7")
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Hook) as server:
        threading.Thread(target=server.serve_forever).start()
        chat.url = f"http://127.0.0.1:{server.server_address[1]}/hook"
        yield chat
        server.shutdown()


@pytest.fixture(scope="module")
def sample(serve: Serve, chat: Chat, tmp_path_factory: pytest.TempPathFactory) -> Sample:
    state: Path = tmp_path_factory.mktemp("state")
    return serve("notifier", {"WEBHOOK_URL": chat.url, "OSSFN_STATE": str(state)})


def about(sample: Sample, key: str) -> dict[str, object]:
    """The example event, about another key and with an id of its own."""
    event = json.loads(json.dumps(sample.event))
    event["id"] = event["partitionkey"] = key
    event["data"]["s3"]["object"]["key"] = key
    return dict(event)


def test_an_event_is_said_once(sample: Sample, chat: Chat) -> None:
    for _ in range(3):
        assert sample.send().status_code == 200
    assert chat.posted == ["s3:ObjectCreated:Put photos/cats/猫 1.jpg (24576 bytes)"]


@pytest.mark.parametrize(("says", "answers"), [(429, 503), (404, 422), (500, 500)])
def test_what_the_chat_says_decides(sample: Sample, chat: Chat, says: int, answers: int) -> None:
    key = f"says-{says}"
    chat.answers[key] = says
    answer = sample.post(about(sample, key))
    assert (answer.status_code, answer.headers.get("retry-after")) == (answers, "7" if says == 429 else None)

    del chat.answers[key]
    assert sample.post(about(sample, key)).status_code == 200
    assert [text for text in chat.posted if key in text] == [f"s3:ObjectCreated:Put photos/{key} (24576 bytes)"]
