"""Every address, with every method, in every state: what the phase table does not load is not there for anyone."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from pathlib import Path

import pytest
from flask import Flask
from werkzeug.routing import Rule
from werkzeug.test import Client

from tbot_bot.api.lifecycle import Phase, State
from tbot_bot.api.permissions import Role
from tbot_web.py.dispatch import Dispatcher
from tbot_web.py.portal_web_main import Portal, create_app
from tbot_web.support.home import Home
from tbot_web.support.wall_clock import WallClock
from tests.support.running import wait_for
from tests.unit.web.canned import RUNNER_GONE, SETUP_SESSION, CannedRunner
from tests.unit.web.conftest import free_port

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
#: What belongs to which phase, written down here once more, apart from the code.
STATES = {
    Phase.CONFIGURATION: ("initialize", "provisioning", "bootstrapping"),
    Phase.REGISTRATION: ("registration",),
    Phase.MAIN: ("started", "idle", "analyzing", "trading", "monitoring", "updating", "stopped"),
    Phase.CLOSING: ("graceful_closing_positions", "emergency_closing_positions"),
    Phase.ERROR: ("shutdown_triggered", "shutdown", "error"),
}
ALL = frozenset(Phase)
ONCE_AN_ADMIN_EXISTS = frozenset({Phase.MAIN, Phase.CLOSING, Phase.ERROR})
SETTING_UP = frozenset({Phase.CONFIGURATION, Phase.REGISTRATION})
#: The longest beginning decides; what none names is a page of the console and loaded in the main phase alone.
LOADED = {
    "GET /": ALL,
    "/static/": ALL,
    "/healthz": ALL,
    "/readyz": ALL,
    "/login": ONCE_AN_ADMIN_EXISTS,
    "/logout": ONCE_AN_ADMIN_EXISTS,
    "/lock": ONCE_AN_ADMIN_EXISTS,
    "/extend": frozenset({Phase.MAIN, Phase.CLOSING}),
    "GET /configuration": SETTING_UP | {Phase.MAIN, Phase.CLOSING},
    "POST /configuration": frozenset({Phase.CONFIGURATION}),
    "GET /configuration/api": frozenset({Phase.MAIN, Phase.CLOSING}),
    "PUT /configuration/api": frozenset({Phase.MAIN}),
    "/configuration/api/smtp/test": frozenset({Phase.MAIN}),
    "/configuration/rotate": frozenset({Phase.MAIN}),
    "/configuration/smtp": frozenset({Phase.MAIN}),
    "/configuration/wait": frozenset({Phase.CONFIGURATION}),
    "/configuration/retry": frozenset({Phase.CONFIGURATION}),
    "/configuration/token": SETTING_UP,
    "/configuration/api/progress": SETTING_UP,
    "/register": frozenset({Phase.REGISTRATION}),
    "/password_reset": frozenset({Phase.REGISTRATION, Phase.MAIN}),
    "/status": frozenset({Phase.MAIN, Phase.CLOSING}),
    "/logs": frozenset({Phase.MAIN, Phase.CLOSING}),
    "/control": ONCE_AN_ADMIN_EXISTS,
    "/control/strategies": frozenset({Phase.MAIN}),
    "/control/api/strategies": frozenset({Phase.MAIN}),
    "/backups": frozenset({Phase.MAIN, Phase.ERROR}),
    "/backups/make": frozenset({Phase.MAIN}),
    "/backups/purge": frozenset({Phase.MAIN}),
    "/backups/api/make": frozenset({Phase.MAIN}),
    "/backups/api/purge": frozenset({Phase.MAIN}),
    "/recovery": frozenset({Phase.ERROR}),
}
#: Values for the variable parts of addresses; any other part is a plain word.
PARTS = {"category": "smtp", "act": "pause", "filename": "css/tokens.css", "seq": 7, "person": 1, "kind": "reset"}
CALLERS = ("nobody", "setup", *Role)
#: A method, an address, and the methods that the address takes in each phase that has it.
Asked = tuple[str, str, dict[Phase, set[str]]]


def test_the_table_of_states_names_each_once() -> None:
    assert sorted(name for names in STATES.values() for name in names) == sorted(State)


@pytest.fixture(scope="module")
def runner(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CannedRunner]:
    canned = CannedRunner(tmp_path_factory.mktemp("home"), WallClock())
    canned.publish("idle")
    canned.start()
    yield canned
    canned.stop()


@pytest.fixture(scope="module")
def portal(runner: CannedRunner) -> Iterator[Portal]:
    made = Portal.of(Home(runner.root), WallClock())
    yield made
    made.runner.close()


@pytest.fixture(scope="module")
def dispatcher(portal: Portal) -> Dispatcher:
    return Dispatcher(portal)


@pytest.fixture(scope="module")
def addresses(portal: Portal) -> list[Asked]:
    return list(every_address(portal))


@pytest.mark.parametrize("phase", Phase)
@pytest.mark.parametrize("caller", CALLERS)
def test_an_address_exists_exactly_where_the_table_loads_it(
    runner: CannedRunner, dispatcher: Dispatcher, addresses: list[Asked], phase: Phase, caller: str
) -> None:
    client, everything = browser(runner, dispatcher, caller), caller == "nobody"
    wrong = []
    for state in STATES[phase] if everything else STATES[phase][:1]:
        runner.publish(state)
        for method, address, taken in addresses:
            allowed = taken.get(phase, frozenset())
            if not everything and method not in allowed:
                continue
            status = asked(client, method, address)
            loaded = phase in loaded_in(method if method in allowed else "GET", address)
            if (status == 404) is loaded or (status == 405) is not (loaded and method not in allowed):
                wrong.append(f"{state}: {method} {address} answers {status}, loaded: {loaded}")
    assert not wrong, "\n".join(wrong)


def test_every_worker_and_thread_follows_a_change_at_once(runner: CannedRunner, tmp_path: Path) -> None:
    port = free_port()
    with (tmp_path / "web.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "tbot_web.py.run_web", "--workers", "2"],
            env=os.environ | {"TBOT_HOME": str(runner.root), "TBOT_WEB_PORT": str(port)},
            stdin=subprocess.PIPE,
            stderr=log,
        )
    try:
        wait_for(lambda: answered(port, "/readyz") == 200)
        with ThreadPoolExecutor(16) as pool:
            for state in ("registration", "idle", "error", "initialize", "emergency_closing_positions", "stopped"):
                phase = next(phase for phase, states in STATES.items() if state in states)
                probes = ["/register", "/login", "/trades/", "/status/", "/configuration/wait"] * 16
                runner.publish(state)
                found = pool.map(lambda address: (address, answered(port, address)), probes)
                wrong = {(a, s) for a, s in found if (s == 404) is (phase in loaded_in("GET", a))}
                assert not wrong, f"{state}: {wrong}"
    finally:
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(20) == 0
    booted = [line for line in (tmp_path / "web.log").read_text().splitlines() if "Booting worker" in line]
    assert len(booted) == 2


@RUNNER_GONE
def test_without_a_published_state_nothing_is_open(
    runner: CannedRunner, dispatcher: Dispatcher, addresses: list[Asked]
) -> None:
    runner.stop()
    (runner.root / "control" / "bot_state.txt").unlink()
    client = browser(runner, dispatcher, Role.ADMIN)
    for method, address, _ in addresses:
        status = asked(client, method, address)
        core = loaded_in("GET", address) == ALL and address != "/"
        # what needs a phase is not there; a change without a token is refused before it is looked at
        refused = {404, 503} if method == "GET" else {400, 404, 503}
        assert status in refused or core, f"{method} {address} answers {status}"


def asked(client: Client, method: str, address: str) -> int:
    """The status of the answer, read to its end."""
    answer = client.open(address, method=method)
    answer.close()
    return answer.status_code


def answered(port: int, address: str) -> int | None:
    """The status that a new connection gets; None without one."""
    connection = HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request("GET", address)
        return connection.getresponse().status
    except OSError:
        return None
    finally:
        connection.close()


def browser(runner: CannedRunner, dispatcher: Dispatcher, caller: str) -> Client:
    """Someone's browser, in this process."""
    client = Client(dispatcher)
    if caller == "setup":
        client.set_cookie("tbot_setup", SETUP_SESSION)
    elif caller != "nobody":
        client.set_cookie("tbot_session", runner.sign_in(Role(caller)))
    return client


def loaded_in(method: str, address: str) -> frozenset[Phase]:
    """The phases that the table loads an address in."""
    if address == "/":
        return LOADED["GET /"]
    named = [name for name in LOADED if name != "GET /" and begins(name, method, address)]
    return LOADED[max(named, key=lambda name: len(name.rpartition(" ")[2]))] if named else frozenset({Phase.MAIN})


def begins(name: str, method: str, address: str) -> bool:
    asked, _, beginning = name.rpartition(" ")
    return (not asked or asked == method) and (address + "/").startswith(beginning.rstrip("/") + "/")


def every_address(portal: Portal) -> Iterator[Asked]:
    """Every method on every address of every phase's application, with the methods that the address takes."""
    allowed: dict[str, dict[Phase, set[str]]] = {}
    for phase in Phase:
        app = create_app(phase, portal)
        for rule in app.url_map.iter_rules():
            methods = allowed.setdefault(address_of(app, rule), {}).setdefault(phase, set())
            methods.update(rule.methods or ())
    for address, taken in sorted(allowed.items()):
        yield from ((method, address, taken) for method in METHODS)


def address_of(app: Flask, rule: Rule) -> str:
    values = {name: PARTS.get(name, "something") for name in rule.arguments}
    built = app.url_map.bind("127.0.0.1").build(rule.endpoint, values, append_unknown=False)
    return str(built)
