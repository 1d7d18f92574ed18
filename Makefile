# The commands of the project; `make` lists them. Nothing needs to be installed
# beforehand but python3 (3.11 or newer), git and make.

SHELL := /bin/sh
.SHELLFLAGS := -euc
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PACKAGES := $(patsubst %/__init__.py,%,$(wildcard \
	assay/__init__.py contracts/__init__.py protocol/__init__.py inference/__init__.py \
	worker/__init__.py requester/__init__.py gateway/__init__.py devnet/__init__.py))
SOLIDITY := 'contracts/**/*.sol'
PYTEST := $(BIN)/python -m pytest
# The npm package's own `forge` is a script that loses the program's exit code.
FORGE = $(firstword $(wildcard node_modules/@foundry-rs/forge-*/bin/forge) forge)
PIP := $(BIN)/python -m pip --disable-pip-version-check
NPM := npm --no-audit --no-fund --no-update-notifier --loglevel=error

# A Node that is too old must not hide the one in the virtual environment, so this
# comes first.
export PATH := $(CURDIR)/$(BIN):$(CURDIR)/node_modules/.bin:$(PATH)

# Node trusts the certificates that the machine trusts, as pip does, so that set-up
# works behind a company's own proxy.
export NODE_USE_SYSTEM_CA ?= 1

.PHONY: help setup build test-fast test test-deep lint lint-python lint-solidity \
	fix snapshots demo demo-liar \
	docs reference ci clean contracts-test coverage proofs slither \
	symbolic mutation gas

help: ## list the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' \
		$(firstword $(MAKEFILE_LIST))

# ---- set-up: each step leaves a stamp and runs again only when its inputs change

STAMP_PYTHON := $(VENV)/.stamp-python
STAMP_PROJECT := $(VENV)/.stamp-project
STAMP_NODE := $(VENV)/.stamp-node
STAMP_NPM := node_modules/.stamp

setup: $(STAMP_PYTHON) $(STAMP_PROJECT) $(STAMP_NODE) $(STAMP_NPM) ## install everything
	@:

$(STAMP_PYTHON): requirements/dev.lock tools/make-venv
	@PYTHON='$(PYTHON)' tools/make-venv $(VENV)
	@echo 'setup: installing the locked Python packages'
	@$(PIP) install -qq -r requirements/dev.lock
	@touch $@

# The native engine is built here. A failure only means the slower engine; when there is
# a compiler but no library (it was installed since, say), the next set-up tries again.
NATIVE := inference/native
NATIVE_LIBRARY := $(wildcard $(NATIVE)/_engine*.so)
NATIVE_RETRY := $(if $(NATIVE_LIBRARY),,$(if $(shell command -v $(CC)),retry-native))
.PHONY: retry-native
# A build that fails must not leave the library of older sources, so that goes first.

$(STAMP_PROJECT): pyproject.toml setup.py $(STAMP_PYTHON) $(NATIVE_RETRY) \
		$(addsuffix /__init__.py,$(PACKAGES)) $(wildcard $(NATIVE)/src/*.[ch])
	@rm -f $(NATIVE)/_engine*.so
	@$(PIP) install -qq --no-deps --no-build-isolation -e .
	@$(BIN)/python -m inference.native
	@touch $@

$(STAMP_NODE): requirements/node.lock tools/ensure-node | $(STAMP_PYTHON)
	@tools/ensure-node $(VENV)
	@touch $@

$(STAMP_NPM): package.json package-lock.json | $(STAMP_NODE)
	@echo 'setup: installing the locked Node packages'
	@$(NPM) ci --ignore-scripts
	@touch $@

# ---- contracts

build: setup ## compile the contracts into contracts/artifacts
	@$(BIN)/python -m contracts.build

contracts-test: setup
	@FORGE_SNAPSHOT_CHECK=true $(FORGE) test

coverage: setup ## fails when a branch of the contracts is taken by no test
	@$(BIN)/python -m tools.proofs.coverage

snapshots: build ## rewrite the committed gas figures, storage layouts and vectors
	@FORGE_SNAPSHOT_CHECK=false UPDATE_VECTORS=true $(FORGE) test

gas: setup ## measure what jobs cost on a real node
	@$(BIN)/python -m benchmarks.gas --json .forge/gas.json

# ---- proofs: tools that need an environment of their own

PROOFS := .venv-proofs
STAMP_PROOFS := $(PROOFS)/.stamp

proofs: $(STAMP_PROOFS) ## install Slither and halmos
	@:

$(STAMP_PROOFS): requirements/proofs.lock tools/make-venv
	@PYTHON='$(PYTHON)' tools/make-venv $(PROOFS)
	@echo 'proofs: installing the locked proof tools'
	@$(PROOFS)/bin/python -m pip --disable-pip-version-check install -qq \
		-r requirements/proofs.lock
	@touch $@

slither: setup proofs ## static analysis; fails on what contracts/slither.toml lacks
	@$(BIN)/python -m tools.proofs.analysis

symbolic: setup proofs ## prove the money and hash libraries for all inputs
	@$(BIN)/python -m tools.proofs.symbolic

mutation: setup proofs ## change the contracts and see whether a test notices
	@$(BIN)/python -m tools.proofs.mutation --page

# ---- checks

lint: lint-python lint-solidity ## formatting, lint, types, import rules

lint-python: setup
	@ruff format --check .
	@ruff check .
	@mypy $(PACKAGES) benchmarks tests tools examples
	@lint-imports --no-logo

lint-solidity: setup
	@prettier --log-level=warn --check $(SOLIDITY)
	@solhint --noPoster --max-warnings 0 'contracts/src/**/*.sol'

fix: setup ## repair formatting and what lint can repair
	@ruff check --fix-only --quiet .
	@ruff format .
	@prettier --log-level=warn --write $(SOLIDITY)

test-fast: setup ## the tests that start no process (at most two minutes)
	@$(PYTEST) -q -n auto tests/unit tests/property tests/parity tests/architecture

test: lint slither contracts-test coverage ## everything: lint, Slither, forge, coverage, Python
	@$(PYTEST) -q -n 2 --dist loadscope

test-deep: symbolic mutation ## random cases, symbolic checks, mutation, sanitizers, QEMU
	@$(PIP) install -qq -r requirements/deep.lock
	@FOUNDRY_PROFILE=deep $(FORGE) test
	@HYPOTHESIS_PROFILE=deep $(PYTEST) -q -m 'deep or not deep'

# ---- running it

demo: setup ## a paid, verified batch on a local network
	@$(BIN)/assay demo

demo-liar: setup ## the same with one worker lying
	@$(BIN)/assay demo --liar

# ---- the rest

reference: setup ## write the reference pages that repeat the code
	@$(BIN)/python -m tools.reference

docs: setup ## check the documentation against the code
	@$(PYTEST) -q tests/docs

ci: setup ## what runs before a change lands: fresh artifacts, then all tests
	@$(BIN)/python -m contracts.build --check
	@$(MAKE) test

clean: ## remove what builds and tests left; the installed packages stay
	@rm -rf .forge .assay build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache \
		.import_linter_cache .hypothesis
	@find . -name __pycache__ -type d -not -path './.venv*/*' \
		-not -path './node_modules/*' -prune -exec rm -rf {} +
