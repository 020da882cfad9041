"""An author's folder as commands find it: its name, where its code is, and what JD Cloud's template says of it."""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import typer


@dataclass(frozen=True, slots=True)
class Folder:
    """What was found; `options` are a deploy's, and what was said on the command line wins over them."""

    code: Path
    name: str | None
    options: Mapping[str, str | int] = field(default_factory=dict)
    env: Mapping[str, str] = field(default_factory=dict)

    def options_under(self, given: Mapping[str, Any], env: Sequence[str]) -> dict[str, Any]:
        """What was said, over what was found; `env` by each name."""
        said = {option: value for option, value in given.items() if value is not None}
        found = [f"{name}={value}" for name, value in self.env.items()]
        return {**self.options, **said, "env": [*found, *env]}

    def packed(self) -> bytes:
        """The code as a zip."""
        from ossfn.functions.bundle import pack
        from ossfn.functions.errors import FunctionRefused

        try:
            return pack(self.code)
        except (FunctionRefused, OSError) as fault:
            raise typer.BadParameter(str(fault)) from None


def find(folder: Path, name: str | None) -> Folder:
    """Read the folder's functions.toml, or without one the template.yaml of JD Cloud's `sca`."""
    try:
        configured = tomllib.loads((folder / "functions.toml").read_text("utf-8"))
        return Folder(folder, name or configured.get("name"))
    except ValueError as fault:
        raise typer.BadParameter(f"{folder / 'functions.toml'}: {fault}") from None
    except OSError:
        return _templated(folder, name)


def _templated(folder: Path, name: str | None) -> Folder:
    try:
        text = (folder / "template.yaml").read_text("utf-8")
    except (OSError, ValueError):
        return Folder(folder, name)
    from ossfn.functions.errors import FunctionRefused
    from ossfn.functions.jd_template import is_template, read_template

    if not is_template(text):
        return Folder(folder, name)
    try:
        declared = read_template(text, name)
    except FunctionRefused as fault:
        raise typer.BadParameter(str(fault)) from None
    return Folder(folder / declared.code_uri, declared.name, declared.options, declared.env)
