# `make demo` and `make test` need Python 3.11 or newer and a package registry, nothing else.
#
#   make demo                               the main job on synthetic speech made on the spot
#   make demo HMM=1                         phone models: train, align, recognise words
#   make demo DATA=DIR PROTOCOL=NAME        the same on real speech (DIR/protocols/NAME)
#   make test                               the whole test suite
#   make test-fast                          its quick part, a verdict in a minute
#   make test-faults                        kills, full disks, Ctrl-C, second writers: six minutes
#   make faults-long                        the same with twenty kills per command, and the whole guide: an hour
#   make fuzz SECONDS=60 TARGET=arpa        any bytes for the readers of files, led by coverage
#   make check                              format, lint, types, layers
#   make bench                              the speed and memory ratios (quiet machine, minutes)

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
OUTPUT ?= demo-output
# As an environment variable it also pins what builds the package.
PIP_INSTALL := PIP_CONSTRAINT="$(CURDIR)/constraints.txt" $(BIN)/python -m pip install --quiet

# Bytecode is kept even where the environment forbids it (the empty value allows it): else every run
# rewrites the assertions of all tests again, half of the time that collecting them takes.
PYTEST := PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest -n 2

# Where tests are that kill and stop processes, or are as long as the whole guide.
FAULTS := tests/faults tests/recipes/test_guide.py tests/unit/cli/test_interruption.py \
    tests/unit/estimators/test_fit_checkpoint.py tests/unit/estimators/test_selection.py \
    tests/unit/mixtures/test_checkpoint.py tests/unit/speakers/test_store_safety.py

.PHONY: demo test test-fast test-faults faults-long fuzz check format bench clean

demo: $(VENV)/.package
	@$(BIN)/speakergmm demo --output "$(OUTPUT)"$(if $(DATA), --data "$(DATA)")$(if $(PROTOCOL), --protocol "$(PROTOCOL)")$(if $(HMM), --hmm)

test: $(VENV)/.development
	$(PYTEST) $(ARGS)

test-fast: $(VENV)/.development
	$(PYTEST) --fast --hypothesis-profile fast $(ARGS)

test-faults: $(VENV)/.development
	$(PYTEST) -m faults $(FAULTS) $(ARGS)

faults-long: $(VENV)/.development
	$(PYTEST) -m faults $(FAULTS) --long $(ARGS)

fuzz: $(VENV)/.development
	$(PIP_INSTALL) --editable '.[fuzz]'
	PYTHONPATH=tests $(BIN)/python -m fuzz$(if $(SECONDS), --seconds $(SECONDS))$(if $(TARGET), --target $(TARGET))

check: $(VENV)/.development
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.development
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(VENV)/.development
	@for script in tests/benchmarks/bench_*.py; do \
	    echo "== $$script"; $(BIN)/python $$script || exit 1; done

clean:
	rm -rf $(VENV) $(OUTPUT) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	    { echo "speakergmm needs Python 3.11 or newer; give one with PYTHON=..." >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.package: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP_INSTALL) --editable .
	@touch $@

$(VENV)/.development: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP_INSTALL) --editable '.[dev]'
	@touch $@ $(VENV)/.package
