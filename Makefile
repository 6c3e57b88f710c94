# Greffier. `make demo` and `make test` work on a fresh machine with Python >= 3.11, a C++ compiler and cmake.
# Everything is installed into .venv (and .venv-independent for verifiers that we did not write).
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := test

PYTHON ?= python3
# Where it may not, Python compiles all modules at each start: most of the time that a command takes.
unexport PYTHONDONTWRITEBYTECODE
VENV := .venv
BIN := $(VENV)/bin
# Compile of llama.cpp cut to what the bindings load: no vision library, no common library (see runtime/build.cmake).
export CMAKE_ARGS := -DLLAVA_BUILD=OFF -DGGML_NATIVE=ON -DCMAKE_PROJECT_llama.cpp_INCLUDE=$(CURDIR)/runtime/build.cmake $(CMAKE_EXTRA)
# `make install GPU=cuda` (or vulkan, metal) builds it for a GPU; how many layers run there is the setting gpu_layers.
# For CUDA, CUDA_ARCH names the card's architecture (90 for H100) where the build machine has no card of its own.
GPU ?= none
GPUS := none cuda vulkan metal
$(if $(filter $(GPU),$(GPUS)),,$(error GPU=$(GPU) is not known: use one of $(GPUS)))
GPU_SETTINGS_none :=
GPU_SETTINGS_cuda := $$(runtime/cuda/setup.sh settings $(VENV))
GPU_SETTINGS_vulkan := -DGGML_VULKAN=ON
GPU_SETTINGS_metal := -DGGML_METAL=ON
GPU_LINK_cuda := runtime/cuda/setup.sh link $(VENV)
# uv keeps what it built, and a wheel does not say for which processor, device and settings: as a setting of its own that
# is part of the name under which it is kept. A home that moves to another machine builds anew.
BUILT_FOR := $(GPU)-$(shell { grep -m1 ^flags /proc/cpuinfo || uname -a; cat runtime/build.cmake; \
	echo "$(CUDA_ARCH) $(CMAKE_EXTRA)"; } 2>/dev/null | sha256sum | cut -c 1-16)
export CMAKE_BUILD_PARALLEL_LEVEL ?= $(shell nproc)
HOME_DIR ?= demo

.PHONY: install install-test check-page demo serve test deep quick fuzz lint lock bench attack clean

install: $(VENV)/installed
	@$(MAKE) --no-print-directory check-page || echo "note: /check goes without the check in the browser" >&2

$(VENV)/bin/python:
	@command -v $(PYTHON) >/dev/null || { echo "Python 3.11 or newer is needed: set PYTHON=..." >&2; exit 2; }
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "PYTHON is older than 3.11" >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet 'uv>=0.9'

# The lock is complete, so nothing outside it is resolved (--no-deps) and every file is checked by hash.
$(VENV)/installed: requirements.lock pyproject.toml $(VENV)/gpu-$(GPU) | $(VENV)/bin/python
	@command -v cmake >/dev/null || echo "note: cmake is fetched by the build of llama-cpp-python" >&2
	settings="$(GPU_SETTINGS_$(GPU))" && CMAKE_ARGS="$$CMAKE_ARGS $$settings" $(BIN)/uv pip install \
		--python $(BIN)/python --quiet --no-deps --require-hashes -r requirements.lock \
		--config-settings-package llama-cpp-python:cmake.define.GREFFIER_BUILT_FOR=$(BUILT_FOR)
	$(GPU_LINK_$(GPU))
	$(BIN)/uv pip install --python $(BIN)/python --quiet --no-deps -e .
	touch $@

# Which device the build is for; another one builds it anew.
$(VENV)/gpu-$(GPU): | $(VENV)/bin/python
	@if ls $(VENV)/gpu-* >/dev/null 2>&1; then $(BIN)/uv pip uninstall --python $(BIN)/python --quiet llama-cpp-python; fi
	rm -f $(VENV)/gpu-*
	touch $@

# The check in the reader's browser: clients/js in one file. The site works without it, so `install` goes on without npm.
PAGE := web/static/verify.js
check-page:
	@command -v npm >/dev/null || { echo "npm is missing (Debian's packages nodejs and npm)" >&2; exit 1; }
	@$(MAKE) --no-print-directory $(PAGE)

clients/js/node_modules/.package-lock.json: clients/js/package-lock.json
	cd clients/js && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
	touch $@

$(PAGE): clients/js/node_modules/.package-lock.json $(wildcard clients/js/*.mjs)
	cd clients/js && node build.mjs

demo: install
	$(BIN)/greffier demo --home $(HOME_DIR)

serve: install
	@test -d $(HOME_DIR) || { echo "no $(HOME_DIR)/ yet: run 'make demo' first" >&2; exit 2; }
	$(BIN)/greffier serve --home $(HOME_DIR)

# What the tests need besides: Debian's Chromium for the pages, Node.js for the JavaScript verifier, and the independent C2SP verifier (Python >= 3.12).
install-test: install
	bash tests/independent/setup.sh
	bash tests/browser/setup.sh
	bash tests/js/setup.sh

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	PYTHONPATH=. $(BIN)/lint-imports

# One process more than the two cores of CI: while one waits for a lock, a disk or a process that it killed, two work.
PROCESSES ?= 3

test: install-test lint
	$(BIN)/python -m pytest -n $(PROCESSES) --dist loadfile

# What `test` takes samples of, in full: every system call fails once, 200 kills, long state machines and loads, ten times
# the examples of each property, a million inputs a parser, and every planted fault. It takes the better part of a day.
deep: install-test lint
	GREFFIER_FAULTS=all GREFFIER_KILLS=200 GREFFIER_STATES=50 GREFFIER_SOAK_S=600 \
		$(BIN)/python -m pytest -n $(PROCESSES) --dist loadfile --hypothesis-profile deep
	$(BIN)/python -m lab.faults
	$(MAKE) --no-print-directory fuzz

quick: install
	$(BIN)/python -m pytest -m "not slow" --ignore tests/browser

# A million inputs for every parser that reads a stranger's bytes (half an hour of one core); `make test` gives 2,000.
fuzz: install
	nice $(BIN)/python -W ignore tests/fuzz/run.py --inputs 1000000

# After a change of dependencies. The demo's model package is pinned without its own dependency (see pyproject.toml).
lock: $(VENV)/bin/python
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-header --python-version 3.11 \
		pyproject.toml --group demo --group dev -o requirements.lock
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-header --python-version 3.12 \
		tests/independent/requirements.in -o tests/independent/requirements.lock

bench: install
	$(BIN)/greffier bench append --writers 1,16,64

# The operator who holds all keys, against everybody who looks: who notices what. Needs no model; some two minutes.
attack: install
	$(BIN)/python -m lab.attack

clean:
	rm -rf $(VENV) clients/js/node_modules $(PAGE) .venv-independent demo build *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
