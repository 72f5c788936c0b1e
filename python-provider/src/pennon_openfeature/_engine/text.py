"""Text as every engine sees it: code points, an unpaired surrogate counting as U+FFFD."""

from __future__ import annotations

from decimal import Decimal

from .values import EXACT


def well_formed(text: str) -> str:
    """The text with each unpaired surrogate replaced by U+FFFD and each pair joined."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def number_text(number: float) -> str:
    """A finite double as ECMAScript's Number-to-String writes it: 1.0 is `1`, 1e-7 is `1e-7`."""
    if number == int(number) and -EXACT <= number <= EXACT:
        return str(int(number))
    sign = "-" if number < 0 else ""
    # repr gives the same shortest digits as ECMAScript; only their layout differs.
    _, digit_list, exponent = Decimal(repr(abs(number))).normalize().as_tuple()
    assert isinstance(exponent, int)
    return sign + _laid_out("".join(map(str, digit_list)), exponent)


def _laid_out(digits: str, exponent: int) -> str:
    point = len(digits) + exponent
    if len(digits) <= point <= 21:
        return digits + "0" * exponent
    if 0 < point <= 21:
        return f"{digits[:point]}.{digits[point:]}"
    if -6 < point <= 0:
        return f"0.{'0' * -point}{digits}"
    fraction = f".{digits[1:]}" if len(digits) > 1 else ""
    return f"{digits[0]}{fraction}e{point - 1:+d}"
