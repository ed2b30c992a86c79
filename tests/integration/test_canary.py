"""A secret that is typed in lies nowhere afterwards but encrypted: not in a file, an answer, an argument or a log."""

from __future__ import annotations

import base64
import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import psutil
import pytest

from tbot_bot.api.lifecycle import Phase
from tbot_web.py.portal_web_main import Portal, create_app
from tbot_web.support.home import Home
from tbot_web.support.wall_clock import WallClock
from tests.browser.launched import Launched
from tests.browser.launched import launched as kept_up
from tests.integration.homes import TRADING, all_gone, processes_of
from tests.integration.test_phase_matrix import address_of
from tests.support.canary import forms_of, found_below, found_in
from tests.support.running import wait_for
from tests.unit.web.pages import Browser

MAIL_PASSWORD = "canary: mäil & sunflower/73?"
PASSWORD = "canary: seven quiet herons & ö/11?"
SECRETS = {"the mail password": MAIL_PASSWORD, "the administrator's password": PASSWORD}
MAIL = {"SMTP_HOST": "mail.example.org", "SMTP_FROM": "bot@example.org", "SMTP_USER": "bot"}
PERSON = {"username": "ada", "email": "ada@example.org"}


class Seen:
    """Everything that came back over HTTP."""

    def __init__(self, browser: Browser) -> None:
        self.bytes: dict[str, bytes] = {}
        browser.http.event_hooks["response"].append(self._note)

    def _note(self, response: object) -> None:
        response.read()  # type: ignore[attr-defined] # a response of the client's own
        head = "\n".join(f"{name}: {value}" for name, value in response.headers.items())  # type: ignore[attr-defined] # as above
        self.bytes[f"{len(self.bytes)} {response.url}"] = head.encode() + response.content  # type: ignore[attr-defined] # as above

    def leaks(self) -> list[str]:
        return [f"{url}: {one}" for url, data in self.bytes.items() for one in found_in(data, SECRETS)]


def set_up(running: Launched, browser: Browser) -> None:
    """Type both secrets, wrongly first, and sign in."""
    browser.http.follow_redirects = True
    browser.get(running.setup_address())
    wrong = {**MAIL, "SMTP_PASSWORD": MAIL_PASSWORD, "SIM_SPEED": "fast"}
    assert browser.send("/configuration", wrong, seen_on="/configuration").status_code == 400
    right = {**MAIL, "SMTP_PASSWORD": MAIL_PASSWORD, "SIM_SPEED": "1800"}
    assert browser.send("/configuration", right, seen_on="/configuration").status_code == 200
    wait_for(lambda: browser.get("/register").status_code == 200, 60)
    typed = {**PERSON, "password": PASSWORD, "confirm_password": PASSWORD + "!"}
    assert browser.send("/register", typed, seen_on="/register").status_code == 422
    typed["confirm_password"] = PASSWORD
    assert browser.send("/register", typed, seen_on="/register").status_code == 200
    refused = {"username": "ada", "password": PASSWORD + "?"}
    assert browser.send("/login", refused, seen_on="/login").status_code != 200
    assert browser.send("/login", {"username": "ada", "password": PASSWORD}, seen_on="/login").status_code == 200


def addresses(root: Path) -> Iterator[str]:
    """Every address that takes GET in the main phase."""
    app = create_app(Phase.MAIN, Portal.of(Home.from_environment({"TBOT_HOME": str(root)}), WallClock(), "127.0.0.1"))
    for rule in app.url_map.iter_rules():
        if "GET" in (rule.methods or ()) and not rule.rule.startswith("/static/"):
            yield address_of(app, rule)


def in_processes(root: Path) -> list[str]:
    """Secrets in the arguments and environments of a home's processes."""
    found = []
    for name, process in processes_of(root).items():
        found += [f"{name}: {one}" for one in found_in("\0".join(process.cmdline()).encode(), SECRETS)]
        with suppress(psutil.AccessDenied):  # closed to all but root
            found += [f"{name}: {one}" for one in found_in(str(process.environ()).encode(), SECRETS)]
    return found


def test_a_secret_lies_nowhere_but_encrypted(tmp_path: Path) -> None:
    root = tmp_path / "home"
    with kept_up(Launched(root)) as running, closing(Browser(running.base, {})) as browser:
        running.ready()
        seen = Seen(browser)
        set_up(running, browser)
        token = browser.token("/control/confirm/start")
        browser.http.post("/control/api/start", json={}, headers={"X-CSRFToken": token}).raise_for_status()
        wait_for(lambda: (root / "control/bot_state.txt").read_text().strip() in TRADING, 60)
        asked = sorted(set(addresses(root)))
        for address in asked:
            browser.get(address)
        processes = processes_of(root)
        assert {"launcher", "runner", "web", "web worker", "bot", "venue"} <= processes.keys()
        for name in ("runner", "web", "web worker", "bot"):
            limits = Path(f"/proc/{processes[name].pid}/limits").read_text()
            assert [line.split()[4:6] for line in limits.splitlines() if "core file" in line] == [["0", "0"]], name
        assert in_processes(root) == []
        assert list(found_below(root, SECRETS)) == []
    all_gone(root)
    assert len(asked) > 20
    assert len(seen.bytes) > len(asked)
    assert seen.leaks() == []
    assert list(found_below(root, SECRETS)) == []
    assert found_in("\n".join(running.lines).encode(), SECRETS) == []
    encrypted = [path for path in root.rglob("*.json.enc") if path.name.startswith("smtp")]
    assert encrypted, "the mail password was saved"


@pytest.mark.parametrize("form", forms_of(PASSWORD))
def test_a_planted_copy_is_found(tmp_path: Path, form: str) -> None:
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs/runner.log").write_bytes(b"before " + forms_of(PASSWORD)[form] + b" after")
    assert list(found_below(tmp_path, {"it": PASSWORD}))


@pytest.mark.parametrize("before", ["", "a", "ab"])
def test_a_copy_inside_something_encoded_is_found(before: str) -> None:
    data = base64.b64encode(f"{before}{PASSWORD} and more".encode())
    assert found_in(data, {"it": PASSWORD})


def test_a_copy_in_a_database_not_yet_written_back_is_found(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "a.db")) as database:
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("CREATE TABLE t (x TEXT)")
        database.execute("INSERT INTO t VALUES (?)", (PASSWORD,))
        database.commit()
        assert "a.db-wal: it as it is" in list(found_below(tmp_path, {"it": PASSWORD}))
