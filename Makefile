.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Without compiled modules each of Airflow's processes, and each task, takes seconds longer to start.
unexport PYTHONDONTWRITEBYTECODE
ROOT := $(if $(filter 0,$(shell id -u)),,sudo)

.PHONY: help demo test lint bench docs clean

help:  ## Show this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-8s %s\n", $$1, $$2}'

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

# A stamp per extra: the second run installs nothing and needs no network, unless what is required changed.
$(VENV)/.demo-installed: setup.cfg pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable '.[demo]'
	@touch $@

$(VENV)/.dev-installed: setup.cfg pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	@touch $@ $(VENV)/.demo-installed $(VENV)/.stack-installed

$(VENV)/.stack-installed: setup.cfg pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable '.[demo,stack]'
	@touch $@ $(VENV)/.demo-installed

demo: $(VENV)/$(if $(STACK),.stack-installed,.demo-installed)  ## Nights of real flights through Airflow; STACK=1: on S3 and Hive, UI=1: look at them
	$(BIN)/python -m dags_examples.demo $(if $(STACK),--stack) $(if $(UI),--ui)

# Playwright's own Chromium comes from a server of its own; a system has one, or Debian's package. Airflow's Spark provider asks a
# cluster with curl.
$(VENV)/.tools-installed: | $(BIN)/python
	command -v chromium chromium-browser google-chrome >/dev/null || $(ROOT) apt-get install --yes --no-install-recommends chromium
	command -v curl >/dev/null || $(ROOT) apt-get install --yes --no-install-recommends curl
	@touch $@

test: $(VENV)/.dev-installed $(VENV)/.tools-installed  ## Run every test
	$(BIN)/python -m pytest -n 3 --dist loadscope --no-loadscope-reorder

lint: $(VENV)/.dev-installed  ## ruff, mypy --strict and the direction of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

.venv-peers/.installed: bench/peers.txt
	$(PYTHON) -m venv .venv-peers
	.venv-peers/bin/python -m pip install --quiet --requirement bench/peers.txt
	@touch $@

bench: $(VENV)/.dev-installed .venv-peers/.installed  ## Time the warehouse beside its peers; writes bench/results.json
	$(BIN)/python -m bench
	.venv-peers/bin/python bench/charts.py

SITE := site
# What people call and get back, each module a page. Named one by one: packages that load their names on first use hide them.
PAGES := airflow_sfx airflow_sfx.checks airflow_sfx.stack \
	$(addprefix airflow_sfx.core., errors ledger manifest pin producer table) \
	$(addprefix airflow_sfx.warehouse., warehouse diff.diff history.audit history.describe history.overview integrity.repair \
		integrity.verify pins.holds pins.lineage retention.erasure retention.expire undo.rollback_run write.external_batch) \
	$(addprefix airflow_sfx., hooks.sfx decorators.batch sensors.consistency sensors.partition triggers.consistency triggers.partition) \
	$(addprefix airflow_sfx.operators., store pin publish verify rollback retain sql spark) \
	$(addprefix airflow_sfx.assets., asset consumers announce)

docs: $(VENV)/.dev-installed  ## Build the reference from the docstrings into site/
	$(BIN)/pdoc --docformat google --no-show-source --output-directory $(SITE) $(PAGES)

clean:  ## Remove what the other commands made
	rm -rf $(VENV) .demo site build *.egg-info
