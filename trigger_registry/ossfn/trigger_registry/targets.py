"""What the target text of an S3 element says: callback URLs, a function, or something registered under a name. Pure."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, assert_never

from ossfn.trigger_registry.rules import Callback, FunctionRef, NamedCallback, Rule, Target

Kind = Literal["urls", "bare", "function", "callback", "either"]
"""`bare`: a function's name, no ARN; `either`: an AWS queue or topic ARN, for a named callback, else a function."""

_BARE = re.compile(r"[A-Za-z0-9_-]{1,128}")
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,256}")
# The last part of a 6-part ARN that names its target in the fifth; MinIO calls its HTTP targets `webhook`.
_NAMED: dict[str, Kind] = {"function": "function", "callback": "callback", "webhook": "callback"}


@dataclass(frozen=True, slots=True)
class TargetText:
    """One target text, read. `urls` are still unchecked; `region` is empty where the text names none."""

    kind: Kind
    name: str = ""
    region: str = ""
    urls: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Resolved:
    """The targets that a text stands for now.

    What does not exist is held as a function of that name, so that its events are kept as dead letters, not lost.
    """

    targets: tuple[Target, ...]
    exists: bool = True
    region: str = ""
    """Where the target is; empty when it is anywhere."""


def parse(text: str) -> TargetText | None:
    """Read `NS:url,url`, a bare function name or an ARN; None when it is none of these.

    ARNs, with any partition: `arn:aws:lambda:REGION:ACCOUNT:function:NAME[:QUALIFIER]`,
    `arn:ossfn:{lambda|sns|sqs}:REGION:NAME:{function|callback}` (MinIO's `…:NAME:webhook` too), and
    `arn:aws:{sns|sqs}:REGION:ACCOUNT:NAME`, whose account is not looked at.
    """
    if text.startswith("NS:"):
        return TargetText("urls", urls=tuple(url.strip() for url in text[3:].split(",")))
    if _BARE.fullmatch(text):
        return TargetText("bare", text)
    match text.split(":") if text.isascii() and text.isprintable() else ():
        case ["arn", _, "lambda", region, _, "function", name] | ["arn", _, "lambda", region, _, "function", name, _]:
            kind: Kind = "function"
        case ["arn", _, "lambda" | "sns" | "sqs", region, name, last] if last in _NAMED and not _is_account(name):
            kind = _NAMED[last]
        case ["arn", _, "sns" | "sqs", region, _, name]:
            kind = "either"
        case _:
            return None
    return TargetText(kind, name, region) if _NAME.fullmatch(name) else None


def _is_account(part: str) -> bool:
    """AWS's ARNs have 12 digits where ours have the name, so that a queue of theirs may well be called `callback`."""
    return len(part) == 12 and part.isdecimal()


def text_of(rule: Rule) -> TargetText | None:
    """What the rule's target text says or, where there is none, what its targets do; None when that is unclear."""
    if rule.as_put.target_text:
        return parse(rule.as_put.target_text)
    urls = tuple(target.url for target in rule.targets if isinstance(target, Callback))
    if urls and len(urls) == len(rule.targets):
        return TargetText("urls", urls=urls)
    return TargetText("function", rule.function) if rule.function and len(rule.targets) == 1 else None


def resolve(
    text: TargetText, callback: Callable[[str], NamedCallback | None], region_of: Callable[[str], str | None]
) -> Resolved:
    """Look the text up: `callback` finds a named one, `region_of` says where a function is (None: nowhere)."""
    match text.kind:
        case "urls":
            return Resolved(tuple(map(Callback, text.urls)))
        case "bare" | "function":
            return _function(text.name, region_of)
        case "callback":
            return _named(callback(text.name)) or Resolved((FunctionRef(text.name),), exists=False)
        case "either":
            return _named(callback(text.name)) or _function(text.name, region_of)
        case _:
            assert_never(text.kind)


def _function(name: str, region_of: Callable[[str], str | None]) -> Resolved:
    region = region_of(name)
    return Resolved((FunctionRef(name),), exists=region is not None, region=region or "")


def _named(callback: NamedCallback | None) -> Resolved | None:
    return Resolved(tuple(map(Callback, callback.urls)), region=callback.region) if callback else None


def users_key(kind: Literal["function", "callback"], name: str) -> str:
    """What a store files a rule under, so that everything which uses one function or named callback is found."""
    return f"{kind}:{name}"


def uses(rule: Rule) -> frozenset[str]:
    """The `users_key` of the rule's function and of the named callback that its text follows, where it has one."""
    text = text_of(rule)
    named = {users_key("callback", text.name)} if text and text.kind in ("callback", "either") else set()
    return frozenset(named | ({users_key("function", rule.function)} if rule.function else set()))
