# The plain commands that these targets run are in README.md.
PYTHON ?= python3
PORT ?= 8501
python := .venv/bin/python

.PHONY: help run test check
.DELETE_ON_ERROR:

help:  ## show this list
	@echo "Usage: make TARGET [PORT=$(PORT)] [PYTHON=$(PYTHON)]"
	@sed -nE 's/^([a-z]+):.*## (.*)/  \1\t\2/p' Makefile

run: .venv/run.stamp  ## set up .venv and open the dashboard on PORT
	$(python) -m streamlit run app.py --server.port $(PORT)

test: .venv/dev.stamp  ## set up .venv and run every test
	$(python) -m pytest

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

$(python):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "Gatescope needs Python 3.11 or later, and '$(PYTHON)' is not one: try 'make PYTHON=python3.11 ...'." >&2; exit 1; }
	$(PYTHON) -m venv .venv
