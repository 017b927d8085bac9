# Everything a newcomer types. `make` alone prints this file's targets.

SHELL := /bin/sh
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

BIN := .venv/bin
PYTHON := $(BIN)/python
ROUNDS ?= 20
RUNS ?= 100000
HOURS ?= 1

# the environment of some machines forbids bytecode, and every start of the product would pay for it
unexport PYTHONDONTWRITEBYTECODE

CODE := protocol edge cloud tests
COMPILE := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-header --no-annotate $(if $(UPGRADE),--upgrade)

.PHONY: help demo test check bench chaos powercut soak fuzz features format lock commands signals screenshots clean

help: ## print this list
	@awk -F ':.*## ' '/^[a-z][a-z-]*:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: ## set up, then run cloud, broker and a site of three simulated terminals; Ctrl-C ends it
	@deploy/setup demo
	@trap : INT; $(BIN)/grindvakt-cloud demo; status=$$?; [ $$status -eq 130 ] || exit $$status

test: ## set up, then do all that CI does
	@deploy/setup test
	@$(MAKE) check

check: ## format, lint, imports, types, tests: on a machine that is set up
	@echo "== format"  && $(BIN)/ruff format --check $(CODE)
	@echo "== lint"    && $(BIN)/ruff check $(CODE)
	@echo "== imports" && $(BIN)/lint-imports --no-logo
	@echo "== types"   && $(BIN)/mypy
	@echo "== tests"   && $(BIN)/pytest -q -n logical --dist loadfile --no-loadscope-reorder --durations=15 --durations-min=1

bench: ## measure taps, sync, pages; the figures go to build/bench
	@deploy/setup test
	@$(PYTHON) -m tests.bench

chaos: ## kill and cut things for a while; ROUNDS=20 says how often
	@deploy/setup test
	@$(PYTHON) -m tests.chaos --rounds $(ROUNDS)

powercut: ## cut the power again and again, as the disk may then be; ROUNDS=20 says how often
	@deploy/setup test
	@$(PYTHON) -m tests.powercut --rounds $(ROUNDS)

soak: ## live with a daemon for long, and see that it takes no more and more; HOURS=1 says how long
	@deploy/setup test
	@$(PYTHON) -m tests.soak --hours $(HOURS)

fuzz: ## give every parser of outside bytes nonsense; RUNS=100000 says how much
	@deploy/setup test
	@$(PYTHON) -m tests.fuzz.campaign --runs $(RUNS)

features: ## run the tests that claim a row, and print which rows of docs/features.md they prove
	@deploy/setup test
	@$(BIN)/pytest -q --no-header -m feature -p tests.features --features

format: ## bring the code into the house format
	@$(BIN)/ruff format $(CODE)
	@$(BIN)/ruff check --fix $(CODE)

lock: ## pin the dependencies anew after a change of pyproject.toml; UPGRADE=1 takes the newest
	@$(COMPILE) --all-extras pyproject.toml -o requirements/dev.txt
	@$(COMPILE) --extra edge --extra pcsc --extra osdp -c requirements/dev.txt pyproject.toml -o requirements/edge.txt
	@$(COMPILE) --extra cloud -c requirements/dev.txt pyproject.toml -o requirements/cloud.txt
	@$(COMPILE) --extra edge --extra pcsc --extra osdp --extra cloud --extra build -c requirements/dev.txt pyproject.toml -o requirements/demo.txt
	@echo uv | $(COMPILE) -c requirements/dev.txt - -o requirements/uv.txt
	@printf 'setuptools\nswig\n' | $(COMPILE) -c requirements/dev.txt - -o requirements/build.txt
	@npm install --package-lock-only --ignore-scripts --no-audit --no-fund $(if $(UPGRADE),&& npm update --package-lock-only --ignore-scripts)

commands: ## write docs/commands.md from the command line of the terminal
	@$(PYTHON) -m tests.command_guide

signals: ## draw docs/signals.md and its pictures from the table of patterns
	@$(PYTHON) -m tests.signal_guide

screenshots: ## take the pictures of the portal that the guides show
	@deploy/setup test
	@$(PYTHON) -m tests.browser.screenshots

clean: ## remove what was built, but not .venv and node_modules
	@rm -rf build dist .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	@find $(CODE) -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true
