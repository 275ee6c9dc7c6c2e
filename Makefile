# Everything runs from .venv, which `make setup` builds from the hash-pinned lock file.
PYTHON ?= python3
BIN := .venv/bin
# Where it is set, each of the hundreds of processes that tests start would compile the code anew.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: setup demo picture docs check test faults fuzz fuzz-faults fuzz-broker bench bench-quick measure sanitize lint
.PHONY: clean

setup: .venv/.ready

.venv/.ready: requirements.lock pyproject.toml $(wildcard */native/*.[ch] */*/native/*.[ch])
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $@

demo: setup
	$(BIN)/footfall demo

# The README's picture, from the program's own output.
picture: setup
	COLUMNS=92 $(BIN)/footfall demo --svg docs/demo.svg

docs: setup
	$(BIN)/python -m pipeline.documents
	$(BIN)/python -m tests.faults.reliability
	$(BIN)/python -m bench.report

# The inner loop: style, types, imports and every test that needs no broker, of those that take long some cases
# (tests/long.py).
check: lint
	$(BIN)/pytest -q --numprocesses 2 --dist loadfile -m "not broker and not long" $(CHECK)

# Two files of tests at a time: much of the time is waiting for brokers and workers to start, stop and time out. The
# brokers of tests end too soon for Java's better compiler to pay for itself.
test: setup
	JAVA_TOOL_OPTIONS=-XX:TieredStopAtLevel=1 $(BIN)/pytest --numprocesses 2 --dist loadfile

# The protocol under schedules of STEPS steps, then random mixes of faults: SEEDS is a count, a range such as 10-29, or
# =7 for the mix of one seed alone; FAULTS further options of `.venv/bin/python -m tests.faults --help`, such as --jobs 2.
STEPS ?= 1000000
SEEDS ?= 20
faults: setup
	$(if $(filter-out =%,$(SEEDS)),$(BIN)/python -m tests.protocol --steps $(STEPS))
	$(BIN)/python -m tests.faults $(SEEDS) $(FAULTS)

# Record batches that no client writes, changed at random, through a real broker; options as in
# `.venv/bin/python -m tests.fuzz_batches --help`.
fuzz-broker: setup
	$(BIN)/python -m tests.fuzz_batches $(FUZZ)

# The C parts beside the forms in Python, under sanitizers, on inputs that libFuzzer draws towards code not reached yet, for
# SECONDS. What is found is a file below build/fuzz/found, which `make fuzz REPEAT=FILE` tries once more (ADR 0027).
SECONDS ?= 60
FUZZ_TOOLS := build/fuzz/tools
fuzz: setup $(FUZZ_TOOLS)/.ready
	$(BIN)/python -m tests.fuzz $(if $(REPEAT),--repeat $(REPEAT),--seconds $(SECONDS))

# Faults put into copies of the C code on purpose, each to be found by it within SECONDS.
fuzz-faults: setup $(FUZZ_TOOLS)/.ready
	$(BIN)/python -m tests.fuzz.faults --seconds $(SECONDS)

# Not for the environment: it has wheels for Linux on x86-64 alone, and is of no use elsewhere.
$(FUZZ_TOOLS)/.ready: tests/fuzz/requirements.lock
	rm -rf $(FUZZ_TOOLS)
	$(PYTHON) -m pip install --quiet --disable-pip-version-check --no-deps --only-binary :all: --require-hashes \
		--target $(FUZZ_TOOLS) -r tests/fuzz/requirements.lock
	touch $@

# Speed on this machine beside other systems, as one table; options as in `.venv/bin/python -m bench.compare --help`.
bench: setup
	$(BIN)/python -m bench.compare $(BENCH)

# The same in two minutes, beside Kafka Streams alone.
EVENTS ?= 1200000
bench-quick: setup
	$(BIN)/python -m bench.compare --events $(EVENTS) --runs 1 --no-latency --only "Kafka Streams"

# One of the other measurements behind docs/: NAME is burst, floods, hostile, recovery, scaling or state, without it the
# worker pair alone and its single steps; options as in `.venv/bin/python -m bench.NAME --help`.
measure: setup
	$(BIN)/python -m bench$(if $(NAME),.$(NAME)) $(BENCH)

# The C parts under the address and undefined-behaviour sanitizers, by the tests that hold them to the other forms.
SANITIZED := build/sanitized
NATIVE_TESTS := $(addprefix tests/core/test_,native.py fast_path.py pre_aggregate.py) tests/schemas/test_columns.py
sanitize: setup
	rm -rf $(SANITIZED) && mkdir -p $(SANITIZED)
	cp -r agents schemas pipeline bench tests pyproject.toml $(SANITIZED)
	cd $(SANITIZED) && find . -name '*.so' -delete && CFLAGS="-g -fsanitize=address,undefined -fno-sanitize-recover=all" \
		$(CURDIR)/$(BIN)/python -c "import setuptools; setuptools.setup()" --quiet build_ext --inplace
	cd $(SANITIZED) && LD_PRELOAD=$$(cc -print-file-name=libasan.so) ASAN_OPTIONS=detect_leaks=0 PYTHONMALLOC=malloc \
		$(CURDIR)/$(BIN)/pytest -q --timeout 1200 $(NATIVE_TESTS)

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

clean:
	rm -rf .venv build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
