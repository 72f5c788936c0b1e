"""Regular expressions of the subset that every engine's RE2 reads alike, in linear time."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, TypeAlias

import re2

from .text import well_formed

LONGEST = 256
MOST_REPEATS = 100

Search: TypeAlias = Callable[[str], bool]

_CLASS_NAME = r"\[:\^?[a-z]+:\]"

# The parts of a pattern that RE2 has accepted, as far as the subset must tell them apart.
_PART = re.compile(
    "|".join(
        [
            r"\\Q(?P<quoted>.*?)(?:\\E|\Z)",
            r"\\x\{[^}]*\}",
            r"\\(?P<escape>.)",
            rf"(?P<set>\[\^?\]?(?:{_CLASS_NAME}|\\.|(?!{_CLASS_NAME})[^\]\\])*\])",
            r"(?P<flags>\(\?[imsU-]*\))",
            r"(?P<named>\(\?P?<)",
            r"(?P<open>\()",
            r"(?P<close>\))",
            r"(?P<quantifier>[*+?])",
            r"\{(?P<least>0|[1-9][0-9]*)(?:,(?P<most>0|[1-9][0-9]*)?)?\}",
            r".",
        ]
    ),
    re.DOTALL,
)


class PatternError(ValueError):
    """Why a pattern is refused."""


def searcher(pattern: str) -> Search:
    """A function that says whether the pattern occurs anywhere in a text."""
    pattern = well_formed(pattern)
    if len(pattern) > LONGEST:
        raise PatternError(f"must be at most {LONGEST} characters")
    found = _compiled(pattern).search
    parts = list(_PART.finditer(pattern))
    if any(map(_has_unfinished_name, parts)):
        raise PatternError("must be an RE2 pattern: invalid character class range: [:]")
    if any(map(_is_outside_subset, parts)):
        raise PatternError(r"must not use \C, \p, \P or a named group: engines differ in them")
    if _most_repeats(parts) > MOST_REPEATS:
        raise PatternError(f"repeats more than {MOST_REPEATS} times, multiplied through nesting")
    if any(part["escape"] == "B" for part in parts):
        return lambda text: _found_between_characters(found, well_formed(text).encode())
    return lambda text: found(well_formed(text).encode()) is not None


def _found_between_characters(found: Callable[..., Any], text: bytes) -> bool:
    r"""A search for a pattern with \B, which re2 also finds between the bytes of one character."""
    position = 0
    while match := found(text, position):
        start: int = match.start()
        # Such a find is empty, and begins at a byte that continues a character.
        if start == len(text) or text[start] & 0xC0 != 0x80:
            return True
        position = start + 1
    return False


def _compiled(pattern: str) -> Any:
    options = re2.Options()
    options.log_errors = False
    # Only whether it matches is asked, so nothing needs capturing.
    options.never_capture = True
    try:
        # Bytes on both sides: with text, re2 would translate offsets that nobody asks for.
        return re2.compile(pattern.encode(), options)
    except re2.error as error:
        reason = error.args[0].decode("utf-8", "replace")
        raise PatternError(f"must be an RE2 pattern: {reason}") from error


def _is_outside_subset(part: re.Match[str]) -> bool:
    # In a class, \\p is a backslash and a letter.
    in_class = re.search(r"\\[CpP]", (part["set"] or "").replace("\\\\", ""))
    return bool(part["named"] or in_class) or (part["escape"] or "none") in "CpP"


def _has_unfinished_name(part: re.Match[str]) -> bool:
    """Whether `[:]` stands in a class, which re2 reads as characters and others as a name."""
    return "[:]" in re.sub(r"\\.", "_", (part["set"] or "")[1:], flags=re.DOTALL)


def _most_repeats(parts: list[re.Match[str]]) -> int:
    """The counts `{n}`, `{n,}` and `{n,m}` multiplied through nesting, at their largest."""
    # For each open group the most so far; and of the last part, which a count multiplies.
    most = [1]
    last = 1
    for part in parts:
        if part["open"]:
            most.append(1)
            last = 1
        elif part["close"] and len(most) > 1:
            last = most.pop()
        elif part["least"]:
            # A count of nothing counts as one: what is repeated still has to be built.
            last *= max(int(part["most"] or part["least"]), 1)
        elif not _is_transparent(part):
            last = 1
        most[-1] = max(most[-1], last)
    return most[-1]


def _is_transparent(part: re.Match[str]) -> bool:
    """Whether it stands for no character, so that a count after it belongs to what is before."""
    return bool(part["flags"] or part["quantifier"]) or part["quoted"] == ""
