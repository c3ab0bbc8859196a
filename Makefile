# `make demo` and `make test` do all the set-up by themselves.
UV := ./scripts/uv
RUN := $(UV) run --frozen

.PHONY: setup demo test check types style layers unit docs clean
.DEFAULT_GOAL := demo

setup:
	@$(UV) sync --frozen --quiet

demo: setup
	$(RUN) tadmor demo -o demo

test: check unit

check: style types layers

style: setup
	$(RUN) ruff check .
	$(RUN) ruff format --check .

types: setup
	$(RUN) mypy

layers: setup
	$(RUN) lint-imports --no-cache

unit: setup
	$(RUN) pytest

docs: setup
	$(RUN) python scripts/reference.py

clean:
	rm -rf .venv .tools demo
