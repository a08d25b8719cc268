# Everything runs in .venv with the versions and hashes of constraints.txt.
# The first call makes it; later ones start at once, until pyproject.toml or constraints.txt changes.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

PYTHON := .venv/bin/python
READY := .venv/.ready
ARGS :=
SEEDS := 1000

# Many tests wait for sockets and processes, so there is one process more than cores, up to four; a file's tests stay together,
# for they share what is dear to set up. Files come in the order of tests/conftest.py, the slow ones first.
SIDE_BY_SIDE := -n $(shell n=$$(($$(getconf _NPROCESSORS_ONLN) + 1)); echo $$((n > 4 ? 4 : n))) --dist loadfile --no-loadscope-reorder

.PHONY: help install demo chain test conformance conformance-full torture bench simulate coverage lock clean

help: ## this list
	@sed -nE 's/^([a-z-]+):.*## (.*)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 25

install: $(READY) ## .venv with the locked versions; the other targets do it too

demo: $(READY) ## a VTN, three edge VENs, two events; results in out/demo
	@$(PYTHON) -m openadr_ra demo $(ARGS)

chain: $(READY) ## DRAS, AC, two RAs, 450 home batteries and more; results in out/chain
	@$(PYTHON) -m openadr_ra demo --chain $(ARGS)

test: $(READY) ## format, lint, types and tests; ARGS="-x tests/net" goes to pytest
	@echo "== ruff format --check"; $(PYTHON) -m ruff format --check
	@echo "== ruff check"; $(PYTHON) -m ruff check
	@echo "== mypy --strict"; $(PYTHON) -m mypy
	@echo "== pytest"; $(PYTHON) -m pytest $(SIDE_BY_SIDE) $(ARGS)

conformance: $(READY) ## the harness against our VTN and VEN and openleadr's; reports in conformance/out
	@$(PYTHON) -m conformance suite --jobs 3 --at-once 3 $(ARGS)

conformance-full: $(READY) ## the same, with the cases that take real minutes
	@$(PYTHON) -m conformance suite --jobs 3 --at-once 3 --slow $(ARGS)

torture: $(READY) ## processes killed, disks filled, networks cut, clocks stepped, under load; SEED=, MINUTES= (5, at most 15)
	@$(PYTHON) -m torture $(if $(SEED),--seed $(SEED)) $(if $(MINUTES),--minutes $(MINUTES)) $(ARGS)

bench: $(READY) ## our figures beside the peer's and the floor's
	@$(PYTHON) -m benchmarks $(ARGS)

simulate: $(READY) ## random schedules and faults in virtual time; SEEDS=10000, ARGS="--seed 7" repeats one
	@$(PYTHON) -m simulation --seeds $(SEEDS) $(ARGS)

coverage: $(READY) ## branch coverage of protocol and wire by their own tests; fails below 97 %
	@$(PYTHON) -m coverage erase
	@$(PYTHON) -m coverage run -m pytest $(SIDE_BY_SIDE) tests/protocol tests/wire $(ARGS)
	@$(PYTHON) -m coverage combine --quiet
	@$(PYTHON) -m coverage report --include='openadr_ra/protocol/*,openadr_ra/wire/*' --fail-under=97

lock: ## write constraints.txt anew from pyproject.toml; ARGS=--upgrade for the newest versions
	@.ci/lock $(ARGS)

clean: ## remove outputs and caches; .venv stays
	@rm -rf out conformance/out build dist .coverage .coverage.* .hypothesis .mypy_cache .pytest_cache .ruff_cache
	@find . \( -path ./.venv -o -path ./.git \) -prune -o -name __pycache__ -type d -exec rm -rf {} +

$(READY): pyproject.toml constraints.txt
	@.ci/venv
