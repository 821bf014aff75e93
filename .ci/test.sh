#!/usr/bin/env bash
# What `make test` runs: lint, types, and the tests against the built wheel, in one environment of its own, which goes
# from a bare install over the oldest supported host to all the extras. Needs Python >= 3.10, and 8 GB in $TMPDIR.
set -euo pipefail
cd "$(dirname "$0")/.."

export REID_CHECKOUT=$PWD
export REID_SHARED=${REID_SHARED:-$(dirname "$PWD")/shared}
# Without byte code kept, every worker of pytest rewrites all tests' assertions anew.
unset PYTHONPATH PYTHONDONTWRITEBYTECODE

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python=$work/env/bin/python

pip() { "$python" -m pip --disable-pip-version-check --quiet "$@"; }
step() { printf '\n== %s (%d min %02d s)\n' "$*" $((SECONDS / 60)) $((SECONDS % 60)); }

# Away from the source tree, so that what is imported is what is installed.
tests() {
  (cd "$work/tests" && "$python" -m pytest -n auto --maxprocesses 4 --dist worksteal "$@")
}
covered() { tests --cov --cov-append --cov-report= "$@"; }

step "environment"
"${PYTHON:-python3}" -m venv "$work/env"
pip install --upgrade pip
pip wheel . --no-deps --wheel-dir "$work/dist"
wheel=$(echo "$work"/dist/*.whl)
# The versions that the README claims, from the one place that has them.
read -r oldest newest < <(sed -nE 's/^TESTED = \("(.*)", "(.*)"\)/\1 \2/p' ultralytics_reid/registration.py)
pip install "$wheel" "ultralytics==$newest" --group test --group lint --group docs

step "lint and types"
"$python" -m ruff check --no-cache .
"$python" -m ruff format --no-cache --check .
"$work/env/bin/lint-imports" --no-cache --no-logo
"$python" -m mypy --cache-dir "$work/mypy"
# The site: current pages, strictly built, nothing loaded from outside. In a copy, as the build writes there.
mkdir "$work/site"
cp -r docs tools mkdocs.yml ultralytics_reid CHANGELOG.md CONTRIBUTING.md README.md "$work/site"
(cd "$work/site" && PATH=$work/env/bin:$PATH make --file "$REID_CHECKOUT/Makefile" docs)
# They were there for their types: the tests without extras do without them.
pip uninstall --yes psycopg starlette uvicorn safetensors

mkdir "$work/tests"
cp -r tests benchmarks tools pyproject.toml "$work/tests"

step "tests without extras, Ultralytics $newest"
covered

step "tests with the oldest Ultralytics, $oldest"
pip install --no-deps "ultralytics==$oldest"
# All but those of what lies below the tracker, and of benchmarks.
below=(appearance association benchmarks gallery/ledger gallery/index memory revival scenes)
# What they cover, the pass before has covered: counting lines would take another quarter of the time.
tests "${below[@]/#/--ignore=tests/}"

step "tests of the extras and of the installation, Ultralytics $newest"
pip install "${wheel}[torchreid,openvino,onnx,postgres,milvus,web,train]" "ultralytics==$newest" --group servers --group web-tests
# For the page's tests in a browser, which are skipped without it.
if [ -z "$(command -v chromium)" ] && [ "$(id -u)" = 0 ] && [ -n "$(command -v apt-get)" ]; then
  apt-get install --yes --no-install-recommends chromium >"$work/apt.log" 2>&1 ||
    { apt-get update && apt-get install --yes --no-install-recommends chromium; } >>"$work/apt.log" 2>&1 ||
    echo "no chromium: the tests in a browser are skipped"
fi
covered -m "extras or install" --cov-report=term-missing:skip-covered --cov-fail-under=95
