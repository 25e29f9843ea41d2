# What a contributor does, one word each. `make setup` first; PYTHON names another interpreter.
PYTHON ?= python3
VENV ?= .venv
WORKERS ?= 2
BIN := $(if $(VENV),$(VENV)/bin/)
CODE := sweeps agents tracking tests benchmarks configs

.PHONY: setup check lint types layers format test bench clean

setup: ## a virtual environment with everything for development
	$(PYTHON) -m venv $(VENV)
	$(BIN)pip install --quiet -e ".[dev,examples]"

check: lint types layers ## what has to be clean before a commit

lint:
	$(BIN)ruff check $(CODE)
	$(BIN)ruff format --check $(CODE)

types:
	$(BIN)mypy $(CODE)

layers:
	$(BIN)lint-imports

format: ## mend what can be mended by a machine
	$(BIN)ruff check --fix $(CODE)
	$(BIN)ruff format $(CODE)

test: ## the whole suite
	$(BIN)pytest -n $(WORKERS)

bench: ## swath beside its peers; writes the tables of benchmarks/README.md
	$(BIN)pip install --quiet -e ".[bench]"
	$(BIN)python benchmarks/bench_startup.py --write
	$(BIN)python benchmarks/bench_log.py --write
	$(BIN)python benchmarks/bench_media.py --write
	$(BIN)python benchmarks/bench_watch.py --write
	$(BIN)python benchmarks/bench_suggest.py --write
	$(BIN)python benchmarks/bench_orchestration.py --write
	$(BIN)python benchmarks/bench_fleet.py --write

clean: ## build products and caches; no sweep is touched
	rm -rf build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis htmlcov
