# Every verb sets up what it needs: a virtual environment in $(VENV), the build, the extras.
# On a fresh machine with Python >= 3.11, gcc and make, `make test` and `make table` are enough. `make asan` and
# `make fuzz` need clang and its runtimes (Debian: clang, libclang-rt-14-dev) besides.

PYTHON ?= python3
VENV ?= .venv
CHECKED_VENV ?= .venv-
QUICK ?=
WRITE ?=
# How long `make stress` runs, and each target of `make fuzz`; without it 600 and 300, in the quick form 20.
SECONDS ?=
LINKS ?=
OUT ?= profiling/out
# Processes that run tests. logical: one per hyperthread; auto: one per core.
JOBS ?= logical
# A process that crashes ends the run, as a failure.
PARALLEL := -n $(JOBS) --max-worker-restart=0

PY := $(VENV)/bin/python
PROFILING := $(PY) profiling
OPTIONS := --out $(OUT) $(if $(QUICK),--quick)
COMPILED := setup.py pyproject.toml $(wildcard $(addsuffix /*.p[yx][xd],_hmap_bytes pyhmap pyhmap/* tophash_cache))
SOURCES := $(COMPILED) $(wildcard $(addsuffix /*.py,_hmap_bytes pyhmap pyhmap/* tophash_cache))
# An isolated environment would compile everything again: what pyproject.toml asks of one goes into ours.
BUILD_REQUIREMENTS = "import tomllib; print(*tomllib.load(open('pyproject.toml', 'rb'))['build-system']['requires'])"

.PHONY: help build test check record table bench cache cluster files growth leaks instructions report compare ids gateway gateway-measure
.PHONY: docs lint type coverage debug asan stress fuzz clean

help:
	@echo "make test     build, then run the whole test suite, in parallel (QUICK=1: what is random is tried less often)"
	@echo "make check    build, then run the short form of the tests of the map and of the cache"
	@echo "make record   the committed results are complete, the documents quote them (WRITE=1: makes tables, pictures)"
	@echo "make table    build, then print the before/after table (QUICK=1: about a minute; OUT=folder for the JSON)"
	@echo "make bench    build, then compare with dict and other maps: Python, C++, Go; ids for keys (QUICK=1, OUT=folder)"
	@echo "make cache    build, then what the hash cache costs and where it pays (QUICK=1, OUT=folder)"
	@echo "make files    build, then files of maps: opening, sharing, saving, beside other libraries' files (QUICK=1, OUT=folder)"
	@echo "make growth   build, then when and why tables grow, with pictures; fragmentation; floods; layout (QUICK=1, OUT=folder)"
	@echo "make leaks    build, then what keeps memory alive, the collector, zero growth of every call (QUICK=1, OUT=folder)"
	@echo "make instructions   build, then count instructions, beside those recorded (OUT=profiling/results records again)"
	@echo "make report   one HTML page of all results in OUT (of the committed ones, if there are none)"
	@echo "make compare A=old.json B=new.json   what changed between two results of one verb"
	@echo "make ids      build, then the example of ids beside a matrix (KEYS=10000000; QUICK=1: 100000, once)"
	@echo "make gateway  build, then the example of an API gateway at work (SECONDS=20; QUICK=1: 6)"
	@echo "make gateway-start   let it run;   gateway-check, gateway-publish, gateway-back: policies;   gateway-trials"
	@echo "make gateway-measure   beside a dict per worker, redis, facts inside Rego; beside the article (QUICK=1, OUT=folder)"
	@echo "make docs     the documentation, in build/docs: warnings are errors (LINKS=1: also asks every address outside)"
	@echo "make lint     ruff, cython-lint, zizmor, check-jsonschema;   make type   mypy --strict"
	@echo "make coverage the lines of Python and Cython that no test runs"
	@echo "make debug    the test suite over a build with every check on (QUICK=1: a short form)"
	@echo "make asan     the tests of the map and the cache under the sanitizers of addresses, leaks, UB (QUICK=1)"
	@echo "make stress   random calls in eight threads on shared maps, with forks and signals (SECONDS=600; QUICK=1: 20); generations"
	@echo "make fuzz     each target of the fuzzer (SECONDS=300 for each), then planted faults (QUICK=1: 20 s, without)"
	@echo "make build    only the environment and the release build;   make clean   remove both"

$(VENV)/.tools: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(PY) -m pip install --quiet $$($(PYTHON) -c $(BUILD_REQUIREMENTS))
	touch $@

# Compiles what is older than its sources.
$(VENV)/.built: $(VENV)/.tools $(COMPILED)
	$(PY) setup.py --quiet build_ext --inplace
	touch $@

# A stamp per extra. It does not depend on the stamp of the build: the installed files are the ones built in place.
EXTRAS := $(addprefix $(VENV)/.,test dev docs profiling peers examples)
$(EXTRAS): $(VENV)/.%: setup.py pyproject.toml | $(VENV)/.built
	$(PY) -m pip install --quiet --no-build-isolation --editable '.[$*]'
	touch $@

build: $(VENV)/.test

test: $(VENV)/.dev
	$(PY) -m pytest $(PARALLEL) $(if $(QUICK),--hypothesis-profile=short)

check: $(VENV)/.test
	@start=$$(date +%s) && \
	$(PY) -m pytest -q $(PARALLEL) --hypothesis-profile=short -m "not slow and not reference" \
		tests/map tests/tophash_cache tests/test_structure.py && \
	echo "A short form: Hypothesis tries 5 examples for each test. Left out: tests marked slow, tests over the plain" && \
	echo "Python reference alone, and the tests of pyhmap.debug, stubs, packages, documents and profiling/." && \
	echo "It took $$(($$(date +%s) - start)) s. \`make test\` runs everything."

record: $(VENV)/.profiling
	$(PROFILING) record $(if $(WRITE),--write)

table: $(VENV)/.profiling
	$(PROFILING) table $(OPTIONS)

bench: $(VENV)/.peers
	$(PROFILING) peers $(OPTIONS)
	$(PROFILING) ids $(OPTIONS)
	$(PROFILING) floor $(OPTIONS)

cache: $(VENV)/.peers
	$(PROFILING) cache $(OPTIONS)

files: $(VENV)/.peers
	$(PROFILING) files $(OPTIONS)

growth: $(VENV)/.peers
	$(PROFILING) growth $(OPTIONS)
	$(PROFILING) fragmentation $(OPTIONS)
	$(PROFILING) floods $(OPTIONS)
	$(PROFILING) layout $(OPTIONS)

KEYS ?= $(if $(QUICK),100000,10000000)
ids: $(VENV)/.examples
	$(PY) examples/ids --keys $(KEYS) $(if $(QUICK),--rounds 1)

gateway: $(VENV)/.examples
	$(PY) examples/gateway demo --seconds $(or $(SECONDS),$(if $(QUICK),6,20))

cluster: $(VENV)/.peers $(VENV)/.examples
	$(PROFILING) cluster $(OPTIONS)

gateway-measure: $(VENV)/.peers $(VENV)/.examples
	$(PROFILING) gateway $(OPTIONS)

# The other verbs of the example: start, token, check, publish, back, trials.
gateway-%: $(VENV)/.examples
	$(PY) examples/gateway $*

leaks: $(VENV)/.dev
	$(PROFILING) leaks $(OPTIONS)

report: $(VENV)/.profiling
	$(PROFILING) report --out $(OUT)

compare: $(VENV)/.profiling
	$(PROFILING) compare $(A) $(B)

instructions: $(VENV)/.dev
	$(PROFILING) instructions $(OPTIONS)

# A link that leads nowhere within the project is a warning. What lies outside is asked only if there is a network.
SPHINX = $(PY) -m sphinx -c docs -d build/docs.cache -W --keep-going --quiet
docs: $(VENV)/.docs
	$(SPHINX) . build/docs
	$(if $(LINKS),$(SPHINX) -b linkcheck . build/docs.links)
	@echo "build/docs/index.html"

SCHEMA := $(VENV)/bin/check-jsonschema --quiet --builtin-schema vendor
lint: $(VENV)/.dev
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	PATH="$(abspath $(VENV))/bin:$$PATH" cython-lint _hmap_bytes pyhmap tophash_cache
	$(VENV)/bin/zizmor --offline --quiet .github
	$(SCHEMA).github-workflows .github/workflows/*.yml
	$(SCHEMA).dependabot .github/dependabot.yml
	$(SCHEMA).github-issue-config .github/ISSUE_TEMPLATE/config.yml
	$(SCHEMA).github-issue-forms $(filter-out %/config.yml,$(wildcard .github/ISSUE_TEMPLATE/*.yml))
	$(SCHEMA).citation-file-format CITATION.cff

type: $(VENV)/.dev
	$(VENV)/bin/mypy
	$(VENV)/bin/mypy --platform win32 --cache-dir .mypy_cache/win32
	$(VENV)/bin/mypy --platform darwin --cache-dir .mypy_cache/darwin

# The other builds are installed (not editable) into environments of their own, so that they never replace the
# release build in the checkout; bin/pytest, unlike python -m pytest, does not put the checkout on the path, and tests
# start their programs with -P, which keeps it off theirs.
.SECONDARY: $(addprefix $(CHECKED_VENV),debug/.tools sanitize/.tools coverage/.tools)
$(CHECKED_VENV)%/.tools: pyproject.toml
	$(PYTHON) -m venv $(CHECKED_VENV)$*
	$(CHECKED_VENV)$*/bin/python -m pip install --quiet $$($(PYTHON) -c $(BUILD_REQUIREMENTS))
	touch $@

$(CHECKED_VENV)%/.built: $(CHECKED_VENV)%/.tools $(SOURCES)
	PYHMAP_BUILD=$* $(CHECKED_VENV)$*/bin/python -m pip install --quiet --no-build-isolation \
		'.[$(if $(filter sanitize,$*),fuzz,dev)]'
	touch $@

# Leaves out the tests of the plain Python reference alone: no build changes it, and `make test` runs them.
CHECKED = $(if $(QUICK),--hypothesis-profile=short) -m "not release_only and not reference$(if $(QUICK), and not slow)"
debug: $(CHECKED_VENV)debug/.built
	$(CHECKED_VENV)debug/bin/pytest $(PARALLEL) $(CHECKED) $(if $(QUICK),tests/map tests/tophash_cache)

# The runtime of the sanitizers comes before the interpreter. Reports go to stderr, which pytest's workers pass on. Leaks
# are looked for once, when the tests of a process are over (tests/conftest.py). The tests of pyhmap.debug and of
# profiling/ are left out: a sanitizer changes the memory and the time that they measure.
SANITIZED = LD_PRELOAD="$$(clang -print-file-name=libclang_rt.asan-$$(uname -m).so)" PYTHONMALLOC=malloc \
	ASAN_OPTIONS=detect_leaks=1:leak_check_at_exit=0 LSAN_OPTIONS=suppressions=tests/fuzz/leaks.supp \
	UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1
asan: $(CHECKED_VENV)sanitize/.built
	$(SANITIZED) $(CHECKED_VENV)sanitize/bin/pytest $(PARALLEL) $(CHECKED) -s tests/map tests/tophash_cache

# BUILD=debug or BUILD=sanitize runs it over that build.
BUILD ?=
STRESS = $(if $(filter sanitize,$(BUILD)),$(SANITIZED)) $(if $(BUILD),$(CHECKED_VENV)$(BUILD)/bin/python,$(PY))
stress: $(if $(BUILD),$(CHECKED_VENV)$(BUILD)/.built,$(VENV)/.test)
	$(STRESS) tests/stress/generations.py $(if $(QUICK),--publishes 100)
	$(STRESS) tests/stress/threads.py --seconds $(or $(SECONDS),$(if $(QUICK),20,600))

fuzz: $(CHECKED_VENV)sanitize/.built
	$(CHECKED_VENV)sanitize/bin/python tests/fuzz/run.py --seconds $(or $(SECONDS),$(if $(QUICK),20 --seed 1,300))
	$(if $(QUICK),,$(CHECKED_VENV)sanitize/bin/python tests/fuzz/planted.py)

# coverage.py sees Python; gcov sees C, and tests/cython_coverage.py names the lines of Cython that it comes from. Left
# out are tests of what Python allocates (test_clean.py and one of the cache): a tracer allocates too.
coverage: $(CHECKED_VENV)coverage/.built
	find build/coverage -name '*.gcda' -delete
	$(CHECKED_VENV)coverage/bin/coverage erase
	$(CHECKED_VENV)coverage/bin/coverage run $(CHECKED_VENV)coverage/bin/pytest -q $(PARALLEL) \
		-k "not test_clean and not holds_as_many_bytes" tests/map tests/tophash_cache tests/debug tests/test_docs.py
	$(CHECKED_VENV)coverage/bin/coverage combine --quiet
	$(CHECKED_VENV)coverage/bin/coverage report
	$(PYTHON) tests/cython_coverage.py build/coverage

clean:
	rm -rf $(VENV) $(addprefix $(CHECKED_VENV),debug sanitize coverage) build dist *.egg-info .coverage*
	find _hmap_bytes pyhmap tophash_cache -name "*.so" -delete
