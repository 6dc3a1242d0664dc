"""Addresses of Dask processes, and who can reach them."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

ENCRYPTED = ("tls", "wss", "https", "inproc")
"""Schemes that nobody without a certificate (or outside the process) can use."""


def is_open(address: str) -> bool:
    """Tell whether an address can be reached from other machines without TLS.

    >>> is_open("tcp://192.0.2.1:8786"), is_open("tcp://127.0.0.1:8786")
    (True, False)
    >>> is_open("tls://192.0.2.1:8786"), is_open("inproc://192.0.2.1/8/1")
    (False, False)
    """
    parts = urlsplit(address)
    if parts.scheme in ENCRYPTED:
        return False
    host = parts.hostname or ""
    try:
        return not ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host != "localhost"
