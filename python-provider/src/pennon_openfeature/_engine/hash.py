"""Hash draws that divide traffic. Any change would move users to other variants."""

from __future__ import annotations

import mmh3

from .text import well_formed

DRAWS = 100_000

# The two independent draws of a subject: which variant it gets, and whether a rule admits it.
VARIANT_DRAW = 0
ADMISSION_DRAW = 1


def draw_seed(seed: str, which: int) -> int:
    """Hashes a seed for one of its two draws. Computed once, when a rule is compiled."""
    return _murmur3(seed, which)


def draw(bucketing_value: str, seed_of_draw: int) -> int:
    """A number from 0 to 99,999 that depends on the value and the seed only."""
    return _murmur3(bucketing_value, seed_of_draw) * DRAWS >> 32


def _murmur3(text: str, initial_hash: int) -> int:
    # mmh3 crashes the interpreter on unpaired surrogates.
    return mmh3.hash(text if text.isascii() else well_formed(text), initial_hash, False)
