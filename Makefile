# `make run` and `make test` need bash, make and a Python from 3.8 on with venv; nothing else, and no root.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
# Each process of a test would compile our code anew.
unexport PYTHONDONTWRITEBYTECODE

VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# What starts the set-up: a Python 3.11, else any from 3.8 on. Set PYTHON=... to name one; is it a 3.11, it is used.
PYTHON ?= $(shell for p in python3.11 python3 python3.13 python3.12 python3.10 python3.9 python; do \
    $$p -c 'import sys, ensurepip; sys.exit(sys.version_info < (3, 8))' 2>/dev/null && { command -v $$p; break; }; done)
ARGS ?=
SINCE ?= HEAD

.PHONY: help
help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: setup
setup: $(READY)  ## install everything into .venv (run and test do it by themselves)

$(READY): requirements.lock setup.py $(wildcard pipeline/install/*.py pipeline/install/*.lock)
	@[[ -n "$(PYTHON)" ]] || { echo "A Python from 3.8 on with venv is needed to begin with (Debian, Ubuntu: apt-get install python3-venv)" >&2; exit 1; }
	@$(PYTHON) -m pipeline.install --editable . $(VENV)
	@touch $(READY)

.PHONY: run
run: $(READY)  ## render the demo notes once and run the whole pipeline on them
	@$(BIN)/nsynth run $(ARGS) || [[ $$? == 3 ]]  # 3: the gate refused the model, as the summary explains

.PHONY: run-real
run-real: $(READY)  ## download 14,000 notes of the real NSynth once (3.6 GB) and run the pipeline on them (ARGS: of nsynth download)
	@$(BIN)/nsynth download $(ARGS)
	@$(BIN)/nsynth run --config configs/nsynth-lite.yaml || { code=$$?; \
	    ((code != 3)) || echo "What to try: docs/nsynth-lite.md" >&2; exit $$code; }

.PHONY: test
test: $(READY)  ## run all tests (pass more with ARGS="-k gate")
	@$(BIN)/python -m pytest $(ARGS)

.PHONY: test-unit
test-unit: $(READY)  ## run the fast tests alone: about a minute
	@$(BIN)/python -m pytest -m "not e2e and not slow" $(ARGS)

.PHONY: test-affected
test-affected: $(READY)  ## run the tests that see what differs from SINCE (default: the last commit), end-to-end ones apart
	@files=$$($(BIN)/python -m tools.affected $(SINCE)); [[ -z $$files ]] || $(BIN)/python -m pytest -m "not e2e" $(ARGS) $$files

.PHONY: test-flink
test-flink: $(READY)  ## run ingest, statistics and Transform on a real Flink (exit code 77 of tools/flink/run_tests: it cannot be had)
	@tools/flink/run_tests $(ARGS)

.PHONY: test-kserve
test-kserve: $(READY)  ## check the manifests against KServe's own types (exit code 77 of tools/kserve/run_tests: not to be had)
	@tools/kserve/run_tests $(ARGS)

.PHONY: test-bare
test-bare:  ## try set-up, a run and some tests on a bare Debian in a chroot, as root (77: it cannot be had)
	@tools/test_bare $(ARGS)

.PHONY: lint
lint: $(READY)  ## check style, formatting, types, who imports whom, and that no lock needs a compiler
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@tools/check_locks

.PHONY: format
format: $(READY)  ## put the code in order
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

.PHONY: bench
bench: $(READY)  ## measure the whole preparation of data against the stock components
	@$(BIN)/python -m benchmarks.preparation $(ARGS)

.PHONY: bench-ingest
bench-ingest: $(READY)  ## measure ingest against stock ImportExampleGen
	@$(BIN)/python -m benchmarks.ingest $(ARGS)

.PHONY: bench-transform
bench-transform: $(READY)  ## measure Transform against stock, tf.data and the bare kernel
	@$(BIN)/python -m benchmarks.transform $(ARGS)

.PHONY: bench-start
bench-start: $(READY)  ## measure how long commands take that compute nothing: runs, models, report, a mistake, a cached run
	@$(BIN)/python -m benchmarks.start $(ARGS)

.PHONY: bench-imports
bench-imports: $(READY)  ## measure what each step on a cluster imports before it begins, by TFX's command and by ours
	@$(BIN)/python -m benchmarks.imports $(ARGS)

.PHONY: bench-scale
bench-scale: $(READY)  ## 60,000 notes (34 GB of disk) through the whole pipeline: speed, memory, the disk (ARGS="--notes 6000": short)
	@$(BIN)/python -m benchmarks.scale $(ARGS)

.PHONY: bench-hundredfold
bench-hundredfold: $(READY)  ## plan, account and index of 100 × NSynth, without the sound: time and memory
	@$(BIN)/python -m benchmarks.hundredfold $(ARGS)

.PHONY: bench-kubeflow
bench-kubeflow: $(READY)  ## count the bytes that a run on Kubeflow moves between object store and pods, by claim and by store
	@$(BIN)/python -m benchmarks.kubeflow_bytes $(ARGS)

.PHONY: bench-judge
bench-judge: $(READY)  ## measure Predictor, Evaluator and Gate against an Evaluator that asks the models itself
	@$(BIN)/python -m benchmarks.judge $(ARGS)

.PHONY: bench-classify
bench-classify: $(READY)  ## measure how fast nsynth classify starts and answers (after make run)
	@$(BIN)/python -m benchmarks.classify $(ARGS)

.PHONY: bench-serve
bench-serve: $(READY)  ## measure nsynth serve: notes a second, p50, p95, beside TensorFlow alone (after make run)
	@$(BIN)/python -m benchmarks.serve $(ARGS)

.PHONY: bench-download
bench-download: $(READY)  ## measure nsynth download: requests, bytes wasted, time, CPU, memory, instruments met
	@$(BIN)/python -m benchmarks.download $(ARGS)

.PHONY: download-kill
download-kill: $(READY)  ## kill -9 nsynth download at twenty random moments, resume, compare the bytes
	@$(BIN)/python -m benchmarks.download_kill $(ARGS)

.PHONY: bench-train
bench-train: $(READY)  ## measure training's speed against the same model fed from memory
	@$(BIN)/python -m benchmarks.train $(ARGS)

.PHONY: bench-accuracy
bench-accuracy: $(READY)  ## measure accuracy on instruments not in train; goes on where it was stopped (ARGS=--quick: one fold)
	@$(BIN)/python -m benchmarks.accuracy $(ARGS)

.PHONY: bench-travel
bench-travel: $(READY)  ## measure accuracy on out-of-domain sounds, which recipes are chosen by (ARGS=--final: the part put aside)
	@$(BIN)/python -m benchmarks.travel $(ARGS)

.PHONY: bench-first-run
bench-first-run: $(READY)  ## measure what the seed does to a first run's figures (after make run)
	@$(BIN)/python -m benchmarks.first_run $(ARGS)

.PHONY: bench-novelty
bench-novelty: $(READY)  ## measure how often novelty speaks up about notes, recordings and noises (after make run)
	@$(BIN)/python -m benchmarks.novelty $(ARGS)

.PHONY: bench-distill
bench-distill: $(READY)  ## measure a student against its teachers, all tiny, on instruments that none has heard
	@$(BIN)/python -m benchmarks.distill $(ARGS)

.PHONY: golden
golden: $(READY)  ## accept what compiling for a cluster yields now as tests/kubeflow/golden.yaml
	@UPDATE_GOLDEN=1 $(BIN)/python -m pytest -q -k it_is_what_it_was tests/kubeflow/test_whole_pipeline.py

.PHONY: soak
soak: $(READY)  ## a month of unattended rounds in minutes, bad days and kills included (SoundFonts: fluid-soundfont-gm, minuet-data)
	@$(BIN)/python -m benchmarks.soak --rounds 30 --chart workspace/benchmarks/soak.svg \
	    --soundfont TimGM6mb --soundfont FluidR3_GM --soundfont GeneralUser $(ARGS)

.PHONY: soak-kubeflow
soak-kubeflow: $(READY)  ## thirty nights on Kubeflow, beside the same nights on one machine; what a quiet night costs
	@NSYNTH_NIGHTS=30 $(BIN)/python -m pytest -q -n 0 tests/kubeflow/test_night_soak.py

.PHONY: soak-kill
soak-kill: $(READY)  ## kill -9 in every step in turn, then compare with an undisturbed round
	@$(BIN)/python -m benchmarks.soak_kill $(ARGS)

.PHONY: image
image: $(READY)  ## build the container image nsynth:local (needs Docker)
	docker build -f kubeflow/Dockerfile -t nsynth:local \
	    --build-arg CODE_FINGERPRINT="$$($(BIN)/nsynth kubeflow fingerprint)" .

.PHONY: lock
lock: $(READY)  ## resolve all locks anew from setup.py
	@tools/lock --upgrade

.PHONY: clean
clean:  ## remove what the runs made; the environment and the downloaded notes (workspace/nsynth-data) stay
	find workspace -mindepth 1 -maxdepth 1 ! -name 'nsynth-data*' -exec rm -rf {} + 2>/dev/null || [[ ! -e workspace ]]
