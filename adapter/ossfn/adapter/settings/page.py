"""Writes docs/settings.md from the settings themselves, so that the page cannot say anything else."""

import ast
import inspect
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

from pydantic import TypeAdapter

from ossfn.adapter.retry import PRESETS, RetryPolicy
from ossfn.adapter.settings.callbacks import CallbackSettings
from ossfn.adapter.settings.model import ApiTokenSettings, Settings
from ossfn.adapter.settings.sources import JdAuth, SnsAuth, SourceSettings, StandardWebhooksAuth
from ossfn.adapter.settings.targets import TargetSettings
from ossfn.trigger_registry import limits
from ossfn.trigger_registry.limits import Limits

_OPENING = f"""\
# Settings

Every setting has a default, and without any ossfn works at once on loopback. One that is given on the command line
(`ossfn up --port 9000`) comes before the environment (`OSSFN_PORT=9000`), and this before `ossfn.toml` in the directory
in which `ossfn up` is started. What is unknown or wrong is refused at the start, by name. A change needs a restart.

In an environment variable a list or a table is JSON: `OSSFN_S3_HOSTS='["s3.example.com"]'`. A key of a table also has a
variable of its own, with `__` in between, as below; the NAME in it is read in small letters. Retry policies are
{", ".join(f"`{name}`" for name in PRESETS)}.

This page is written by `python -m ossfn.adapter.settings`.

## An example

```toml
"""

EXAMPLE = """\
data = "/var/lib/ossfn"
host = "0.0.0.0"
api_token = "change-me-too"                     # better: OSSFN_API_TOKEN
public_url = "https://events.example.com"
retention_days = 30

[sources.photos]                                # the store posts to /ingest/photos
dialect = "minio"
token = "change-me"

[sources.partner]                               # another ossfn, which signs
auth = { kind = "standard-webhooks", secrets = ["whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz"] }

[callbacks."https://hooks.example.com/*"]
secrets = ["whsec_QUJDREVGR0hJSktMTU5PUFFSU1RVVldY"]
headers = { "X-Team" = "photos" }
timeout_seconds = 10

[targets."function:thumbs"]
concurrency = 4
retry = { first_delay = 5, max_attempts = 8 }

[targets."callback:https://hooks.example.com/*"]
per_second = 20
retry = "standard-webhooks"

[api_tokens.dashboard]                          # reads, changes nothing
token = "change-me-as-well"

[limits]
triggers_per_function = 50
function_regions = []                           # any
"""

_TABLES = {
    "[sources.NAME]": SourceSettings,
    '[sources.NAME.auth] with `kind = "standard-webhooks"`': StandardWebhooksAuth,
    '[sources.NAME.auth] with `kind = "jd"`': JdAuth,
    '[sources.NAME.auth] with `kind = "sns"`': SnsAuth,
    '[callbacks."URL"]': CallbackSettings,
    '[targets."TARGET"]': TargetSettings,
    '[targets."TARGET".retry]': RetryPolicy,
    "[api_tokens.NAME]": ApiTokenSettings,
    "[limits]": Limits,
}


_SOURCES = re.compile(r"\b(JD_CONSOLE|JD_API|S3_API)\b")
"""Names that stand for where a limit is documented."""


def page() -> str:
    """The whole page, in Markdown."""
    parts = [_OPENING + EXAMPLE + "```", "## Keys of the file itself", *_rows(Settings, "OSSFN_")]
    for title, model in _TABLES.items():
        parts += [f"## {title}", _opening_line(model), *_rows(model, _variables_of(title))]
    return "\n\n".join(parts) + "\n"


def _opening_line(model: type) -> str:
    return inspect.cleandoc(model.__doc__ or "").partition("\n")[0]


def _variables_of(title: str) -> str:
    """What the variables of a table begin with; empty for one under a name that no variable can have."""
    table = title[1 : title.index("]")]
    return "" if '"' in table else f"OSSFN_{table.replace('.', '__').upper()}__"


def _rows(model: type, variables: str) -> Iterator[str]:
    """A table with a line for each field."""
    schema = TypeAdapter(model).json_schema()
    sentences, required = _docstrings(model), schema.get("required", ())
    columns = ["Key", *(["Variable"] if variables else []), "Type", "Default", "Meaning"]
    lines = [columns, ["---"] * len(columns)]
    for name, field in schema["properties"].items():
        default = "required" if name in required else _default(field.get("default"))
        variable = [f"`{variables}{name.upper()}`"] if variables else []
        lines.append(
            [f"`{name}`", *variable, _kind(field), default, field.get("description") or sentences.get(name, "")]
        )
    yield "\n".join(_line(line) for line in lines)


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _default(value: object) -> str:
    return "" if value in (None, "", {}) or isinstance(value, dict) else f"`{json.dumps(value)}`"


def _kind(schema: Mapping[str, Any]) -> str:
    """A JSON schema in a few words."""
    match schema:
        case {"anyOf": options} | {"oneOf": options}:
            return " or ".join(dict.fromkeys(_kind(option) for option in options if option != {"type": "null"}))
        case {"const": value}:
            return f"`{value}`"
        case {"enum": values}:
            return " or ".join(f"`{value}`" for value in values)
        case {"type": "array", "items": items}:
            return f"list of {_kind(items)}"
        case {"type": "string"}:
            formats = {"password": "secret", "path": "path", "file-path": "file", "ipv4network": "network"}
            return {**formats, "ipv6network": "network"}.get(schema.get("format", ""), "text")
        case {"type": "integer" | "number" as kind}:
            return ("whole number" if kind == "integer" else "number") + _range(schema)
        case _:
            return "table"


def _range(schema: Mapping[str, Any]) -> str:
    words = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤"}
    bounds = [f"{sign} {schema[bound]:g}" for bound, sign in words.items() if bound in schema]
    return f" {', '.join(bounds)}" if bounds else ""


def _docstrings(model: type) -> Mapping[str, str]:
    """The texts below the fields of a dataclass; pydantic's models have theirs in the schema."""
    body = next(node.body for node in ast.parse(inspect.getsource(model)).body if isinstance(node, ast.ClassDef))
    texts: dict[str, str] = {}
    for field, text in pairwise(body):
        match field, text:
            case ast.AnnAssign(target=ast.Name(name)), ast.Expr(ast.Constant(str(said))):
                texts[name] = _SOURCES.sub(lambda source: str(getattr(limits, source[0])), " ".join(said.split()))
            case _:
                pass
    return texts
