# Two commands: `make demo` and `make test`. Both need Python 3.11+, pip and make, nothing else.
# Beside them: `make check` (lint, types), `make test-all` (every tier of tests), `make coverage`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

# One thread a process: the workers share the cores.
export OMP_NUM_THREADS := 1
PYTEST := $(BIN)/pytest -n 2 --durations=30

.PHONY: demo check test test-system test-statistics test-all coverage bench docs clean

demo: $(VENV)/.base
	$(BIN)/homines demo

check: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright
	$(BIN)/python .ci/house.py

test: $(VENV)/.dev
	$(PYTEST) --dist worksteal

# A module of these tiers shares one training, server or cluster: it stays with one worker.
test-system: $(VENV)/.dev
	$(PYTEST) --dist loadfile -m system

test-statistics: $(VENV)/.dev
	$(PYTEST) --dist worksteal -m statistics

test-all: test test-system test-statistics

# The fast tracer of Python counts branches from 3.14 on.
coverage: $(VENV)/.dev
	COVERAGE_CORE=$$($(BIN)/python -c 'import sys; print("sysmon" if sys.version_info >= (3, 14) else "ctrace")') \
	$(PYTEST) --dist worksteal --cov --cov-report=term:skip-covered


bench: $(VENV)/.bench
	$(BIN)/python bench/rl.py

docs: $(VENV)/.docs
	$(BIN)/python docs/build.py

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.base: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable .
	touch $@

$(VENV)/.dev: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1' # which knows [dependency-groups]
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --group dev --editable .
	touch $@

$(VENV)/.bench: $(VENV)/.dev
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --group dev --editable '.[bench]'
	touch $@

$(VENV)/.docs: pyproject.toml constraints.txt | $(VENV)/.base
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[docs]'
	touch $@

clean:
	rm -rf $(VENV) build dist .pytest_cache .ruff_cache .hypothesis .coverage
