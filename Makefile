.PHONY: check test yaml lint demo clean docs reference animation build

# While you work, with the current environment: pip install --editable . --group test --group lint
check: lint
	python -m pytest -q -n auto --maxprocesses 4 --dist worksteal -m "not slow and not extras and not install"

# Everything that CI checks, in a temporary environment of its own: some 10 minutes, 8 GB.
test:
	.ci/test.sh

# With the tools of the current environment: pip install --group lint
lint:
	ruff check .
	ruff format --check .
	lint-imports --no-logo
	mypy

# The shipped YAMLs, from the keys in ultralytics_reid/config.py.
yaml:
	python -m ultralytics_reid.config > trackers/reid_botsort.yaml
	python -m ultralytics_reid.config gallery=gallery.db > trackers/reid_gallery.yaml

demo: .venv-demo/ready
	.venv-demo/bin/ultralytics-reid demo --overwrite

.venv-demo/ready: pyproject.toml
	python3 -m venv .venv-demo
	.venv-demo/bin/python -m pip install --upgrade pip
	.venv-demo/bin/python -m pip install --editable .
	touch $@

# The documentation, in site/: strictly, and without the network. With pip install --group docs
docs:
	python -m tools.reference --check
	zensical build --clean --strict
	python -m tools.check_site site

# Pages of docs/reference/ that come from the code.
reference:
	python -m tools.reference

# The animation in README, of a generated scene: minutes.
animation:
	python -m tools.animation

# The wheel and the source distribution, in dist/. With pip install build
build:
	python -m build

clean:
	rm -rf .venv-demo demo-output site .cache dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage*
