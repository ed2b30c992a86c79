#!/bin/sh
# Makes .venv hold exactly the locked packages: `setup.sh` to run, `setup.sh dev` to test and check as well.
# A second call with nothing changed takes no time and needs no network.
set -eu
cd "$(dirname "$0")/.."
kind=${1:-run}
lock=requirements.txt
[ "$kind" = dev ] && lock=requirements-dev.txt

fail() { printf 'Set-up cannot go on: %s\n' "$1" >&2; exit 1; }

python=
for candidate in python3 python3.13 python3.12 python3.11; do
    if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
        python=$candidate
        break
    fi
done
[ -n "$python" ] || fail "Python 3.11 or newer is missing. On Debian: apt-get install python3 python3-venv"

digest_of() { cat "$1" scripts/requirements-uv.txt | sha256sum | cut -d' ' -f1; }
stamp=.venv/.locked
have=$(cat "$stamp" 2>/dev/null || true)
wanted="$kind $(digest_of "$lock")"
# the packages for tests contain those for running
if [ "$have" != "$wanted" ] && ! { [ "$kind" = run ] && [ "$have" = "dev $(digest_of requirements-dev.txt)" ]; }; then
    printf 'Setting up: locked packages into .venv (%s)\n' "$lock" >&2
    if ! .venv/bin/python -m pip --version >/dev/null 2>&1 && ! "$python" -m venv .venv; then
        rm -rf .venv
        if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
            apt-get update -qq && apt-get install -y -qq python3-venv >/dev/null || fail "python3-venv could not be installed."
            "$python" -m venv .venv || fail "a virtual environment could not be made."
        else
            fail "a virtual environment could not be made. On Debian: apt-get install python3-venv"
        fi
    fi
    .venv/bin/python -m pip install -q --disable-pip-version-check --require-hashes -r scripts/requirements-uv.txt ||
        fail "the installer could not be fetched. Is the package index reachable?"
    .venv/bin/uv pip sync -q --require-hashes --python .venv/bin/python "$lock" scripts/requirements-uv.txt ||
        fail "the locked packages could not be installed. Is the package index reachable?"
    printf '%s\n' "$wanted" > "$stamp"
fi

if [ "$kind" = dev ] && ! command -v chromium >/dev/null; then
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        printf 'Setting up: Chromium for the browser tests\n' >&2
        apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium fonts-dejavu-core >/dev/null ||
            fail "Chromium could not be installed. Install it as /usr/bin/chromium and try again."
    else
        fail "Chromium is missing for the browser tests. On Debian, as root: apt-get install chromium"
    fi
fi
