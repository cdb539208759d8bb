# The commands people have. `make help` lists them.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
SETUP := $(VENV)/.installed
export TF_CPP_MIN_LOG_LEVEL ?= 3

.DEFAULT_GOAL := help
.PHONY: help setup models demo test lint protos lock bench performance clean

help: ## This list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

setup: $(SETUP) ## Virtual environment with the locked packages

$(SETUP): requirements.lock pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "Python 3.11 or newer is needed: make PYTHON=/path/to/python3 ..." >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

models: $(SETUP) ## Fetch the networks (180 MB, once) and build the default sets
	$(BIN)/faceoff models fetch

demo: models ## Protect a real photo and say where it is
	$(BIN)/faceoff protect $$($(BIN)/python -c 'import skimage, pathlib; print(pathlib.Path(skimage.__file__).parent / "data/astronaut.png")') \
		--out-dir demo --plot demo/before_after.png --force

test: models ## Everything the tests need, then the tests
	$(BIN)/python -m pytest

.PHONY: chaos cluster-tools fairness fuzz grpcurl
cluster-tools: $(SETUP) ## helm and kubectl for the chart's tests (they skip without)
	scripts/cluster-tools.sh

grpcurl: $(SETUP) ## grpcurl for the test of its examples, built with Go (two minutes, once)
	scripts/grpcurl.sh

chaos: $(SETUP) ## Workers and broker killed and stopped at random for five minutes
	CHAOS_SECONDS=300 $(BIN)/python -m pytest tests/chaos

fairness: $(SETUP) ## 100,000 photos of one tenant and one of another, on a real broker
	FAIRNESS_PHOTOS=100000 $(BIN)/python -m pytest tests/services/jobs/test_load.py -k on_the_broker

fuzz: $(SETUP) ## Ten minutes of broken photos
	FUZZ_SECONDS=600 $(BIN)/python -m pytest tests/fuzz

control-plane: ## etcd and Kubernetes' own API server, scheduler, controllers, built with Go (a quarter of an hour, once)
	scripts/control-plane.sh

cluster-test: cluster-tools $(if $(FACEOFF_CLUSTER_KUBECONFIG),,control-plane) ## Chart, operator and autoscaler on that control plane, or on FACEOFF_CLUSTER_KUBECONFIG
	CLUSTER_SLOW=1 $(BIN)/python -m pytest tests/cluster

.PHONY: up load capacity images containers control-plane cluster-test
up: $(SETUP) ## The whole cluster on this machine: services, NATS, Prometheus (UP="--workers 2")
	@$(BIN)/python scripts/up.py $(UP)

load: models ## Load through real NATS and Prometheus, every service replaced meanwhile, and make up with real networks
	LOAD_SECONDS=10 LOAD_NETWORKS=1 $(BIN)/python -m pytest tests/load

capacity: $(SETUP) ## docs/capacity.md from benchmarks/results*.jsonl
	$(BIN)/python -m benchmarks.capacity

images: ## Our seven images, with podman or docker (BASE=IMAGE: another Python to stand on)
	scripts/images.sh

containers: models ## The rendered chart's pods under podman (root, the images of make images, 5 minutes)
	tests/containers/stand-ins.sh others
	CONTAINERS=1 $(BIN)/python -m pytest tests/containers

lint: $(SETUP) ## ruff, mypy --strict, the walls, the protos
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	PYTHON=$(BIN)/python scripts/protos.sh --lint

protos: $(SETUP) ## Regenerate faceoff/v1 and docs/api.md from protos/
	PYTHON=$(BIN)/python scripts/protos.sh
	$(BIN)/python scripts/api.py

lock: $(SETUP) ## Pin every package by hash
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --all-extras --python-version 3.11 \
		--no-emit-index-url --custom-compile-command "make lock" --upgrade pyproject.toml -o requirements.lock

PEERS := $(VENV)/peers

$(PEERS)/.installed: benchmarks/requirements.lock | $(SETUP)
	rm -rf $(PEERS)
	$(BIN)/python -m pip install --quiet --no-deps --require-hashes --target $(PEERS) -r benchmarks/requirements.lock
	@touch $@

bench: $(PEERS)/.installed ## Benchmarks: one JSON object a line (use make -s bench)
	@$(BIN)/faceoff models fetch >&2
	@MALLOC_MMAP_THRESHOLD_=1073741824 MALLOC_TRIM_THRESHOLD_=1073741824 PYTHONPATH=$(PEERS) $(BIN)/python -m benchmarks

performance: $(SETUP) ## docs/performance.md from benchmarks/results.jsonl
	$(BIN)/python -m benchmarks.render

.PHONY: experiments
experiments: models ## Transfer of every strength over PEOPLE=DIR (a sub-folder of photos a person), then docs/experiments.md
	@test -n "$(PEOPLE)" || { echo "Say whose photos: make experiments PEOPLE=DIR" >&2; exit 1; }
	$(BIN)/faceoff models fetch facelib facenet512 faceres >&2
	for strength in subtle balanced strong; do \
		$(BIN)/python -m experiments.transfer --people $(PEOPLE) --split report --plan $$strength || exit 1; \
	done
	$(BIN)/python -m experiments.render

.PHONY: paper
paper: models ## The paper's figures and tables at small size over PEOPLE=DIR (1 to 2 hours), then docs/paper.md
	@test -n "$(PEOPLE)" || { echo "Say whose photos: make paper PEOPLE=DIR" >&2; exit 1; }
	$(BIN)/faceoff models fetch facenet512 >&2
	$(BIN)/python -m experiments.paper all --people $(PEOPLE)
	$(BIN)/python -m experiments.render

clean: ## Remove what this Makefile made here (the networks' cache stays)
	rm -rf $(VENV) demo build *.egg-info
