"""Text as code points, and numbers as text."""

from __future__ import annotations

from decimal import Decimal

from .values import MAX_EXACT_INTEGER


def well_formed(text: str) -> str:
    """The text with surrogate pairs joined and unpaired surrogates replaced by U+FFFD."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def number_text(number: float) -> str:
    """A finite double as ECMAScript converts it to text: 1.0 is `1`, 1e-7 is `1e-7`."""
    if number == int(number) and -MAX_EXACT_INTEGER <= number <= MAX_EXACT_INTEGER:
        return str(int(number))
    sign = "-" if number < 0 else ""
    # repr and ECMAScript choose the same digits; only the notation differs.
    _, digits, exponent = Decimal(repr(abs(number))).normalize().as_tuple()
    assert isinstance(exponent, int)
    return sign + _notation("".join(map(str, digits)), exponent)


def _notation(digits: str, exponent: int) -> str:
    point = len(digits) + exponent
    if len(digits) <= point <= 21:
        return digits + "0" * exponent
    if 0 < point <= 21:
        return f"{digits[:point]}.{digits[point:]}"
    if -6 < point <= 0:
        return f"0.{'0' * -point}{digits}"
    fraction = f".{digits[1:]}" if len(digits) > 1 else ""
    return f"{digits[0]}{fraction}e{point - 1:+d}"
