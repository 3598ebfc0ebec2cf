# Thin front of the commands a developer uses; the work is done by CMake and by tools/.
# `make help` lists the targets.

PRESET ?= default
# One compiler job needs up to 1.5 GB.
JOBS ?= $(shell awk -v cores="$$(nproc)" '/^MemAvailable/ { fit = int($$2 / 1572864) } \
  END { print (fit < 1 ? 1 : fit < cores ? fit : cores) }' /proc/meminfo)
PREFIX ?= /usr/local

export PATH := $(CURDIR)/.venv/bin:$(PATH)
export SVTUNE_ORACLE_PYTHON ?= $(CURDIR)/.venv/bin/python

.PHONY: all build demo test bench format lint install clean help

all: build

build: ## install what is missing, then build everything (PRESET=default|dev|asan|release)
	tools/setup.sh
	cmake --preset $(PRESET)
	cmake --build build/$(PRESET) --parallel $(JOBS)

demo: ## train SmolLM2-135M four ways and compare; QUICK=1 for a short run, MODEL=DIR for your own
	tools/setup.sh
	cmake --preset $(PRESET)
	cmake --build build/$(PRESET) --parallel $(JOBS) --target svtune_program
	QUICK="$(QUICK)" MODEL="$(MODEL)" tools/demo.sh build/$(PRESET)/bin/svtune

test: ## build everything and run all tests
	tools/setup.sh --test
	cmake --preset $(PRESET)
	cmake --build build/$(PRESET) --parallel $(JOBS)
	OMP_WAIT_POLICY=passive ctest --test-dir build/$(PRESET) \
	  --output-on-failure --no-tests=error --parallel 2

bench: ## measure against transformers + PEFT (installs them for itself)
	tools/setup.sh --test
	cmake --preset $(PRESET)
	cmake --build build/$(PRESET) --parallel $(JOBS)
	bench/run.sh build/$(PRESET)

format: ## format every C++ file in place
	tools/setup.sh --lint
	tools/lint.sh --fix

lint: ## check format, scripts, layers and sizes; TIDY=1 adds clang-tidy on every file (half an hour)
	tools/setup.sh --lint
	tools/lint.sh
	$(if $(TIDY),cmake --workflow --preset tidy)

install: ## install under PREFIX (default /usr/local; DESTDIR is honoured)
	tools/setup.sh
	cmake --preset release
	cmake --build build/release --parallel $(JOBS)
	cmake --install build/release --prefix "$(PREFIX)"

clean: ## remove build folders (.venv and downloads stay)
	rm -rf build

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' $(firstword $(MAKEFILE_LIST)) | expand -t 18
