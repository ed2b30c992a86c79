"""From which devices people have signed in: a sign-in from another one is told of, once."""

from __future__ import annotations

import json
import threading

from tbot_bot.domain.notices import NoticeKind
from tbot_bot.identity.devices import describe_device
from tbot_bot.monitoring.notices import Notices
from tbot_bot.storage.control_store import ControlStore

#: The fact that holds them, the newest last, as (username, device, address).
_FACT = "known_devices"
_KEPT = 200


class KnownDevices:
    """A device is what its browser says of itself, at an address."""

    def __init__(self, record: ControlStore, notices: Notices) -> None:
        self._record = record
        self._notices = notices
        self._lock = threading.Lock()

    def signed_in(self, username: str, user_agent: str, address: str) -> None:
        """Someone signed in; a person's first device is their own and is only remembered."""
        device = [username, describe_device(user_agent), address]
        with self._lock:
            known: list[list[str]] = json.loads(self._record.fact(_FACT) or "[]")
            if device in known:
                return
            self._record.set_fact(_FACT, json.dumps([*known, device][-_KEPT:]))
        if any(name == username for name, *_ in known):
            self._notices.tell(
                NoticeKind.NEW_DEVICE,
                f"{username} signed in from a device that was not seen before: {device[1]} at {address}. If that was"
                " not you, change the password on the account page; it ends all other sessions.",
                {"user": username, "device": device[1], "address": address},
            )
