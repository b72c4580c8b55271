# Two commands do everything: `make demo` and `make test`. `make quick` is for while one works.
PYTHON ?= python3
PIP = .venv/bin/python -m pip --disable-pip-version-check
BIN = .venv/bin

.PHONY: demo test quick lint types floors tests fast format screenshots picture docs tutorials clean

demo: .venv/ready
	@if [ -n "$$DISPLAY$$WAYLAND_DISPLAY" ]; then \
	    $(BIN)/tvae-gui resources/example.h5; \
	else \
	    QT_QPA_PLATFORM=offscreen $(BIN)/tvae-gui --screenshot demo.png resources/example.h5; \
	fi

# The store that `make demo` opens: simulate, train, embed, about five minutes on one core.
resources/example.h5: .venv/ready
	rm -rf demo
	$(BIN)/tvae demo --rebuild $@

# The pictures of the README.
screenshots: .venv/ready
	$(BIN)/python benchmarks/screenshots.py resources/example.h5 --out docs/screenshots

# The picture of docs/architecture.md.
picture: .venv/ready
	$(BIN)/python docs/draw_house.py

# The pages as a site, in site/; the pictures of the tutorials are made by `make tutorials`.
docs: .venv/ready
	$(PIP) install -q -c constraints.txt -e '.[docs]'
	$(BIN)/mkdocs build --strict

tutorials: .venv/ready
	for name in cells particles galaxies; do \
	    $(BIN)/python docs/tutorials/$$name.py demo/$$name --pictures docs/tutorials/pictures || exit 1; \
	done

test: .venv/ready
	$(MAKE) --no-print-directory lint types floors tests

# Lint, types, floors and the fast tests: under a minute on two cores.
quick: .venv/ready
	$(MAKE) --no-print-directory lint types floors fast

lint:
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types:
	$(BIN)/mypy

floors:
	$(BIN)/lint-imports

tests:
	OMP_NUM_THREADS=1 QT_QPA_PLATFORM=offscreen $(BIN)/pytest -q -n 2 --dist loadfile

# All that neither trains nor opens a window. A new folder of tests is in it without being named.
fast:
	OMP_NUM_THREADS=1 $(BIN)/pytest -q -n 2 --dist loadfile -m "not slow" tests --ignore=tests/gui \
	    --ignore=tests/core/engine --ignore=tests/core/cli --ignore=tests/test_evidence.py

format:
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# torch first and alone, so that its exact build is the one the other packages find; escnn without
# the SO(3)-only dependencies that do not install on a clean machine.
.venv/ready: pyproject.toml constraints.txt .ci/system-packages
	PYTHON=$(PYTHON) .ci/system-packages
	$(PYTHON) -m venv .venv
	$(PIP) install -q -c constraints.txt torch==2.13.0
	$(PIP) install -q -c constraints.txt joblib -e '.[all,dev]'
	$(PIP) install -q --no-deps -c constraints.txt escnn
	touch $@

clean:
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
