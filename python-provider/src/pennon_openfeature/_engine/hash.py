"""The one arithmetic that divides traffic. Frozen: users are bucketed by it."""

from __future__ import annotations

import mmh3

from .text import well_formed

DRAWS = 100_000

# The two independent draws of a subject.
WHICH_VARIANT = 0
WHETHER_ADMITTED = 1


def inner_seed(seed: str, draw_number: int) -> int:
    """The seed of one draw: made once, when a flag is compiled."""
    return _murmur3(seed, draw_number)


def draw(unit: str, seed: int) -> int:
    """A whole number from 0 to 99,999 that depends on the unit and the seed alone."""
    return _murmur3(unit, seed) * DRAWS >> 32


def _murmur3(text: str, seed: int) -> int:
    # mmh3 ends the interpreter on an unpaired surrogate: only well-formed text may reach it.
    return mmh3.hash(text if text.isascii() else well_formed(text), seed, False)
