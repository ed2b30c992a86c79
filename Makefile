# The five commands of the house; each sets up what it needs by itself.
.PHONY: run test check bench soak setup setup-dev clean
PYTHON := .venv/bin/python

run: setup
	@exec $(PYTHON) -m tbot_bot.control.launch

test: setup-dev
	@exec scripts/test.sh

check: setup-dev
	@scripts/check.sh

bench: setup-dev
	@exec $(PYTHON) -m bench

soak: setup-dev
	@exec $(PYTHON) -m pytest --soak -m soak -n 0

setup:
	@scripts/setup.sh

setup-dev:
	@scripts/setup.sh dev

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache test-output
