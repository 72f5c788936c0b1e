"""The subset of RE2 that all engines interpret alike. Matching takes linear time."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, TypeAlias

import re2

from .text import well_formed

MAX_PATTERN_LENGTH = 256
MAX_REPEATS = 100

Search: TypeAlias = Callable[[str], bool]

_CLASS_NAME = r"\[:\^?[a-z]+:\]"

# The parts of a pattern that RE2 accepts, as far as the subset distinguishes them.
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
    """A pattern is not supported; the message describes what it must be."""


def compile_pattern(pattern: str) -> Search:
    """Returns a function that finds the pattern anywhere in a text. Raises PatternError."""
    pattern = well_formed(pattern)
    if len(pattern) > MAX_PATTERN_LENGTH:
        raise PatternError(f"must be a pattern of at most {MAX_PATTERN_LENGTH} characters")
    find = _compile(pattern).search
    parts = list(_PART.finditer(pattern))
    if any(map(_has_unfinished_name, parts)):
        raise PatternError("must be an RE2 pattern: invalid character class range: [:]")
    if any(map(_is_outside_subset, parts)):
        raise PatternError(r"must not use \C, \p, \P or a named group: engines differ in these")
    if _max_repeats(parts) > MAX_REPEATS:
        raise PatternError(
            f"must not repeat more than {MAX_REPEATS} times, multiplied through nesting"
        )
    if any(part["escape"] == "B" for part in parts):
        return lambda text: _find_between_characters(find, well_formed(text).encode())
    return lambda text: find(well_formed(text).encode()) is not None


def _find_between_characters(find: Callable[..., Any], text: bytes) -> bool:
    r"""Finds a pattern with \B, ignoring matches between the bytes of one character."""
    position = 0
    while match := find(text, position):
        start: int = match.start()
        # Such a match begins at a continuation byte.
        if start == len(text) or text[start] & 0xC0 != 0x80:
            return True
        position = start + 1
    return False


def _compile(pattern: str) -> Any:
    options = re2.Options()
    options.log_errors = False
    # Captures are not used, and matching is faster without them.
    options.never_capture = True
    try:
        # Bytes, because re2 converts offsets for text, which costs time.
        return re2.compile(pattern.encode(), options)
    except re2.error as error:
        reason = error.args[0].decode("utf-8", "replace")
        raise PatternError(f"must be an RE2 pattern: {reason}") from error


def _is_outside_subset(part: re.Match[str]) -> bool:
    # In a class, \\p is an escaped backslash and a letter.
    in_class = re.search(r"\\[CpP]", (part["set"] or "").replace("\\\\", ""))
    return bool(part["named"] or in_class) or (part["escape"] or "none") in "CpP"


def _has_unfinished_name(part: re.Match[str]) -> bool:
    """Whether a class contains `[:]`: re2 reads characters, other engines an unfinished name."""
    return "[:]" in re.sub(r"\\.", "_", (part["set"] or "")[1:], flags=re.DOTALL)


def _max_repeats(parts: list[re.Match[str]]) -> int:
    """The largest product of the counts `{n}`, `{n,}` and `{n,m}` along nested groups."""
    # The maximum so far of each open group, and that of the last part, which a count multiplies.
    maxima = [1]
    last = 1
    for part in parts:
        if part["open"]:
            maxima.append(1)
            last = 1
        elif part["close"] and len(maxima) > 1:
            last = maxima.pop()
        elif part["least"]:
            # A count of 0 counts as 1, because the repeated part is compiled anyway.
            last *= max(int(part["most"] or part["least"]), 1)
        elif not _is_transparent(part):
            last = 1
        maxima[-1] = max(maxima[-1], last)
    return maxima[-1]


def _is_transparent(part: re.Match[str]) -> bool:
    """Whether the part matches no character, so a count after it applies to the previous part."""
    return bool(part["flags"] or part["quantifier"]) or part["quoted"] == ""
