"""Is a notification from whom it says? What a source's `auth` setting asks of each, beside a bearer token.

A guard judges a whole request, for what is signed is the body too.
"""

from collections.abc import Callable
from typing import assert_never

from ossfn.adapter.settings import IngestAuth, JdAuth, SnsAuth, StandardWebhooksAuth
from ossfn.adapter.web.ingest_auth.fetching import Fetch, fetch_through
from ossfn.adapter.web.ingest_auth.guard import Guard, Posted, Refused
from ossfn.adapter.web.ingest_auth.jd import JdGuard
from ossfn.adapter.web.ingest_auth.sns import SnsGuard
from ossfn.adapter.web.ingest_auth.standard_webhooks import StandardWebhooksGuard
from ossfn.adapter.web.ingest_auth.tokens import carries

__all__ = ["Fetch", "Guard", "Posted", "Refused", "SnsGuard", "carries", "fetch_through", "guard_for"]


def guard_for(auth: IngestAuth | None, fetch: Fetch, clock: Callable[[], float]) -> Guard | None:
    """The guard that these settings describe."""
    match auth:
        case None:
            return None
        case StandardWebhooksAuth():
            return StandardWebhooksGuard([secret.get_secret_value() for secret in auth.secrets])
        case JdAuth():
            return JdGuard(fetch, auth.certificate_origins, auth.window_seconds, clock)
        case SnsAuth():
            return SnsGuard(fetch, auth.topics, auth.origins, auth.window_seconds, clock)
        case _:
            assert_never(auth)
