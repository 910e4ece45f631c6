.DEFAULT_GOAL := help
PYTHON ?= python3
BIN := .venv/bin
PYTEST_ARGS ?=
CONFORMANCE_ARGS ?=

.venv/.ready: requirements.lock requirements-dev.lock pyproject.toml
	@echo "Installing into .venv: about a minute, only when the lock files have changed."
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements-dev.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	touch $@

node: .venv/.ready ## install Node and the pinned npm packages the fuller tests use
	$(BIN)/python -m tests.support.node install

servers: .venv/.ready ## install real servers and clients the fuller tests use, each in an environment of its own
	$(BIN)/python -m tests.support.environments install

openfga: .venv/.ready ## build the pinned OpenFGA server the fuller tests use; needs Go, minutes once
	$(BIN)/python -m tests.support.openfga build

spicedb: .venv/.ready ## build the pinned SpiceDB server its tests use; needs Go, some ten minutes once
	$(BIN)/python -m tests.support.spicedb build

run: .venv/.ready ## start the gateway with the sample servers on http://127.0.0.1:8000
	@$(BIN)/python -m examples.run

demo: .venv/.ready ## tell the story in one terminal, against a running gateway of its own
	@$(BIN)/python -m examples.demo

test: .venv/.ready ## run every test whose parts are on this machine
	$(BIN)/python -m pytest $(PYTEST_ARGS)

check: .venv/.ready ## formatting, lint, types and import contracts
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports
	$(BIN)/pyright

conformance: node ## the official MCP suite: three revisions, tasks, across eras, and as a client of upstreams
	@$(BIN)/python -m tests.conformance.run $(CONFORMANCE_ARGS)

authlab: .venv/.ready ## 33 resource-server checks by mcp-authlab; fails under grade A
	@$(BIN)/python -m tests.conformance.authlab

bench: .venv/.ready ## calls per second and CPU per call: direct, governed, peers; at most 5 minutes
	@$(BIN)/python -m bench

bench-readme: .venv/.ready ## write the table of the last `make bench` into the README
	@$(BIN)/python -m bench.readme

bench-gate: .venv/.ready ## a governed call against the floor, by processor time: fails when it became dearer
	@$(BIN)/python -m bench.gate

bench-flat: .venv/.ready ## a call with 10 and 10,000 tools, with 1 and 10,000 principals; a list of 1,000 warm and after a change
	@$(BIN)/python -m bench.flat

bench-two: .venv/.ready ## two processes on one data directory against one alone: CPU per call
	@$(BIN)/python -m bench.two

bench-memory: .venv/.ready ## five minutes under load: idle memory and its slope
	@$(BIN)/python -m bench.memory

bench-streams: .venv/.ready ## 5,000 idle listening clients: memory of each, and the calls beside them
	@$(BIN)/python -m bench.streams

bench-overload: .venv/.ready ## ten times what the gateway can do: who is refused, what that costs, how long the others wait
	@$(BIN)/python -m bench.overload

fuzz-relationships: .venv/.ready ## 50,000 random checks and 10,000 lists against the real OpenFGA evaluator
	@$(BIN)/python -m tests.fuzz

bench-audit: .venv/.ready ## a million records: written, covered by checkpoints, verified, one proven; some 2 GB of disk
	@$(BIN)/python -m bench.audit

bench-relationships: .venv/.ready ## a million tuples, 100,000 tools: memory, CPU per question, beside a real OpenFGA
	@$(BIN)/python -m bench.relationships

soak: .venv/.ready ## 1,000 times kill -9, 100 times with 200 calls in flight, 20 times SIGTERM under load; some 40 minutes
	KILL_ROUNDS=1000 $(BIN)/python -m pytest -q -s -o faulthandler_timeout=0 tests/e2e/test_kill.py $(PYTEST_ARGS)
	KILL_ROUNDS=100 KILL_CLIENTS=200 $(BIN)/python -m pytest -q -s -o faulthandler_timeout=0 tests/e2e/test_kill.py $(PYTEST_ARGS)
	STOP_ROUNDS=20 STOP_CLIENTS=50 $(BIN)/python -m pytest -q -s -o faulthandler_timeout=0 tests/e2e/test_stopping.py $(PYTEST_ARGS)

docs: .venv/.ready ## write the generated parts of the documentation anew
	$(BIN)/python -m docs.generate

lock: ## resolve the dependencies anew into the two lock files
	$(BIN)/pip-compile --quiet --strip-extras --generate-hashes --allow-unsafe --no-emit-index-url --no-emit-find-links --no-header --extra samples --output-file requirements.lock pyproject.toml
	$(BIN)/pip-compile --quiet --strip-extras --generate-hashes --allow-unsafe --no-emit-index-url --no-emit-find-links --no-header --extra samples --extra spicedb --extra dev --output-file requirements-dev.lock pyproject.toml

clean: ## remove everything that can be made again, but no data directory
	rm -rf .venv .cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis build dist tests/node/node_modules
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 16

.PHONY: node servers openfga spicedb run demo test check conformance authlab bench bench-readme bench-gate bench-flat bench-two bench-memory bench-streams bench-audit bench-overload fuzz-relationships soak docs lock clean help
