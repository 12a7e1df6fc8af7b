# These commands need Python 3.11+ and nothing else: uv comes into .tools, everything else into .venv.
.PHONY: serve page screenshots test test-fast test-slow explore chaos chaos-mutants check format k8s docs
.DEFAULT_GOAL := serve

UV := $(shell command -v uv 2>/dev/null || echo .tools/bin/uv)
RUN := $(UV) run --no-sync
# Some shells forbid bytecode files. Without them each process compiles torch and diffusers again, which takes 10 s.
export PYTHONDONTWRITEBYTECODE :=

serve: .venv/runtime
	@.venv/bin/hua serve

# tests/support/suites.py decides which test belongs to which suite.
test: .venv/ready
	$(RUN) pytest --suite standard

# Without torch, Redis, Kafka, S3, Java, Go and Helm.
test-fast: .venv/ready
	$(RUN) pytest --suite fast

# Whole deployments under faults, `hua bench`, and Kubernetes' apiserver.
test-slow: .venv/ready
	$(RUN) pytest --suite slow

# The tests that make up their own input, with 2,000 new inputs each. `make test` repeats the same 100.
explore: .venv/ready
	$(RUN) pytest --suite standard -m hypothesis --hypothesis-profile explore --timeout 0

# Ten minutes of faults. CHAOS="--worker-kills 20 --seed 7" changes them. With CHAOS=--crash-points each role kills itself
# at named steps instead.
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

# Builds the page that `/` shows from server/api/static/src. The build is checked in, so that `make serve` needs no Node.
page: .venv/ready
	$(RUN) python -m tests.support.page_build server/api/static/built

# Takes the pictures of docs/page.md, with Chromium.
screenshots: .venv/ready
	$(RUN) python -m tests.support.screenshots docs/images

# Writes the site of docs/ to build/docs; `python3 -m http.server -d build/docs` serves it, with search.
docs: .venv/ready
	NO_MKDOCS_2_WARNING=1 $(RUN) mkdocs build --strict --quiet

# Generated files: the schema of the chart's values, from server/settings, and the plain manifests, from the chart.
k8s: .venv/ready
	$(RUN) python -m helm.schema
	$(RUN) python -m helm.render

# Every wheel of the lock for a machine without internet access, in build/wheelhouse; that machine may be of another kind than
# this one. `EXTRAS=` gathers what api and controller need, `SPLIT=2G` also writes a tar file in parts of this size.
PYTHON ?= 3.12
PLATFORM ?= manylinux_2_28_x86_64
EXTRAS ?= device bench
WHEELHOUSE ?= build/wheelhouse
wheelhouse: | $(UV)
	UV=$(UV) $(UV) run --no-project --python '>=3.11' --with packaging python -m deploy.wheelhouse --python "$(PYTHON)" \
		--platform "$(PLATFORM)" --extras $(EXTRAS) --out "$(WHEELHOUSE)" --split "$(SPLIT)"

# What `hua serve` needs. --inexact leaves the tools for tests alone, if they are there. The largest packages are compiled on all
# processors; their first import would compile them on one, and take twice as long.
.venv/runtime: pyproject.toml uv.lock | $(UV)
	@echo "Installing Hua into .venv: 3.2 GB to download, most of it torch with CUDA, and 6.5 GB on disk."
	@echo "What is in the cache of uv is not downloaded again."
	@$(UV) sync --frozen --no-dev --inexact --extra device
	@echo "Compiling torch and others: half a minute at most."
	@cd .venv/lib/python3*/site-packages && ../../../bin/python -m compileall -q -j 0 -x '/(tests?|testing|pipelines)/' \
		torch sympy scipy diffusers > /dev/null || true
	@touch $@

# The same, with the tools for tests, checks and docs.
.venv/ready: pyproject.toml uv.lock | $(UV)
	@echo "Installing Hua into .venv, with 0.3 GB of tools for tests: 3.5 GB to download, and 7 GB on disk."
	@$(UV) sync --frozen --extra device
	@touch .venv/runtime $@

.tools/bin/uv:
	@echo "Installing uv, which installs everything else, into .tools: 20 MB"
	@PIP_ROOT_USER_ACTION=ignore PIP_DISABLE_PIP_VERSION_CHECK=1 python3 -m pip install --quiet --target .tools uv || (python3 -m venv .tools/venv && .tools/venv/bin/pip install --quiet --target .tools uv)
