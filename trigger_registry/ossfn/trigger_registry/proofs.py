"""Which callbacks must agree to get events before a rule may send to them. Pure."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from typing import Literal, Protocol

from ossfn.trigger_registry.drafts import invalid, shown
from ossfn.trigger_registry.errors import Fault, RegistryUnavailable
from ossfn.trigger_registry.rules import Bucket, Callback, Rule

Question = tuple[str, Literal["jd", "cloudevents"]]
"""A callback's URL, and how it is asked."""

Answers = Mapping[Question, str]
"""Why each callback does not agree; empty when it does."""

MESSAGE = "Topic is absent, verification failed"
"""JD Cloud's words (PUT Bucket notification, error table)."""


class CallbackVerifier(Protocol):
    """All that the registry asks of callbacks. Called while no transaction is open."""

    def verify(self, questions: Collection[Question]) -> Answers:
        """Ask them all. Raises: RegistryUnavailable when they cannot be asked now."""
        ...

    def hold(self, reasons: Mapping[str, str]) -> None:
        """Send nothing to these URLs until they agree: a rule that has them as targets is about to be kept."""
        ...


class NobodyAsks:
    """For a registry alone: no callback is asked, so rules whose callbacks must agree are refused."""

    def verify(self, questions: Collection[Question]) -> Answers:
        """Nobody agrees."""
        return dict.fromkeys(questions, "nothing here can ask it")

    def hold(self, reasons: Mapping[str, str]) -> None:
        """Not possible here."""
        raise RegistryUnavailable("Nothing here can hold events back from a callback.")


_ADVICE = (
    "Mend that and put the rule again, or have it kept with this callback paused: ?store_unverified=true in the "
    'JSON API, the setting callback_unverified = "pause" for S3 clients.'
)


class ProofNeeded(Exception):
    """These callbacks must be asked before the change can be made."""

    def __init__(self, questions: Collection[Question]) -> None:
        super().__init__(questions)
        self.questions = questions


def questions_of(bucket: Bucket) -> frozenset[Question]:
    """Everything that must have been asked for a bucket's rules."""
    return frozenset(question for rule in bucket.rules for _, question in _questions(rule))


def proof_faults(
    after: Bucket, new: Collection[Question], answers: Answers, paths: Mapping[int, str]
) -> Iterator[Fault]:
    """A fault for each callback that is new and did not agree; `paths` as `review.all_of` gives them."""
    for place, at in paths.items():
        rule = after.rules[place]
        for i, question in _questions(rule):
            if question in new and answers[question]:
                yield _refused(rule, f"{at}target.callbacks[{i}]", question[0], answers[question])


def _questions(rule: Rule) -> Iterator[tuple[int, Question]]:
    """What to ask each target, with its place among them."""
    for i, target in enumerate(rule.targets):
        if isinstance(target, Callback) and rule.verification != "none":
            yield i, (target.url, rule.verification)


def _refused(rule: Rule, field: str, url: str, reason: str) -> Fault:
    arguments = (("ArgumentName", rule.as_put.element), ("ArgumentValue", shown(url)))
    advice = f"{reason[:1].upper()}{reason[1:]}. {_ADVICE}"
    return replace(invalid("verification", field, url, MESSAGE, advice, arguments), rule=rule.name)
