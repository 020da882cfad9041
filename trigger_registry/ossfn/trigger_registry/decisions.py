"""How a change is made: decided within one transaction of the store, in force as soon as that has ended well."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from types import MappingProxyType
from typing import TypeVar

from ossfn.trigger_registry.changing import ChangeUnderWay
from ossfn.trigger_registry.limits import Limits
from ossfn.trigger_registry.live import LiveBuckets
from ossfn.trigger_registry.proofs import Answers, CallbackVerifier, ProofNeeded, Question
from ossfn.trigger_registry.review import Surroundings
from ossfn.trigger_registry.rule_store import RuleStore

T = TypeVar("T")
_NO_ANSWERS: Mapping[Question, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Decisions:
    """What changes need beside what is to be changed."""

    store: RuleStore
    live: LiveBuckets
    region_of: Callable[[str], str | None]
    verifier: CallbackVerifier
    store_unverified: bool
    """Whether rules whose callbacks do not agree are kept on hold."""
    limits: Limits
    clock: Callable[[], float]

    @contextmanager
    def change(
        self,
        actor: str,
        action: str,
        skip_destination_validation: bool = False,
        store_unverified: bool = False,
        answers: Answers = _NO_ANSWERS,
    ) -> Iterator[ChangeUnderWay]:
        """One transaction: kept when the block ends, forgotten when it raises."""
        with self.store.write() as tx:
            around = Surroundings(
                limits=self.limits,
                region_of=self.region_of,
                callback=tx.callback,
                users=tx.users,
                skip_destination_validation=skip_destination_validation,
                store_unverified=store_unverified,
                answers=answers,
            )
            under_way = ChangeUnderWay(tx, around, self.clock(), actor, action)
            yield under_way
        self.live.take(under_way.kept)

    def make(
        self,
        actor: str,
        action: str,
        decide: Callable[[ChangeUnderWay], T],
        skip_destination_validation: bool = False,
        store_unverified: bool = False,
    ) -> T:
        """A change that may need callbacks' consent: asked for with no transaction open, then it is decided anew."""
        may_hold = store_unverified or self.store_unverified
        answers: dict[Question, str] = {}
        while True:
            try:
                with self.change(actor, action, skip_destination_validation, may_hold, answers) as change:
                    return decide(change)
            except ProofNeeded as needed:
                answers |= self._ask(needed, may_hold)

    def _ask(self, needed: ProofNeeded, may_hold: bool) -> Answers:
        answers = self.verifier.verify(needed.questions)
        if may_hold:
            self.verifier.hold({url: reason for (url, _), reason in answers.items() if reason})
        return answers
