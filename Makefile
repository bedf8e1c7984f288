# `make bench` and `make test` set up by themselves what is missing; `make setup` does only that.
.PHONY: setup systems bench report behaviours behaviours-long demo lesson lessons class pictures keep test test-slow lint format lock clean
bin := .venv/bin

setup: .venv/ready
	@echo "pushlab is set up: $(bin)/pushlab"

systems:  # proxies and tools of the system that links use; starts no service
	@./systems.sh

bench: .venv/ready
	$(bin)/pushlab bench $(ARGS)

report: .venv/ready
	$(bin)/pushlab report $(or $(ARGS),results/latest)

behaviours: .venv/ready
	$(bin)/pushlab behaviours $(ARGS)

behaviours-long: .venv/ready  # those that take minutes, too, and a thousand random cuts
	$(bin)/pytest -m slow tests/honesty/test_cuts.py
	$(bin)/pushlab behaviours --long $(ARGS)

lesson: .venv/ready  # ARGS=polling opens that one; without a name, which there are
	$(bin)/pushlab lesson $(if $(ARGS),run $(ARGS),list)

lessons: .venv/ready  # do they still explain what is measured here?
	$(bin)/pushlab lesson check $(ARGS)

demo: .venv/ready  # opens the browser
	$(bin)/pushlab demo $(ARGS)

class: .venv/ready  # ARGS="--address wlan0" for a class that is in a network
	$(bin)/pushlab class $(ARGS)

pictures: .venv/ready  # of the classroom's pages as they run, for the docs
	$(bin)/python -m benchmarks.pictures

keep: .venv/ready  # ARGS=results/latest: that run's report and chart in docs/, its table in the README
	$(bin)/python -m benchmarks.kept $(ARGS)

test: .venv/ready  # in four processes; what is `calm` or `alone` comes last, in fewer
	$(bin)/pytest -m "not slow" -n 4 $(ARGS)

test-slow: .venv/ready
	$(bin)/pytest -m slow $(ARGS)

lint: .venv/ready
	$(bin)/ruff format --check
	$(bin)/ruff check
	$(bin)/mypy

format: .venv/ready
	$(bin)/ruff format
	$(bin)/ruff check --fix

lock:  # ARGS=--upgrade takes the newest of everything
	python3 -m venv build/uv && build/uv/bin/python -m pip -qq install uv
	build/uv/bin/uv pip compile --quiet pyproject.toml --extra dev --universal --generate-hashes --no-emit-index-url \
	    --no-annotate --no-header --python-version 3.11 -o requirements.lock $(ARGS)

clean:  # results stay: they were measured
	rm -rf .venv build *.egg-info .mypy_cache .pytest_cache .ruff_cache

.venv/ready: requirements.lock pyproject.toml setup.sh $(bin)/python
	@./setup.sh

# A Python that has gone away (a dangling link) makes the environment out of date, as does a checkout that was moved
# or copied, whose environment would run the code of the other one.
$(bin)/python: ;
ifneq ($(shell cat .venv/ready 2>/dev/null),$(CURDIR))
.PHONY: .venv/ready
endif
