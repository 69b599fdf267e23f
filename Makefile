# Thin: the work is in deploy/setup.sh, CMake and deploy/demo.sh.
#   make demo                  set up, build, serve the shipped model, draw a handful of requests at once into out/
#   make test                  set up, build, every test
#   make bench                 the table of docs/benchmarks.md (EASEL_BENCH_PYTHON=an interpreter with torch, to compare with it)
#   make bench-serving         the serving table of docs/serving.md, which takes hours; a run that was stopped goes on. SERVING=--short: a minute
#   make bench-replicas        what a second replica adds, and what a rolling restart costs; needs two idle cores. REPLICAS="--requests 40": fewer
#   make soak                  five minutes of clients that behave and clients that do not; SOAK="--minutes 60" for an hour
#   make simulate              that table on 1, 8 and 64 GPUs, simulated
#   make test SANITIZE=address (or thread): the tests of our own threads and file readers, in a build with that sanitizer
BUILD ?= $(if $(SANITIZE),build-$(SANITIZE),build)
JOBS ?= $(shell nproc)
# A sanitizer's build makes only the tests that it runs (deploy/test.sh says which, and why).
TARGETS_thread = io_tests engine_tests image_tests sync_tests service_tests inference_tests
TARGETS_address = $(TARGETS_thread) client_tests cli_tests $(addsuffix _fuzz,safetensors json clip_text t5_text spiece_model tokenizer_json infer_request)
TARGETS = $(if $(SANITIZE),$(TARGETS_$(SANITIZE)),all)

.PHONY: all setup setup-tests build demo test bench bench-serving bench-replicas soak simulate clean
all: build

setup:
	@deploy/setup.sh

build: setup
	@cmake -S . -B $(BUILD) -G Ninja -DEASEL_SANITIZE=$(SANITIZE) >$(BUILD).log 2>&1 || { cat $(BUILD).log; rm -f $(BUILD).log; exit 1; }
	@rm -f $(BUILD).log
	@cmake --build $(BUILD) -j $(JOBS) --target $(TARGETS)

demo: build
	@deploy/demo.sh $(BUILD)

# What only tests need: a demo does without.
setup-tests: setup
	@deploy/setup.sh --tests

test: setup-tests build
	@deploy/test.sh $(BUILD) $(SANITIZE)

bench: build
	@python3 tests/bench/bench.py $(BUILD)

bench-serving: build
	@python3 tests/bench/serving_load.py $(BUILD) $(SERVING)

bench-replicas: build
	@python3 tests/bench/replicas.py $(BUILD) $(REPLICAS)

soak: build
	@python3 tests/bench/soak.py $(BUILD) $(SOAK)

simulate: build
	@$(BUILD)/tests/simulate_serving

clean:
	@rm -rf build build-* out
