# Cầu Nối. `make` alone lists what there is to make. Needs Python 3.11 or newer with venv, make and a package index.

PYTHON ?= $(firstword $(foreach name,python3 python3.14 python3.13 python3.12 python3.11,$(if $(shell $(name) -c 'import sys; print(sys.version_info >= (3, 11) or "")' 2>/dev/null),$(name))))
BIN := .venv/bin
UV := $(or $(shell command -v uv 2>/dev/null),$(BIN)/uv)
INSTALL := $(UV) pip install --quiet --python $(BIN)/python
COMPILE := $(UV) pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock"

UPGRADE := --upgrade
# Half of the time a test waits for servers.
AT_ONCE := 3
LONGEST_FIRST := tests/faults tests/journeys tests/browser tests/conformance tests/unit

.DEFAULT_GOAL := help
.PHONY: help up test test-all check compose-test faults bench screenshots generate lock clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

up: .venv/run.stamp ## start the demo: the story once, then the system stays up (ARGS="--port 9000" to change something)
	@exec $(BIN)/caunoi up --demo $(ARGS)

test: .venv/test.stamp ## what `make check` ends with: all tests but the long ones
	$(BIN)/python -m pytest -q -m "not slow" -n $(AT_ONCE) --dist loadfile --no-loadscope-reorder $(LONGEST_FIRST)

test-all: .venv/test.stamp ## every test, with many more examples and rounds
	$(BIN)/python -m pytest -q --hypothesis-profile thorough

check: .venv/test.stamp ## exactly what CI runs: format, lint, types, boundaries, generated files in step, then the tests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/python -m services.caunoi.generate --check
	$(MAKE) --no-print-directory test

faults: .venv/test.stamp ## a city under load, one fault after another, and the table of what was found (ROUNDS=10 for more)
	$(BIN)/python -m tests.faults --keep --rounds $(or $(ROUNDS),3) $(ARGS)

compose-test: .venv/test.stamp ## docker-compose.yml on this machine's Docker: crashed under load, judged by the checker, removed
	@$(BIN)/python -u -m tests.compose $(ARGS)

bench: .venv/test.stamp ## measure this machine: ratios side by side
	$(BIN)/python -m tests.bench $(ARGS)

screenshots: .venv/test.stamp ## take the pictures of the screens again (needs chromium)
	$(BIN)/python -m tests.browser.screenshots $(ARGS)

generate: .venv/run.stamp ## write the schemas, AsyncAPI, OpenAPI and the tables of the README again
	$(BIN)/python -m services.caunoi.generate

lock: .venv/uv.stamp ## lock the newest versions that pyproject.toml allows (UPGRADE= keeps what is locked and adds what is new)
	$(COMPILE) $(UPGRADE) pyproject.toml -o requirements.lock
	$(COMPILE) $(UPGRADE) --extra distributed --extra traces --constraint requirements.lock pyproject.toml -o deploy/requirements.lock
	$(COMPILE) $(UPGRADE) --extra distributed --extra traces --group test --constraint deploy/requirements.lock pyproject.toml -o tests/requirements.lock

clean: ## remove the environment and the caches; data/ stays
	rm -rf .venv .cache .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find services tests -name __pycache__ -prune -exec rm -rf {} +

# Stamps: nothing is installed again until a lock or pyproject.toml changes.
.venv/uv.stamp:
	@test -n "$(PYTHON)" && $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { echo "Cầu Nối needs Python 3.11 or newer, as python3 or by PYTHON=/path/to/python3"; exit 1; }
	@$(PYTHON) -m venv .venv || { echo "Cầu Nối needs Python with venv (Debian, Ubuntu: apt install python3-venv)"; exit 1; }
	@command -v $(UV) >/dev/null || $(BIN)/python -m pip install --quiet --disable-pip-version-check "uv>=0.9,<1"
	@touch $@

.venv/run.stamp: .venv/uv.stamp requirements.lock pyproject.toml
	@echo "Installing ..."
	@$(INSTALL) --require-hashes -r requirements.lock
	@$(INSTALL) --no-deps --editable .
	@touch $@

.venv/test.stamp: .venv/run.stamp tests/requirements.lock
	@$(INSTALL) --require-hashes -r tests/requirements.lock
	@touch $@
