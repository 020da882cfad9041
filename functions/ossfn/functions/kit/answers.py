"""How a handler says what shall become of its event, when it is neither done nor broken."""


class RetryLater(Exception):
    """Deliver this event again, not before `seconds` have passed. Answered with 503 and Retry-After."""

    def __init__(self, seconds: float, reason: str = "") -> None:
        super().__init__(reason or f"again in {seconds:g} s")
        self.seconds = seconds


class Drop(Exception):
    """Never deliver this event again: it cannot succeed. Answered with 422; it becomes a dead letter, for people."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
