"""`python -m bench [--quick] [--write] [name …]`: runs the benchmarks and prints one table."""

from __future__ import annotations

import argparse
import os
import platform
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from bench import audit, change, first_run, growth, latency, memory, posting, rotation, status_rate, strategies
from bench.measurement import Measurement

DOCUMENT = Path(__file__).resolve().parents[1] / "docs" / "measurements.md"
BEGIN, END = "<!-- benchmarks: written by `make bench` -->\n", "<!-- end of benchmarks -->\n"
HEAD = ("What", "Ours", "Other side", "Ratio", "Goal", "Met")
QUICK_SIZES = (1_000, 10_000)


def post(*, quick: bool) -> list[Measurement]:
    """The ledger's own benchmark."""
    return posting.main(QUICK_SIZES if quick else posting.SIZES)


BENCHMARKS: dict[str, Callable[..., list[Measurement]]] = {
    "first-run": first_run.main,
    "status": status_rate.main,
    "growth": growth.main,
    "posting": post,
    "memory": memory.main,
    "strategies": strategies.main,
    "latency": latency.main,
    "audit": audit.main,
    "rotation": rotation.main,
    "change": change.main,
}


def main(arguments: Sequence[str]) -> int:
    """Run what was named, or everything; 1 when a goal was missed."""
    options = argparse.ArgumentParser(prog="bench", description=__doc__)
    options.add_argument("names", nargs="*", metavar="name", help=f"one of {', '.join(BENCHMARKS)}; all if none")
    options.add_argument("--quick", action="store_true", help="smaller counts, no clone")
    options.add_argument("--write", action="store_true", help=f"keep the figures in {DOCUMENT.name}")
    chosen = options.parse_args(arguments)
    if unknown := set(chosen.names) - BENCHMARKS.keys():
        options.error(f"there is no benchmark {', '.join(sorted(unknown))}")
    found: list[Measurement] = []
    for name in chosen.names or BENCHMARKS:
        print(f"{name} …", file=sys.stderr, flush=True)
        found += BENCHMARKS[name](quick=chosen.quick)
    rows = [row(one) for one in found]
    print(aligned(rows))
    if chosen.write:
        write(rows)
    return 0 if all(one.is_met for one in found) else 1


def row(found: Measurement) -> tuple[str, ...]:
    """A line of the table."""
    value = f"{found.value:,.2f}" if found.value < 100 else f"{found.value:,.0f}"
    is_ratio = found.unit == "x"
    separator = "" if found.unit.startswith("/") else " "
    ours = found.ours if is_ratio else f"{value}{separator}{found.unit}"
    met = ("yes" if found.is_met else "NO") if found.goal else ""
    return (found.name, ours, found.other, value if is_ratio else "", found.goal, met)


def aligned(rows: Sequence[tuple[str, ...]]) -> str:
    """The table for a terminal."""
    widths = [max(len(row[column]) for row in [HEAD, *rows]) for column in range(len(HEAD))]
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in [HEAD, *rows])


def write(rows: Sequence[tuple[str, ...]]) -> None:
    """Replace the table in the document, which says what it was measured on."""
    lines = [f"| {' | '.join(row)} |" for row in [HEAD, ("---",) * len(HEAD), *rows]]
    table = f"{BEGIN}\nMeasured on {machine()}.\n\n" + "\n".join(lines) + f"\n\n{END}"
    text = DOCUMENT.read_text()
    DOCUMENT.write_text(re.sub(f"{re.escape(BEGIN)}.*{re.escape(END)}", lambda _: table, text, flags=re.DOTALL))


def machine() -> str:
    """Cores, system and Python, without a date or a name."""
    system = platform.freedesktop_os_release()
    version = ".".join(platform.python_version_tuple()[:2])
    name = f"{system['NAME'].split()[0]} {system.get('VERSION_ID', '')}".strip()
    return f"{os.cpu_count()} cores, {name}, Python {version}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
