.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Without compiled modules, each Airflow process and task takes seconds longer to start.
unexport PYTHONDONTWRITEBYTECODE
ROOT := $(if $(filter 0,$(shell id -u)),,sudo)

.PHONY: help demo test soak lint bench docs images clean

help:  ## List the commands
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-8s %s\n", $$1, $$2}'

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

# A stamp for each extra: the second run needs no network, unless the requirements changed.
$(VENV)/.demo-installed: setup.cfg pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable '.[demo]'
	@touch $@

$(VENV)/.dev-installed: setup.cfg pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	@touch $@ $(VENV)/.demo-installed $(VENV)/.stack-installed $(VENV)/.model-installed

$(VENV)/.stack-installed: setup.cfg pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable '.[demo,stack]'
	@touch $@ $(VENV)/.demo-installed

$(VENV)/.model-installed: setup.cfg pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable '.[demo,models]'
	@touch $@ $(VENV)/.demo-installed

EXAMPLE := $(if $(SHOP),shop,$(if $(MODEL),delays,demo))
demo: $(VENV)/$(if $(STACK),.stack-installed,$(if $(MODEL),.model-installed,.demo-installed))  ## Run three nights of flights on Airflow; STACK=1: S3 and Hive, UI=1: keep the UI, SHOP=1: a shop's ten nights, MODEL=1: a model that gets worse
	$(BIN)/python -m dags_examples.$(EXAMPLE) $(if $(STACK),--stack) $(if $(UI),--ui)

# Tests of the page use the system's Chromium, those of containers Docker, whose base image
# debootstrap makes, those of the R package R. Airflow's Spark provider needs curl.
R_PACKAGES := r-base-core $(addprefix r-cran-,bit64 data.table jsonlite knitr rmarkdown rpart testthat)
$(VENV)/.tools-installed: | $(BIN)/python
	command -v chromium chromium-browser google-chrome >/dev/null || $(ROOT) apt-get install --yes --no-install-recommends chromium
	command -v curl >/dev/null || $(ROOT) apt-get install --yes --no-install-recommends curl
	command -v dockerd >/dev/null || $(ROOT) apt-get install --yes --no-install-recommends docker.io
	command -v debootstrap >/dev/null || $(ROOT) apt-get install --yes --no-install-recommends debootstrap
	Rscript -e 'for (one in c("bit64", "data.table", "jsonlite", "knitr", "rmarkdown", "rpart", "testthat")) loadNamespace(one)' >/dev/null 2>&1 \
		|| $(ROOT) apt-get install --yes --no-install-recommends $(R_PACKAGES)
	@touch $@

# Servers of Kinesis for tests
$(VENV)/.streams-installed: tests/streams/servers/package.json | $(BIN)/python
	command -v npm >/dev/null || $(ROOT) apt-get install --yes --no-install-recommends nodejs npm
	mkdir -p $(VENV)/streams
	cp $< $(VENV)/streams/
	npm install --prefix $(VENV)/streams --silent --no-audit --no-fund --no-package-lock
	@touch $@

test: $(VENV)/.dev-installed $(VENV)/.tools-installed $(VENV)/.streams-installed  ## Run all tests
	$(BIN)/python -m pytest -n 4 --dist loadscope --no-loadscope-reorder

RECORDS ?= 1000000
soak: $(VENV)/.dev-installed $(VENV)/.streams-installed  ## Read a million records of a stream through faults; RECORDS=: how many
	SOAK_RECORDS=$(RECORDS) $(BIN)/python -m pytest tests/streams/test_exactly_once.py -n 0

lint: $(VENV)/.dev-installed  ## Check style, types, the direction of imports and words
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python tools/words.py

.venv-peers/.installed: bench/peers.txt
	$(PYTHON) -m venv .venv-peers
	.venv-peers/bin/python -m pip install --quiet --requirement bench/peers.txt
	@touch $@

bench: $(VENV)/.dev-installed .venv-peers/.installed  ## Compare with other tools; writes bench/results.json
	$(BIN)/python -m bench
	.venv-peers/bin/python bench/charts.py

SITE := site
# The public modules, a page each. Those of operators and sensors are read from the stubs that list their names.
stub = $(shell sed -n 's/^from \.\([a-z_.]*\) import.*/airflow_sfx.$(1).\1/p' airflow_sfx/$(1)/__init__.pyi)
PAGES := airflow_sfx airflow_sfx.checks airflow_sfx.stack \
	$(addprefix airflow_sfx.core., errors log manifest pin producer table) \
	$(addprefix airflow_sfx.warehouse., warehouse diff.diff history.audit history.describe history.overview integrity.repair \
		integrity.verify pins.holds pins.lineage retention.erasure retention.expire undo.rollback_run write.external_batch) \
	$(addprefix airflow_sfx.components., packing budget sizes kinds.sparse) \
	$(addprefix airflow_sfx.jobs., contract job) \
	$(addprefix airflow_sfx., hooks.sfx decorators.batch decorators.batch_container decorators.model triggers.consistency triggers.model_drift triggers.partition triggers.stream_lag streams.aws_lambda streams.lag streams.source) \
	$(call stub,operators) $(call stub,sensors) $(call stub,notifications) \
	$(addprefix airflow_sfx.assets., asset consumers announce models)

docs: $(VENV)/.dev-installed  ## Build the API reference into site/
	$(BIN)/pdoc --docformat google --no-show-source --output-directory $(SITE) $(PAGES)

images: $(VENV)/.dev-installed $(VENV)/.tools-installed  ## Build the images of docker/ on the running Docker daemon; IMAGES=: some of them, BASE_IMAGE=: on a Debian of yours
	$(BIN)/python tools/images.py $(if $(BASE_IMAGE),--base-image $(BASE_IMAGE)) $(IMAGES)

clean:  ## Remove what the other commands created
	rm -rf $(VENV) .demo .demo-shop .demo-model site build *.egg-info
