"""The subset of RE2 that all engines interpret alike. Matching takes linear time."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import re2

from .text import well_formed
from .work import add_work, utf16_length

MAX_PATTERN_LENGTH = 256
MAX_REPEATS = 100
# The size that the patterns of one flag, or of one segment, may have together. A single pattern is
# smaller.
MAX_SIZE = 26_000
# The size that the patterns of a flag set may have together.
MAX_SET_SIZE = 500_000
# Only the beginning of a longer text is searched, in characters.
MAX_SEARCHED = 10_000

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


class PatternBudget:
    """Limits the size of all patterns of one flag or segment, because they take memory."""

    def __init__(self) -> None:
        self._reserved = 0

    def reserve(self, size: int) -> None:
        """Raises PatternError if the patterns are too large together."""
        self._reserved += size
        if self._reserved > MAX_SIZE:
            raise PatternError(
                "makes the patterns too large: with all repetitions they have "
                f"{self._reserved} characters together, but at most {MAX_SIZE} are possible"
            )


def pattern_size(pattern: str) -> int:
    """The size of a pattern, at least 1.

    A pattern that is not compiled, because it exceeds another limit, has 1.
    """
    pattern = well_formed(pattern)
    if len(pattern) > MAX_PATTERN_LENGTH:
        return 1
    measured = _measure(list(_PART.finditer(pattern)))
    return 1 if measured.most > MAX_REPEATS else max(1, measured.size)


def set_problem(size: int) -> str | None:
    """What is wrong with a flag set if its patterns are too large together."""
    if size <= MAX_SET_SIZE:
        return None
    return (
        f"the patterns of the flag set have {size} characters with all repetitions, "
        f"but at most {MAX_SET_SIZE} are possible"
    )


def compile_pattern(pattern: str, budget: PatternBudget) -> Search:
    """Returns a function that finds the pattern anywhere in a text. Raises PatternError."""
    pattern = well_formed(pattern)
    if len(pattern) > MAX_PATTERN_LENGTH:
        raise PatternError(f"must be a pattern of at most {MAX_PATTERN_LENGTH} characters")
    parts = list(_PART.finditer(pattern))
    measured = _measure(parts)
    if measured.most > MAX_REPEATS:
        raise PatternError(
            f"must not repeat more than {MAX_REPEATS} times, multiplied through nesting"
        )
    budget.reserve(max(1, measured.size))
    find = _compile(pattern).search
    if any(map(_has_unfinished_name, parts)):
        raise PatternError("must be an RE2 pattern: invalid character class range: [:]")
    if any(map(_is_outside_subset, parts)):
        raise PatternError(r"must not use \C, \p, \P or a named group: engines differ in these")
    if any(part["escape"] == "B" for part in parts):
        return _counted(measured.size, lambda text: _find_between_characters(find, text))
    return _counted(measured.size, lambda text: find(text) is not None)


def _counted(size: int, search: Callable[[bytes], bool]) -> Search:
    """A search in the beginning of a text, with its work counted."""

    def count_and_search(text: str) -> bool:
        searched = _cut(text)
        add_work(utf16_length(searched) * size)
        return search(searched.encode())

    return count_and_search


def _cut(text: str) -> str:
    """The characters of a text that are searched."""
    # A pair of surrogates is one character, so twice as many are enough.
    return well_formed(text[: 2 * MAX_SEARCHED])[:MAX_SEARCHED]


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


class _Repeats(NamedTuple):
    """What is known about a group while it is read."""

    # How often the last item is repeated, and the highest such count.
    last: int = 1
    most: int = 1
    # The number of characters and classes with all counts expanded.
    last_size: int = 0
    size: int = 0

    def close_into(self, outer: _Repeats) -> _Repeats:
        most = max(self.most, outer.most)
        return _Repeats(self.most, most, self.size, outer.size + self.size)

    def repeat_last(self, count: int) -> _Repeats:
        last, last_size = self.last * count, self.last_size * count
        size = self.size + last_size - self.last_size
        return _Repeats(last, max(last, self.most), last_size, size)

    def add_item(self, size: int) -> _Repeats:
        return _Repeats(1, self.most, size, self.size + size)


def _measure(parts: list[re.Match[str]]) -> _Repeats:
    """The highest product of nested counts `{n}`, `{n,}` and `{n,m}`, and the size of a pattern:
    the number of characters and classes after all counts are expanded."""
    outer: list[_Repeats] = []
    current = _Repeats()
    for part in parts:
        if part["open"]:
            outer.append(current)
            current = _Repeats()
        elif part["close"]:
            current = current.close_into(outer.pop() if outer else _Repeats())
        elif part["least"]:
            # A count of 0 counts as 1, because the repeated part is compiled anyway.
            current = current.repeat_last(max(int(part["most"] or part["least"]), 1))
        elif not _is_transparent(part):
            quoted = part["quoted"]
            current = current.add_item(1 if quoted is None else utf16_length(quoted))
    while outer:
        current = current.close_into(outer.pop())
    return current


def _is_transparent(part: re.Match[str]) -> bool:
    """Whether the part matches no character, so a count after it applies to the previous part."""
    return bool(part["flags"] or part["quantifier"]) or part["quoted"] == ""
