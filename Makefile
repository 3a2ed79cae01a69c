# Bare `make` explains every target: the text behind `##`.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.SUFFIXES:

.PHONY: help
help: ## Show this
	@echo "Woven: Kubernetes networking on OVN. Targets:"
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  %-14s %s\n", $$1, $$2} /^##@/ {printf "\n%s\n", substr($$0, 5)}' $(MAKEFILE_LIST)

##@ The sandbox: a real cluster on this machine (test/sandbox/README.md)

# Options of `make up`: number of nodes, dual|ipv4|ipv6, netdev|system, true|false.
NODES    ?= 3
FAMILIES ?= dual
DATAPATH ?= netdev
WOVEN    ?= true

.PHONY: sandbox up down replace env shell load logs status
sandbox:
	@go build -o bin/sandbox ./test/sandbox

up: sandbox ## Bring the cluster up [NODES=3 FAMILIES=dual|ipv4|ipv6 DATAPATH=netdev|system]
	@bin/sandbox up --nodes=$(NODES) --families=$(FAMILIES) --datapath=$(DATAPATH) --woven=$(WOVEN)

down: sandbox ## End the cluster, leave nothing but the cache
	@bin/sandbox down

replace: sandbox ## Kill a worker, disks and all, and bring up another of its name: NODE=worker-1 HOST=52 [last part of its addresses]
	@bin/sandbox replace $(NODE) $(HOST)

env: sandbox ## Print KUBECONFIG and PATH: eval "$(make -s env)"
	@bin/sandbox env

shell: sandbox ## Shell inside a machine: NODE=worker-1|control-plane|external|fabric [CMD='...']
	@bin/sandbox shell $(or $(NODE),control-plane) --command $(call quote,$(value CMD))

load: sandbox ## Load an image archive into every node: IMAGE=archive.tar
	@bin/sandbox load $(call quote,$(value IMAGE))

logs: sandbox ## Gather logs and state of everything into one folder [DIR=...]
	@bin/sandbox logs $(DIR)

status: sandbox ## Show machines, services, nodes and pods
	@bin/sandbox status

# quote makes one word of the shell out of any text.
quote = '$(subst ','\'',$(1))'

##@ Code

TOOL = go tool -modfile=test/tools/go.mod

.PHONY: binaries prepare test test-unit test-apiserver test-root test-e2e bench lint generate check-generated
binaries: ## Build the four programs into out/
	@CGO_ENABLED=0 go build -o out/ ./go-controller/cmd/...

prepare: sandbox ## Install packages and build Kubernetes and OVN's root file system, once, into the cache [root]
	@bin/sandbox prepare

test: ## Every test, as CI runs them: installs what it needs, ends what it starts [root]
	@test/all

test-unit: ## Tests without a cluster and without root; OVSDB servers and northd are real ones
	@go test -timeout 5m ./...

test-apiserver: ## Tests of the controller with a real API server on loopback, without nodes and without root [RUN='regexp' for some]
	@go test -tags apiserver -count=1 -timeout 10m ./test/apiserver/... ./go-controller/pkg/controller/... -run '$(or $(RUN),API)'

test-root: ## Tests that make network namespaces, but no cluster [root]
	@go test -tags root -timeout 10m ./go-controller/pkg/agent/... ./test/sandbox/...

# The first failure ends it, for what comes after would meet the cluster that it left; it is said again at the end.
test-e2e: ## Tests in the cluster of `make up` [root; RUN='regexp' for some]
	@$(TOOL) gotestsum --format=standard-verbose -- -tags e2e -count=1 -failfast -timeout 60m ./test/e2e/... $(if $(RUN),-run '$(RUN)')

# What is measured on a node of the cluster of `make up` is left out while none is up.
BENCH_NODE ?= worker-1
bench: binaries sandbox ## Measure: table, out/bench.json, out/bench.svg (docs/performance.md) [SIZES=1000,50000; root and `make up` for CNI]
	@go build -o bin/bench ./test/bench
	@if environment=$$(bin/sandbox env 2>/dev/null); then eval "$$environment"; node=$(BENCH_NODE); else echo "no cluster is up: CNI ADD is left out"; fi; \
	bin/bench --node="$$node" $(if $(SIZES),--sizes=$(SIZES))

lint: ## golangci-lint, with the rules that keep translators pure
	@$(TOOL) golangci-lint run ./...

generate: ## Write the OVSDB models: the tables and columns that Woven uses
	@go run ./go-controller/pkg/ovn/generate

check-generated: generate ## Fail when generated code or go.mod is not what its source says
	@go mod tidy -diff
	@git diff --exit-code -- go-controller/pkg/ovn
	@! git ls-files --others --exclude-standard -- go-controller/pkg/ovn | grep .
