# Each target sets up its virtual environment by itself. On Linux, PyPI's torch is the CUDA build, 3 GB and more; for the
# CPU build: PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu make demo
PYTHON      ?= python3
VENV        ?= .venv
CONSTRAINTS ?= constraints.txt
RUN          = $(VENV)/bin/python
READY        = $(VENV)/.ready
PIP          = $(VENV)/bin/pip install -q --disable-pip-version-check -c $(CONSTRAINTS)

.PHONY: demo test test-slow check dist picture bench gpu-check results clean

demo: $(READY)
	$(RUN) tools/demo.py

test: $(READY)
	$(RUN) -m pytest -n 2 --dist loadfile

test-slow: $(READY)
	$(RUN) -m pytest -m slow

check: $(READY)
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(RUN) -m pytest tests/test_layers.py

# The wheel and the source distribution, in dist/.
dist: $(READY)
	$(RUN) -m build

# The picture of the README, from what `make demo` drew when results/ was made.
picture: $(READY)
	$(RUN) tools/picture.py

bench: $(READY)
	$(PIP) --no-deps torch-mimicry==0.1.16
	$(RUN) benchmarks/step.py
	$(RUN) benchmarks/loading.py
	$(RUN) benchmarks/startup.py

# With the Python and torch of a GPU machine, in nine minutes at most; rows are written to GPU_REPORT, and full errors to
# a log beside it, as they are found. Where there is no GPU it says so, and all is well.
GPU_REPORT ?= results/gpu.md
gpu-check:
	@if $(PYTHON) -c 'import torch; raise SystemExit(not torch.cuda.is_available())' 2>/dev/null; then \
		PYTHONPATH=src $(PYTHON) tools/gpu_check.py --out $(GPU_REPORT); \
	else \
		echo "gpu-check: $(PYTHON) has no torch that sees a GPU here, so nothing was checked."; \
	fi

results: $(READY)
	$(RUN) tools/recipes_table.py
	$(RUN) tools/grid_table.py
	$(RUN) tools/precision_table.py
	$(RUN) tools/f_gan_mixture.py
	$(RUN) tools/unrolled_ring.py
	$(RUN) tools/loss_bounds.py
	$(RUN) tools/info_gan_codes.py
	$(RUN) tools/semi_supervised.py
	$(RUN) tools/biggan_ablation.py
	$(RUN) tools/memory_table.py
	$(RUN) tools/alarm_replay.py
	$(RUN) tools/singular_values.py
	$(RUN) tools/random_features.py
	$(RUN) tools/lab_results.py

# Without a package index, what is installed already has to do.
$(READY): pyproject.toml $(CONSTRAINTS)
	test -x $(VENV)/bin/python || $(PYTHON) -m venv $(VENV)
	$(PIP) -e '.[dev]' || $(RUN) -c 'import hypothesis, mypy, pytest, zerosum; print("not renewed: $(VENV) stays as it is")'
	touch $@

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis
