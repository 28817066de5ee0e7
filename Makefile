# The plain commands that these targets run are in README.md.
PYTHON ?= python3
PORT ?= 8501
python := .venv/bin/python
# These take the longest by far and no file of them shares what it makes, so two workers take whichever is next.
browser := tests/browser

.PHONY: help run test test-oldest check
.DELETE_ON_ERROR:

help:  ## show this list
	@echo "Usage: make TARGET [PORT=$(PORT)] [PYTHON=$(PYTHON)]"
	@sed -nE 's/^([a-z-]+):.*## (.*)/  \1\t\2/p' Makefile

run: .venv/run.stamp  ## set up .venv and open the dashboard on PORT
	$(python) -m attention serve --port $(PORT)

test: .venv/dev.stamp  ## set up .venv and run every test
	$(python) -m pytest -n 2 --dist loadfile --no-loadscope-reorder --ignore $(browser)
	$(python) -m pytest -n 2 --dist worksteal $(browser)

test-oldest: .venv-oldest/stamp  ## set up .venv-oldest with the oldest releases allowed and run every test there
	.venv-oldest/bin/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder --ignore $(browser)
	.venv-oldest/bin/python -m pytest -n 2 --dist worksteal $(browser)

check: .venv/dev.stamp  ## format, lint, types, architecture
	$(python) -m ruff format --check .
	$(python) -m ruff check .
	$(python) -m mypy
	$(python) -m pytest -q tests/test_architecture.py

.venv/run.stamp: requirements.txt | $(python)
	$(python) -m pip install -r requirements.txt
	@touch $@

.venv/dev.stamp: requirements.txt requirements-dev.txt | $(python)
	$(python) -m pip install -r requirements-dev.txt
	@touch .venv/run.stamp $@

.venv-oldest/stamp: requirements.txt requirements-dev.txt
	$(PYTHON) -m venv .venv-oldest
	sed 's/>=\([^,]*\),.*/==\1/' requirements.txt | sort -u > .venv-oldest/requirements.txt
	sed '/^-r/d; /^ruff/d; /^mypy/d' requirements-dev.txt > .venv-oldest/requirements-dev.txt
	.venv-oldest/bin/python -m pip install -r .venv-oldest/requirements.txt -r .venv-oldest/requirements-dev.txt \
	  -r requirements-ray.txt
	@touch $@

$(python):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "Gatescope needs Python 3.11 or later, and '$(PYTHON)' is not one: try 'make PYTHON=python3.11 ...'." >&2; exit 1; }
	$(PYTHON) -m venv .venv
