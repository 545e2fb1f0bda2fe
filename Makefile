# Every chore of the house by name. `make` alone lists them.
# On a fresh Debian machine: git, make, gcc, python3 (3.11 or newer) with python3-venv and python3-dev. Nothing else.

PYTHON ?= python3
VENV   ?= .venv
PORT   ?= 50151
RULES  ?= rules
# One more than the cores of the smallest machine that runs these tests: many of them wait for something.
JOBS   ?= 3
# How callers of `make serve` prove who they are; anybody on this machine is served unless it is set (docs/security.md).
ACCESS ?= --insecure
# More arguments for the tool behind a target: make test ARGS='-k credit'
ARGS   ?=

BIN   := $(VENV)/bin
STAMP := $(VENV)/.installed

MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c

##@ Use
.PHONY: demo
demo: setup ## Start the real server, send it the requests of examples/, print each decision and its trace
	@$(BIN)/python examples/demo.py $(ARGS)

.PHONY: serve
serve: setup ## Serve the books in RULES (rules) on PORT (50151) until Ctrl-C
	@exec $(BIN)/policybook serve $(RULES) --port $(PORT) $(ACCESS) $(ARGS)

.PHONY: check
check: setup ## Check every book and its form, and run its test tables
	@$(BIN)/policybook fmt --check $(RULES)
	@$(BIN)/policybook check $(RULES) $(ARGS)
	@$(BIN)/policybook test $(RULES) $(ARGS)

##@ Work on it
.PHONY: setup
setup: $(STAMP) ## Make .venv with everything in the versions of constraints.txt; nothing to do when it is there

$(STAMP): pyproject.toml clients/python/pyproject.toml constraints.txt tools/setup.sh
	@PYTHON='$(PYTHON)' VENV='$(VENV)' tools/setup.sh
	@touch $@

.PHONY: test
test: setup ## Run all tests (ARGS='-k credit' for some)
	@$(BIN)/python -m pytest -n $(JOBS) --dist worksteal $(ARGS)

.PHONY: soak
soak: setup ## Load services for a minute each, while books are edited, workers killed, disks filled (ARGS='--soak 600' for longer)
	@$(BIN)/python -m pytest -v -p no:xdist --timeout 0 tests/contract/test_soak.py --soak 60 $(ARGS)

.PHONY: node
node: setup ## Install, generate, lint, build and test clients/node (Node.js 20 or newer with npm)
	@cd clients/node && npm ci --silent && npm run --silent generate && npm run --silent lint && npm run --silent build && npm test --silent

.PHONY: lint
lint: setup ## Style, format, types, import contracts
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@$(BIN)/lint-imports

.PHONY: fix
fix: setup ## Format the code and mend what ruff can mend by itself
	@$(BIN)/ruff check --fix
	@$(BIN)/ruff format

.PHONY: cov
cov: setup ## Run all tests and say which lines and branches none of them reached
	@$(BIN)/python -m pytest -n $(JOBS) --dist worksteal --cov --cov-report=term --cov-report=html:htmlcov $(ARGS)

.PHONY: bench
bench: setup ## Measure decisions a second, CPU time beside a bare echo server, start-up, memory, replay, analysis (about nine minutes)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[bench]' || \
	  echo 'bench: what it measures beside cannot be installed here; the rest is measured'
	@$(BIN)/python bench/bench.py $(ARGS)
	@$(BIN)/python bench/replay.py $(filter --quick,$(ARGS))
	@$(BIN)/python bench/analysis.py $(filter --quick,$(ARGS))

.PHONY: fuzz
fuzz: setup ## Try random and mutated inputs, a minute a target (ARGS='--minutes 10 --target wire', --replay FILE; docs/fuzzing.md)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[fuzz]' || \
	  echo 'fuzz: atheris cannot be installed here; inputs are chosen without it'
	@PYTHONPATH=tests $(BIN)/python -m fuzz $(ARGS)

##@ Generated files
.PHONY: proto
proto: setup ## Make the stubs of proto/ anew: service/policybook/v1 and the client's descriptors
	@$(BIN)/python tools/protos.py

.PHONY: golden
golden: setup ## Rewrite what the tests compare with (wanted files, docs/findings.md) and show the difference
	@$(BIN)/python tools/findings.py
	@$(BIN)/python -m pytest -q -n $(JOBS) --golden tests $(ARGS) || true
	@git --no-pager diff --stat

.PHONY: lock
lock: setup ## Resolve all dependencies anew to their newest versions and write constraints.txt
	@$(BIN)/python tools/lock.py

.PHONY: clean
clean: ## Remove .venv, caches and reports
	@rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis .coverage .coverage.* htmlcov reports build dist
	@find . -name __pycache__ -not -path './.git/*' -type d -prune -exec rm -rf {} +

.PHONY: help
help: ## Show this list
	@awk 'BEGIN { FS = ":.*## " } \
	  /^##@ / { printf "\n%s\n", substr($$0, 5) } \
	  /^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' Makefile
