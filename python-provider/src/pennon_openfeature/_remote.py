"""Remote mode: the server decides, and what it answered is remembered for a while."""

from __future__ import annotations

import json
import threading
import time
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import Any
from uuid import uuid4

from openfeature.exception import ProviderFatalError

from ._answer import Answer, Unavailable
from ._calls import Asked, Calls
from ._engine import Evaluation, is_number
from ._events import Teller
from ._follow import Following
from ._freshness import Freshness
from ._live import Live
from ._options import Options
from ._sources import AnswerWithFacts, InProcess
from ._trouble import Trouble


class Remote:
    """Asks the evaluate route. The flag set is followed too: its changes say what to ask anew,
    and its flags answer where the server cannot be asked."""

    def __init__(self, following: Following, options: Options, teller: Teller) -> None:
        self._teller = teller
        self._calls = Calls(following.address, options.pace, options.request_timeout_ms)
        self._remembered = Remembered(
            options.cache_ttl_ms, options.cache_entries, options.pace.lag_ms
        )
        self._flags = InProcess(following, options, teller)
        self._flags.on_change = self._remembered.drop
        self._flags.minds_refusal = lambda: not self._may_only_ask
        # The key may evaluate, and may not read the flag set.
        self._may_only_ask = False

    def start(self, timeout_ms: float) -> None:
        deadline = time.monotonic() + timeout_ms / 1_000
        try:
            self._flags.start(timeout_ms)
        except ProviderFatalError:
            if self._calls.probe_until(deadline) is not None:
                raise
            self._may_only_ask = True
            self._teller.healthy()

    def stop(self, patience_s: float) -> None:
        self._flags.stop(patience_s)
        self._calls.close()

    def after_fork(self) -> None:
        self._calls.after_fork()
        self._remembered.after_fork()
        self._flags.after_fork()

    def freshness(self) -> Freshness:
        return self._flags.freshness()

    def live(self) -> Live | None:
        return self._flags.live()

    def answer(self, flag_key: str, context: dict[str, Any]) -> AnswerWithFacts:
        question = _question(flag_key, context)
        answer: Answer | None = self._remembered.fresh(question)
        if answer is None:
            try:
                answer = self._ask(flag_key, question).answer()
            except Trouble as trouble:
                answer = self._instead(flag_key, context, question, trouble)
        return answer, self._facts(flag_key)

    async def answer_async(self, flag_key: str, context: dict[str, Any]) -> AnswerWithFacts:
        question = _question(flag_key, context)
        answer: Answer | None = self._remembered.fresh(question)
        if answer is None:
            try:
                answer = await self._ask(flag_key, question).answer_async()
            except Trouble as trouble:
                answer = self._instead(flag_key, context, question, trouble)
        return answer, self._facts(flag_key)

    def _facts(self, flag_key: str) -> Mapping[str, Any]:
        live = self._flags.live()
        return live.metadata_of(flag_key) if live else {}

    def _ask(self, flag_key: str, question: str) -> Asked[Evaluation]:
        changes = self._remembered.changes

        def learn(answer: Evaluation) -> None:
            self._remembered.keep(question, answer, changes)
            if self._may_only_ask:
                self._teller.healthy()

        return self._calls.evaluate(flag_key, question, learn)

    def _instead(
        self, flag_key: str, context: dict[str, Any], question: str, trouble: Trouble
    ) -> Answer:
        """The flags that are here decide, else an old answer has to do."""
        if trouble.is_ours:
            return Unavailable(flag_key, "INVALID_CONTEXT", trouble.message)
        if self._may_only_ask:
            self._teller.stale(trouble.message)
        live = self._flags.live()
        if live is not None:
            return live.evaluate(flag_key, context)
        old = self._remembered.any(question)
        return old or Unavailable(flag_key, "GENERAL", trouble.message)


def _question(flag_key: str, context: dict[str, Any]) -> str:
    """The body of the request, which at once is what an answer is remembered by."""
    body = {"flagKey": flag_key, "context": context}
    try:
        return json.dumps(body, sort_keys=True, allow_nan=False)
    except (ValueError, TypeError):
        sayable = {"flagKey": flag_key, "context": _sayable(context)}
        return json.dumps(sayable, sort_keys=True).replace(f'"{_NOT_FINITE}"', "1e999")


# Stands for numbers that JSON cannot say; nobody can have written it.
_NOT_FINITE = f"not finite {uuid4()}"


def _sayable(value: Any) -> Any:
    """What is not finite stays so: null would give way to a dotted path. Else what is no JSON."""
    if isinstance(value, dict):
        return {name: _sayable(each) for name, each in value.items() if isinstance(name, str)}
    if isinstance(value, list):
        return [_sayable(each) for each in value]
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value if is_number(value) else _NOT_FINITE
    return value if isinstance(value, str | bool) else None


class Remembered:
    """The last answers, the least lately asked forgotten first."""

    def __init__(self, ttl_ms: float, entries: int, lag_ms: float) -> None:
        self._ttl = ttl_ms / 1_000
        self._lag = lag_ms / 1_000
        # When each flag changed last, of those that changed a moment ago.
        self._changed_at: dict[str, float] = {}
        self._entries = entries
        self._answers: OrderedDict[str, tuple[float, Evaluation]] = OrderedDict()
        self._lock = threading.Lock()
        # How often something changed: an answer that was on its way meanwhile is not kept.
        self.changes = 0

    def fresh(self, question: str) -> Evaluation | None:
        """An answer that is no older than the time to live."""
        with self._lock:
            until, answer = self._answers.get(question, (0.0, None))
            if answer is None or time.monotonic() >= until:
                return None
            self._answers.move_to_end(question)
            return answer

    def any(self, question: str) -> Evaluation | None:
        """An answer of any age, for when nobody answers."""
        with self._lock:
            return self._answers.get(question, (0.0, None))[1]

    def keep(self, question: str, answer: Evaluation, changes: int) -> None:
        with self._lock:
            if changes != self.changes:
                return
            now = time.monotonic()
            # It may come from a server that does not know of the change yet.
            may_lag = now < self._changed_at.get(answer.flag_key, -self._lag) + self._lag
            ttl = min(self._ttl, self._lag) if may_lag else self._ttl
            self._answers[question] = (now + ttl, answer)
            self._answers.move_to_end(question)
            while len(self._answers) > self._entries:
                self._answers.popitem(last=False)

    def drop(self, flag_keys: Iterable[str]) -> None:
        """Forgets the answers of these flags."""
        gone = frozenset(flag_keys)
        now = time.monotonic()
        with self._lock:
            # At first all flags are new to us, and to nobody else.
            if self.changes > 0:
                recent = {key: at for key, at in self._changed_at.items() if now < at + self._lag}
                self._changed_at = {**recent, **dict.fromkeys(gone, now)}
            self.changes += 1
            kept = [each for each in self._answers.items() if each[1][1].flag_key not in gone]
            self._answers = OrderedDict(kept)

    def after_fork(self) -> None:
        self._lock = threading.Lock()
