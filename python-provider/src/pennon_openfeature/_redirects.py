"""Redirects within the origin of the server. Others are errors: the key is for one origin."""

from __future__ import annotations

from string import punctuation
from urllib.parse import SplitResult, quote, urljoin, urlsplit

from ._errors import SyncError

REDIRECTS = frozenset({301, 302, 303, 307, 308})
MAX_REDIRECTS = 5

_PORTS = {"http": 80, "https": 443}


def redirected_path(url: str, location: str | None, status: int) -> str:
    """The path to request next. Raises SyncError for a redirect to another origin."""
    source = urlsplit(url)
    target = _parse(url, location)
    if target is None:
        message = f"{_shown(source)} redirects to an address that is missing, malformed or not HTTP"
        raise _redirect_error(message, status)
    if _origin(target) == _origin(source):
        return (target.path or "/") + (f"?{target.query}" if target.query else "")
    message = f"{_shown(source)} redirects to {_shown(target)}"
    raise _redirect_error(message, status, _url_of(target))


def too_many_redirects(url: str, status: int) -> SyncError:
    return _redirect_error(f"{_shown(urlsplit(url))} redirects more than 5 times", status)


def _parse(url: str, location: str | None) -> SplitResult | None:
    """The target, or None if it is malformed or not an address of HTTP."""
    if location is None:
        return None
    # Spaces, control characters and bytes that are not ASCII belong into no request and no log.
    encoded = quote(location, safe=punctuation, encoding="latin-1", errors="replace")
    try:
        target = urlsplit(urljoin(url, encoded))
        # The port is validated on access, not by urlsplit.
        is_usable = target.scheme in _PORTS and bool(target.hostname) and target.port != 0
    except ValueError:
        return None
    return target if is_usable else None


def _origin(url: SplitResult) -> tuple[str, str | None, int | None]:
    return (url.scheme, url.hostname, url.port or _PORTS.get(url.scheme))


def _shown(url: SplitResult) -> str:
    """Without the query and credentials, which may be secret."""
    return f"{url.scheme}://{url.netloc.rpartition('@')[2]}{url.path}"


def _url_of(target: SplitResult) -> str:
    """The option `url` for which the request would have had this address."""
    base, route, _ = _shown(target).partition("/api/v1/")
    return f'"{base}"' if route else "the address of the Pennon server"


def _redirect_error(
    message: str, status: int, url: str = "the address of the Pennon server"
) -> SyncError:
    return SyncError(f"{message}: set url to {url}", status=status)
