"""The settings of the service: `model` holds them all, the files beside it the tables in them, `page` their page."""

from ossfn.adapter.settings.callbacks import CallbackSettings
from ossfn.adapter.settings.model import ApiTokenSettings, Settings
from ossfn.adapter.settings.sources import IngestAuth, JdAuth, SnsAuth, SourceSettings, StandardWebhooksAuth
from ossfn.adapter.settings.targets import TargetSettings

__all__ = [
    "ApiTokenSettings",
    "CallbackSettings",
    "IngestAuth",
    "JdAuth",
    "Settings",
    "SnsAuth",
    "SourceSettings",
    "StandardWebhooksAuth",
    "TargetSettings",
]
