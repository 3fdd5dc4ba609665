#!/usr/bin/env bash
# Resolves the image's locks anew from setup.py, within the versions of the project's own requirements.lock:
# requirements.lock, what every step needs, and requirements-gpu.lock, what a GPU needs on top.
set -euo pipefail
cd "$(dirname "$0")/.."
uv=${1:-.venv/bin/uv}
compile() {
    "$uv" pip compile "$@" --quiet --python-version 3.11 --python-platform x86_64-manylinux_2_39 \
        --generate-hashes --no-emit-index-url --no-emit-find-links --no-header --no-annotate
}
compile setup.py --extra kubeflow --constraint requirements.lock -o kubeflow/requirements.lock
mapfile -t without < <(sed -nE 's/^([^= ]+)==.*/--no-emit-package=\1/p' kubeflow/requirements.lock)
echo "tensorflow[and-cuda]" |
    compile - --constraint kubeflow/requirements.lock "${without[@]}" -o kubeflow/requirements-gpu.lock >/dev/null
