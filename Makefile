# Every target sets up what it needs in .venv first. Variables: LESSONS DATASET PROFILE SEEDS FIRST_SEED OUT MIRROR JOBS, for example
#   make course LESSONS="00 01" DATASET=yeast_atac
PYTHON ?= python3
LESSONS ?=
DATASET ?= simulated
PROFILE ?= quick
SEEDS ?=
FIRST_SEED ?= 0
OUT ?= course_run
MIRROR ?=
JOBS ?= 1

BIN := .venv/bin
UV := $(BIN)/uv
RUN_OPTIONS = --dataset "$(DATASET)" --profile $(PROFILE) --first-seed $(FIRST_SEED) --out "$(OUT)" --jobs $(JOBS) \
	$(if $(SEEDS),--seeds $(SEEDS)) $(if $(MIRROR),--mirror "$(MIRROR)")

.PHONY: course test lab bench nulls lessons lock clean help

help:  ## what can be made
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/'

.venv/.ready: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 11) <= v < (3, 14) else f"Python 3.11, 3.12 or 3.13 is needed, $(PYTHON) is {v[0]}.{v[1]}: try make PYTHON=python3.11")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	$(UV) pip sync --quiet --python $(BIN)/python --require-hashes requirements.lock
	$(UV) pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	touch $@

course: .venv/.ready  ## run the lessons headless and write a report
	$(BIN)/course run $(LESSONS) $(RUN_OPTIONS)

test: .venv/.ready  ## style, types, lessons and unit tests
	$(BIN)/python tests/run_all.py $(LESSONS)

lab: .venv/.ready  ## open the lessons in JupyterLab
	$(BIN)/jupyter lab --notebook-dir notebooks

bench: .venv-bench/.ready  ## speed and memory against named alternatives
	PYTHONPATH=. .venv-bench/bin/python benchmarks/run_all.py

# The alternatives that are measured against have needs of their own, so they live apart.
.venv-bench/.ready: .venv/.ready benchmarks/requirements.lock
	$(PYTHON) -m venv .venv-bench
	$(UV) pip sync --quiet --python .venv-bench/bin/python --require-hashes benchmarks/requirements.lock
	touch $@

nulls: .venv/.ready  ## every finding in the world where its cause is switched off
	$(BIN)/course nulls $(LESSONS) --out "$(OUT)-nulls"

lessons: .venv/.ready  ## execute the lessons from their sources, as they are committed
	$(BIN)/course build $(LESSONS)

LOCK := $(UV) pip compile --quiet --upgrade --generate-hashes --universal --python-version 3.11 --no-header --no-annotate \
	--no-emit-index-url --no-emit-find-links pyproject.toml
lock:  ## resolve requirements.lock, and that of the benchmarks, anew from pyproject.toml
	test -x $(UV) || ($(PYTHON) -m venv .venv && $(BIN)/python -m pip install --quiet --disable-pip-version-check uv)
	$(LOCK) --all-extras -o requirements.lock
	$(LOCK) benchmarks/requirements.in -o benchmarks/requirements.lock

clean:
	rm -rf .venv .venv-bench course_run course_run-nulls
