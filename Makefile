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

.PHONY: sandbox up down env shell load logs status
sandbox:
	@go build -o bin/sandbox ./test/sandbox

up: sandbox ## Bring the cluster up [NODES=3 FAMILIES=dual|ipv4|ipv6 DATAPATH=netdev|system]
	@bin/sandbox up --nodes=$(NODES) --families=$(FAMILIES) --datapath=$(DATAPATH) --woven=$(WOVEN)

down: sandbox ## End the cluster, leave nothing but the cache
	@bin/sandbox down

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
