.PHONY: check test lint demo clean

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

demo: .venv-demo/ready
	.venv-demo/bin/ultralytics-reid demo

.venv-demo/ready: pyproject.toml
	python3 -m venv .venv-demo
	.venv-demo/bin/python -m pip install --upgrade pip
	.venv-demo/bin/python -m pip install --editable .
	touch $@

clean:
	rm -rf .venv-demo demo-output dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage*
