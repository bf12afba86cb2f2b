# What a developer needs; `make help` lists it.
VENV ?= .venv
PYTHON ?= python3
SEED ?= 1
BIN := $(VENV)/bin
PYTEST := $(BIN)/pytest
OLDEST := $(VENV)/oldest
# RabbitMQ's name server must listen on loopback only, from the installation on.
APT := ERL_EPMD_ADDRESS=127.0.0.1 DEBIAN_FRONTEND=noninteractive apt-get

.DEFAULT_GOAL := help
.PHONY: help demo test test-cloud test-oldest test-wheel chaos lint format docs rabbitmq clean

help:
	@echo "make demo        a load balancer's life on a sandbox network, in a minute"
	@echo "make test        everything that needs only this machine"
	@echo "make test-cloud  the contract suite on the cloud that OS_CLOUD names"
	@echo "make chaos       kill, cut and stop everything under load; SEED=N for other choices"
	@echo "make test-wheel  build sdist and wheel, and test the wheel"
	@echo "make test-oldest the bus on the oldest oslo.messaging that setup.cfg allows"
	@echo "make lint        ruff, mypy and the import rule"
	@echo "make format      let ruff format the code"
	@echo "make docs        generate docs/reference.md and etc/networker.conf.sample"
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

test: $(VENV)/.develop rabbitmq
	@rm -f .coverage .coverage.*
	$(PYTEST) -n 2 --dist loadfile -m "not cloud" \
		--cov --cov-report=term:skip-covered --cov-fail-under=90

test-cloud: $(VENV)/.develop rabbitmq
	@test -n "$(OS_CLOUD)" || { echo "set OS_CLOUD to a cloud of clouds.yaml" >&2; exit 2; }
	$(PYTEST) -m cloud

chaos: $(VENV)/.develop rabbitmq
	$(BIN)/python -m tests.chaos --seed $(SEED)

test-oldest: $(VENV)/.develop rabbitmq
	@rm -rf $(OLDEST)
	@$(BIN)/pip install -q --disable-pip-version-check --no-deps --target $(OLDEST) \
		"oslo.messaging == $$(sed -n 's/ *oslo.messaging >= \([0-9.]*\),.*/\1.0/p' setup.cfg)"
	@PYTHONPATH=$(OLDEST) $(BIN)/pip freeze 2>/dev/null | grep oslo.messaging
	PYTHONPATH=$(OLDEST) $(PYTEST) -q tests/functional/test_bus.py \
		tests/integration/test_rabbit.py tests/integration/test_delivery.py

test-wheel: $(VENV)/.develop rabbitmq
	$(BIN)/python tests/wheel.py

lint: $(VENV)/.develop
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(PYTEST) -q -p no:cacheprovider tests/unit/test_layout.py

format: $(VENV)/.develop
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: $(VENV)/.develop
	$(BIN)/oslo-config-generator --config-file etc/networker-config-generator.conf
	$(BIN)/python docs/generate.py

clean:
	rm -rf $(VENV) build dist *.egg-info .coverage .coverage.* .mypy_cache .pytest_cache \
		.ruff_cache .hypothesis
