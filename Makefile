# The commands of this repository.  Every one of them does its own set-up.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: help demo test soak bench check layers schemas docs install uninstall clean

help: ## this list
	@grep -hE '^[a-z ]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

$(READY): pyproject.toml requirements.lock tools/setup.sh
	tools/setup.sh
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q --disable-pip-version-check -r requirements.lock
	$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps -e .
	touch $@

demo: $(READY) ## the main job on a real guest, step by step
	$(BIN)/python -m tests.demo

# Two at once, each with daemons of its own: most of the time is waiting for guests.
test: $(READY) ## every test, the real-libvirt ones included; on one libvirt where there is a choice
	VIRTSNAP_SAMPLE=1 $(BIN)/python -m pytest -q -n 2 --dist worksteal

soak: $(READY) ## the long profiles of the same tests
	VIRTSNAP_SOAK=1 $(BIN)/python -m pytest -q -n 2 --dist worksteal

bench: $(READY) ## speed as ratios, measured in one run
	$(BIN)/python -m tests.bench

check: $(READY) ## style, types, layers, generated files
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m tools.generate --check

layers: $(READY) ## the import contracts alone
	$(BIN)/lint-imports

schemas docs: $(READY) ## write schemas/ and the generated pages anew
	$(BIN)/python -m tools.generate

install: ## the command for good, with pipx; as root the units and /etc/virtsnap too
	@DESTDIR="$(DESTDIR)" PREFIX="$(PREFIX)" tools/install.sh install

uninstall: ## remove what install made; config and state stay
	@DESTDIR="$(DESTDIR)" PREFIX="$(PREFIX)" tools/install.sh uninstall

clean: ## remove what the other targets made
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis build *.egg-info
