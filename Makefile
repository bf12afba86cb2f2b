# What a developer needs; `make help` lists it.
VENV ?= .venv
PYTHON ?= python3
SEED ?= 1
BIN := $(VENV)/bin
PYTEST := $(BIN)/pytest
OLDEST := $(VENV)/oldest
PEERS := $(VENV)/peers
OCTAVIA := $(VENV)/octavia
PROMETHEUS := build/prometheus
# RabbitMQ's name server must listen on loopback only, from the installation on.
APT := ERL_EPMD_ADDRESS=127.0.0.1 DEBIAN_FRONTEND=noninteractive apt-get

.DEFAULT_GOAL := help
.PHONY: help chromium demo programs test test-console test-container test-long test-cloud test-octavia test-octavia-cloud test-oldest test-wheel chaos interleavings bench lint format docs html rabbitmq clean \
	rabbitmq3 rabbitmq4 test-rabbitmq3 test-rabbitmq4

help:
	@echo "make demo        a load balancer's life on a sandbox network, in a minute"
	@echo "make test        what needs only this machine, in a few minutes"
	@echo "make test-long   what takes minutes: every fault at every request, every order of"
	@echo "                 requests, a broker that fails in every way, clusters"
	@echo "make test-cloud  the contract suite on the cloud that OS_CLOUD names"
	@echo "make interleavings  every order of requests, under a scheduler; TIME=seconds, PAIR=name,"
	@echo "                 SCHEDULE='...' to play one again and be told what happens in it"
	@echo "make chaos       kill, cut and stop everything under load; SEED=N for other choices,"
	@echo "                 ONLY=\"kill cluster\" for some of it, PICTURES=docs/pictures for the"
	@echo "                 dashboard as the one called seen has it"
	@echo "make bench       what a call costs, beside stock oslo.messaging, nameko, Celery, ...;"
	@echo "                 with OS_CLOUD what operations cost, beside Octavia's own driver"
	@echo "make test-octavia the driver for Octavia, with Octavia and its tests; BASELINE=1 for"
	@echo "                 running those without networker, too"
	@echo "make test-octavia-cloud  Octavia's worker on the cloud that OS_CLOUD names"
	@echo "make test-wheel  build sdist and wheel, and test the wheel"
	@echo "make test-container  follow Containerfile in a chroot, and run the worker; as root, with"
	@echo "                 debootstrap"
	@echo "make test-console  the web console in Chromium; PICTURES=docs/pictures for the documents'"
	@echo "make test-oldest the bus on the oldest oslo.messaging that setup.cfg allows"
	@echo "make test-rabbitmq4  the bus and the short experiments on RabbitMQ 4, wherever the"
	@echo "                 system has another one: then as root, with debootstrap;"
	@echo "                 test-rabbitmq3 the same on 3.10; QUICK=1 for the bus's own tests alone"
	@echo "make lint        ruff, mypy and the import rule"
	@echo "make format      let ruff format the code"
	@echo "make docs        generate docs/reference.md, docs/man, etc/networker.conf.sample and"
	@echo "                 etc/grafana/networker.json, and HTML of all documents"
	@echo "make html        the latter alone; a warning fails it"
	@echo "make clean       remove what was built"

$(VENV)/.demo: setup.cfg pyproject.toml constraints.txt
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing into $(VENV)"
	@$(BIN)/pip install -q --disable-pip-version-check -c constraints.txt -e .
	@touch $@

$(VENV)/.develop: $(VENV)/.demo
	@$(BIN)/pip install -q --disable-pip-version-check -c constraints.txt \
		-e '.[test,lint,build]'
	@touch $@

demo: $(VENV)/.demo
	@$(BIN)/networker demo

rabbitmq:
	@if [ -x /usr/lib/rabbitmq/bin/rabbitmq-server ]; then :; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		echo "installing rabbitmq-server"; \
		$(APT) update -qq && \
		$(APT) install -qq -y --no-install-recommends rabbitmq-server >/dev/null; \
	else \
		echo "RabbitMQ is not installed, its tests are skipped: to run them," \
			"sudo apt-get install rabbitmq-server"; \
	fi

# What is tested by programs of the system.
programs:
	@missing=""; \
	for each in systemd-analyze:systemd zsh:zsh fish:fish; do \
		command -v $${each%:*} >/dev/null || missing="$$missing $${each#*:}"; \
	done; \
	if [ -z "$$missing" ]; then :; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		echo "installing$$missing"; \
		$(APT) update -qq && \
		$(APT) install -qq -y --no-install-recommends $$missing >/dev/null; \
	else \
		echo "some tests are skipped: to run them, sudo apt-get install$$missing"; \
	fi
	@command -v prometheus >/dev/null || $(MAKE) -s $(PROMETHEUS)/usr/bin/prometheus || \
		echo "some tests are skipped, since there is no promtool"

# And prometheus; Debian's package would start it, and let it listen on all addresses.
$(PROMETHEUS)/usr/bin/prometheus:
	@command -v dpkg >/dev/null && command -v apt-get >/dev/null
	@echo "downloading Prometheus"
	@mkdir -p $(PROMETHEUS)
	@cd $(PROMETHEUS) && apt-get download -qq prometheus >/dev/null 2>&1 && \
		dpkg --fsys-tarfile prometheus_*.deb | tar -x ./usr/bin && \
		rm prometheus_*.deb && touch usr/bin/prometheus

test: $(VENV)/.develop rabbitmq programs
	@rm -f .coverage .coverage.*
	$(PYTEST) -n 4 --dist loadfile --no-loadscope-reorder \
		-m "not cloud and not long and not browser" \
		--cov --cov-report=term:skip-covered --cov-fail-under=90

test-long: $(VENV)/.develop rabbitmq
	$(PYTEST) -n 4 --dist loadfile -m "long and not cloud"

test-cloud: $(VENV)/.develop rabbitmq
	@test -n "$(OS_CLOUD)" || { echo "set OS_CLOUD to a cloud of clouds.yaml" >&2; exit 2; }
	$(PYTEST) -m cloud

interleavings: $(VENV)/.develop
	@$(BIN)/python -W ignore -m tests.interleavings $(if $(TIME),--time $(TIME)) \
		$(if $(PAIR),--pair "$(PAIR)") $(if $(SCHEDULE),--schedule "$(SCHEDULE)")

chaos: $(VENV)/.develop $(if $(PICTURES),$(VENV)/.bench) rabbitmq programs
	$(BIN)/python -m tests.chaos --seed $(SEED) $(if $(ONLY),--only $(ONLY)) \
		$(if $(PICTURES),--pictures $(PICTURES))

# What networker is compared with has an environment of its own.
$(VENV)/.bench: $(VENV)/.develop tests/bench/peers.txt
	@$(BIN)/pip install -q --disable-pip-version-check -c constraints.txt -e '.[bench]'
	@$(PYTHON) -m venv --clear $(PEERS)
	@$(PEERS)/bin/pip install -q --disable-pip-version-check -r tests/bench/peers.txt
	@touch $@

bench: $(VENV)/.bench $(if $(OS_CLOUD),$(OCTAVIA)/.develop) rabbitmq
	$(BIN)/python -m tests.bench --seed $(SEED)

test-oldest: $(VENV)/.develop rabbitmq
	@rm -rf $(OLDEST)
	@$(BIN)/pip install -q --disable-pip-version-check --no-deps --target $(OLDEST) \
		"oslo.messaging == $$(sed -n 's/ *oslo.messaging >= \([0-9.]*\),.*/\1.0/p' setup.cfg)"
	@PYTHONPATH=$(OLDEST) $(BIN)/pip freeze 2>/dev/null | grep oslo.messaging
	PYTHONPATH=$(OLDEST) $(PYTEST) -q -n 4 --dist loadfile tests/functional/test_bus.py \
		tests/integration/test_rabbit.py tests/integration/test_calls.py \
		tests/integration/test_delivery.py

# What the system has, or else what debootstrap puts under build/.
# What QUICK=1 runs on the other RabbitMQ, as CI does.
QUICK_TESTS := $(addprefix tests/integration/test_,rabbit.py calls.py delivery.py \
	junk_replies.py sizes.py)

rabbitmq3 rabbitmq4: $(VENV)/.develop
	@$(BIN)/python -m tests.rabbitmq $(@:rabbitmq%=%)

# The experiments come one after the other at the end, so that they show a table; not those
# that only compare with the stock driver.
SHORT := kill broker cut rolling poison stopped lifecycles lifecycles-fake twins
test-rabbitmq3 test-rabbitmq4: test-%: $(VENV)/.develop %
	$(BIN)/python -m tests.rabbitmq $(*:rabbitmq%=%) $(PYTEST) -q -n 4 --dist loadfile \
		$(if $(QUICK),$(QUICK_TESTS),tests/functional/test_bus.py tests/integration \
		--ignore tests/integration/test_bench.py --ignore tests/integration/test_chaos.py)
	$(if $(QUICK),,$(BIN)/python -m tests.rabbitmq $(*:rabbitmq%=%) \
		$(BIN)/python -m tests.chaos --short --seed $(SEED) --only $(SHORT))

# Octavia has an environment of its own, since nothing of networker needs it.
$(OCTAVIA)/.develop: setup.cfg pyproject.toml constraints.txt tests/octavia/constraints.txt
	@test -x $(OCTAVIA)/bin/python || $(PYTHON) -m venv $(OCTAVIA)
	@echo "installing into $(OCTAVIA)"
	@$(OCTAVIA)/bin/pip install -q --disable-pip-version-check \
		-c constraints.txt -c tests/octavia/constraints.txt \
		-e '.[test,octavia]' oslotest WebTest
	@touch $@

$(OCTAVIA)/oldest: setup.cfg $(OCTAVIA)/.develop
	@rm -rf $@
	@$(OCTAVIA)/bin/pip install -q --disable-pip-version-check --no-deps --target $@ \
		"octavia == $$(sed -n 's/ *octavia >= \([0-9]*\),.*/\1.0.0/p' setup.cfg)"

test-octavia: $(OCTAVIA)/.develop $(OCTAVIA)/oldest
	$(OCTAVIA)/bin/pytest -q -n 2 -W ignore::DeprecationWarning tests/octavia \
		--cov=networker.octavia --cov-config=/dev/null --cov-fail-under=95
	PYTHONPATH=$(OCTAVIA)/oldest $(OCTAVIA)/bin/pytest -q -n 2 \
		-W ignore::DeprecationWarning tests/octavia/unit
	$(OCTAVIA)/bin/python -m tests.octavia.functional $(if $(BASELINE),--baseline)

test-octavia-cloud: $(OCTAVIA)/.develop rabbitmq
	@test -n "$(OS_CLOUD)" || { echo "set OS_CLOUD to a cloud of clouds.yaml" >&2; exit 2; }
	@mkdir -p build
	@echo "Octavia's own driver leaves a port and ends one flow with an error"
	-$(OCTAVIA)/bin/python -m tests.octavia.flows --driver allowed_address_pairs_driver \
		--out build/flows-octavia.json
	$(OCTAVIA)/bin/python -m tests.octavia.flows --driver networker \
		--out build/flows-networker.json
	$(OCTAVIA)/bin/python -m tests.octavia.flows \
		--compare build/flows-octavia.json build/flows-networker.json

test-container: $(VENV)/.develop rabbitmq
	$(BIN)/python -W ignore -m tests.container

# Chromium is Debian's; playwright would download another one.
chromium:
	@if command -v chromium >/dev/null; then :; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		echo "installing chromium"; \
		$(APT) update -qq && \
		$(APT) install -qq -y --no-install-recommends chromium >/dev/null; \
	else \
		echo "Chromium is not installed: sudo apt-get install chromium" >&2; exit 2; \
	fi

test-console: $(VENV)/.develop rabbitmq chromium
	@$(BIN)/pip install -q --disable-pip-version-check -c constraints.txt \
		-e '.[test-console]'
	$(if $(PICTURES),PICTURES=$(PICTURES)) $(PYTEST) -q tests/console

test-wheel: $(VENV)/.develop rabbitmq programs
	$(BIN)/python tests/wheel.py

lint: $(VENV)/.develop
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(PYTEST) -q -p no:cacheprovider tests/unit/test_layout.py

format: $(VENV)/.develop
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

$(VENV)/.docs: $(VENV)/.develop
	@$(BIN)/pip install -q --disable-pip-version-check -c constraints.txt -e '.[docs]'
	@touch $@

html: $(VENV)/.docs
	$(BIN)/python -m sphinx -q -W --keep-going -b html docs build/html
	@grep -q plug_vip build/html/searchindex.js
	@echo "build/html/index.html"

docs: $(VENV)/.develop
	$(BIN)/oslo-config-generator --config-file etc/networker-config-generator.conf
	$(BIN)/python docs/generate.py
	$(BIN)/python docs/manual.py
	$(BIN)/python docs/dashboard.py
	$(BIN)/python docs/licences.py
	@$(MAKE) -s html

clean:
	rm -rf $(VENV) build dist *.egg-info .coverage .coverage.* .mypy_cache .pytest_cache \
		.ruff_cache .hypothesis
