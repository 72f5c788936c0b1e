"""Regular expressions of the subset that every engine's RE2 reads alike, in linear time."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeAlias

import re2

from .text import well_formed

LONGEST = 256
MOST_REPEATS = 100

Search: TypeAlias = Callable[[str], bool]

_REPEAT = re.compile(r"\{([0-9]+)(?:,([0-9]*))?\}")
_HEXADECIMAL = re.compile(r"x\{[0-9A-Fa-f]*\}")
_CLASS_NAME = re.compile(r"\[:\^?[a-z]*:\]")


class PatternError(ValueError):
    """Why a pattern is refused."""


def searcher(pattern: str) -> Search:
    """A function that says whether the pattern occurs anywhere in a text."""
    pattern = well_formed(pattern)
    if len(pattern) > LONGEST:
        raise PatternError(f"is longer than {LONGEST} characters")
    _Scan(pattern).check()
    found = _compiled(pattern).search
    return lambda text: found(well_formed(text).encode()) is not None


def _compiled(pattern: str) -> re2._Regexp:
    options = re2.Options()
    options.log_errors = False
    # Only whether it matches is asked, so nothing needs capturing.
    options.never_capture = True
    try:
        # Bytes on both sides: with text, re2 would translate offsets that nobody asks for.
        return re2.compile(pattern.encode(), options)
    except re2.error as error:
        reason = error.args[0].decode("utf-8", "replace")
        raise PatternError(f"is no RE2 regular expression: {reason}") from error


class _Scan:
    """One walk over a pattern that refuses what the engines might read differently."""

    def __init__(self, pattern: str) -> None:
        self._pattern = pattern
        self._position = 0
        # The largest product of repeat counts found so far: in each open group, and of the
        # last part, which a count right behind it multiplies.
        self._largest = [1]
        self._last = 1

    def check(self) -> None:
        while self._position < len(self._pattern):
            self._step(self._pattern[self._position])

    def _step(self, character: str) -> None:
        if character == "\\":
            self._part(self._escape())
        elif character == "[":
            self._part(self._character_class())
        elif character == "(":
            self._open()
        elif character == ")" and len(self._largest) > 1:
            self._part(1, self._largest.pop())
        elif repeat := _REPEAT.match(self._pattern, self._position):
            self._repeat(repeat)
        else:
            # A further sign such as the ? of {2}? leaves the part before it as it is.
            self._part(1, self._last if character in "*+?" else 1)

    def _part(self, length: int, product: int = 1) -> None:
        self._position += length
        self._last = product
        self._largest[-1] = max(self._largest[-1], product)

    def _open(self) -> None:
        if self._pattern.startswith(("(?P", "(?<"), self._position):
            raise PatternError("has a named group; use a plain group")
        self._largest.append(1)
        self._position += 1

    def _repeat(self, repeat: re.Match[str]) -> None:
        count = int(repeat[2] or repeat[1])
        product = self._last * max(count, 1)
        if product > MOST_REPEATS:
            raise PatternError(
                f"repeats more than {MOST_REPEATS} times, multiplied through nesting"
            )
        self._part(len(repeat[0]), product)

    def _escape(self) -> int:
        letter = self._pattern[self._position + 1 : self._position + 2]
        if letter and letter in "CpP":
            raise PatternError(f"uses \\{letter}, which the engines do not share")
        code = _HEXADECIMAL.match(self._pattern, self._position + 1)
        return 1 + (len(code[0]) if code else 1)

    def _character_class(self) -> int:
        start = self._position
        self._position += 2 if self._pattern.startswith("[^", start) else 1
        if self._pattern.startswith("]", self._position):
            self._position += 1
        while self._position < len(self._pattern) and self._pattern[self._position] != "]":
            self._position += self._class_member()
        length = self._position + 1 - start
        self._position = start
        return length

    def _class_member(self) -> int:
        if self._pattern[self._position] == "\\":
            return self._escape()
        name = _CLASS_NAME.match(self._pattern, self._position)
        return len(name[0]) if name else 1
