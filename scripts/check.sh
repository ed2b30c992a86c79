#!/bin/sh
# Lint, formatting, types, import contracts and templates; each says its name, the first that fails ends it.
set -eu
cd "$(dirname "$0")/.."
step() { printf '== %s\n' "$1"; shift; "$@"; }
step "lint" .venv/bin/ruff check .
step "format" .venv/bin/ruff format --check .
step "types" .venv/bin/mypy
step "imports" .venv/bin/lint-imports
step "templates" .venv/bin/djlint --lint --quiet tbot_web/templates
