"""The first files of a new function: `ossfn functions init`."""

import json
from pathlib import Path
from string import Template
from typing import Literal, get_args

from ossfn.functions.config import check_name
from ossfn.functions.errors import Fault, FunctionRefused
from ossfn.functions.examples import Example, cloud_event

Kind = Literal["cloudevent", "object-event", "http", "jd"]
KINDS: tuple[Kind, ...] = get_args(Kind)

_FOLDER = Path(__file__).with_name("templates")
"""A folder for each kind. Its files end in `.txt`, so that no tool takes them for code of ours."""


def scaffold(kind: Kind, name: str) -> dict[str, str]:
    """The files of a function called `name`, by their names. Raises FunctionRefused."""
    check_name(name)
    folder = _FOLDER / kind.replace("-", "_")
    files = {path.stem: path.read_text("utf-8") for path in sorted(folder.glob("*.txt"))}
    event = {"name": "world"} if kind == "http" else cloud_event(Example())
    texts = {
        file: text if file.endswith(".py") else Template(text).substitute(name=name) for file, text in files.items()
    }
    return {**texts, "event.json": json.dumps(event, indent=2, ensure_ascii=False) + "\n"}


def write(folder: Path, files: dict[str, str]) -> None:
    """Write them into a folder that is new, or holds none of them. Raises FunctionRefused."""
    if there := [name for name in files if (folder / name).exists()]:
        raise FunctionRefused([Fault(str(folder), f"holds {', '.join(there)} already; choose another folder")])
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text, "utf-8")
