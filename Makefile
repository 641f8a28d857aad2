# Everything sets itself up: a machine with Python 3.11 or newer, make and git is enough.
PYTHON ?= python3
VENV ?= .venv
RESOLUTION ?= highest
PYTEST_ARGS ?=
# Many tests wait for processes of theirs: one more than there are cores.
WORKERS ?= $(shell expr $$(getconf _NPROCESSORS_ONLN) + 1)
BIN := $(VENV)/bin
DEMO_ARGS ?= --llm debate --cycles 0 --interval 2 --console-level ERROR
DEMO_STATE := $(or $(FFE_OTEL__STATE_DIR),$(CURDIR)/.state/demo)
CHROMIUM := $(firstword $(foreach name,chromium chromium-browser google-chrome,$(shell command -v $(name))))
INPUTS := pyproject.toml demo/pyproject.toml

.DEFAULT_GOAL := help
.PHONY: help demo test chaos test-stack install-matrix collector check format secrets clean

help: ## Show the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

$(BIN)/uv:
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "ffe_otel needs Python 3.11 or newer; this is " + sys.version.split()[0] + ". Try: make PYTHON=python3.13")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv

$(VENV)/.demo: $(BIN)/uv $(INPUTS)
	$(BIN)/uv pip install --quiet --python $(BIN)/python -e '.[serve,http,re2]' -e ./demo
	@touch $@

$(VENV)/.dev-$(RESOLUTION): $(BIN)/uv $(INPUTS)
	$(BIN)/uv pip install --quiet --python $(BIN)/python --resolution $(RESOLUTION) -e '.[all]' -e ./demo --group dev
	@touch $@ $(VENV)/.demo

demo: $(VENV)/.demo ## Run the reference engine with the embedded backend and its page
	@echo "The engine's log is on the page and in $(DEMO_STATE)/logs/ffe.log. Ctrl-C ends everything."
	@PATH="$(abspath $(BIN)):$$PATH" FFE_OTEL__STATE_DIR="$(DEMO_STATE)" FFE_OTEL__LOGGING__OUTPUTS__CONSOLE=false \
		ffe-otel run --serve -- python -m finance_feedback_engine $(DEMO_ARGS)

test: $(VENV)/.dev-$(RESOLUTION) ## Run the tests
ifeq ($(CHROMIUM),)
	@echo "make test: no Chromium on this machine, so the browser tests are left out (.ci/run installs it)"
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile -m "not browser and not stack and not chaos" $(PYTEST_ARGS)
else
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile -m "not stack and not chaos" $(PYTEST_ARGS)
endif

chaos: $(VENV)/.dev-$(RESOLUTION) ## Kill processes, break endpoints and disks (CHAOS=full: a hundred times)
	CHAOS=$(CHAOS) $(BIN)/python -m pytest -m chaos -n 2 tests/chaos $(PYTEST_ARGS)

collector: ## Build the OpenTelemetry Collector of collector/builder.yaml; prints its path
	@nice collector/build.sh

$(VENV)/.stack: $(VENV)/.dev-$(RESOLUTION)
	$(BIN)/uv pip install --quiet --python $(BIN)/python --group stack
	@touch $@

test-stack: $(VENV)/.stack collector ## Install real servers and run the tests against them
	@tests/stack/install_servers.sh
	$(BIN)/python -m pytest -m stack -n 0 tests/stack $(PYTEST_ARGS)

install-matrix: $(VENV)/.dev-$(RESOLUTION) ## Install with every Python's own pip and with uv, and try it
	PATH="$(abspath $(BIN)):$$PATH" $(BIN)/python tests/install/install_matrix.py $(LEGS)

check: $(VENV)/.dev-$(RESOLUTION) ## Lint, types, import rules
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.dev-$(RESOLUTION) ## Format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

secrets: ## Make the random secrets that docker-compose.yml mounts
	@scripts/make_secrets.sh

clean: ## Remove what make made
	rm -rf .venv .venv-* .state .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
