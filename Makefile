# Tongbao 通宝. `make help` lists what there is; a fresh machine needs Python 3.11 and Node 20, the rest is installed here.

SHELL := /bin/bash
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
WORKERS ?= 3
BENCH ?= ledger payments http
ACCOUNTS ?=
SEEDS ?= 10000
KILLS ?= 200
SOAK_MINUTES ?=
WEB_SOURCES := $(shell find web -type f -not -path '*/node_modules/*' -not -path '*/dist/*' 2>/dev/null)

.PHONY: help setup web demo test check check-code check-web bench smoke soak mutate fmt lock openapi catalogue screenshots browser softhsm clean
.DEFAULT_GOAL := help

help: ## What can be made
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | awk -F'\t' '{printf "  make %-12s %s\n", $$1, $$2}'

setup: .make/python .make/web ## Install everything the project needs

.make/python: requirements.lock pyproject.toml
	@mkdir -p .make
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

.make/node: web/package.json web/package-lock.json
	@mkdir -p .make
	cd web && npm ci --no-fund --no-audit --loglevel=error
	@touch $@

.make/web: .make/node $(WEB_SOURCES)
	cd web && npm run build --silent
	@touch $@

web: .make/web ## Build the three front ends

softhsm: ## Install Debian's SoftHSM2, for the tests of a master key in a hardware module
	@tools/softhsm

browser: ## Install Debian's Chromium, for the browser tests and the screenshots
	@tools/browser

demo: setup ## Run the product with demonstration data
	@$(BIN)/tongbao demo

test: setup browser softhsm ## Run all tests
	$(BIN)/python -m pytest -q -n $(WORKERS) --dist loadfile --no-loadscope-reorder

check: check-code check-web ## Lint, types, layers, front ends, secrets, known flaws of dependencies

check-code: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -W ignore -m tongbao.app.openapi | diff -q - web/openapi.json || (echo 'run make openapi' && false)
	$(BIN)/python tools/check_project.py
	$(BIN)/python tools/check_secrets.py
	$(BIN)/python tools/check_dependencies.py

check-web: setup
	cd web && npm run check --silent

bench: .make/python ## Measure: make bench BENCH="ledger payments http", or statement, verify, accounts (ACCOUNTS=10000000)
	@for bench in $(BENCH); do \
	  $(BIN)/python -m bench $$bench $(if $(ACCOUNTS),--accounts $(ACCOUNTS)) || exit 1; done

smoke: .make/python ## Tell one whole story over HTTP and check every figure
	@$(BIN)/tongbao smoke

soak: setup ## The long runs of what `make test` runs short: make soak SEEDS=10000 KILLS=200 SOAK_MINUTES=30
	@$(BIN)/python tools/soak.py --seeds $(SEEDS) --kills $(KILLS) $(if $(SOAK_MINUTES),--minutes $(SOAK_MINUTES))

mutate: .make/python ## Try every small fault in the rules: a test must notice each
	@$(BIN)/python -m tests.mutation $(if $(ONLY),--only "$(ONLY)")

fmt: .make/python ## Format the code
	$(BIN)/ruff check --fix --quiet . ; $(BIN)/ruff format .

openapi: .make/python ## Write web/openapi.json from the application; the front ends' types come from it
	$(BIN)/python -W ignore -m tongbao.app.openapi > web/openapi.json

catalogue: .make/python ## Write what the migrations make, which `verify` compares the schema with
	$(BIN)/python -m tongbao.app.catalogue

screenshots: setup browser ## Take the screenshots in docs/screenshots
	$(BIN)/python tools/screenshots.py

lock: ## Pin the newest versions that fit pyproject.toml (needs uv)
	uv pip compile --quiet --no-emit-index-url --no-header --no-annotate --python-version 3.11 --generate-hashes \
	  pyproject.toml --extra replay --extra hsm --group dev -o requirements.lock

clean: ## Forget what was built
	rm -rf .make .venv web/node_modules web/dist .mypy_cache .ruff_cache .hypothesis
