# `make demo` and `make test` need nothing before them but Python 3.10 or later, a C++ compiler and git.
PYTHON ?= python3
RUN := .venv/bin/python

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-all docs lint format clean

help:  ## list these targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup:  ## make .venv ready; does nothing if it is
	@$(PYTHON) tools/dev/setup_venv.py

demo: setup  ## train, evaluate and draw a small detector on the embedded dataset
	@$(RUN) tools/demo.py

test: setup lint  ## lint, then the everyday tests
	@$(RUN) -m pytest

test-all: test  ## the same, then the slow tests
	@$(RUN) -m pytest -m slow

docs: setup  ## build the documentation, docs/_build/html
	@$(RUN) -m pip install --quiet --disable-pip-version-check \
		-c requirements/constraints.txt -r requirements/docs.txt
	@$(RUN) -m sphinx -W --keep-going -q -b html docs docs/_build/html
	@echo 'Wrote docs/_build/html/index.html'

lint: setup  ## ruff, mypy and the table of models, check only
	@$(RUN) -m ruff check .
	@$(RUN) -m ruff format --check .
	@$(RUN) -m mypy
	@$(RUN) tools/dev/model_zoo.py --check

format: setup  ## ruff, mend what it can
	@$(RUN) -m ruff check --fix .
	@$(RUN) -m ruff format .

clean:  ## remove .venv and caches; never data or work_dirs
	@rm -rf .venv .pytest_cache .ruff_cache .mypy_cache .hypothesis *.egg-info build dist docs/_build
