"""Addresses that the system calls by itself: which may be configured, and which may be reached."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address
from urllib.parse import SplitResult, urlsplit

LENGTH_MAX = 2000
_LOOPBACK = "localhost"


def address_problem(url: str) -> str:
    """What is wrong with an address that is to be called, as the end of a sentence; empty if nothing is.

    It has to be https, or http on this machine; without a user name, a password or a fragment. None is fine.
    """
    if not url:
        return ""
    if len(url) > LENGTH_MAX or not url.isascii() or not url.isprintable() or " " in url:
        return f"must be an address of at most {LENGTH_MAX} plain characters"
    try:
        parts = urlsplit(url)
        is_whole = bool(parts.hostname) and parts.scheme in {"http", "https"} and parts.port != 0
    except ValueError:
        is_whole = False
    if not is_whole:
        return "must be an address like https://example.org/notices"
    return _part_problem(parts)


def _part_problem(parts: SplitResult) -> str:
    host = parts.hostname or ""
    if parts.username is not None or parts.password is not None or parts.fragment:
        return "must not hold a user name, a password or a #"
    if parts.scheme == "http" and not _is_this_machine(host):
        return "must begin with https:// unless it is on this machine"
    literal = _literal(host)
    return "must not be an address of the network itself" if literal is not None and is_forbidden(literal) else ""


def is_forbidden(address: IPv4Address | IPv6Address) -> bool:
    """Whether nothing of ours may be sent there: link-local (a cloud's metadata), multicast, unspecified, reserved."""
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    found = mapped or address
    if found.is_loopback:  # ::1 lies in a reserved block
        return False
    return found.is_link_local or found.is_multicast or found.is_unspecified or found.is_reserved


def must_be_loopback(parts: SplitResult) -> bool:
    """Whether the address is without encryption, which is allowed on this machine only."""
    return parts.scheme == "http"


def _is_this_machine(host: str) -> bool:
    literal = _literal(host)
    return host == _LOOPBACK if literal is None else literal.is_loopback


def _literal(host: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None
