# The index of what one can do. Every target builds .venv first if it is missing.
PYTHON ?= python3
BIN := .venv/bin

# Tests start hundreds of processes: bytecode is kept, whatever the environment says.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help demo test soak-kill fuzz check format bench dashboards k8s lock clean
.DEFAULT_GOAL := help

help: ## what one can do
	@grep -E '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

.venv/ready: requirements.txt pyproject.toml
	@echo "Setting up .venv, once: about a minute"
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

.venv/k8s: .venv/ready k8s/requirements.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r k8s/requirements.txt
	@touch $@

# A client library that wants an older websockets: a folder of its own in front of .venv.
.venv/agents/ready: .venv/ready tests/contract/agents/requirements.txt
	@rm -rf $(@D)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps \
		--target $(@D) -r tests/contract/agents/requirements.txt
	@touch $@

demo: .venv/ready ## a short load test against the embedded simulator, report at the end
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/locust -f locustfiles/realtime.py --headless -u 24 -r 6 -t 100s

# Six test processes share the cores: threads of their own would only wait for each other.
test: export OPENBLAS_NUM_THREADS = 1
test: .venv/ready .venv/k8s .venv/agents/ready ## everything CI runs: style, types, unit, contract and e2e tests
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .
	@$(BIN)/python -m pytest -m alone
	@# Calm tests mostly wait; mypy takes what they leave.
	@nice -n 19 $(BIN)/mypy & $(BIN)/python -m pytest -n 4 -m calm && wait $$!
	@$(BIN)/python -m pytest -n 6 --dist worksteal -m "not alone and not calm"

soak-kill: .venv/ready ## whoever is killed, nothing is lost: ten times in a row
	@for n in 1 2 3 4 5 6 7 8 9 10; do \
		echo "soak-kill $$n"; $(BIN)/python -m pytest -q -n 2 -m kill || exit 1; \
	done

fuzz: .venv/ready ## thousands of random calls on a clock of their own, held against the truth
	@PYTHONPATH=tests nice $(BIN)/python -m fuzz --cases 5000

check: .venv/ready ## the fast part, before every commit
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/python -m pytest -n 2 -m "not e2e and not alone"

format: .venv/ready ## put the code in shape
	@$(BIN)/ruff check --fix-only -q . ; $(BIN)/ruff format -q .

bench: .venv/ready ## what the harness itself costs, per user and per event, against peers
	@$(BIN)/python -m bench
	@$(BIN)/python -m bench --simulator

dashboards: .venv/ready ## write dashboards and alerts from the table of metrics
	@$(BIN)/python -m dashboards.make

k8s: .venv/k8s ## render and validate the manifests of a load test in a cluster, and its image
	@$(BIN)/python -m k8s.render
	@$(BIN)/hadolint Dockerfile

lock: .venv/ready ## pin what pyproject.toml asks for, with hashes
	@uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --quiet \
		--no-emit-index-url --no-emit-find-links --all-extras --group dev --upgrade \
		-o requirements.txt pyproject.toml build-requirements.in
	@uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --quiet \
		--no-emit-index-url --no-emit-find-links --constraint requirements.txt --upgrade \
		-o k8s/requirements.txt k8s/requirements.in
	@uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --quiet \
		--no-emit-index-url --no-emit-find-links --no-deps --upgrade \
		-o tests/contract/agents/requirements.txt tests/contract/agents/requirements.in

clean: ## forget .venv and caches; runs stay
	@rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .hypothesis
