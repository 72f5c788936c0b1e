"""Remote mode: the server decides, and what it answered is remembered for a while."""

from __future__ import annotations

import json
import math
import threading
import time
from collections import OrderedDict
from collections.abc import Iterable
from typing import Any, Literal

from openfeature.exception import ProviderFatalError

from ._answer import Answer, Unavailable
from ._engine import Evaluation, Failed, NotServed, Served
from ._events import Teller
from ._flag_set import parsed
from ._follow import Following
from ._http import Address, Connection
from ._live import Live
from ._options import Options
from ._pace import Pace
from ._sources import AnswerWithFacts, InProcess
from ._status import Status
from ._trouble import Trouble, as_trouble

PROBE_PAUSE_S = 0.1

# What the server answers about the flag rather than about the request.
_ABOUT_THE_FLAG: dict[str, Literal["FLAG_NOT_FOUND", "PARSE_ERROR", "TARGETING_KEY_MISSING"]] = {
    "FLAG_NOT_FOUND": "FLAG_NOT_FOUND",
    "PARSE_ERROR": "PARSE_ERROR",
    "TARGETING_KEY_MISSING": "TARGETING_KEY_MISSING",
}


class Remote:
    """Asks the evaluate route. The flag set is followed too: its changes say what to ask anew,
    and its flags answer where the server cannot be asked."""

    def __init__(self, following: Following, options: Options, teller: Teller) -> None:
        self._teller = teller
        self._calls = Calls(following.address, options.pace, options.request_timeout_ms)
        self._remembered = Remembered(options.cache_ttl_ms, options.cache_entries)
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

    def stop(self) -> None:
        self._flags.stop()
        self._calls.close()

    def after_fork(self) -> None:
        self._calls.after_fork()
        self._remembered.after_fork()
        self._flags.after_fork()

    def status(self) -> Status:
        return self._flags.status()

    def live(self) -> Live | None:
        return self._flags.live()

    def remembers(self, flag_key: str, context: dict[str, Any]) -> bool:
        """Whether there is an answer for which nobody needs to be asked."""
        return self._remembered.fresh(_question(flag_key, context)) is not None

    def answer(self, flag_key: str, context: dict[str, Any]) -> AnswerWithFacts:
        live = self._flags.live()
        facts = live.metadata_of(flag_key) if live else {}
        return self._answer(flag_key, context), facts

    def _answer(self, flag_key: str, context: dict[str, Any]) -> Answer:
        question = _question(flag_key, context)
        known = self._remembered.fresh(question)
        if known is not None:
            return known
        changes = self._remembered.changes
        try:
            answer = self._calls.evaluate(flag_key, question)
        except Trouble as trouble:
            return self._instead(flag_key, context, question, trouble)
        self._remembered.keep(question, answer, changes)
        if self._may_only_ask:
            self._teller.healthy()
        return answer

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
    except ValueError:
        finite = {"flagKey": flag_key, "context": _finite(context)}
        return json.dumps(finite, sort_keys=True)


def _finite(value: Any) -> Any:
    """JSON has no word for what is not finite: it is missing."""
    if isinstance(value, dict):
        return {name: _finite(member) for name, member in value.items()}
    if isinstance(value, list):
        return [_finite(member) for member in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


class Remembered:
    """The last answers, the least lately asked forgotten first."""

    def __init__(self, ttl_ms: float, entries: int) -> None:
        self._ttl = ttl_ms / 1_000
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
            self._answers[question] = (time.monotonic() + self._ttl, answer)
            self._answers.move_to_end(question)
            while len(self._answers) > self._entries:
                self._answers.popitem(last=False)

    def drop(self, flag_keys: Iterable[str]) -> None:
        """Forgets the answers of these flags."""
        gone = frozenset(flag_keys)
        with self._lock:
            self.changes += 1
            kept = [each for each in self._answers.items() if each[1][1].flag_key not in gone]
            self._answers = OrderedDict(kept)

    def after_fork(self) -> None:
        self._lock = threading.Lock()


class Calls:
    """Requests of any thread, over connections that are kept and used again."""

    def __init__(self, address: Address, pace: Pace, timeout_ms: float) -> None:
        self._address = address
        self._pace = pace
        self._timeout_ms = timeout_ms
        self._idle: list[Connection] = []
        self._trouble: Trouble | None = None
        self._held_until = 0.0
        self._failures = 0

    def probe_until(self, deadline: float) -> Trouble | None:
        """Asks for no flag, until there is an answer, the key is refused, or the time is over."""
        while (trouble := self._probe(deadline)) is not None and not trouble.is_refusal:
            pause = max(PROBE_PAUSE_S, trouble.retry_after_ms / 1_000)
            if time.monotonic() + pause >= deadline:
                break
            time.sleep(pause)
        return trouble

    def _probe(self, deadline: float) -> Trouble | None:
        left_ms = max((deadline - time.monotonic()) * 1_000, 1)
        try:
            body = '{"context": {}, "flagKeys": []}'
            self._exchange(Connection(self._address, left_ms), "evaluations", body)
        except Trouble as trouble:
            return trouble
        return None

    def evaluate(self, flag_key: str, question: str) -> Evaluation:
        self._wait_for_nobody()
        try:
            answer = self._post("evaluate", question)
        except Trouble as trouble:
            code = _ABOUT_THE_FLAG.get(trouble.code or "")
            if code is not None:
                return Failed(flag_key, code, trouble.said)
            if not trouble.is_ours:
                self._hold(trouble)
            raise
        self._trouble, self._failures = None, 0
        return _evaluation(flag_key, answer)

    def _wait_for_nobody(self) -> None:
        """While the server is away nobody waits for it: one question is the trial for all."""
        trouble = self._trouble
        if trouble is None:
            return
        now = time.monotonic()
        if now < self._held_until:
            raise trouble
        self._held_until = now + self._timeout_ms / 1_000

    def _hold(self, trouble: Trouble) -> None:
        pause = max(
            trouble.retry_after_ms,
            self._pace.slowly(trouble),
            self._pace.back_off(self._failures),
        )
        self._failures += 1
        self._held_until = time.monotonic() + pause / 1_000
        self._trouble = trouble

    def _post(self, route: str, body: str) -> dict[str, Any]:
        try:
            kept = self._idle.pop()
        except IndexError:
            return self._exchange(Connection(self._address, self._timeout_ms), route, body)
        kept.may_be_silent_for(self._timeout_ms)
        try:
            return self._exchange(kept, route, body)
        except Trouble as trouble:
            if trouble.status is not None or isinstance(trouble.__cause__, TimeoutError):
                raise
        # The server had closed the kept connection; evaluating twice does no harm.
        return self._exchange(Connection(self._address, self._timeout_ms), route, body)

    def _exchange(self, connection: Connection, route: str, body: str) -> dict[str, Any]:
        headers = {"content-type": "application/json"}
        try:
            answer = connection.send("POST", route, headers, body.encode())
            read = parsed(answer.read())
        except Trouble:
            connection.close()
            raise
        except Exception as error:
            connection.close()
            raise as_trouble(error) from error
        self._idle.append(connection)
        return read

    def close(self) -> None:
        while self._idle:
            self._idle.pop().close()

    def after_fork(self) -> None:
        """The parent's connections are not ours: two processes would mix their answers."""
        self._idle = []


def _evaluation(flag_key: str, answer: dict[str, Any]) -> Evaluation:
    metadata = answer.get("metadata")
    if "variant" not in answer:
        return NotServed(flag_key, answer.get("reason", "DEFAULT"), metadata)
    return Served(
        flag_key,
        answer.get("enabled") is True,
        answer.get("reason", "STATIC"),
        answer["variant"],
        answer.get("value"),
        answer.get("ruleId"),
        metadata,
    )
