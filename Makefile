# Every verb sets up what it needs: a virtual environment in $(VENV), the build, the extras.
# On a fresh machine with Python >= 3.11, gcc and make, `make test` and `make table` are enough.

PYTHON ?= python3
VENV ?= .venv
CHECKED_VENV ?= .venv-
QUICK ?=
OUT ?= profiling/out

PY := $(VENV)/bin/python
PROFILING := $(PY) profiling
OPTIONS := --out $(OUT) $(if $(QUICK),--quick)
COMPILED := setup.py pyproject.toml $(wildcard $(addsuffix /*.p[yx][xd],_hmap_bytes pyhmap pyhmap/* tophash_cache))
SOURCES := $(COMPILED) $(wildcard $(addsuffix /*.py,_hmap_bytes pyhmap pyhmap/* tophash_cache))

.PHONY: help build test table bench cache growth leaks instructions lint type debug asan clean

help:
	@echo "make test     build, then run the whole test suite"
	@echo "make table    build, then print the before/after table (QUICK=1: about a minute; OUT=folder for the JSON)"
	@echo "make bench    build, then compare with dict and other maps: Python, C++, Go (QUICK=1, OUT=folder)"
	@echo "make cache    build, then what the hash cache costs and where it pays (QUICK=1, OUT=folder)"
	@echo "make growth   build, then when and why tables grow, with pictures; fragmentation; layout (QUICK=1, OUT=folder)"
	@echo "make leaks    build, then what keeps memory alive, the collector, zero growth of every call (QUICK=1, OUT=folder)"
	@echo "make instructions   build, then count instructions, beside those recorded (OUT=profiling/results records anew)"
	@echo "make report   one HTML page of all results in OUT (of the committed ones, if there are none)"
	@echo "make compare A=old.json B=new.json   what changed between two results of one verb"
	@echo "make lint     ruff and cython-lint;   make type   mypy --strict"
	@echo "make debug    the test suite over a build with every check on"
	@echo "make asan     the same under AddressSanitizer and UndefinedBehaviourSanitizer"
	@echo "make build    only the environment and the release build;   make clean   remove both"

$(PY):
	$(PYTHON) -m venv $(VENV)

# One stamp per set of extras: pip builds the extensions in place (an editable install).
$(VENV)/.dev: $(PY) $(COMPILED)
	$(PY) -m pip install --quiet --editable '.[dev]'
	touch $@

$(VENV)/.profiling: $(PY) $(COMPILED)
	$(PY) -m pip install --quiet --editable '.[profiling]'
	touch $@

$(VENV)/.peers: $(VENV)/.profiling
	$(PY) -m pip install --quiet --editable '.[profiling,peers]'
	touch $@

build: $(VENV)/.dev

test: $(VENV)/.dev
	$(PY) -m pytest

table: $(VENV)/.profiling
	$(PROFILING) table $(OPTIONS)

bench: $(VENV)/.peers
	$(PROFILING) peers $(OPTIONS)

cache: $(VENV)/.peers
	$(PROFILING) cache $(OPTIONS)

growth: $(VENV)/.peers
	$(PROFILING) growth $(OPTIONS)
	$(PROFILING) fragmentation $(OPTIONS)
	$(PROFILING) layout $(OPTIONS)

leaks: $(VENV)/.dev
	$(PROFILING) leaks $(OPTIONS)

.PHONY: report compare

report: $(VENV)/.profiling
	$(PROFILING) report --out $(OUT)

compare: $(VENV)/.profiling
	$(PROFILING) compare $(A) $(B)

instructions: $(VENV)/.dev
	$(PROFILING) instructions $(OPTIONS)

lint: $(VENV)/.dev
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	PATH="$(abspath $(VENV))/bin:$$PATH" cython-lint _hmap_bytes pyhmap tophash_cache

type: $(VENV)/.dev
	$(VENV)/bin/mypy

# The checked builds are installed (not editable) into environments of their own, so that they never replace the
# release build in the checkout; bin/pytest, unlike python -m pytest, does not put the checkout on the path.
$(CHECKED_VENV)%/.built: $(SOURCES)
	$(PYTHON) -m venv $(CHECKED_VENV)$*
	PYHMAP_BUILD=$* $(CHECKED_VENV)$*/bin/python -m pip install --quiet --force-reinstall '.[dev]'
	touch $@

debug: $(CHECKED_VENV)debug/.built
	$(CHECKED_VENV)debug/bin/pytest -m "not release_only"

asan: $(CHECKED_VENV)sanitize/.built
	LD_PRELOAD="$$(gcc -print-file-name=libasan.so) $$(gcc -print-file-name=libubsan.so)" PYTHONMALLOC=malloc \
	ASAN_OPTIONS=detect_leaks=0 UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 \
	$(CHECKED_VENV)sanitize/bin/pytest -m "not release_only" -s

clean:
	rm -rf $(VENV) .venv-debug .venv-sanitize build *.egg-info
	find _hmap_bytes pyhmap tophash_cache -name "*.so" -delete
