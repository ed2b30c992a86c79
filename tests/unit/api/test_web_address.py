"""Which addresses the system may be told to call."""

from __future__ import annotations

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tbot_bot.api.web_address import address_problem, is_forbidden


@pytest.mark.parametrize(
    "url",
    [
        "",
        "https://example.org",
        "https://example.org:8443/a/b?c=d",
        "https://10.1.2.3/",
        "https://[fd00::1]/",
        "http://localhost:9000/x",
        "http://127.0.0.1/",
        "http://[::1]:8/",
    ],
)
def test_these_may_be_called(url: str) -> None:
    assert address_problem(url) == ""


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("example.org/x", "must be an address like"),
        ("https://", "must be an address like"),
        ("https://example.org:0/", "must be an address like"),
        ("https://example.org:99999/", "must be an address like"),
        ("https://[::1/", "must be an address like"),
        ("ftp://example.org/", "must be an address like"),
        ("file:///etc/passwd", "must be an address like"),
        ("http://example.org/", "must begin with https"),
        ("http://10.1.2.3/", "must begin with https"),
        ("http://localhost.example.org/", "must begin with https"),
        ("https://ada:swordfish@example.org/", "must not hold a user name"),
        ("https://example.org/#part", "must not hold"),
        ("https://169.254.169.254/latest/meta-data", "must not be an address of the network"),
        ("https://[::ffff:169.254.169.254]/", "must not be an address of the network"),
        ("https://[fe80::1]/", "must not be an address of the network"),
        ("https://0.0.0.0/", "must not be an address of the network"),
        ("https://224.0.0.1/", "must not be an address of the network"),
        ("https://example.org/a b", "plain characters"),
        ("https://example.org/\r\nHost: evil", "plain characters"),
        ("https://exämple.org/", "plain characters"),
        ("https://example.org/" + "x" * 2000, "plain characters"),
    ],
)
def test_these_may_not_and_it_is_said_why(url: str, why: str) -> None:
    assert why in address_problem(url)


@given(st.text())
def test_any_text_is_judged_without_an_error(text: str) -> None:
    assert isinstance(address_problem("https://" + text), str)


@pytest.mark.parametrize("address", ["::1", "127.0.0.1", "192.168.1.1", "93.184.216.34", "2606:4700::1111"])
def test_hosts_of_all_networks_may_be_reached(address: str) -> None:
    assert not is_forbidden(ip_address(address))
