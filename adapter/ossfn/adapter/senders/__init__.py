"""Sending a delivery to its target: where and how each target wants to be called, and what comes of one try."""

from ossfn.adapter.senders.callbacks import Callbacks
from ossfn.adapter.senders.endpoint import Endpoint
from ossfn.adapter.senders.http_sender import HttpSender

__all__ = ["Callbacks", "Endpoint", "HttpSender"]
