# Every target sets up its own .venv when it is missing.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
Q ?= What is hypertension?
RUN ?= runs/mini

.PHONY: run ask test lint mini bench clean

run: $(VENV)/base.done
	@$(BIN)/medtui

ask: $(VENV)/base.done
	@$(BIN)/medtui ask "$(Q)"

test: $(VENV)/dev.done
	$(BIN)/python -m pytest -n 2 --dist loadgroup

lint: $(VENV)/dev.done
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# Trains, converts and measures the mini model; data/models/README.md says how long it took.
mini: $(VENV)/dev.done
	$(BIN)/medtrain run mini --out $(RUN)
	$(BIN)/medconvert $(RUN) --name medical-llm-mini --out data/models/medical-llm-mini.q4_k_m.gguf
	$(BIN)/medconvert $(RUN) --name medical-llm-mini-base --no-adapter --out data/models/medical-llm-mini-base.q4_k_m.gguf
	$(BIN)/python benchmarks/mini_model.py --run $(RUN)

bench: $(VENV)/dev.done
	@for claim in decode_host warm_prefix first_paint quantizers mini_model; do $(BIN)/python benchmarks/$$claim.py || exit 1; done

# The compiler is asked for before pip begins, since llama-cpp-python is built from source.
$(VENV)/python.done:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "error: Python 3.11 or newer is needed. Name one with: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 2; }
	@command -v $${CC:-cc} >/dev/null && command -v $${CXX:-c++} >/dev/null || { \
	  echo "error: A C and C++ compiler is needed to build llama.cpp. Install one (Debian: apt install build-essential; Fedora: dnf install gcc-c++; macOS: xcode-select --install) and run the same command again." >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/base.done: $(VENV)/python.done pyproject.toml constraints.txt
	@echo "Installing; llama.cpp is compiled once, which takes 5 to 10 minutes on two cores." >&2
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	@touch $@

$(VENV)/dev.done: $(VENV)/base.done
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

clean:
	rm -rf $(VENV) build dist
