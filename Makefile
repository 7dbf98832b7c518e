# Everything sets itself up: `make fig1` on a fresh clone needs Python 3.12 or newer and nothing else.
SHELL := /bin/bash
PRESET ?= quick
BACKEND ?= auto
# of figures, too: PROGRAM=NAME, OUT=FOLDER, PLAN=1
PYTHON := .venv/bin/python
FIGURES := $(basename $(notdir $(shell grep -l '^SCRIPT = FigureScript' reproduce/*.py)))
OPTIONS := --preset $(PRESET) --backend $(BACKEND) $(if $(OUT),--out $(OUT)) $(if $(PROGRAM),--program $(PROGRAM)) $(if $(PLAN),--plan)

.PHONY: help environment $(FIGURES) figures figures-from-results report docs test test-all bench baselines lint lock clean

help: ## show this list
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 22
	@echo "                      figures: $(FIGURES)"

environment: .venv/.ready ## set up .venv with the locked packages

.venv/.ready: requirements.lock pyproject.toml .ci/find-python
	@python=$$(bash .ci/find-python) && "$$python" -m venv --clear .venv
	@echo "installing the locked packages into .venv (once, a few minutes)"
	@$(PYTHON) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(PYTHON) -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps --editable .
	@touch $@

$(FIGURES): environment
	@$(PYTHON) reproduce/$@.py $(OPTIONS)
fig1: ## draw Figure 1, likewise the others below (PRESET=, BACKEND=, PROGRAM=, OUT=; PLAN=1 says what it takes)

figures: environment ## draw every figure, training what they share once
	@$(PYTHON) reproduce/everything.py $(OPTIONS)

figures-from-results: environment ## draw the committed figures again from data/results, without training (a minute)
	@$(PYTHON) reproduce/from_results.py $(if $(OUT),--out $(OUT))

report: environment ## write figures/index.html, a page of every figure that was drawn
	@$(PYTHON) reproduce/report.py

docs: environment ## build the site of the documentation, build/docs/index.html; a warning is an error
	@$(PYTHON) -m sphinx -W --keep-going -q -d build/doctrees docs build/docs
	@echo build/docs/index.html

# Most of a test's time is spent compiling, here without optimisation. The slow tests are compiled as users' graphs are.
test: export PYTENSOR_FLAGS := $(PYTENSOR_FLAGS),gcc__cxxflags=-O0
test: export XLA_FLAGS := $(XLA_FLAGS) --xla_backend_optimization_level=0
test: environment ## run the tests (under 10 minutes)
	@$(PYTHON) -m pytest

test-all: environment ## run the slow tests too
	@$(PYTHON) -m pytest -m ''

bench: environment benchmarks/.torch/.tried ## time everything beside hand-written programs (TABLES="step cnn sweep growth")
	@env -u OPENBLAS_CORETYPE -u OPENBLAS_NUM_THREADS $(PYTHON) -m benchmarks.bench $(TABLES)

# PyTorch lives in an environment of its own; without a Python that has a build at hand it is left out.
benchmarks/.torch/.tried:
	@bash benchmarks/make-torch

baselines: environment ## draw the figure tests' baselines again, after a wanted change
	@$(PYTHON) -m pytest -q -n 0 -W ignore tests/test_figures.py tests/test_all_figures.py tests/test_methods_figure.py tests/test_classics.py --mpl-generate-path=tests/baseline

lint: environment ## check style, formatting and types
	@$(PYTHON) -m ruff check .
	@$(PYTHON) -m ruff format --check .
	@$(PYTHON) -m mypy

EXTRAS := jax figures cluster sklearn tensorboard tables search docs dev
lock: ## renew requirements.lock from pyproject.toml (needs uv)
	uv pip compile --quiet --universal --python-version 3.12 $(foreach extra,$(EXTRAS),--extra $(extra)) --generate-hashes --no-emit-index-url \
	  --no-header --custom-compile-command "make lock" --upgrade pyproject.toml -o requirements.lock

clean: ## remove the environment and caches, keep data, stored runs and figures
	rm -rf .venv benchmarks/.torch build *.egg-info .pytest_cache .ruff_cache .mypy_cache .hypothesis
