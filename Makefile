# `make serve` and `make test` need Python 3.11+ and nothing else: uv comes into .tools, everything else into .venv.
.PHONY: serve test chaos chaos-mutants check format k8s
.DEFAULT_GOAL := serve

UV := $(shell command -v uv 2>/dev/null || echo .tools/bin/uv)
RUN := $(UV) run --no-sync
# Where a shell forbids it to be kept, each process would compile torch and diffusers anew, for ten seconds.
export PYTHONDONTWRITEBYTECODE :=

serve: .venv/ready
	$(RUN) hua serve

test: .venv/ready
	$(RUN) pytest

# Ten minutes of faults; `make chaos CHAOS="--worker-kills 20 --seed 7"` changes them, CHAOS=--crash-points has roles
# kill themselves at named steps instead.
chaos: .venv/ready
	$(RUN) python -m tests.chaos $(CHAOS)

chaos-mutants: .venv/ready
	$(RUN) python -m tests.chaos --mutants

check: .venv/ready
	$(RUN) ruff check
	$(RUN) ruff format --check
	$(RUN) mypy

format: .venv/ready
	$(RUN) ruff check --fix
	$(RUN) ruff format

# What is made from settings.py and the chart: the schema of its values, and the plain manifests.
k8s: .venv/ready
	$(RUN) python -m helm.schema
	$(RUN) python -m tests.helm.chart

.venv/ready: pyproject.toml uv.lock | $(UV)
	$(UV) sync --frozen --extra device
	touch $@

.tools/bin/uv:
	python3 -m pip install --quiet --target .tools uv || (python3 -m venv .tools/venv && .tools/venv/bin/pip install --quiet --target .tools uv)
