# settlepipe: `make` lists the targets. Needs Python 3.11 or newer, make and a package index; nothing else.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
IMAGE_LOCK := deploy/container/requirements.lock
BENCH_LOCK := tests/bench/requirements.lock
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help install demo up test test-large test-system chaos chaos-table chaos-bite proof check languages pictures format bench bench-isolation bench-reconciliation bench-web bench-rooms bench-burst bench-limits bench-statements bench-latency bench-backlog bench-size bench-export bench-soak bench-flame lock clean

help: ## Show this list
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-21s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

install: $(STAMP) ## Install what is locked into .venv (every other target does this when it is needed)
	@:

demo: $(STAMP) ## Settle payments at three providers that misbehave, and watch
	@$(BIN)/settlepipe demo

up: $(STAMP) ## Run everything in the foreground against the sandbox, until Ctrl-C
	@$(BIN)/settlepipe up --sandbox

# At another time (UTC) and in another zone than the machine's: make test AT='2028-02-29 23:50:00' ZONE=Europe/Berlin
ZONE ?= UTC
# Most tests wait for something: more processes than cores. One path is run by one.
PROCESSES ?= $(if $(T),0,4)
PYTEST = $(if $(AT),$(BIN)/python -m tests.at '$(AT)' '$(ZONE)') $(BIN)/python -m pytest $(ARGS)

test: $(STAMP) ## Run all tests (T=path: only these; ARGS='-x -k word'; AT='2028-02-29 23:50:00': at that time)
	@$(PYTEST) -n $(PROCESSES) --max-worker-restart 0 $(T)

test-large: $(STAMP) ## Run the tests that can do more, at the size that proves it (T=path: only these)
	@TEST_SIZE=large $(PYTEST) -n $(if $(T),0,3) --max-worker-restart 0 -m "large or only_large" $(or $(T),tests)

test-system: $(STAMP) ## Run the tests that need real programs (tests/system/install installs them)
	@$(PYTEST) -n $(if $(T),0,2) --dist loadfile --max-worker-restart 0 $(or $(T),tests/system)

# A run is a seed; one that fails is replayed by it: make chaos SEED=7 PAYMENTS=400 MINUTES=2 ARGS='--kinds network,broker'
chaos: $(STAMP) ## Pay while everything breaks, and judge by the sandbox's ledger (SEED, PAYMENTS, MINUTES; ARGS=--help)
	@$(BIN)/python -m tests.chaos $(if $(SEED),--seed $(SEED)) $(if $(PAYMENTS),--payments $(PAYMENTS)) \
		$(if $(MINUTES),--minutes $(MINUTES)) $(ARGS)

chaos-table: $(STAMP) ## Pay 100,000 times through chaos and print one table of it all (PAYMENTS, SEED; takes hours)
	@$(BIN)/python -m tests.chaos.series $(if $(SEED),--seed $(SEED)) $(if $(PAYMENTS),--payments $(PAYMENTS)) $(ARGS)

chaos-bite: $(STAMP) ## See whether chaos finds deliberate defects: three by SEED, all with TEST_SIZE=large (takes minutes)
	@$(if $(SEED),SEED=$(SEED)) $(BIN)/python -m pytest -n 0 $(ARGS) tests/chaos

proof: $(STAMP) ## Run all tests at every time of day, and what takes long (takes hours)
	@$(BIN)/python -m tests.proof

check: $(STAMP) ## Lint, types, import rules, dependencies, dead code, spelling, dangers, translations, secrets, contracts, advisories, fixtures
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/deptry .
	@$(BIN)/vulture
	@$(BIN)/codespell
	@$(BIN)/bandit -q -c pyproject.toml --ignore-nosec -r shared worker scheduler deploy
	@$(BIN)/python -m tests.checks.languages
	@$(BIN)/python -m tests.checks.secrets
	@$(BIN)/python -m tests.checks.contracts
	@$(BIN)/python -m tests.checks.audit
	@found=$$($(BIN)/python -m pytest --setup-plan -n 0 tests/system tests/proof) || { echo "$$found" | tail -n 40; exit 1; }

languages: $(STAMP) ## Put new texts of reports and pages into every language's catalogue, and say what is to be translated
	@$(BIN)/python -m tests.checks.languages --update

pictures: $(STAMP) ## Take the pictures of the control room in docs/pictures anew (needs tests/system/install)
	@PICTURES=docs/pictures $(PYTEST) -n 0 tests/system/test_pictures.py

format: $(STAMP) ## Correct what ruff can correct
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

bench: $(STAMP) ## Measure this pipeline beside a naive and a plain Celery task, procrastinate and DBOS (takes minutes)
	@$(PIP) install --require-hashes --no-deps --requirement $(BENCH_LOCK)
	@$(BIN)/python -m tests.bench $(ARGS)

bench-isolation: $(STAMP) ## Measure what a provider that hangs costs another one (takes minutes)
	@$(BIN)/python -m tests.bench.isolation

bench-reconciliation: $(STAMP) ## Measure a night's comparison of a million and of ten million payments (takes minutes)
	@$(BIN)/python -m tests.bench.reconciliation

bench-web: $(STAMP) ## Measure how many intents a second one HTTP door commits (takes a minute)
	@$(BIN)/python -m tests.bench.web

bench-rooms: $(STAMP) ## Measure each page of the control room with a million open payments (takes minutes; ARGS='--open 100000')
	@$(BIN)/python -m tests.bench.rooms $(ARGS)

bench-burst: $(STAMP) ## Measure how fast one intake takes a burst of a million intents, and its memory (takes minutes)
	@$(BIN)/python -m tests.bench.burst $(ARGS)

bench-limits: $(STAMP) ## Measure where one PostgreSQL ends, part by part, also with a synchronous standby (takes minutes)
	@$(BIN)/python -m tests.bench.limits $(ARGS)

bench-statements: $(STAMP) ## Measure what each statement of a payment's way costs, and show its plan (takes a minute)
	@$(BIN)/python -m tests.bench.statements $(ARGS)

bench-latency: $(STAMP) ## Measure how long a payment takes from the shop to the provider, beside a naive pipeline (takes a quarter of an hour)
	@$(BIN)/python -m tests.bench.latency $(ARGS)

bench-backlog: $(STAMP) ## Measure how fast a backlog drains once its provider is back, and whether a rate holds (takes minutes)
	@$(BIN)/python -m tests.bench.backlog $(ARGS)

bench-size: $(STAMP) ## Measure payments a second beside ten million finished ones, and beside few (takes half an hour and 40 GB)
	@$(BIN)/python -m tests.bench.size $(ARGS)

bench-export: $(STAMP) ## Measure how long the export of three million payments takes, and its memory (takes minutes and 10 GB)
	@$(BIN)/python -m tests.bench.export $(ARGS)

bench-soak: $(STAMP) ## Measure whether any process's memory grows in half an hour of load (ARGS='--minutes 60')
	@$(BIN)/python -m tests.bench.soak $(ARGS)

bench-flame: $(STAMP) ## Draw on stdout who holds the interpreter's lock in a worker at full rate (takes a minute)
	@$(PIP) install --require-hashes --no-deps --requirement $(BENCH_LOCK)
	@$(BIN)/python -m tests.bench.flame $(ARGS)

COMPILE = env -u PIP_FIND_LINKS -u PIP_EXTRA_INDEX_URL -u UV_FIND_LINKS -u UV_EXTRA_INDEX_URL \
	$(BIN)/uv pip compile --no-config --quiet --universal --python-version 3.11 \
	--generate-hashes --no-header --no-annotate --no-emit-index-url --no-emit-find-links

lock: $(STAMP) ## Resolve pyproject.toml again into requirements.lock (LOCK=--upgrade: newest versions)
	@$(COMPILE) pyproject.toml --group dev $(LOCK) --output-file requirements.lock
	@$(COMPILE) pyproject.toml --group image --constraint requirements.lock --output-file $(IMAGE_LOCK)
	@$(COMPILE) --group pyproject.toml:bench --constraint requirements.lock --output-file $(BENCH_LOCK)
	@! grep -nE '://|file:|@ ' requirements.lock $(IMAGE_LOCK) $(BENCH_LOCK) || { echo "it names a place: remove it" >&2; exit 1; }

clean: ## Remove .venv and caches; keeps .settlepipe, where the data is
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .grimp_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "settlepipe needs Python 3.11 or newer: make install PYTHON=/path/to/python3.11" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) \
		|| { echo "python3 -m venv failed: on Debian and Ubuntu, apt install python3-venv" >&2; exit 1; }
	@echo "installing into $(VENV) (about half a minute)"
	@$(PIP) install --require-hashes --no-deps --requirement requirements.lock
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@
