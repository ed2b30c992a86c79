"""A browser without a screen: keeps cookies, finds the CSRF token, sends forms."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import httpx2

_TOKEN = re.compile(r'name="csrf_token" value="([^"]+)"')


class Browser:
    """One person's browser at one address."""

    def __init__(self, address: str, cookies: Mapping[str, str]) -> None:
        self.http = httpx2.Client(base_url=address, cookies=dict(cookies), trust_env=False, verify=False)

    def close(self) -> None:
        self.http.close()

    def get(self, path: str, **headers: str) -> httpx2.Response:
        return self.http.get(path, headers={name.replace("_", "-"): value for name, value in headers.items()})

    def poll(self, path: str) -> httpx2.Response:
        return self.get(path, X_Poll="1")

    def token(self, path: str) -> str:
        """The CSRF token of the form on a page."""
        found = _TOKEN.search(self.get(path).text)
        if found is None:
            raise AssertionError(f"no form on {path}")
        return found[1]

    def send(self, path: str, form: Mapping[str, str], *, seen_on: str) -> httpx2.Response:
        """Fill in the form that is on one page and send it."""
        return self.http.post(path, data={**form, "csrf_token": self.token(seen_on)})

    def post(self, path: str, form: Mapping[str, str] | None = None, **headers: str) -> httpx2.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.http.post(path, data=dict(form or {}), headers=named)

    def cookies(self) -> dict[str, Any]:
        return dict(self.http.cookies)
