"""The load: wrk with bodies like those that stores send, each record with a sequencer of its own."""

import json
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

RECORD = {
    "eventVersion": "2.1", "eventSource": "aws:s3", "awsRegion": "cn-north-1", "eventTime": "2026-11-22T15:57:26.221Z",
    "eventName": "ObjectCreated:Put", "userIdentity": {"principalId": "AWS:AIDAEXAMPLE"},
    "requestParameters": {"sourceIPAddress": "127.0.0.1"},
    "responseElements": {"x-amz-request-id": "18EA692DA3FE9834", "x-amz-id-2": "eftixk72aD6Ap51TnqcoF8eFidJG9Z2a"},
    "s3": {
        "s3SchemaVersion": "1.0", "configurationId": "everything",
        "bucket": {"name": "bench", "ownerIdentity": {"principalId": "A3NL1KOZZKExample"}, "arn": "arn:aws:s3:::bench"},
        "object": {"key": "docs/2026/11/SEQUENCER.txt", "size": 12, "eTag": "6f5902ac237024bdd0c176cb93063dc4",
                   "sequencer": "SEQUENCER"},
    },
}  # fmt: skip

_SCRIPT = """
local records, record, n, thread = RECORDS, [==[RECORD]==], 0, 0
local threads = 0
function setup(t) t:set("thread", threads); threads = threads + 1 end
function init() math.randomseed(os.time()); start = string.format("%x", os.time() * 1000 + math.random(999)) end
wrk.method = "POST"
wrk.headers["Content-Type"] = "CONTENT_TYPE"
function request()
  local made = {}
  for i = 1, records do
    n = n + 1
    made[i] = (record:gsub("SEQUENCER", string.format("%s%x%08x", start, thread, n)))
  end
  return wrk.format(nil, nil, nil, "BEFORE" .. table.concat(made, ",") .. "AFTER")
end
"""


def notifications_per_second(url: str, *, records: int, seconds: float, connections: int = 32) -> float:
    """Post notifications of so many records to an ingest URL; requests per second that were answered 2xx."""
    return _wrk(
        url, _script(json.dumps(RECORD), records, '{"Records":[', "]}", "application/json"), seconds, connections
    )


def cloudevents_per_second(url: str, *, seconds: float, connections: int = 32) -> float:
    """Post the CloudEvent of one record straight to a function; requests per second that were answered 2xx."""
    event = {
        "specversion": "1.0", "id": "SEQUENCER", "source": "aws:s3.cn-north-1.bench",
        "type": "com.amazonaws.s3.ObjectCreated:Put", "subject": "docs/2026/11/hello world.txt",
        "time": "2026-11-22T15:57:26.221Z", "datacontenttype": "application/json", "data": RECORD,
    }  # fmt: skip
    return _wrk(url, _script(json.dumps(event), 1, "", "", "application/cloudevents+json"), seconds, connections)


def _script(record: str, records: int, before: str, after: str, content_type: str) -> str:
    pieces = {
        "RECORDS": str(records), "RECORD": record, "CONTENT_TYPE": content_type, "BEFORE": before.replace('"', '\\"'),
        "AFTER": after,
    }  # fmt: skip
    return re.sub("|".join(sorted(pieces, key=len, reverse=True)), lambda m: pieces[m[0]], _SCRIPT)


def _wrk(url: str, script: str, seconds: float, connections: int) -> float:
    wrk = shutil.which("wrk")
    if wrk is None:
        raise SystemExit("wrk is not installed: apt-get install wrk")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "load.lua"
        path.write_text(script)
        command = [wrk, "-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s", "-s", str(path), url]
        printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    refused = re.search(r"Non-2xx or 3xx responses: (\d+)", printed)
    if refused:
        raise RuntimeError(f"{refused[1]} requests were refused by {url}:\n{printed}")
    rate = re.search(r"Requests/sec:\s+([\d.]+)", printed)
    if rate is None:
        raise RuntimeError(printed)
    return float(rate[1])
