"""A rule between the form of a page and the JSON of the API, and which fault stands beside which field. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from ossfn.adapter.web.console.pages import Form

EMPTY: dict[str, Any] = {
    "name": "",
    "id": "",
    "events": [],
    "prefix": "",
    "suffix": "",
    "target": {"callbacks": []},
    "ordered": False,
    "drop_stale": False,
    "format": "structured",
    "verification": "none",
    "enabled": True,
}
FORMATS = ("structured", "binary", "s3-notification", "jd-notification")
VERIFICATIONS = ("none", "jd", "cloudevents")


def rule_of(form: Form) -> dict[str, Any]:
    """The rule that a form describes; addresses that are left empty are none."""
    by_function = form.get("send_to") == "function"
    callbacks = [url for _, url in _addresses(form)]
    return {
        "name": form.get("name", "").strip(),
        "id": form.get("id", ""),
        "events": form.getlist("event"),
        "prefix": form.get("prefix", ""),
        "suffix": form.get("suffix", ""),
        "target": {"function": form.get("function", "")} if by_function else {"callbacks": callbacks},
        "ordered": "ordered" in form,
        "drop_stale": "drop_stale" in form,
        "format": form.get("format", "structured"),
        "verification": form.get("verification", "none"),
        "enabled": "enabled" in form,
    }


def _addresses(form: Form) -> list[tuple[int, str]]:
    """The addresses that were given, with the place of each in the form."""
    return [(place, url.strip()) for place, url in enumerate(form.getlist("callback")) if url.strip()]


def beside(faults: Iterable[Mapping[str, Any]], form: Form) -> dict[str, list[Mapping[str, Any]]]:
    """Each fault under the name of the field beside which it stands; `rule` is for the form as a whole."""
    places = [place for place, _ in _addresses(form)]
    found: defaultdict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for fault in faults:
        found[_place(fault, places)].append(fault)
    return dict(found)


def _place(fault: Mapping[str, Any], places: list[int]) -> str:
    if fault["limit"] == "overlap":
        return "keys"
    if fault["code"] == "RuleAlreadyExists":
        return "name"
    field = str(fault["field"])
    if field.startswith("target.callbacks[") and places:
        return f"callback-{places[int(field[len('target.callbacks[') : -1])]}"
    name = field.rpartition("].")[2].partition("[")[0].partition(".")[0]
    return {"id": "name"}.get(name, name) if name in _FIELDS else "rule"


_FIELDS = ("name", "id", "events", "prefix", "suffix", "target")
