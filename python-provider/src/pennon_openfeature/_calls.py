"""Requests of remote mode: what is asked, how long anybody waits, and whom nobody waits for."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import Any, Generic, Literal

from ._engine import Evaluation, Failed, NotServed, Served
from ._flag_set import parsed
from ._http import Address, Connection
from ._pace import Pace
from ._trouble import Trouble, as_trouble
from ._waiting import Result, Waiters

PROBE_PAUSE_S = 0.1

# What the server answers about the flag rather than about the request.
_ABOUT_THE_FLAG: dict[str, Literal["FLAG_NOT_FOUND", "PARSE_ERROR", "TARGETING_KEY_MISSING"]] = {
    "FLAG_NOT_FOUND": "FLAG_NOT_FOUND",
    "PARSE_ERROR": "PARSE_ERROR",
    "TARGETING_KEY_MISSING": "TARGETING_KEY_MISSING",
}


class Request:
    """A request under way, which may be given up at any moment and for good."""

    def __init__(self) -> None:
        self.given_up = False
        self._connection: Connection | None = None

    def use(self, connection: Connection) -> Connection:
        self._connection = connection
        if self.given_up:
            raise Trouble("stopped")
        return connection

    def abandon(self) -> None:
        if self._connection is not None:
            self._connection.abandon()

    def give_up(self) -> None:
        self.given_up = True
        if self._connection is not None:
            self._connection.end()


class Asked(Generic[Result]):
    """A question to the server. However slowly its answer comes, nobody waits longer than this.

    A timeout of the connection alone would not do: it begins anew with each byte, and with each
    address of the server's name.
    """

    def __init__(self, waiting: Future[Result], seconds: float, too_late: Callable[[], Trouble]):
        self._waiting = waiting
        self._seconds = seconds
        self._too_late = too_late

    def answer(self) -> Result:
        try:
            return self._waiting.result(self._seconds)
        except FutureTimeoutError:
            raise self._too_late() from None

    async def answer_async(self) -> Result:
        try:
            return await asyncio.wait_for(asyncio.wrap_future(self._waiting), self._seconds)
        except asyncio.TimeoutError:
            raise self._too_late() from None


class Calls:
    """Requests of any thread, over connections that are kept and used again."""

    def __init__(self, address: Address, pace: Pace, timeout_ms: float) -> None:
        self._address = address
        self._pace = pace
        self._timeout_ms = timeout_ms
        self._idle: list[Connection] = []
        self._under_way: set[Request] = set()
        self._waiters = Waiters()
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
        body = '{"context": {}, "flagKeys": []}'

        def ask(request: Request) -> None:
            connection = request.use(Connection(self._address, left_ms))
            self._exchange(connection, "evaluations", body)

        try:
            self._ask(ask, left_ms, lambda _trouble: None).answer()
        except Trouble as trouble:
            return trouble
        return None

    def evaluate(
        self, flag_key: str, question: str, learn: Callable[[Evaluation], None]
    ) -> Asked[Evaluation]:
        """Asks for a flag, unless the server is away: then the trouble of before is raised.

        `learn` is told the answer, even where nobody waits for it any more.
        """
        self._wait_for_nobody()

        def ask(request: Request) -> Evaluation:
            answer = self._evaluated(flag_key, question, request)
            learn(answer)
            return answer

        return self._ask(ask, self._timeout_ms, self._hold)

    def _ask(
        self,
        ask: Callable[[Request], Result],
        timeout_ms: float,
        on_too_late: Callable[[Trouble], None],
    ) -> Asked[Result]:
        request = Request()
        self._under_way.add(request)

        def asked() -> Result:
            try:
                return ask(request)
            finally:
                self._under_way.discard(request)

        def too_late() -> Trouble:
            request.give_up()
            trouble = Trouble(f"the server has not answered within {timeout_ms:g} ms")
            on_too_late(trouble)
            return trouble

        try:
            return Asked(self._waiters.do(asked), timeout_ms / 1_000, too_late)
        except RuntimeError as error:
            self._under_way.discard(request)
            raise as_trouble(error) from error

    def _evaluated(self, flag_key: str, question: str, request: Request) -> Evaluation:
        try:
            answer = self._post("evaluate", question, request)
        except Trouble as trouble:
            code = _ABOUT_THE_FLAG.get(trouble.code or "")
            if code is not None:
                return Failed(flag_key, code, trouble.said)
            if not (trouble.is_ours or request.given_up):
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
            # Else it would keep the frames of everybody whom it was raised for.
            raise trouble.with_traceback(None)
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

    def _post(self, route: str, body: str, request: Request) -> dict[str, Any]:
        try:
            kept = request.use(self._idle.pop())
        except IndexError:
            return self._post_anew(route, body, request)
        kept.may_be_silent_for(self._timeout_ms)
        try:
            return self._exchange(kept, route, body)
        except Trouble as trouble:
            if trouble.status is not None or isinstance(trouble.__cause__, TimeoutError):
                raise
        # The server had closed the kept connection; evaluating twice does no harm.
        return self._post_anew(route, body, request)

    def _post_anew(self, route: str, body: str, request: Request) -> dict[str, Any]:
        connection = request.use(Connection(self._address, self._timeout_ms))
        return self._exchange(connection, route, body)

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
        self._waiters.stop()
        for request in list(self._under_way):
            request.give_up()
        while self._idle:
            self._idle.pop().close()

    def after_fork(self) -> None:
        """The parent's connections are not ours: two processes would mix their answers."""
        for request in self._under_way:
            request.abandon()
        for connection in self._idle:
            connection.abandon()
        self._idle = []
        self._under_way = set()
        self._waiters = Waiters()


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
