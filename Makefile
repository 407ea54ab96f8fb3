# Everything runs from here; `make help` lists it. Needs only Python >= 3.11, git and make.

.DEFAULT_GOAL := help
.PHONY: help setup demo test lint check lock

# The environment is made once per lock file; the stamp says for which.
STAMP := .venv/.bihuan-setup
BIN := .venv/bin

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "  make %-7s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(STAMP) ## the environment in .venv with the locked dependencies (the others call it by themselves)

$(STAMP): requirements.lock pyproject.toml scripts/setup.sh
	@sh scripts/setup.sh

demo: $(STAMP) ## the demo city, live in this terminal; Ctrl-C ends it (make demo ARGS=--once exits by itself)
	@$(BIN)/bihuan demo $(ARGS)

test: $(STAMP) ## all tests, on a PostgreSQL of their own (make test ARGS="-k clocks")
	@$(BIN)/python -m pytest $(ARGS)

lint: $(STAMP) ## style, types, layers, and whether the migrations make the tables that the code describes
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/bihuan db check --scratch

check: lint test ## lint and test: what CI runs

lock: ## take up new versions: requirements.lock anew from pyproject.toml
	@sh scripts/lock.sh
