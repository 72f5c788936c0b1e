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
# The size that the patterns of one flag, or of one segment, may have together.
MAX_SIZE = 26_000
# The size that the patterns of a flag set may have together.
MAX_SET_SIZE = 1_000_000
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
            r"\{(?P<least>0|[1-9][0-9]*)(?P<range>,(?P<most>0|[1-9][0-9]*)?)?\}",
            r".",
        ]
    ),
    re.DOTALL,
)

# The end of a range in a class, after its hyphen.
_RANGE_END = re.compile(
    r"-(?=\\x\{(?P<braced>[0-9A-Fa-f]+)\}|\\x(?P<hex>[0-9A-Fa-f]{2})"
    r"|\\(?P<octal>[0-7]{1,3})|\\?(?P<character>.))",
    re.DOTALL,
)
# The first and the last character that have another case.
_MIN_FOLD, _MAX_FOLD = 0x41, 0x1E943
# A library adds the other cases of a range character by character, so many take one unit.
_FOLDED_PER_UNIT = 24
# The size of any pattern, and of each of its groups.
_PATTERN_SIZE, _GROUP_SIZE = 16, 4


class PatternError(ValueError):
    """A pattern is not supported; the message describes what it must be."""


def pattern_size(pattern: str) -> int:
    """The size of a pattern, which memory and time of compiling it grow with.

    A pattern that is not compiled, because it exceeds another limit, is not expanded.
    """
    pattern = well_formed(pattern)
    if len(pattern) > MAX_PATTERN_LENGTH:
        return 1
    parts = list(_PART.finditer(pattern))
    measured = _measure(parts)
    if measured.most > MAX_REPEATS:
        return _size_of_source(pattern)
    groups = sum(part["open"] is not None for part in parts)
    return _size_of_source(pattern) + measured.parts + groups * _GROUP_SIZE


def _size_of_source(pattern: str) -> int:
    """The size of a pattern before its counts are expanded."""
    size = _PATTERN_SIZE + utf16_length(pattern)
    ignores_case = re.search(r"\(\?[imsU]*i", pattern)
    return size + _size_of_folding(pattern) if ignores_case else size


def _size_of_folding(pattern: str) -> int:
    """What a pattern with `(?i)` adds. Every hyphen counts as a range that begins at `A`."""
    size = utf16_length(pattern)
    for end in _RANGE_END.finditer(pattern):
        folded = min(_last_of_range(end), _MAX_FOLD) + 1 - _MIN_FOLD
        size += max(0, folded // _FOLDED_PER_UNIT)
    return size


def _last_of_range(end: re.Match[str]) -> int:
    if end["octal"]:
        return int(end["octal"], 8)
    return ord(end["character"]) if end["character"] else int(end["braced"] or end["hex"], 16)


def set_problem(size: int) -> str | None:
    """What is wrong with a flag set if its patterns are too large together."""
    if size <= MAX_SET_SIZE:
        return None
    return (
        f"the patterns of the flag set have the size {size} with all repetitions, "
        f"but at most {MAX_SET_SIZE} is possible"
    )


def compile_pattern(pattern: str, size_of_all: int) -> Search:
    """Returns a function that finds the pattern anywhere in a text. Raises PatternError.

    `size_of_all` is the size of all patterns of the flag or segment together.
    """
    pattern = well_formed(pattern)
    if len(pattern) > MAX_PATTERN_LENGTH:
        raise PatternError(f"must be a pattern of at most {MAX_PATTERN_LENGTH} characters")
    if size_of_all > MAX_SIZE:
        raise PatternError(
            "makes the patterns too large: with all repetitions, groups and ranges that ignore "
            f"case, the size of all together is more than {MAX_SIZE}"
        )
    parts = list(_PART.finditer(pattern))
    measured = _measure(parts)
    if measured.most > MAX_REPEATS:
        raise PatternError(
            f"must not repeat more than {MAX_REPEATS} times, multiplied through nesting"
        )
    find = _compile(pattern).search
    if any(map(_has_unfinished_name, parts)):
        raise PatternError("must be an RE2 pattern: invalid character class range: [:]")
    if any(map(_is_outside_subset, parts)):
        raise PatternError(r"must not use \C, \p, \P or a named group: engines differ in these")
    if any(part["escape"] == "B" for part in parts):
        return _counted(measured.length, lambda text: _find_between_characters(find, text))
    return _counted(measured.length, lambda text: find(text) is not None)


def _counted(length: int, search: Callable[[bytes], bool]) -> Search:
    """A search in the beginning of a text, with its work counted."""

    def count_and_search(text: str) -> bool:
        searched = _cut(text)
        add_work(utf16_length(searched) * length)
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
    last_length: int = 0
    length: int = 0
    # The same with groups and quantifiers.
    last_parts: int = 0
    parts: int = 0

    def close_into(self, outer: _Repeats) -> _Repeats:
        most = max(self.most, outer.most)
        length, parts = outer.length + self.length, outer.parts + self.parts + 1
        return _Repeats(self.most, most, self.length, length, self.parts + 1, parts)

    def repeat_last(self, count: int, is_range: bool) -> _Repeats:
        # Each repetition of `{n,m}` counts as a quantifier too, because it may be missing.
        last = self.last * count
        last_length, last_parts = self.last_length * count, (self.last_parts + is_range) * count
        length = self.length + last_length - self.last_length
        parts = self.parts + last_parts - self.last_parts
        return _Repeats(last, max(last, self.most), last_length, length, last_parts, parts)

    def add_item(self, length: int) -> _Repeats:
        return _Repeats(1, self.most, length, self.length + length, length, self.parts + length)

    def add_quantifier(self) -> _Repeats:
        return self._replace(last_parts=self.last_parts + 1, parts=self.parts + 1)


def _measure(parts: list[re.Match[str]]) -> _Repeats:
    """The highest product of nested counts `{n}`, `{n,}` and `{n,m}`, and what a pattern has after
    all counts are expanded."""
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
            count = max(int(part["most"] or part["least"]), 1)
            current = current.repeat_last(count, part["range"] is not None)
        elif part["quantifier"]:
            current = current.add_quantifier()
        elif not _is_transparent(part):
            for length in _item_lengths(part):
                current = current.add_item(length)
    while outer:
        current = current.close_into(outer.pop())
    return current


def _item_lengths(part: re.Match[str]) -> list[int]:
    """Outside a class, a character outside the basic plane is two items, as in JavaScript."""
    if part["quoted"] is not None:
        return [utf16_length(part["quoted"])]
    is_pair = part["set"] is None and ord(part[0][-1]) > 0xFFFF
    return [1, 1] if is_pair else [1]


def _is_transparent(part: re.Match[str]) -> bool:
    """Whether the part matches no character, so a count after it applies to the previous part."""
    return bool(part["flags"]) or part["quoted"] == ""
