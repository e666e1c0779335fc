# make demo    syncd on real purchase data, all on this machine
# make test    all tests            make lint    style and import direction
# make types   mypy --strict        make bench   how fast it all is, beside its peers
# make chaos   the long part of the tests: every fault at every place (an hour)
# make lock    renew requirements/*.txt from pyproject.toml
#                                        make bench-full   the largest sizes, too
#
# The first call makes .venv and installs exactly what requirements/*.txt names, hashes checked.

PYTHON ?= python3
COMPILE = .venv/bin/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-header
LOCK = $(COMPILE) pyproject.toml requirements/build.in

.PHONY: demo test chaos lint types bench bench-full lock clean
# All targets share .venv, and two installations into it at once would spoil it.
.NOTPARALLEL:

demo: .venv/demo.installed
	.venv/bin/syncd demo

test: .venv/dev.installed
	.venv/bin/pytest -n 4 --dist loadfile --no-loadscope-reorder

# Some tests take minutes each: they are handed out one by one, and none is taken to hang.
chaos: .venv/dev.installed
	.venv/bin/pytest -n 2 --maxschedchunk 1 -o faulthandler_timeout=0 -m chaos

lint: .venv/dev.installed
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/lint-imports

types: .venv/dev.installed
	.venv/bin/mypy

bench: .venv/dev.installed benchmarks/.peers/installed
	.venv/bin/python -m benchmarks

bench-full: .venv/dev.installed benchmarks/.peers/installed
	.venv/bin/python -m benchmarks --full

lock: .venv/dev.installed
	$(LOCK) --extra sandbox --extra charts --output-file requirements/demo.txt
	$(LOCK) --extra postgres --extra charts --extra science --output-file requirements/service.txt
	$(LOCK) --extra dev --output-file requirements/dev.txt
	$(COMPILE) benchmarks/peers.in --output-file benchmarks/peers.txt

.venv/%.installed: requirements/%.txt pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "syncd needs Python 3.11 or newer")'
	$(PYTHON) -c 'import ensurepip' || { apt-get update -qq && apt-get install -qq --no-install-recommends python3-venv; }
	$(PYTHON) -m venv .venv
	.venv/bin/pip install --quiet --disable-pip-version-check --require-hashes -r $<
	.venv/bin/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $@

# What we are compared with has an environment of its own: it shares nothing with ours.
benchmarks/.peers/installed: benchmarks/peers.txt
	$(PYTHON) -m venv benchmarks/.peers
	benchmarks/.peers/bin/pip install --quiet --disable-pip-version-check --require-hashes -r $<
	touch $@

clean:
	rm -rf .venv benchmarks/.peers build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
