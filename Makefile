.PHONY: help dev lint docs numbers picture counts format test slow fuzz bench tickets golden

help:            ## what can be made
	@grep -E '^[a-z]+: .*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/'

dev:             ## install for development into the active environment
	pip install -c constraints.txt -e '.[test,docs]'

lint:            ## linters and types
	ruff check . && ruff format --check . && mypy

docs:            ## the documentation site, every warning an error: docs/_build/html/index.html
	python -m sphinx --fail-on-warning --keep-going --quiet docs docs/_build/html

numbers:         ## the numbers in docs/theory, from the demo tickets
	python docs/theory_numbers.py

picture:         ## the picture of the README, from experiments/tickets/results.json
	python -m experiments.tickets.page what-tracks-the-gap

counts:          ## the house in numbers: experiments/house/results.md
	python experiments/house/counts.py

format:          ## format the code
	ruff check --fix . ; ruff format .

test:            ## the test suite
	python -m pytest -n 2 --dist worksteal

slow:            ## the long tests
	python -m pytest -m slow

fuzz:            ## attack the readers with 100,000 changed files; goes on where it was stopped
	PYTHONPATH=tests:tests/data:tests/fuzz nice -n 10 python tests/fuzz/fuzz_run.py --cases 100000 --counts fuzz.json

bench:           ## benchmarks: experiments/benchmarks/results.json and their page
	python -m experiments.benchmarks.run && python -m experiments.benchmarks.page

tickets:         ## train the demo tickets again
	python experiments/demo_tickets/make.py

golden:          ## rewrite the golden reports from runs of the demo tickets, then what the views make of them
	BOUNDCALC_REWRITE_GOLDEN=1 python -m pytest -q tests/golden -k report
	BOUNDCALC_REWRITE_GOLDEN=1 python -m pytest -q tests/golden -k view
