# `make demo` and `make test` need only Python 3.10 or newer, a C++ compiler and git.
# STACK=onedl uses the maintained forks of MMDetection, MMCV and MMEngine, in an environment of their own.
PYTHON ?= python3
STACK ?= openmmlab
VENV_openmmlab := .venv
VENV_onedl := .venv-onedl
RUN := $(VENV_$(STACK))/bin/python
# Not `.`: a clone may hold its user's projects.
CODE := alrp alrp_mmdet benchmarks configs docs tests tools setup.py

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-all docs lint format clean

help:  ## list these targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup:  ## prepare .venv; does nothing if it is up to date
	@$(PYTHON) tools/dev/setup_venv.py $(STACK)

demo: setup  ## train, evaluate and draw a small detector on the generated shapes dataset
	@$(RUN) tools/demo.py

test: setup lint  ## lint, then the everyday tests
	@OMP_NUM_THREADS=1 $(RUN) -m pytest -n auto --maxprocesses 8 --dist worksteal

test-all: test  ## make test, then the slow tests
	@OMP_NUM_THREADS=1 $(RUN) -m pytest -n auto --maxprocesses 8 --dist worksteal -m slow

docs: setup  ## build the documentation, docs/_build/html
	@$(RUN) -m pip install --quiet --disable-pip-version-check \
		-c requirements/constraints-shared.txt -r requirements/docs.txt
	@$(RUN) -m sphinx -W --keep-going -q -b html docs docs/_build/html
	@echo 'Wrote docs/_build/html/index.html'

lint: setup  ## ruff, mypy, the tables of models and results, check only
	@$(RUN) -m ruff check $(CODE)
	@$(RUN) -m ruff format --check $(CODE)
	@$(RUN) -m mypy
	@$(RUN) tools/dev/model_zoo.py --check
	@$(RUN) benchmarks/accuracy report --check

format: setup  ## apply the automatic fixes of ruff
	@$(RUN) -m ruff check --fix $(CODE)
	@$(RUN) -m ruff format $(CODE)

clean:  ## remove environments and caches; keeps data and work_dirs
	@rm -rf .venv .venv-onedl .pytest_cache .ruff_cache .mypy_cache .hypothesis *.egg-info build dist docs/_build
