"""Remote mode: the server decides, and what it answered is remembered for a while."""

from __future__ import annotations

import json
import threading
import time
from collections import OrderedDict
from typing import Any, Literal

from openfeature.exception import GeneralError, ProviderFatalError

from ._engine import Evaluation, Failed, NotServed, Served
from ._events import Teller
from ._flag_set import FlagSet, differing, keeping, parsed
from ._follow import Follower, Following, Listener
from ._http import Address, Connection
from ._live import Live
from ._options import Options
from ._pace import Pace
from ._sources import Answer
from ._status import LastError, Status
from ._trouble import Trouble, as_trouble

PROBE_PAUSE_S = 0.1

_FAILURES: dict[str, Literal["FLAG_NOT_FOUND", "PARSE_ERROR", "TARGETING_KEY_MISSING"]] = {
    "FLAG_NOT_FOUND": "FLAG_NOT_FOUND",
    "PARSE_ERROR": "PARSE_ERROR",
    "TARGETING_KEY_MISSING": "TARGETING_KEY_MISSING",
}


class Remote:
    """Asks the evaluate route; the stream of changes drops what is remembered."""

    def __init__(self, following: Following, options: Options, teller: Teller) -> None:
        self._following = following
        self._teller = teller
        self._calls = Calls(following.address, options.pace)
        self._remembered = Remembered(options.cache_ttl_ms, options.cache_size)
        self._flag_set: FlagSet | None = None
        self._follower: Follower | None = None
        self._last_error: LastError | None = None

    def start(self, timeout_ms: float) -> None:
        """Asks for no flag at all, to know whether the server answers and takes the key."""
        deadline = time.monotonic() + timeout_ms / 1_000
        self._follow()
        trouble = self._calls.probe_until(deadline)
        if trouble is None:
            return
        self._note(trouble)
        if trouble.is_refusal:
            raise ProviderFatalError(f"the key is refused: {trouble.message}")
        raise GeneralError(f"no answer within {timeout_ms:g} ms; {trouble.message}")

    def _follow(self) -> None:
        listener = Listener(self._on_data, lambda _status, _trouble: None)
        self._follower = Follower(self._following, listener, self._flag_set)
        self._follower.start()

    def stop(self) -> None:
        if self._follower is not None:
            self._follower.stop()
        self._calls.close()

    def after_fork(self) -> None:
        self._calls.after_fork()
        self._remembered.after_fork()
        if self._follower is not None:
            self._follow()

    def remembers(self, flag_key: str, context: dict[str, Any]) -> bool:
        """Whether there is an answer for which nobody needs to be asked."""
        return self._remembered.fresh(_question(flag_key, context)) is not None

    def answer(self, flag_key: str, context: dict[str, Any]) -> Answer:
        evaluation = self._evaluate(flag_key, context)
        metadata = dict(getattr(evaluation, "metadata", None) or {})
        if self._flag_set is not None and self._flag_set.environment:
            metadata["flagSetId"] = self._flag_set.environment
        return evaluation, metadata

    def _evaluate(self, flag_key: str, context: dict[str, Any]) -> Evaluation:
        question = _question(flag_key, context)
        known = self._remembered.fresh(question)
        if known is not None:
            return known
        age = self._remembered.age
        try:
            answer = self._calls.evaluate(flag_key, context)
        except Trouble as trouble:
            return self._without_answer(question, trouble)
        self._remembered.put(question, answer, age)
        self._teller.healthy()
        return answer

    def _without_answer(self, question: str, trouble: Trouble) -> Evaluation:
        """What was answered last; the trouble where nothing was."""
        self._note(trouble)
        self._teller.stale(trouble.message)
        stale = self._remembered.last(question)
        if stale is None:
            raise trouble
        return stale

    def _note(self, trouble: Trouble) -> None:
        self._last_error = LastError(trouble.message, trouble.status, time.time() * 1_000)

    def status(self) -> Status:
        revision = self._flag_set.revision if self._flag_set else None
        return Status("remote", revision, last_error=self._last_error)

    def live(self) -> Live | None:
        return None

    def _on_data(self, flag_set: FlagSet) -> FlagSet:
        before, after = self._flag_set, keeping(self._flag_set, flag_set)
        self._flag_set = after
        self._remembered.drop_all()
        if before is not None:
            self._teller.changed(sorted(_changed(before, after)))
        return after


def _changed(before: FlagSet, after: FlagSet) -> set[str]:
    """Which flags changed; after a change of segments any flag may have."""
    if differing(before.segments, after.segments):
        return {*before.flags, *after.flags}
    return differing(before.flags, after.flags)


def _question(flag_key: str, context: dict[str, Any]) -> str:
    """The flag and the whole context, as one text."""
    return json.dumps([flag_key, context], sort_keys=True, separators=(",", ":"))


class Remembered:
    """The last answers, the least asked forgotten first; old ones serve while nobody answers."""

    def __init__(self, ttl_ms: float, size: int) -> None:
        self._ttl = ttl_ms / 1_000
        self._size = size
        self._answers: OrderedDict[str, tuple[float, Evaluation]] = OrderedDict()
        self._lock = threading.Lock()
        # Grows with each change: an answer asked for before a change is an old one after it.
        self.age = 0

    def fresh(self, question: str) -> Evaluation | None:
        with self._lock:
            until, answer = self._answers.get(question, (0.0, None))
            if answer is None or time.monotonic() >= until:
                return None
            self._answers.move_to_end(question)
            return answer

    def last(self, question: str) -> Evaluation | None:
        with self._lock:
            return self._answers.get(question, (0.0, None))[1]

    def put(self, question: str, answer: Evaluation, age: int) -> None:
        with self._lock:
            until = time.monotonic() + self._ttl if age == self.age else 0.0
            self._answers[question] = (until, answer)
            self._answers.move_to_end(question)
            while len(self._answers) > self._size:
                self._answers.popitem(last=False)

    def drop_all(self) -> None:
        """Everything is asked for anew; until there is an answer, the old one may serve."""
        with self._lock:
            self.age += 1
            for question, (_, answer) in self._answers.items():
                self._answers[question] = (0.0, answer)

    def after_fork(self) -> None:
        self._lock = threading.Lock()


class Calls:
    """Requests of any thread, over connections that are kept and used again."""

    def __init__(self, address: Address, pace: Pace) -> None:
        self._address = address
        self._pace = pace
        self._idle: list[Connection] = []
        self._held_until = 0.0
        self._failures = 0

    def probe_until(self, deadline: float) -> Trouble | None:
        """Asks until there is an answer, the key is refused, or there is no time for more."""
        while (trouble := self._probe(deadline)) is not None and not trouble.is_refusal:
            pause = max(PROBE_PAUSE_S, trouble.retry_after_ms / 1_000)
            if time.monotonic() + pause >= deadline:
                break
            time.sleep(pause)
        return trouble

    def _probe(self, deadline: float) -> Trouble | None:
        left_ms = max((deadline - time.monotonic()) * 1_000, 1)
        body: dict[str, Any] = {"context": {}, "flagKeys": []}
        try:
            self._exchange(Connection(self._address, left_ms), "evaluations", body)
        except Trouble as trouble:
            return trouble
        return None

    def evaluate(self, flag_key: str, context: dict[str, Any]) -> Evaluation:
        # While the server is away nobody waits for it: one call in a while finds out.
        if time.monotonic() < self._held_until:
            raise Trouble("the server has not answered lately")
        try:
            answer = self._post("evaluate", {"flagKey": flag_key, "context": context})
        except Trouble as trouble:
            failure = _failure(flag_key, trouble)
            if failure is not None:
                return failure
            self._hold(trouble)
            raise
        self._failures = 0
        return _evaluation(flag_key, answer)

    def _hold(self, trouble: Trouble) -> None:
        pause = max(trouble.retry_after_ms, self._pace.back_off(self._failures))
        self._failures += 1
        self._held_until = time.monotonic() + pause / 1_000

    def _post(self, route: str, body: dict[str, Any]) -> dict[str, Any]:
        try:
            kept = self._idle.pop()
        except IndexError:
            return self._exchange(Connection(self._address, self._pace.evaluate_ms), route, body)
        kept.may_be_silent_for(self._pace.evaluate_ms)
        try:
            return self._exchange(kept, route, body)
        except Trouble as trouble:
            if trouble.status is not None or isinstance(trouble.__cause__, TimeoutError):
                raise
        # The server had closed the kept connection; evaluating twice does no harm.
        return self._exchange(Connection(self._address, self._pace.evaluate_ms), route, body)

    def _exchange(self, connection: Connection, route: str, body: dict[str, Any]) -> dict[str, Any]:
        headers = {"content-type": "application/json"}
        try:
            answer = connection.send("POST", route, headers, json.dumps(body).encode())
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


def _failure(flag_key: str, trouble: Trouble) -> Failed | None:
    """What the server answered about the flag rather than about the request."""
    code = _FAILURES.get(trouble.code or "")
    return None if code is None else Failed(flag_key, code, trouble.message)


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
