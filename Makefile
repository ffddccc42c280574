# The commands of the project; `make demo` and `make test` set everything up themselves. See README.md.
.DEFAULT_GOAL := help
.PHONY: help setup chromium demo test check bench clean

PORT ?= 7860
PYTHON ?= $(shell command -v python3.11 || command -v python3)
PIP := .venv/bin/python -m pip --quiet --disable-pip-version-check
# The stamps carry a checksum of the requirement files: a change installs again, a fresh clone beside a kept .venv does not.
APP := .venv/.app-$(firstword $(shell cat requirements.txt | cksum))
DEV := .venv/.dev-$(firstword $(shell cat requirements.txt requirements-dev.txt | cksum))

help:
	@echo "make demo     set up and start the app on http://127.0.0.1:$(PORT) (PORT=...)"
	@echo "make test     set up and run every test"
	@echo "make check    lint, format, types"
	@echo "make bench    speed against the baselines (DATA=folder with FERPlus: a whole evaluation too)"
	@echo "make setup    only the set-up"
	@echo "make clean    remove .venv and what the tools leave behind"

setup: $(DEV) chromium

# torch goes in by itself, first: everything after it finds that very release installed and asks for no other.
$(APP):
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed; name one with: make PYTHON=/path/to/python3.11 ..." >&2; exit 1; }
	@echo "Setting up .venv; the first time this takes some minutes."
	@[ -x .venv/bin/python ] || "$(PYTHON)" -m venv .venv
	@$(PIP) install $$(grep '^torch==' requirements.txt)
	@$(PIP) install -r requirements.txt
	@rm -f .venv/.app-* && touch $@

$(DEV): $(APP)
	@$(PIP) install -r requirements-dev.txt
	@rm -f .venv/.dev-* && touch $@

# Debian's package where it can be installed, else Playwright's own. Where neither works, the browser tests fail and say what to install.
chromium: $(DEV)
	@if command -v chromium > /dev/null || command -v chromium-browser > /dev/null || [ -e .venv/.chromium ]; then exit 0; fi; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get > /dev/null && apt-get update -qq && \
	  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium fonts-dejavu-core > /dev/null && command -v chromium > /dev/null; \
	then exit 0; fi; \
	if .venv/bin/python -m playwright install chromium; then touch .venv/.chromium; else echo "No Chromium: the browser tests will fail." >&2; fi

demo: $(APP)
	@PORT=$(PORT) exec .venv/bin/python app.py

test: $(DEV) chromium
	@exec .venv/bin/python -m pytest -n 2 --dist loadgroup

check: $(DEV)
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .
	@.venv/bin/mypy

bench: $(APP)
	@exec .venv/bin/python -m eval bench $(if $(DATA),--data $(DATA))

clean:
	rm -rf .venv .pytest_cache .ruff_cache .mypy_cache .hypothesis artifacts
