# Every target installs what it needs. For another Python: make test PYTHON=python3.13 VENV=.venv-3.13
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
# nox, pre-commit, and what checks a release and .github: apart from the tests' packages.
TOOLS = .venv-tools

.PHONY: help run test live lowest applications programs emulator builds pyodide docs start fuzz lint format settings \
    benchmark instructions release-check workflows pre-commit clean

help: ## Print this list.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "%-15s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

run: $(VENV)/installed ## Serve the Flask example at localhost, through the events of AWS Lambda.
	$(BIN)/unigate dev example_flask.api.index:app

# Tests that start servers, databases, a browser or processes, and spend most of their time waiting for them.
LIVE = tests/browser tests/servers tests/cache/test_redis_faults.py tests/lambda_runtime/test_at_once.py tests/lambda_runtime/test_wrappers.py \
    tests/cli/dev/test_dev.py tests/cli/dev/test_dev_hosts.py \
    tests/cli/dev/inspector/test_live.py tests/cli/dev/inspector/test_runtime.py tests/cli/dev/lambda_host/test_host.py \
    tests/contrib/test_django_postgresql.py \
    tests/contrib/test_django_suite.py tests/contrib/test_example_servers.py tests/contrib/test_example_suites.py \
    tests/contrib/test_flask_commands.py
# Tests that build projects, start several processes or measure memory, and take long.
SLOW = tests/benchmarks/test_live.py tests/benchmarks/test_scripts.py tests/migration tests/cli/build tests/cli/check \
    tests/cli/test_more_routes.py tests/test_fast.py tests/test_loop.py tests/test_memo.py tests/test_examples.py \
    tests/test_guides.py tests/test_pytest_plugin.py tests/cache/test_memory.py \
    tests/cache/test_flights_over_processes.py tests/cache/test_memory_load.py tests/cache/test_processes.py \
    tests/cache/test_redis_failover.py tests/cache/test_redis_sentinels.py tests/cache/test_redis_slots.py tests/cache/test_leases.py \
    tests/cli/dev/inspector/test_exports.py tests/cli/dev/inspector/test_inspector.py tests/cli/dev/inspector/test_secret_text.py \
    tests/contrib/test_django_request.py tests/contrib/test_packages_over_processes.py tests/events/test_fuzz.py \
    tests/events/test_round_trips.py tests/lambda_runtime/test_faults.py
# Tests of many ways to use one Redis.
REDIS = tests/cache/test_contract.py tests/cache/test_redis.py tests/cache/test_redis_clients.py tests/cache/test_redis_entries.py \
    tests/cache/test_redis_pools.py
PYTEST = $(BIN)/python -m pytest --numprocesses=auto --dist=loadfile $(COVERAGE)

# `make test COVERAGE=--cov` also measures coverage and takes half as long again.
test: PROGRAMS = redis-server openssl curl git
test: $(VENV)/ready programs emulator ## Run the tests that take little time.
	$(PYTEST) $(addprefix --ignore=,tests/builds tests/applications tests/docs $(LIVE) $(SLOW) $(REDIS))

live: PROGRAMS = redis-server wrk openssl postgresql/postgres chromium libapache2-mod-wsgi-py3/apache2
live: $(VENV)/ready programs emulator ## Run the tests with servers, databases, a browser and processes.
	$(PYTEST) $(LIVE) $(SLOW) $(REDIS)

# What the dependencies touch, with the lowest version of each that pyproject.toml allows.
LOWEST = .venv-lowest
lowest: PROGRAMS = redis-server openssl curl git
lowest: $(LOWEST)/ready programs ## Run tests with the lowest version of each dependency.
	$(LOWEST)/bin/python -m pytest --numprocesses=auto --dist=loadfile \
	    $(addprefix --ignore=,$(LIVE) $(filter-out tests/cli/build tests/test_fast.py,$(SLOW))) \
	    tests/cache tests/client tests/cli tests/contrib tests/test_fast.py tests/test_matrix.py

# Real applications on every kind of host, each in an environment of its own in .cache/applications.
applications: PROGRAMS = git
applications: $(VENV)/ready programs ## Run real applications on every kind of host.
	$(BIN)/python -m pytest --numprocesses=auto --dist=load tests/applications

# Install the Debian packages of the programs that tests start. PROGRAMS lists package/program, or one name for both.
programs:
	@PATH="$$PATH:/usr/sbin:$$(echo /usr/lib/postgresql/*/bin)"; \
	for program in $(PROGRAMS); do \
	    command -v $${program#*/} >/dev/null || missing="$$missing $${program%/*}"; \
	done; \
	[ -z "$$missing" ] || { \
	    [ "$$(id -u)" = 0 ] || sudo="sudo -n"; \
	    $$sudo apt-get update -qq && \
	    $$sudo apt-get install -y -qq --no-install-recommends $$missing >/dev/null; \
	} || { echo "The tests need$$missing: install it." >&2; exit 1; }

# AWS's Runtime Interface Emulator, which only tests need.
emulator: $(VENV)/ready
	@$(BIN)/python tests/servers/fetch_rie.py

# Builds run through the platforms' own tools, which are downloaded (800 MB) at first use.
builds: PROGRAMS = npm
builds: $(VENV)/ready programs emulator ## Run builds through the platforms' own tools.
	$(BIN)/python -m pytest --numprocesses=auto --dist=load tests/builds

# The documentation site in .cache/docs, and the tests of it: every block runs, pages have no broken links and no findings of axe,
# and the commands of the first ten minutes are typed as printed.
AXE = .cache/axe
docs: PROGRAMS = npm chromium
docs: $(VENV)/ready programs $(AXE)/ready ## Build the documentation site and test it.
	$(BIN)/uv pip install --quiet --python $(BIN)/python --group docs
	$(BIN)/python -m sphinx -q -W --keep-going -n -E docs .cache/docs
	$(BIN)/python -m pytest --numprocesses=auto --dist=load tests/docs

$(AXE)/ready: | programs
	npm install --silent --no-save --prefix $(AXE) axe-core@4
	@touch $@

start: $(VENV)/ready ## Type the commands of the documentation's start pages.
	$(BIN)/python -m pytest --numprocesses=auto --dist=load tests/docs/test_start.py

# What needs no threads, processes or sockets runs on CPython 3.14 for WebAssembly, which npm has: docs/python-versions.md.
# Such an interpreter does not measure the depth of its C code, so the stack is large.
PYODIDE = .cache/pyodide
PURE = $(patsubst %,tests/events/test_%.py,alb detection http_api lambda_integration rest_api) \
    $(patsubst %,tests/http/test_%.py,bodies envelope headers urls)
pyodide: PROGRAMS = npm
pyodide: $(PYODIDE)/ready programs ## Run tests on CPython 3.14 for WebAssembly.
	ulimit -s 262144; node --stack-size=200000 tests/pyodide/run.mjs $(PYODIDE)/node_modules/pyodide $(PYODIDE)/packages \
	    -p no:cacheprovider --tb=short $(PURE)

$(PYODIDE)/ready: $(VENV)/ready tests/pyodide/requirements.txt
	npm install --silent --no-save --prefix $(PYODIDE) pyodide@^314
	$(BIN)/uv pip install --quiet --python $(BIN)/python --target $(PYODIDE)/packages --python-version 3.14 \
	    --only-binary :all: --no-deps --requirements tests/pyodide/requirements.txt
	@touch $@

# Ten times as many events as in `make test`, from a new seed; SEED=... repeats a run.
SEED ?= $(shell date +%s)
fuzz: $(VENV)/ready ## Read a million random events.
	UNIGATE_FUZZ_EVENTS=1000000 UNIGATE_FUZZ_SEED=$(SEED) $(BIN)/python -m pytest tests/events/test_fuzz.py

lint: $(VENV)/ready ## Check style, types and imports.
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/python tests/typing/check.py
	$(BIN)/lint-imports

format: $(VENV)/ready ## Mend style.
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

# The JSON schema and the page of the settings, from their definition.
settings: $(VENV)/ready ## Write the schema and the page of the settings.
	$(BIN)/python docs/reference/settings.py

# Takes about half an hour. `make benchmark OPTIONS=--quick` shows in some minutes that all of them run.
benchmark: PROGRAMS = redis-server wrk
benchmark: $(VENV)/ready programs ## Measure again what docs/benchmarks.md shows.
	$(BIN)/uv pip install --quiet --python $(BIN)/python --group benchmarks
	$(BIN)/python benchmarks/run.py $(OPTIONS)
	$(BIN)/python benchmarks/plots.py

# The instructions of the hot paths, compared with benchmarks/instructions.json. A change that is worth more of them says why,
# and writes them: make instructions UPDATE=--update
instructions: PROGRAMS = valgrind
instructions: $(VENV)/ready programs ## Count the instructions of the hot paths.
	$(BIN)/python benchmarks/instructions.py $(UPDATE)

# What a release must have; a tag is checked with it: make release-check TAG=v0.1.0. The files are in .cache/release.
RELEASE = .cache/release
release-check: $(TOOLS)/ready ## Build the distributions, and check them and the version.
	$(PYTHON) tools/check_release.py $(TAG)
	rm -rf $(RELEASE)
	$(TOOLS)/bin/python -m build --no-isolation --outdir $(RELEASE) . >/dev/null
	$(TOOLS)/bin/twine check --strict $(RELEASE)/*
	$(TOOLS)/bin/check-wheel-contents $(RELEASE)/*.whl
	$(TOOLS)/bin/pyroma --min=10 --skip-tests=AuthorEmail,Url $(RELEASE)/*.tar.gz

CHECK_SCHEMA = $(TOOLS)/bin/check-jsonschema --no-cache --builtin-schema
workflows: $(TOOLS)/ready ## Check the files in .github.
	$(CHECK_SCHEMA) vendor.github-workflows .github/workflows/*.yml
	$(CHECK_SCHEMA) vendor.dependabot .github/dependabot.yml
	$(CHECK_SCHEMA) vendor.github-issue-config .github/ISSUE_TEMPLATE/config.yml
	$(CHECK_SCHEMA) vendor.github-issue-forms $(filter-out %/config.yml,$(wildcard .github/ISSUE_TEMPLATE/*.yml))
	$(TOOLS)/bin/zizmor --offline --quiet --persona=pedantic .github

pre-commit: $(VENV)/ready $(TOOLS)/ready ## Let git check each commit.
	$(TOOLS)/bin/pre-commit install

$(VENV)/installed: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "unigate needs Python 3.11 or later")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip install --quiet --python $(BIN)/python --editable ".[flask,django,cli]" \
	    --requirements example_flask/requirements.txt
	@touch $@

$(VENV)/ready: $(VENV)/installed
	$(BIN)/uv pip install --quiet --python $(BIN)/python --editable ".[flask,django,cli]" --group dev
	@touch $@

$(TOOLS)/ready: pyproject.toml
	$(PYTHON) -m venv $(TOOLS)
	$(TOOLS)/bin/python -m pip install --quiet uv
	$(TOOLS)/bin/uv pip install --quiet --python $(TOOLS)/bin/python --group tools
	@touch $@

$(LOWEST)/ready: pyproject.toml
	$(PYTHON) -m venv $(LOWEST)
	$(LOWEST)/bin/python -m pip install --quiet uv
	$(LOWEST)/bin/uv pip compile --quiet --python $(LOWEST)/bin/python --resolution lowest-direct \
	    --all-extras --group plugins --no-header pyproject.toml >$(LOWEST)/lowest.txt
	$(LOWEST)/bin/uv pip install --quiet --python $(LOWEST)/bin/python --constraint $(LOWEST)/lowest.txt \
	    --editable ".[flask,django,cli,fast,geoip,redis,vercel]" --group dev
	@touch $@

clean: ## Remove the environments and everything that was built.
	rm -rf .venv .venv-* .cache dist
