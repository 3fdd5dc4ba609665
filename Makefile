# `make run` and `make test` need only bash, make and Python 3.8 or later with venv, and no root.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
# Otherwise each process of a test would compile our code again.
unexport PYTHONDONTWRITEBYTECODE

VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# The Python that starts the set-up: 3.11, or any from 3.8 on. If PYTHON=... is a 3.11, the environment uses it.
PYTHON ?= $(shell for p in python3.11 python3 python3.13 python3.12 python3.10 python3.9 python; do \
    $$p -c 'import sys, ensurepip; sys.exit(sys.version_info < (3, 8))' 2>/dev/null && { command -v $$p; break; }; done)
ARGS ?=
SINCE ?= HEAD

.PHONY: help
help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: setup
setup: $(READY)  ## install everything into .venv (run and test do this if needed)

$(READY): requirements.lock setup.py $(wildcard pipeline/install/*.py pipeline/install/*.lock)
	@[[ -n "$(PYTHON)" ]] || { echo "Python 3.8 or later with venv is required (Debian, Ubuntu: apt-get install python3-venv)" >&2; exit 1; }
	@$(PYTHON) -m pipeline.install --editable . $(VENV)
	@touch $(READY)

.PHONY: run
run: $(READY)  ## render the demo notes once and run the whole pipeline on them
	@$(BIN)/nsynth run $(ARGS) || [[ $$? == 3 ]]  # 3: the model was not blessed, as the summary explains

.PHONY: run-real
run-real: $(READY)  ## download 14,000 notes of the real NSynth once (3.6 GB) and run the pipeline on them (ARGS: options of nsynth download)
	@$(BIN)/nsynth download $(ARGS)
	@$(BIN)/nsynth run --config configs/nsynth-lite.yaml || { code=$$?; \
	    ((code != 3)) || echo "What to try: docs/nsynth-lite.md" >&2; exit $$code; }

.PHONY: test
test: $(READY)  ## run all tests (ARGS="-k gate": options of pytest)
	@$(BIN)/python -m pytest $(ARGS)

.PHONY: test-unit
test-unit: $(READY)  ## run only the fast tests: about a minute
	@$(BIN)/python -m pytest -m "not e2e and not slow" $(ARGS)

.PHONY: test-affected
test-affected: $(READY)  ## run the tests that a change since SINCE (default: the last commit) affects, without end-to-end tests
	@files=$$($(BIN)/python -m tools.affected $(SINCE)); [[ -z $$files ]] || $(BIN)/python -m pytest -m "not e2e" $(ARGS) $$files

.PHONY: test-flink
test-flink: $(READY)  ## run ingest, statistics and Transform on a real Flink (tools/flink/run_tests exits with 77 if Flink is not available)
	@tools/flink/run_tests $(ARGS)

.PHONY: test-kserve
test-kserve: $(READY)  ## check the manifests against KServe's types (tools/kserve/run_tests exits with 77 if KServe is not available)
	@tools/kserve/run_tests $(ARGS)

.PHONY: test-bare
test-bare:  ## test set-up, a run and some tests on a bare Debian in a chroot, as root (exits with 77 if it is not available)
	@tools/test_bare $(ARGS)

.PHONY: lint
lint: $(READY)  ## check style, formatting, types, import rules and lock files
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@tools/check_locks

.PHONY: format
format: $(READY)  ## format the code
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

.PHONY: bench
bench: $(READY)  ## compare data preparation with TFX's stock components
	@$(BIN)/python -m benchmarks.preparation $(ARGS)

.PHONY: bench-ingest
bench-ingest: $(READY)  ## compare ingest with TFX's ImportExampleGen
	@$(BIN)/python -m benchmarks.ingest $(ARGS)

.PHONY: bench-transform
bench-transform: $(READY)  ## compare Transform with TFX's, with tf.data and with the bare kernel
	@$(BIN)/python -m benchmarks.transform $(ARGS)

.PHONY: bench-start
bench-start: $(READY)  ## measure the start-up time of commands: runs, models, report, an error, a cached run
	@$(BIN)/python -m benchmarks.start $(ARGS)

.PHONY: bench-imports
bench-imports: $(READY)  ## measure the imports of each step on a cluster, with TFX's command and with ours
	@$(BIN)/python -m benchmarks.imports $(ARGS)

.PHONY: bench-scale
bench-scale: $(READY)  ## run 60,000 notes (34 GB of disk) through the pipeline: speed, memory, disk (ARGS="--notes 6000": short)
	@$(BIN)/python -m benchmarks.scale $(ARGS)

.PHONY: bench-hundredfold
bench-hundredfold: $(READY)  ## measure plan, account and index of 100 × NSynth without audio: time and memory
	@$(BIN)/python -m benchmarks.hundredfold $(ARGS)

.PHONY: bench-kubeflow
bench-kubeflow: $(READY)  ## count the bytes between object store and pods in a run on Kubeflow, with claim and with store
	@$(BIN)/python -m benchmarks.kubeflow_bytes $(ARGS)

.PHONY: bench-judge
bench-judge: $(READY)  ## compare Predictor, Evaluator and Gate with an Evaluator that runs the models itself
	@$(BIN)/python -m benchmarks.judge $(ARGS)

.PHONY: bench-classify
bench-classify: $(READY)  ## measure start-up time and throughput of nsynth classify (after make run)
	@$(BIN)/python -m benchmarks.classify $(ARGS)

.PHONY: bench-serve
bench-serve: $(READY)  ## measure nsynth serve: notes/s, p50, p95, compared with TensorFlow alone (after make run)
	@$(BIN)/python -m benchmarks.serve $(ARGS)

.PHONY: bench-download
bench-download: $(READY)  ## measure nsynth download: requests, wasted bytes, time, CPU, memory, instruments included
	@$(BIN)/python -m benchmarks.download $(ARGS)

.PHONY: download-kill
download-kill: $(READY)  ## kill -9 nsynth download at twenty random moments, resume, compare the bytes
	@$(BIN)/python -m benchmarks.download_kill $(ARGS)

.PHONY: bench-train
bench-train: $(READY)  ## compare the speed of training with the same model fed from memory
	@$(BIN)/python -m benchmarks.train $(ARGS)

.PHONY: bench-accuracy
bench-accuracy: $(READY)  ## measure accuracy on instruments not in train; an interrupted call resumes (ARGS=--quick: one fold)
	@$(BIN)/python -m benchmarks.accuracy $(ARGS)

.PHONY: bench-travel
bench-travel: $(READY)  ## measure accuracy on out-of-domain sounds, to choose recipes (ARGS=--final: the held-out part)
	@$(BIN)/python -m benchmarks.travel $(ARGS)

.PHONY: bench-first-run
bench-first-run: $(READY)  ## measure the variation of a first run between seeds (after make run)
	@$(BIN)/python -m benchmarks.first_run $(ARGS)

.PHONY: bench-novelty
bench-novelty: $(READY)  ## measure how often novelty is above 1 for notes, recordings and noises (after make run)
	@$(BIN)/python -m benchmarks.novelty $(ARGS)

.PHONY: bench-distill
bench-distill: $(READY)  ## compare a student with its teachers, all tiny, on instruments unseen by all of them
	@$(BIN)/python -m benchmarks.distill $(ARGS)

.PHONY: golden
golden: $(READY)  ## update tests/kubeflow/golden.yaml, the expected compiled pipeline
	@UPDATE_GOLDEN=1 $(BIN)/python -m pytest -q -k it_is_what_it_was tests/kubeflow/test_whole_pipeline.py

.PHONY: soak
soak: $(READY)  ## simulate a month of unattended rounds, with failures and kills (Debian packages: fluid-soundfont-gm, minuet-data)
	@$(BIN)/python -m benchmarks.soak --rounds 30 --chart workspace/benchmarks/soak.svg \
	    --soundfont TimGM6mb --soundfont FluidR3_GM --soundfont GeneralUser $(ARGS)

.PHONY: soak-kubeflow
soak-kubeflow: $(READY)  ## simulate thirty nights on Kubeflow and on one machine; measure the cost of a night without new data
	@NSYNTH_NIGHTS=30 $(BIN)/python -m pytest -q -n 0 tests/kubeflow/test_night_soak.py

.PHONY: soak-kill
soak-kill: $(READY)  ## kill -9 a round in every step, then compare with an undisturbed round
	@$(BIN)/python -m benchmarks.soak_kill $(ARGS)

.PHONY: image
image: $(READY)  ## build the container image nsynth:local (needs Docker)
	docker build -f kubeflow/Dockerfile -t nsynth:local \
	    --build-arg CODE_FINGERPRINT="$$($(BIN)/nsynth kubeflow fingerprint)" .

.PHONY: lock
lock: $(READY)  ## resolve all lock files again from setup.py
	@tools/lock --upgrade

.PHONY: clean
clean:  ## remove the output of runs; keep the environment and the downloaded notes (workspace/nsynth-data)
	find workspace -mindepth 1 -maxdepth 1 ! -name 'nsynth-data*' -exec rm -rf {} + 2>/dev/null || [[ ! -e workspace ]]
