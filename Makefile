# Every target first makes what it needs: a virtual environment from the lock file and, where it may, system packages.

SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help demo test promises lint bench walk figures campaign bursts manners laws search payloads bodies contract peers page deb package next image offline lock clean

BIN := .venv/bin
READY := .venv/.ready
REFERENCE := $(or $(ODEN_REFERENCE),../shared/reference)
export PATH := $(PATH):/usr/sbin:/sbin
# Hundreds of tests start the gateway as a process: where nothing compiled is kept, each of these compiles it anew.
unexport PYTHONDONTWRITEBYTECODE
# A process more than there are cores, because some tests wait for what takes its time by the clock.
PARALLEL = --numprocesses=$(shell expr $$(nproc) + 1) --dist=worksteal

help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## /make \1\t/p' $(firstword $(MAKEFILE_LIST)) | expand -t 16

demo: $(READY) ## run the whole path on embedded parts; DEMO_SECONDS=N ends it after N seconds
	@$(BIN)/oden-gateway demo $(if $(DEMO_SECONDS),--seconds $(DEMO_SECONDS))

test: $(READY) ## run all tests, with a real MQTT broker
	@command -v systemd-analyze >/dev/null || .ci/apt-install "The tests verify the systemd unit" systemd
	@command -v strace >/dev/null || .ci/apt-install "The tests cut the power and fill the disk under the outbox" strace
	@command -v mosquitto >/dev/null || .ci/apt-install "The tests need a real MQTT broker" mosquitto
	@$(BIN)/pytest -q $(PARALLEL) --durations=10 --ignore=tests/contract --ignore=tests/real_peers --ignore=tests/page

promises: $(READY) ## print each promise with the tests that prove it and how they ended last
	@$(BIN)/python -m tests.promises

lint: $(READY) ## check style, types and the direction of dependencies
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(READY) ## run the measurements in bench/; fails in the end where one is over its limit
	@failed=0; for program in bench/bench_*.py; do echo "== $$program"; $(BIN)/python "$$program" || failed=1; done; exit $$failed

walk: $(READY) ## follow one MQTT message to Oden: the functions that it enters, in order, and their number
	@$(BIN)/python bench/walk.py

figures: $(READY) ## count the lines, modules and complexity of the code
	@$(BIN)/python bench/figures.py

campaign: $(READY) ## run 500 schedules of faults and kills and the 8-hour outage in simulated time, three, the pace and 50 reloads in real time
	@$(BIN)/python -m tests.campaign 0..499
	@$(BIN)/python -m tests.campaign outage
	@$(BIN)/python -m tests.campaign real 0..2
	@$(BIN)/python -m tests.campaign pace
	@ODEN_RELOADS=50 $(BIN)/pytest -q -n0 tests/test_reload.py -k under_load

bursts: $(READY) ## kill the gateway ten times, each inside a burst of 800 events, and judge each of these
	@$(BIN)/python -m tests.bursts

manners: $(READY) ## print what each manner of Oden's costs: records lost, doubled, dead or stuck, requests, and what the page says
	@$(BIN)/python -m tests.campaign manners

laws: $(READY) ## try the laws of mapping on 25 times as many made plants: the law of laws on 10,100, on 200 through the whole delivery; print how many, what failed, seconds
	@ODEN_LAWS=25 $(BIN)/pytest -q $(PARALLEL) tests/mapping tests/test_law_of_laws.py tests/campaign/test_late.py -k "properties or trail_log or law_of_laws or test_late"

search: $(READY) ## try the rule of MQTT redeliveries on more messages and longer stories
	@ODEN_SEARCH=1 $(BIN)/pytest -q $(PARALLEL) tests/receipts

payloads: $(READY) ## try 100,000 made payloads and topics: each is mapped or rejected
	@ODEN_PAYLOADS=100000 $(BIN)/pytest -q tests/sources/test_mqtt_payloads.py

bodies: $(READY) ## send the Oden stand-in 10,000 made bodies, over all its endpoints
	@ODEN_BODIES=10000 $(BIN)/pytest -q tests/simulator/oden/test_properties.py -k "proper_answer"

contract: $(READY) ## check client and Oden stand-in against Oden's own API document, where that is at hand
	@if [ ! -d "$(REFERENCE)" ]; then echo "Not run: $(REFERENCE) does not exist; ODEN_REFERENCE names the folder of Oden's API document."; \
	else ODEN_REFERENCE="$(REFERENCE)" $(BIN)/pytest -q tests/contract; fi

peers: $(READY) ## run the gateway against brokers, OPC UA servers and edge nodes of other makers, which it installs
	@.ci/peers
	@$(BIN)/pytest -q --numprocesses=3 --dist=worksteal --durations=10 tests/real_peers

page: $(READY) ## look at the status page in a real browser, which it installs: each size, light and dark, well and not
	@.ci/page
	@$(BIN)/pytest -q --durations=5 tests/page

deb: ## build a Debian package for this machine's Debian into dist/; RELEASE=trixie for another
	@packaging/deb$(if $(RELEASE),-for $(RELEASE))

package: deb ## try the Debian package on bare Debians that it boots: install, reload, upgrade, purge; look that all wheels are there
	@packaging/try
	@packaging/wheels

next: deb ## take a bare Debian with the package to the next Debian, with a backlog, as docs/install.md says
	@packaging/try next

image: ## build the container image without a container engine and with one, and try it as the docs and compose file say
	@packaging/image
	@packaging/docker

offline: ## gather what an installation without a network needs, with an SBOM, into dist/; ARCH=aarch64 PYTHON=3.13 for another machine
	@packaging/offline $(if $(ARCH),$(ARCH) $(PYTHON))

lock: ## write the lock files anew; UPGRADE=1 also takes newer versions
	@.ci/lock

clean: ## remove everything that the other targets made
	rm -rf .venv .peers .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .test-results.json build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(READY): requirements-dev.lock pyproject.toml .ci/environment
	@.ci/environment
	@touch $@
