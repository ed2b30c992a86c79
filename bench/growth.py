"""Pages and documents with a short and a long history of closed trades, asked in turns of two whole systems."""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from bench.measurement import Measurement, in_turns
from bench.memory import resident_mib
from bench.posting import HISTORY, TRADES_A_DAY
from bench.system import set_up, signed_in
from tests.browser.launched import Launched, launched
from tests.unit.web.pages import Browser

#: The addresses with their goals; `/status/` has none, for its plots grow with the sessions until they hold 400.
PATHS: dict[str, float | None] = {"/status/api": 1.5, "/status/": None, "/trades/": 1.5, "/trades/api": 1.5}


def main(*, quick: bool) -> list[Measurement]:
    """The median time of each address at both sizes, and the runner's memory."""
    sizes = (1_000, 100_000 if quick else 1_000_000)
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        systems = [stack.enter_context(with_history(Path(folder) / str(size), size)) for size in sizes]
        browsers = [stack.enter_context(signed_in(system)) for system in systems]
        found = [measure(path, goal, browsers, sizes) for path, goal in PATHS.items()]
        short, long = (resident_mib(system, "tbot_bot.control.main") for system in systems)
        found.append(
            ratio(f"runner's memory, {words(sizes)}", long / short, 1.2, f"{long:.0f} MiB", f"{short:.0f} MiB")
        )
    return found


@contextmanager
def with_history(home: Path, trades: int) -> Iterator[Launched]:
    """A system whose ledger already holds `trades` closed round trips."""
    with set_up(home):
        pass
    (path,) = home.glob("output/*/ledgers/LEDGER.db")
    with closing(sqlite3.connect(path)) as ledger, ledger:
        for statement in HISTORY:
            ledger.execute(statement, {"trades": trades, "a_day": TRADES_A_DAY} if ":trades" in statement else {})
    with launched(Launched(home)) as running:
        yield running


def measure(path: str, goal: float | None, browsers: list[Browser], sizes: tuple[int, int]) -> Measurement:
    """One address in turns of both systems."""

    def asking(browser: Browser) -> None:
        if browser.get(path, X_Poll="1").status_code != 200:
            raise RuntimeError(f"{path} was refused")

    works = [lambda browser=browser: asking(browser) for browser in browsers]
    in_turns(works, turns=5)
    short, long = in_turns(works, turns=100, each=5)
    return ratio(f"{path}, {words(sizes)}", long / short, goal, f"{long * 1000:.2f} ms", f"{short * 1000:.2f} ms")


def ratio(name: str, value: float, goal: float | None, ours: str, other: str) -> Measurement:
    return Measurement(name, value, "x", goal_max=goal, ours=ours, other=other)


def words(sizes: tuple[int, int]) -> str:
    return f"{sizes[1]:,} closed trades against {sizes[0]:,}"
