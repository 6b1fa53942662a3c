# Everything a newcomer or CI does. Each target makes the environment that it needs; a second call reuses it.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
FUZZ_SECONDS ?= 120
UV := $(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --require-hashes
LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
  --no-header --no-annotate
ROOMS := components automation engine service monitor runtimes local
CODE := $(ROOMS) tests benchmarks __main__.py

.PHONY: help run demo test test-cluster test-node lint fmt bench bench-engine bench-platform bench-builds bench-events lock clean test-alerts aws test-rabbitmq asyncapi fuzz

help:  ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

run: $(VENV)/.main  ## start the local platform, deploy examples/, stay until Ctrl-C
	@$(BIN)/python -m local run

demo: $(VENV)/.main  ## the same, once: a table of phases and the functions' answers
	@$(BIN)/python -m local demo

aws: $(VENV)/.aws  ## add what environments in AWS need

test: $(VENV)/.dev  ## all tests that need no cluster and no RabbitMQ
	$(BIN)/python -m pytest -m "not cluster and not node and not rabbitmq" $(PYTEST_ARGS)

test-alerts: $(VENV)/.dev  ## alerts and queries only; needs promtool (apt-get install prometheus)
	$(BIN)/python -m pytest tests/observability $(PYTEST_ARGS)

test-cluster: $(VENV)/.dev  ## tests against a real API server: KUBECONFIG, else ../shared/cluster
	$(BIN)/python -m pytest -m cluster $(PYTEST_ARGS)

test-node: $(VENV)/.dev  ## tests with pods that really run: a cluster with a node, root, buildah, mmdebstrap
	$(BIN)/python -m pytest -m node $(PYTEST_ARGS)

test-rabbitmq: $(VENV)/.dev  ## tests with a RabbitMQ that they start: Debian's rabbitmq-server
	$(BIN)/python -m pytest -m rabbitmq $(PYTEST_ARGS)

lint: $(VENV)/.dev  ## style, types, layers
	$(BIN)/ruff check $(CODE) examples
	$(BIN)/ruff format --check $(CODE) examples
	$(BIN)/mypy $(ROOMS) __main__.py
	$(BIN)/lint-imports

fmt: $(VENV)/.dev  ## format the code
	$(BIN)/ruff check --fix $(CODE) examples
	$(BIN)/ruff format $(CODE) examples

bench: $(VENV)/.dev  ## measure the main path; writes benchmarks/results/main.json
	@$(BIN)/python -m benchmarks.main

bench-engine: $(VENV)/.dev  ## measure the engine on a real API server; writes benchmarks/results/engine.json
	@$(BIN)/python -m benchmarks.engine

bench-platform: $(VENV)/.dev  ## measure a whole environment on a real API server; writes benchmarks/results/platform.json
	@$(BIN)/python -m benchmarks.platform

bench-events: $(VENV)/.dev  ## measure events: replies, plans, spans, memory (SOAK_SECONDS); writes benchmarks/results/events.json
	@$(BIN)/python -m benchmarks.events

asyncapi: $(VENV)/.main  ## write docs/asyncapi.yaml anew, from the table of event types
	@$(BIN)/python -m service.asyncapi > docs/asyncapi.yaml

fuzz: $(VENV)/.dev  ## search for events that no reader foresaw, FUZZ_SECONDS long; a find is printed and ends it
	@$(UV) -r requirements/fuzz.txt
	$(BIN)/python -m tests.fuzz.codec -max_total_time=$(FUZZ_SECONDS)

bench-builds: $(VENV)/.dev  ## measure contexts, the monitor and the runtimes; writes benchmarks/results/builds.json
	@$(BIN)/python -m benchmarks.builds

lock: $(VENV)/.uv  ## pin requirements/*.in with hashes
	for set in uv main aws dev fuzz; do $(LOCK) --output-file requirements/$$set.txt requirements/$$set.in; done
	$(LOCK) --no-emit-package debugpy --output-file requirements/service.txt requirements/service.in

clean:  ## remove the environment and everything that was made
	rm -rf $(VENV) .local .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache benchmarks/results

$(VENV)/.uv: requirements/uv.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11, 4) and "Python 3.11.4 or newer is needed, this is " \
	  + sys.version.split()[0] + "; name another with make PYTHON=python3.11")'
	@echo "making $(VENV) with the pinned requirements (once)"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r $<
	@touch $@

$(VENV)/.main: requirements/main.txt $(VENV)/.uv
	@$(UV) -r $<
	@touch $@

$(VENV)/.aws: requirements/aws.txt $(VENV)/.main
	@$(UV) -r $<
	@touch $@

$(VENV)/.dev: requirements/dev.txt $(VENV)/.main
	@$(UV) -r $<
	@touch $@
