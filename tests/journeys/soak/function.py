"""Deployed by the soak: notes each event that it got, on disk before it answers."""

import os
from typing import Any

import functions_framework

notes = os.open(os.environ["NOTES"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)


@functions_framework.cloud_event
def handle(event: Any) -> None:
    """One line an event: its id and its key."""
    os.write(notes, f"{event['id']} {event['subject']}\n".encode())
    os.fsync(notes)
