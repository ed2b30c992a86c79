#!/bin/sh
# Every test in its short, seeded form. Homes under test lie in memory where there is room for them: thousands of
# synced writes would wait for a disk, and what survives a power cut is proved apart, on recorded operations.
set -eu
cd "$(dirname "$0")/.."
memory=/dev/shm
needed_kib=2097152
if [ -w "$memory" ] && [ "$(df --output=avail "$memory" | tail -n 1)" -gt "$needed_kib" ]; then
    PYTEST_DEBUG_TEMPROOT=$memory
    export PYTEST_DEBUG_TEMPROOT
fi
if [ $# -gt 0 ]; then
    exec .venv/bin/python -m pytest "$@"
fi
.venv/bin/python -m pytest --ignore tests/integration --ignore tests/browser
# whole systems apart from the rest, whose load would hold up their clocks; they mostly wait, so two at a time
exec .venv/bin/python -m pytest tests/integration tests/browser
