"""A sign-in from a device that was not seen before is told of, once; the first is only remembered."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tbot_bot.control.known_devices import KnownDevices
from tests.unit.control.backstage import Backstage, furnished

FIREFOX, CURL = "Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0", "curl/8"


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Backstage]:
    made = furnished(tmp_path / "home")
    yield made
    made.foundation.close()


def sentences(home: Backstage) -> list[str]:
    return [event.sentence for one in home.foundation.record.outbox.newest(9) for event in one.events]


def test_another_device_or_address_is_told_of_once(home: Backstage) -> None:
    devices = home.foundation.known_devices
    for _ in range(2):
        devices.signed_in("Ada", FIREFOX, "192.0.2.7")
    assert sentences(home) == []
    for _ in range(2):
        devices.signed_in("Ada", CURL, "192.0.2.7")
        devices.signed_in("Ada", FIREFOX, "198.51.100.9")
        devices.signed_in("Bob", CURL, "198.51.100.9")
    assert len(sentences(home)) == 2
    assert "curl on unknown system at 192.0.2.7" in sentences(home)[0]
    assert "Firefox on Linux at 198.51.100.9" in sentences(home)[1]
    KnownDevices(home.foundation.record, home.foundation.notices).signed_in("Ada", CURL, "192.0.2.7")
    assert len(sentences(home)) == 2
