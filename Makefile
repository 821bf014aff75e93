.PHONY: test yaml lint demo clean

# Everything that CI checks, in a temporary environment of its own: some 15 minutes, 8 GB.
test:
	.ci/test.sh

# With the tools of the current environment: pip install --group lint
lint:
	ruff check .
	ruff format --check .
	mypy

# The shipped YAMLs, from the keys in ultralytics_reid/config.py.
yaml:
	python -m ultralytics_reid.config > trackers/reid_botsort.yaml
	python -m ultralytics_reid.config gallery=gallery.db > trackers/reid_gallery.yaml

demo: .venv-demo/ready
	.venv-demo/bin/ultralytics-reid demo

.venv-demo/ready: pyproject.toml
	python3 -m venv .venv-demo
	.venv-demo/bin/python -m pip install --upgrade pip
	.venv-demo/bin/python -m pip install --editable .
	touch $@

clean:
	rm -rf .venv-demo demo-output dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage*
