# Thin front of the commands a developer uses; the work is done by CMake and by tools/.
# `make help` lists the targets. Installing happens in `make setup` and in what says so there.

PRESET ?= default
PREFIX ?= /usr/local
# One compiler job needs up to 1.5 GB.
JOBS ?= $(shell awk -v cores="$$(nproc)" '/^MemAvailable/ { fit = int($$2 / 1572864) } \
  END { print (fit < 1 ? 1 : fit < cores ? fit : cores) }' /proc/meminfo)

export PATH := $(CURDIR)/.venv/bin:$(PATH)
export SVTUNE_ORACLE_PYTHON ?= $(CURDIR)/.venv/bin/python
# What cmake --build and ctest take where they are given no number.
export CMAKE_BUILD_PARALLEL_LEVEL ?= $(JOBS)
export CTEST_PARALLEL_LEVEL ?= $(shell nproc)

.PHONY: all build setup demo demo-images demo-glue test soak bench format lint install clean help

all: build

build: ## build everything (PRESET=default|dev|asan|release); installs nothing
	tools/setup.sh --check
	cmake --preset $(PRESET)
	cmake --build build/$(PRESET)

setup: ## install what building needs: system packages by apt, torch by pip into .venv/
	tools/setup.sh

demo: setup ## set up, then train SmolLM2-135M four ways and compare; QUICK=1 is short, MODEL=DIR takes yours
	cmake --preset $(PRESET)
	cmake --build build/$(PRESET) --target svtune_program
	QUICK="$(QUICK)" MODEL="$(MODEL)" tools/demo.sh build/$(PRESET)/bin/svtune

demo-images: setup ## set up, then teach DINOv2-small classes from ten images each; QUICK=1, MODEL=DIR, DATA=DIR
	cmake --preset $(PRESET)
	cmake --build build/$(PRESET) --target svtune_program
	QUICK="$(QUICK)" MODEL="$(MODEL)" DATA="$(DATA)" tools/demo_images.sh build/$(PRESET)/bin/svtune

demo-glue: setup ## set up, then train MiniLM on labels of texts five ways; QUICK=1, MODEL=DIR, SVTUNE_TEST_DATA=DIR
	cmake --preset $(PRESET)
	cmake --build build/$(PRESET) --target svtune_program
	QUICK="$(QUICK)" MODEL="$(MODEL)" tools/demo_glue.sh build/$(PRESET)/bin/svtune

test: ## set up with the tests' oracles, build everything, run all tests (SVTUNE_TEST_DATA=DIR: real data)
	tools/setup.sh --test
	cmake --preset $(PRESET)
	cmake --build build/$(PRESET)
	OMP_WAIT_POLICY=passive ctest --test-dir build/$(PRESET) --output-on-failure --no-tests=error \
	  $(CTEST_ARGS)

soak: setup ## the long form of the tests that kill runs and let file calls fail (half an hour)
	cmake --preset $(PRESET)
	cmake --build build/$(PRESET) --target svtune_program svtune_failing_files
	SVTUNE_SOAK=1 OMP_WAIT_POLICY=passive ctest --test-dir build/$(PRESET) --timeout 7200 \
	  --output-on-failure --no-tests=error -R '^program\.(interruptions|faults)$$'

bench: ## set up as for the tests, measure beside transformers + PEFT, compare with bench/results/
	tools/setup.sh --test
	cmake --preset $(PRESET)
	cmake --build build/$(PRESET)
	bench/run.sh build/$(PRESET)

format: ## format every C++ file in place (installs clang-format)
	tools/setup.sh --lint
	tools/lint.sh --fix

lint: ## check format, scripts, layers, sizes (installs the checkers); TIDY=1 adds clang-tidy, half an hour
	tools/setup.sh --lint
	tools/lint.sh
	$(if $(TIDY),cmake --workflow --preset tidy)

install: ## build and install under PREFIX (default /usr/local; DESTDIR is honoured)
	tools/setup.sh --check
	cmake --preset release
	cmake --build build/release
	cmake --install build/release --prefix "$(PREFIX)"

clean: ## remove build folders (.venv and downloads stay)
	rm -rf build

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' $(firstword $(MAKEFILE_LIST)) | expand -t 20
