"""What a target is sent, as headers and body: CloudEvents, S3's notification or JD Cloud's callback. Pure."""

from ossfn.adapter import cloudevent, jd_formats
from ossfn.adapter.cloudevent import Headers, Mode
from ossfn.adapter.events import ObjectEvent

JSON: Headers = [("content-type", "application/json")]


def render(
    format: str,  # noqa: A002 - the rule's own word
    event: ObjectEvent,
    event_id: str,
    *,
    rule: str,
    generation: int,
    mode: Mode = "safe",
) -> tuple[Headers, bytes]:
    """Headers and body of the request that delivers this event; `format` is one of `trigger_registry.rules.Format`."""
    record = bytes(event.record)
    match format:
        case "s3-notification":
            return JSON, b'{"Records":[' + record + b"]}"
        case "jd-notification":
            return [*JSON, ("x-jdcloud-message-type", "Notification")], jd_formats.callback(event)
    named = cloudevent.attributes(event, event_id, rule=rule, generation=generation, mode=mode)
    match format:
        case "structured":
            return [("content-type", cloudevent.STRUCTURED)], cloudevent.structured(named, record)
        case "binary":
            return cloudevent.binary(named), record
    raise ValueError(f"there is no format {format!r}")
