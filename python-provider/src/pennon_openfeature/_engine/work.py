"""Limits the work of one evaluation, so that no context, however large, can hold a process.

All engines count the same units, so all of them refuse the same evaluations. A unit is what a
regular expression needs at most for one character and one part of its pattern. Ordinary
evaluations count nothing.
"""

from __future__ import annotations

import threading
from typing import Final

MAX_WORK: Final = 10_000_000
# Text up to this length, in UTF-16 code units, is not counted.
LONG_TEXT: Final = 1_024
# No text of this many characters is longer than LONG_TEXT.
_SHORT_TEXT: Final = LONG_TEXT // 2


class WorkExceededError(Exception):
    """The evaluation exceeds its limit."""


class _Work(threading.local):
    done = 0


_work = _Work()


def reset_work() -> None:
    """Begins an evaluation in this thread."""
    _work.done = 0


def work_done() -> int:
    return _work.done


def add_work(units: int) -> None:
    _work.done += units
    if _work.done > MAX_WORK:
        raise WorkExceededError


def add_text(text: str) -> None:
    """Counts the reading of a text."""
    if len(text) > _SHORT_TEXT:
        length = utf16_length(text)
        if length > LONG_TEXT:
            add_work(length >> 2)


def utf16_length(text: str) -> int:
    """The length in UTF-16 code units, which is the length that JavaScript has."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2
