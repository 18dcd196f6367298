# Every target, in one line each: make help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DOCS ?=
WORKERS := -n 2 --dist worksteal

.DEFAULT_GOAL := help

.PHONY: help
help: ## list the targets
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 16

$(VENV)/.runs: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing pinned dependencies into $(VENV) (a few minutes the first time)"
	@$(BIN)/python -m pip install --disable-pip-version-check --no-deps -r requirements.lock
	@$(BIN)/python -m pip install --disable-pip-version-check --quiet --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.checks: requirements-dev.lock requirements-pii.lock requirements-s3.lock requirements-traces.lock $(VENV)/.runs
	@$(BIN)/python -m pip install --disable-pip-version-check --quiet --no-deps -r requirements-dev.lock
	@touch $@

.PHONY: setup
setup: $(VENV)/.runs ## make the environment that Footnote runs in

.PHONY: demo
demo: setup ## ask Django's documentation, or DOCS=path/to/folder
	@$(BIN)/python -m app.demo $(if $(DOCS),--docs "$(DOCS)")

.PHONY: serve
serve: setup ## serve what was ingested so far
	@$(BIN)/footnote serve

.PHONY: test
test: check ## run all checks and the tests (half an hour on two cores)
	@$(BIN)/python -m pytest $(WORKERS)

.PHONY: test-all
test-all: check ## also run the tests that take long
	@$(BIN)/python -m pytest $(WORKERS) -m 'slow or not slow' --hypothesis-profile=new

.PHONY: check
check: $(VENV)/.checks ## format, lint, types, import arrows, migrations
	@$(BIN)/ruff format --check
	@$(BIN)/ruff check
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/python -m benchmarks.check_migrations

.PHONY: format
format: $(VENV)/.checks ## format the code and mend what ruff can mend
	@$(BIN)/ruff format
	@$(BIN)/ruff check --fix

.PHONY: bench
bench: setup ## measure speed and memory as ratios; see docs/benchmarks.md
	@$(BIN)/python -m benchmarks.run

.PHONY: suite-ray
suite-ray: setup ## make the evaluation suite "ray" from DATA=path/to/ray_docs
	@$(BIN)/python -m benchmarks.ray_suite "$(DATA)"

.PHONY: suite-clapnq
suite-clapnq: setup ## make the evaluation suite "clapnq" from DATA=path/to/clapnq
	@$(BIN)/python -m benchmarks.clapnq_suite "$(DATA)"

.PHONY: clean
clean: ## remove the environment and caches, keep var/
	@rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache *.egg-info
