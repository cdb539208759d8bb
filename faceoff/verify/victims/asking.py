"""Asking a commercial victim: with consent, within budget, rate and time, and never twice for the same money."""

from __future__ import annotations

import copy
import sqlite3
import time
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_attempt, stop_before_delay
from tenacity.wait import wait_random_exponential

from faceoff import image
from faceoff.errors import FaceOffError, Reason
from faceoff.types import Outcome
from faceoff.verify.scores import today
from faceoff.verify.victims.budget import Allowance, Budget, Price
from faceoff.verify.victims.cache import Cache
from faceoff.verify.victims.calls import Adapter, Bill, Fault
from faceoff.verify.victims.fitting import fit
from faceoff.verify.victims.pace import Breaker, Pace
from faceoff.verify.victims.victim import Answer, Picture, Victim

_ATTEMPTS = 4
_BACKOFF = wait_random_exponential(multiplier=0.5, max=8)

_Result = TypeVar("_Result")


@dataclass(frozen=True)
class Terms:
    """What the operator grants: the ``price`` of a call, each tenant's ``allowance``, ``rate`` calls a second, ``timeout``
    seconds for an answer."""

    price: Price
    allowance: Allowance
    rate: float
    timeout: float


class Asking:
    """faceoff.verify.victims.victim.Victim over an adapter. Refuses every pair until ``consented`` says who consents.
    ``decode`` reads the pictures."""

    def __init__(
        self,
        name: str,
        adapter: Adapter,
        terms: Terms,
        budget: Budget,
        pace: Pace,
        cache: Cache,
        breaker: Breaker,
        decode: image.Decode = image.decode,
    ) -> None:
        self.name = name
        self._adapter = adapter
        self._terms = terms
        self._budget = budget
        self._pace = pace
        self._cache = cache
        self._breaker = breaker
        self._decode = decode
        self._tenant: str | None = None

    def on_behalf_of(self, tenant: str) -> Asking:
        """The same victim, asked with the consent and on the account of ``tenant``."""
        other = copy.copy(self)
        other._tenant = tenant
        return other

    def compare(self, reference: Picture, probe: Picture) -> Answer:
        """See Victim. Faults of the service are answers; raises FaceOffError only for bytes that are no picture."""
        if self._tenant is None:
            words = "Nothing was sent: the caller did not consent to this victim."
            return Answer(None, Outcome.REFUSED, "", today(), note=words)
        try:
            return self._compare(self._tenant, reference, probe)
        except Fault as fault:
            return self._failed(fault)
        except TimeoutError:
            return self._failed(self._late())
        except sqlite3.Error:
            return self._failed(Fault(Outcome.ERROR, "The ledger cannot be written, so nothing more is sent."))

    def _compare(self, tenant: str, reference: Picture, probe: Picture) -> Answer:
        ends = time.monotonic() + self._terms.timeout
        key = self._cache.key(reference, probe, tenant, self.name, self._adapter.version)
        with self._cache.alone(key, self._terms.timeout):
            if (known := self._cache.get(key)) is not None:
                return known
            answer = self._ask(tenant, ends, reference, probe)
            if answer.score is not None:
                with suppress(sqlite3.Error):  # it was paid for: a full disk does not take the answer away
                    self._cache.put(key, answer)
            return answer

    def _ask(self, tenant: str, ends: float, reference: Picture, probe: Picture) -> Answer:
        (known_bytes, known_note), (probe_bytes, probe_note) = (
            fit(picture.data, self._adapter.limits, self._decode) for picture in (reference, probe)
        )
        finding = self._adapter.compare(known_bytes, probe_bytes, partial(self._call, tenant, ends))
        notes = (known_note and f"reference {known_note}", probe_note and f"photo {probe_note}", finding.note)
        return Answer(
            finding.score,
            finding.failure,
            self._adapter.version,
            today(),
            finding.raw_score,
            finding.raw_threshold,
            "; ".join(note for note in notes if note),
        )

    def _failed(self, fault: Fault) -> Answer:
        return Answer(None, fault.outcome, self._adapter.version, today(), note=fault.words)

    def _late(self) -> Fault:
        return Fault(Outcome.ERROR, f"Timed out: no answer within {self._terms.timeout:g} s.")

    def _call(self, tenant: str, ends: float, send: Callable[[float], _Result]) -> _Result:
        """faceoff.verify.victims.calls.Call: repeated with backoff while the service asks for it and there is time."""
        attempts = Retrying(
            retry=retry_if_exception(lambda error: isinstance(error, Fault) and error.retry),
            wait=_wait,
            stop=stop_after_attempt(_ATTEMPTS) | stop_before_delay(max(0.0, ends - time.monotonic())),
            reraise=True,
        )
        result: _Result = attempts(self._once, tenant, ends, send)
        return result

    def _once(self, tenant: str, ends: float, send: Callable[[float], _Result]) -> _Result:
        if (rest := self._breaker.wait()) > 0:
            raise Fault(Outcome.ERROR, f"Nothing was sent: it keeps failing. It is asked again in {rest:.0f} s.")
        remaining = ends - time.monotonic()
        if remaining <= 0:
            raise self._late()
        wait = self._pace.take(self.name, self._terms.rate, remaining)
        if wait is None:
            words = f"Its rate of {self._terms.rate:g} calls a second allows none in the time left."
            raise Fault(Outcome.THROTTLED, words)
        time.sleep(wait)
        if time.monotonic() >= ends:
            raise self._late()
        reservation = self._budget.reserve(tenant, self.name, self._terms.price, self._terms.allowance)
        if reservation is None:
            raise Fault(Outcome.OVER_BUDGET, "Nothing was sent: the budget for this victim is spent.")
        bill, failed = Bill.UNKNOWN, True
        try:
            result = send(max(0.001, ends - time.monotonic()))
            bill, failed = Bill.CHARGED, False
        except Fault as fault:
            bill, failed = fault.bill, fault.failing
            raise
        finally:
            self._breaker.record(failed=failed)
            with suppress(sqlite3.Error):  # it stays reserved, which is reported as unknown
                self._budget.settle(reservation, bill)
        return result


def consented(victims: Mapping[str, Victim], consent: Collection[str], tenant: str = "") -> dict[str, Victim]:
    """The victims as one request may ask them: the one place where consent to send photos to a third party takes effect.

    ``consent`` are the names that this request's caller consents to; the others of the commercial victims refuse every
    pair before a byte leaves. Victims on this machine need no consent. ``tenant`` pays: take it from the
    credential, never from the request. Raises FaceOffError INVALID_ARGUMENT for consent to an unknown victim.
    """
    check_consent(consent, victims)
    return {
        name: victim.on_behalf_of(tenant) if isinstance(victim, Asking) and name in consent else victim
        for name, victim in victims.items()
    }


def check_consent(consent: Collection[str], known: Collection[str]) -> None:
    """Raises FaceOffError INVALID_ARGUMENT for consent to a victim that is not ``known``."""
    unknown = set(consent) - set(known)
    if unknown:
        raise FaceOffError(
            Reason.INVALID_ARGUMENT,
            f"There is no victim {', '.join(sorted(unknown))} here.",
            f"Known: {', '.join(sorted(known)) or 'none'}.",
        )


def _wait(state: RetryCallState) -> float:
    """As long as the service asks for, and backoff with jitter where it does not say."""
    fault = state.outcome.exception() if state.outcome else None
    asked = fault.retry_after if isinstance(fault, Fault) else None
    return float(_BACKOFF(state)) if asked is None else asked
