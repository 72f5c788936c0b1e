"""Removes the content coding of a response."""

from __future__ import annotations

import zlib

from ._errors import SyncError

# The largest flag set that a server can have, and its envelope. A compressed body may be far larger
# than it looks.
MAX_BYTES = 257 * 1_048_576


def decode(body: bytes, coding: str) -> bytes:
    """Returns a body without its coding. Raises SyncError if it is too large or not valid."""
    if coding == "identity":
        return body
    if coding != "gzip":
        raise SyncError(f'the response has the coding "{coding}", which was not requested')
    decoder = zlib.decompressobj(zlib.MAX_WBITS | 16)
    try:
        decoded = decoder.decompress(body, MAX_BYTES + 1)
    except zlib.error as error:
        raise SyncError("the response is not valid gzip") from error
    if len(decoded) > MAX_BYTES:
        raise SyncError(f"the response has more than {MAX_BYTES} bytes after decompression")
    if not decoder.eof:
        raise SyncError("the response has ended too early")
    return decoded
