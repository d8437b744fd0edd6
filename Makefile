# bitfold: `make help` lists the targets.
ROOMS   := base kernels autograd quant graph layers tasks optim datasets deploy deploy/safetensors deploy/onnx deploy/tflite deploy/c compress train search report cli
VERSION := $(shell sed -n 's/^\#define BITFOLD_VERSION "\(.*\)"/\1/p' include/bitfold.h)
PREFIX  ?= /usr/local
DESTDIR ?=
BUILD   ?= build
MODE    ?= release
GEN     := $(BUILD)/generated

ifeq ($(origin CC),default)
CC      := gcc
endif
OBJCOPY ?= objcopy
PKGS    := libcjson libpng libjpeg zlib libprotobuf-c
WARN    := -Wall -Wextra -Wshadow -Wdouble-promotion -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wno-unknown-pragmas \
           -Werror=switch
OPT_release := -O3
OPT_arm64   := -O3
OPT_asan    := -O1 -g -fsanitize=address -fno-omit-frame-pointer
OPT_ubsan   := -O1 -g -fsanitize=undefined -fno-sanitize-recover=undefined
OPT_sanitize := -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
OPT_tsan     := -O1 -g -Wno-pass-failed -fsanitize=thread
OPT_coverage := -O1 -g --coverage -fprofile-update=atomic
OPT_fuzz     := -O1 -g -Wno-pass-failed -fsanitize=fuzzer-no-link,address,undefined,float-cast-overflow -fno-sanitize-recover=all -fno-omit-frame-pointer
OPT_werror-gcc   := -O2 -Werror
OPT_werror-clang := -O0 -Werror
MACHINE := $(shell $(CC) -dumpmachine)
# Debian 12's gcc for aarch64 has an internal error where it vectorises the largest of many doubles.
CFLAGS_aarch64 := -fno-builtin-fmax
CFLAGS_ALL := -std=c11 -D_GNU_SOURCE -I. -I$(GEN) -fno-math-errno -fno-trapping-math -ffp-contract=off -fopenmp -fPIC -fvisibility=hidden \
              $(WARN) $(OPT_$(MODE)) $(shell pkg-config --cflags $(PKGS)) $(CFLAGS_$(firstword $(subst -, ,$(MACHINE)))) $(CFLAGS)
LDLIBS_ALL := $(LDFLAGS) $(shell pkg-config --libs $(PKGS) $(if $(MPI),ompi-c)) -lm -lpthread $(LDLIBS)

# A kernel file says by its name which CPU it is for; a new variant needs no edit here.  amx: kernels/tiles.h holds its
# instructions as they are, no compiler has to know them.
ISA_avx2   := -mavx2 -mfma
ISA_avx512 := -mavx512f -mavx512bw -mavx512dq -mavx512vl -mfma -mprefer-vector-width=512
ISA_vnni   := $(ISA_avx512) -mavx512vnni
ISA_amx    := $(ISA_vnni)
isa_of      = $(if $(findstring x86_64,$(MACHINE)),$(ISA_$(lastword $(subst __, ,$(basename $(notdir $1))))))
# Unrolled loops under all of a fuzzer's checks take clang many minutes a file.
ISA_ALSO_fuzz := -fno-sanitize=all -fsanitize=address
mpi_flags   = $(if $(findstring cluster_mpi,$1),$(shell pkg-config --cflags ompi-c))
isa_flags   = $(isa_of) $(mpi_flags) $(if $(findstring __,$1),$(ISA_ALSO_$(MODE)))
# No kind of node, layer or format falls into the default of a switch: above base/ each is said.
kind_flags  = $(if $(filter base/% tests/%,$1),,-Werror=switch-enum)

# One short line a step; `make V=1` shows the commands.
Q   = $(if $(V),,@)
say = @$(if $(V)$(findstring s,$(firstword -$(MAKEFLAGS))),:,echo '  $1')

# MPI=1: training over several processes, in a build of its own; else there is one process and no word of MPI.
OUT      := $(BUILD)/$(MODE)$(if $(MPI),-mpi)
SOURCES  := $(filter-out base/cluster$(if $(MPI),,_mpi).c,$(foreach r,$(ROOMS),$(wildcard $r/*.c)))
LIB_SRC  := $(filter-out cli/%,$(SOURCES))
LIB_OBJ  := $(LIB_SRC:%.c=$(OUT)/%.o) $(OUT)/deploy/onnx/onnx.pb-c.o
CLI_OBJ  := $(patsubst %.c,$(OUT)/%.o,$(filter cli/%,$(SOURCES)))
TEST_SRC := $(wildcard tests/test_*.c)
TEST_SUP := $(patsubst %.c,$(OUT)/%.o,$(wildcard tests/support/*.c))
RANDOM_OBJ := $(patsubst %.c,$(OUT)/%.o,$(wildcard tests/random/*.c))
FUZZ_OBJ := $(patsubst %.c,$(OUT)/%.o,$(wildcard tests/fuzz/*.c))
TESTS    := $(TEST_SRC:tests/%.c=$(OUT)/tests/%)
SCRIPTS  := $(wildcard tests/test_*.sh)
FAULT_OBJ := $(patsubst %.c,$(OUT)/%.o,$(wildcard tests/faults/*.c))
ALLOC_OBJ := $(patsubst %.c,$(OUT)/%.o,$(wildcard tests/alloc/c*.c))
BENCH_OBJ := $(patsubst %.c,$(OUT)/%.o,$(wildcard bench/*.c))
CYCLES_OBJ := $(patsubst %.c,$(OUT)/%.o,$(wildcard bench/cycles/*.c))
FORMATTED := $(foreach d,$(ROOMS) deploy/c/c_kernels include bench bench/cycles tests tests/support tests/alloc tests/faults tests/random tests/fuzz tests/data tests/interop/mcu,$(wildcard $d/*.c $d/*.h $d/*.inc))
OBJECTS  := $(RANDOM_OBJ) $(FAULT_OBJ) $(LIB_OBJ) $(CLI_OBJ) $(TEST_SUP) $(FUZZ_OBJ) $(ALLOC_OBJ) $(OUT)/tests/alloc/fail_alloc.o $(TESTS:=.o) $(BENCH_OBJ) $(CYCLES_OBJ)

# What is installed.  In the build's own archive hidden symbols stay visible to the linker, for the program and the
# tests; in the installed one only bitfold_* does.
SHARED    := $(OUT)/libbitfold.so
STATIC    := $(OUT)/dist/libbitfold.a
SONAME    := libbitfold.so.$(firstword $(subst ., ,$(VERSION)))
BIN_DIR    = $(DESTDIR)$(PREFIX)/bin
LIB_DIR    = $(DESTDIR)$(PREFIX)/lib
HEADER_DIR = $(DESTDIR)$(PREFIX)/include
SHARE_DIR  = $(DESTDIR)$(PREFIX)/share

all: $(OUT)/bitfold $(if $(filter release,$(MODE)),$(SHARED) $(STATIC)) ## build the program (./bitfold) and the libraries
	@$(if $(filter release,$(MODE)),ln -sfn $(OUT)/bitfold bitfold)

# Other flags than last time: everything is compiled again.
$(OUT)/flags: force
	@mkdir -p $(@D)
	@echo '$(CC) $(CFLAGS_ALL)' | cmp -s - $@ || echo '$(CC) $(CFLAGS_ALL)' >$@

# The ONNX reader and writer are made from deploy/onnx/onnx.proto; every object may include their header.
$(GEN)/deploy/onnx/onnx.pb-c.c $(GEN)/deploy/onnx/onnx.pb-c.h &: deploy/onnx/onnx.proto
	@mkdir -p $(GEN)
	$(call say,PROTO $<)
	$(Q)protoc-c --c_out=$(GEN) $<

$(OUT)/deploy/onnx/onnx.pb-c.o: $(GEN)/deploy/onnx/onnx.pb-c.c $(OUT)/flags
	@mkdir -p $(@D)
	$(call say,CC   $<)
	$(Q)$(CC) $(CFLAGS_ALL) -MMD -MP -c $< -o $@

$(OUT)/%.o: %.c $(OUT)/flags | $(GEN)/deploy/onnx/onnx.pb-c.h
	@mkdir -p $(@D)
	$(call say,CC   $<)
	$(Q)$(CC) $(CFLAGS_ALL) $(call isa_flags,$<) $(call kind_flags,$<) -MMD -MP -c $< -o $@

# The kernels of exported C, and what the formulas of curves call, as text in a table.
$(GEN)/deploy/c/c_kernels.inc: $(wildcard deploy/c/c_kernels/*.c) autograd/double_exp_less.inc
	@mkdir -p $(@D)
	$(call say,TEXT $@)
	$(Q)for f in $^; do echo "TEXT($$(basename $${f%.*}),"; sed 's/\\/\\\\/g; s/"/\\"/g; s/.*/"&\\n"/' $$f; echo ')'; done >$@.new
	$(Q)mv $@.new $@
$(OUT)/deploy/c/c_text.o: $(GEN)/deploy/c/c_kernels.inc

$(OUT)/libbitfold.a: $(LIB_OBJ)
	@rm -f $@
	$(call say,AR   $@)
	$(Q)$(AR) rcs $@ $^

$(OUT)/bitfold: $(CLI_OBJ) $(OUT)/libbitfold.a
	$(call say,LINK $@)
	$(Q)$(CC) $(CFLAGS_ALL) -o $@ $^ $(LDLIBS_ALL)

$(SHARED): $(LIB_OBJ)
	$(call say,LINK $@)
	$(Q)$(CC) $(CFLAGS_ALL) -shared -Wl,-soname,$(SONAME) -o $@ $^ $(LDLIBS_ALL)

$(STATIC): $(LIB_OBJ)
	@mkdir -p $(@D)
	@rm -f $@
	$(call say,LINK $@)
	$(Q)$(LD) -r -o $(@D)/bitfold.o $^
	$(Q)$(OBJCOPY) --localize-hidden $(@D)/bitfold.o
	$(Q)$(AR) rcs $@ $(@D)/bitfold.o

$(OUT)/tests/%: $(OUT)/tests/%.o $(TEST_SUP) $(OUT)/libbitfold.a
	$(call say,LINK $@)
	$(Q)$(CC) $(CFLAGS_ALL) -o $@ $(filter %.o,$^) $(filter %.a,$^) $(shell pkg-config --libs check) $(LDLIBS_ALL)

$(OUT)/tests/test_fuzz_corpus: $(filter-out %/main.o,$(FUZZ_OBJ))

$(OUT)/fuzz: $(FUZZ_OBJ) $(addprefix $(OUT)/tests/support/,random_graph.o) $(OUT)/libbitfold.a
	$(call say,LINK $@)
	$(Q)$(CC) $(CFLAGS_ALL) -fsanitize=fuzzer -o $@ $^ $(shell pkg-config --libs check) $(LDLIBS_ALL)

$(OUT)/bench_kernels: $(BENCH_OBJ) $(OUT)/libbitfold.a
	$(call say,LINK $@)
	$(Q)$(CC) $(CFLAGS_ALL) -o $@ $^ $(LDLIBS_ALL)

$(OUT)/cycles: $(CYCLES_OBJ) $(OUT)/libbitfold.a
	$(call say,LINK $@)
	$(Q)$(CC) $(CFLAGS_ALL) -o $@ $^ $(LDLIBS_ALL)

$(OUT)/alloc_campaign: $(ALLOC_OBJ) $(TEST_SUP) $(OUT)/libbitfold.a
	$(call say,LINK $@)
	$(Q)$(CC) $(CFLAGS_ALL) -o $@ $^ $(shell pkg-config --libs check) $(LDLIBS_ALL)

$(OUT)/fault_campaign: $(FAULT_OBJ) $(TEST_SUP) $(OUT)/libbitfold.a
	$(call say,LINK $@)
	$(Q)$(CC) $(CFLAGS_ALL) -o $@ $^ $(shell pkg-config --libs check) $(LDLIBS_ALL)

$(OUT)/fail_alloc.so: $(OUT)/tests/alloc/fail_alloc.o
	$(call say,LINK $@)
	$(Q)$(CC) $(CFLAGS_ALL) -shared -o $@ $^ -ldl

tests: $(TESTS)

objects: $(OBJECTS)

# The leak detector stops other threads with ptrace, which some containers forbid: asked of a program without leaks.
probe_leaks     = $(shell mkdir -p $(OUT) && echo 'int main(void) { return 0; }' | $(CC) -fsanitize=address -x c - \
                    -o $(OUT)/probe && $(OUT)/probe >/dev/null 2>&1 && echo 1 || echo 0)
# A size that no machine has must be refused by the program, not by the sanitizer.
ENV_asan        = ASAN_OPTIONS=detect_leaks=$(probe_leaks):allocator_may_return_null=1
ENV_sanitize    = $(ENV_asan)

test: all tests ## build and run every test
	@BITFOLD=$(or $(PROGRAM),$(CURDIR)/$(OUT)/bitfold) BITFOLD_MODE=$(MODE) $(ENV_$(MODE)) sh tests/run.sh $(TESTS) $(SCRIPTS)

# Left out: tests that choose or walk the levels themselves, and those that look at text, files and refusals alone.
ISA_LEAVES := amx kernels_% dispatch results bad_% base bench class_names cli config configs data_dir data_memory datasets% \
              decoder_% export_c_floats export_c_int16 fetch field files fuzz_corpus import_onnx_bad import_outside json labels locale names onnx_file \
              provenance report% run_folder safetensors schedule settings sources statistics tflite_read
test-isa: export BELOW_BEST := $(BELOW_BEST)
test-isa: all tests ## run the tests of numbers with the kernels of each instruction set this machine has
	@BITFOLD=$(CURDIR)/$(OUT)/bitfold BITFOLD_MODE=$(MODE) $(ENV_$(MODE)) \
	    sh tests/isa.sh $(filter-out $(ISA_LEAVES:%=$(OUT)/tests/test_%),$(TESTS))

test-interop: all $(OUT)/tests/test_results $(OUT)/tests/test_curve_exports $(OUT)/cycles ## exported models on ONNX Runtime, LiteRT, Cortex-M (npm, qemu); FULL=1, MODELS="DIR..."
	@BITFOLD=$(CURDIR)/$(OUT)/bitfold sh tests/interop/run.sh $(BUILD)
	@sh tests/interop/curves.sh $(BUILD)
	@sh tests/interop/int16.sh $(BUILD)
	@sh tests/interop/regression.sh $(BUILD)
	@sh tests/interop/instructions.sh $(BUILD)
	@CHECK=50 sh bench/cycles.sh $(BUILD)

$(OUT)/random_nets: $(RANDOM_OBJ) $(TEST_SUP) $(OUT)/libbitfold.a
	$(call say,LINK $@)
	$(Q)$(CC) $(CFLAGS_ALL) -o $@ $(filter %.o,$^) $(filter %.a,$^) $(shell pkg-config --libs check) $(LDLIBS_ALL)

test-posts: all ## the commands of docs/posts.md against what stands below them
	@sh tests/posts.sh $(OUT)

test-random: all $(OUT)/random_nets ## random networks, every way out the same integers; N=200 networks, SEED=1
	@BITFOLD=$(CURDIR)/$(OUT)/bitfold sh tests/random/run.sh $(OUT)/random_nets "$(N)" "$(SEED)" $(CURDIR)/$(BUILD)/interop/node_modules

test-alloc: all $(OUT)/alloc_campaign $(OUT)/fail_alloc.so ## every request for memory of every verb fails in turn; POINTS=25 of each, CASES="train ptq"
	@BITFOLD=$(CURDIR)/$(OUT)/bitfold FAIL_ALLOC_LIBRARY=$(OUT)/fail_alloc.so POINTS="$(POINTS)" CASES="$(CASES)" $(OUT)/alloc_campaign

test-faults: all $(OUT)/fault_campaign ## every file system call of every verb that writes fails or is the last; POINTS=6 of each, CASES="train ptq", FAULTS="kill EIO"
	@BITFOLD=$(CURDIR)/$(OUT)/bitfold POINTS="$(POINTS)" CASES="$(CASES)" FAULTS="$(FAULTS)" $(OUT)/fault_campaign

test-mpi: all ## training over 1 to 16 processes writes the files of one (sh setup.sh --mpi)
	@$(MAKE) --no-print-directory MPI=1 $(BUILD)/release-mpi/bitfold
	@sh tests/mpi.sh $(CURDIR)/$(OUT)/bitfold $(CURDIR)/$(BUILD)/release-mpi/bitfold

test-arm64: ## run the tests of a build for aarch64 (cross compiler, qemu-user)
	+@sh tests/arm64.sh $(BUILD)

asan: ## run the tests under AddressSanitizer
	@$(MAKE) --no-print-directory MODE=asan test

ubsan: ## run the tests under UndefinedBehaviorSanitizer
	@$(MAKE) --no-print-directory MODE=ubsan test

# OpenMP's barriers and locks are known to ThreadSanitizer through Archer, a tool that LLVM's runtime loads.
ARCHER   = $(shell clang -print-resource-dir 2>/dev/null)/../../libarcher.so
ENV_tsan = OMP_TOOL_LIBRARIES=$(ARCHER) OMP_NUM_THREADS=4 GOMP_SPINCOUNT=2000 \
           TSAN_OPTIONS=ignore_noninstrumented_modules=1:allocator_may_return_null=1:exitcode=66:suppressions=$(CURDIR)/tests/tsan.txt
tsan: ## run the tests with 4 threads under ThreadSanitizer (clang, LLVM's OpenMP with Archer); TESTS="build/tsan/tests/test_X"
	@test -e $(ARCHER) || { echo "tsan: $(ARCHER) is missing; sh setup.sh --dev installs it" >&2; exit 1; }
	@$(MAKE) --no-print-directory MODE=tsan CC=clang test

# Left out: tests of numbers alone, whose every loop runs under the sanitizers, those that measure or wait for time, race,
# or close the descriptors that valgrind's script needs, and bad input: its environments and limits stop valgrind itself.
MEMCHECK_LEAVES := kernels_% dispatch amx requant rounding_rules bench fetch files bad_%
memcheck: all tests ## run the tests under valgrind, but for those of single kernels and of time (an hour)
	@sh tests/memcheck.sh $(OUT) $(filter-out $(MEMCHECK_LEAVES:%=$(OUT)/tests/test_%),$(TESTS))

# Each test has profiles of its own: one that is killed while it writes them spoils no other's.
ENV_coverage = BITFOLD_PROFILES=$(CURDIR)/$(OUT)/profiles
coverage: ## which lines the tests run: each file, the sum, at least 90 % (gcovr)
	@rm -rf $(BUILD)/coverage/profiles
	@$(MAKE) --no-print-directory MODE=coverage CC=gcc test
	@sh tests/coverage.sh $(BUILD)/coverage $(ROOMS)

fuzz-seeds: $(OUT)/tests/fuzz_seeds ## write tests/fuzz/seeds again, from the exporters as they are
	@FUZZ_SEEDS=tests/fuzz/seeds $(OUT)/tests/fuzz_seeds

fuzz: ## hostile files against every reader (clang); FUZZ_SECONDS=600 for each, FUZZ="NAME..." for some
	@$(MAKE) --no-print-directory MODE=fuzz CC=clang $(BUILD)/fuzz/fuzz
	@sh tests/fuzz/run.sh $(BUILD)/fuzz $(or $(FUZZ_SECONDS),600) $(FUZZ)

check: ## format, lint, -Werror with gcc and clang, tests under both sanitizers
	@clang-format --dry-run -Werror $(FORMATTED)
	@$(MAKE) --no-print-directory MODE=werror-gcc CC=gcc objects
	@$(MAKE) --no-print-directory MODE=werror-clang CC=clang objects
	@$(MAKE) --no-print-directory lint
	@$(MAKE) --no-print-directory MODE=sanitize test

lint: ## the project's rules, shellcheck, the man page, cppcheck, clang-tidy
	@$(MAKE) --no-print-directory MODE=release objects $(BUILD)/release/libbitfold.so $(BUILD)/compile_commands.json
	@sh tests/lint.sh $(BUILD)/release $(ROOMS)
	@shellcheck setup.sh .ci/run dist/bitfold.bash $(wildcard tests/*.sh tests/fuzz/*.sh tests/interop/*.sh tests/random/*.sh bench/*.sh)
	@warnings=$$(man --warnings -E UTF-8 -l docs/bitfold.1 2>&1 >/dev/null); test -z "$$warnings" || { echo "$$warnings"; exit 1; }
	@cppcheck --quiet --std=c11 --error-exitcode=1 --inline-suppr --suppressions-list=tests/cppcheck.txt -I. -I$(GEN) \
	    --enable=warning,performance,portability -j 2 $(SOURCES) $(wildcard bench/*.c)
	@printf '%s\n' $(SOURCES) | xargs -P 2 -n 8 clang-tidy --quiet -p $(BUILD) 2>/dev/null

format: ## rewrite the sources with clang-format
	@clang-format -i $(FORMATTED)

# How each file is compiled, for clang-tidy and editors.
compile_command = {"directory": "$(CURDIR)", "file": "$1", "command": "$(CC) $(CFLAGS_ALL) $(call isa_flags,$1) $(call kind_flags,$1) -c $1"}
$(BUILD)/compile_commands.json: $(OUT)/flags $(SOURCES) Makefile
	$(file >$@,[)$(foreach f,$(SOURCES),$(file >>$@,$(call compile_command,$f),)) # too long for one command
	@sed -i '$$s/,$$//' $@
	@echo ']' >>$@

demo: all ## the sample of MNIST, float against PTQ against QAT, into runs/demo
	./bitfold compare configs/mnist_sample_lenet.json --out runs/demo --overwrite

BENCH_CONFIGS := mnist_lenet cifar10_resnet8 cifar10_resnet20 kws_dscnn vww_mobilenetv1_025
bench: all $(OUT)/bench_kernels ## speed of kernels, training steps and engine; THREADS=1
	@$(OUT)/bench_kernels --threads $(or $(THREADS),1)
	@for c in $(BENCH_CONFIGS); do for m in float qat 'qat --frozen' int8; do \
	    ./bitfold bench configs/$$c.json --threads $(or $(THREADS),1) --mode $$m || exit 1; done; done

PYTHON ?= /usr/bin/python3
bench-peers: all ## in turn with PyTorch and ONNX Runtime; ARGS="--help" lists the options
	@$(PYTHON) bench/peers/compare.py $(ARGS)

performance: all $(OUT)/bench_kernels ## measure again what docs/performance.md says: about 20 minutes on a quiet machine
	@$(OUT)/bench_kernels | $(PYTHON) bench/peers/page.py kernels docs/performance.md
	@sh bench/busy.sh | $(PYTHON) bench/peers/page.py busy docs/performance.md
	@$(PYTHON) bench/peers/quantizers.py --markdown docs/performance.md
	@$(PYTHON) bench/peers/compare.py --markdown docs/performance.md $(ARGS)
	@$(PYTHON) bench/peers/compare.py --isa avx2 --parts train --markdown docs/performance.md $(ARGS)

results: all $(OUT)/tests/test_results ## write bench/results.csv and bench/curves.csv again: what every build must give
	@RESULTS_WRITE=1 sh tests/interop/instructions.sh $(BUILD)

docs: all ## regenerate docs/config.md and configs/schema.json from the program's own tables
	./bitfold describe --markdown >docs/config.md.new && mv docs/config.md.new docs/config.md
	./bitfold describe --schema >configs/schema.json.new && mv configs/schema.json.new configs/schema.json

install: all $(SHARED) $(STATIC) ## install under PREFIX (default /usr/local), staged below DESTDIR
	install -d $(BIN_DIR) $(LIB_DIR)/pkgconfig $(HEADER_DIR) $(SHARE_DIR)/man/man1 \
	    $(SHARE_DIR)/bash-completion/completions $(SHARE_DIR)/zsh/site-functions
	install -m 755 $(OUT)/bitfold $(BIN_DIR)/bitfold
	install -m 644 $(STATIC) $(LIB_DIR)/libbitfold.a
	install -m 755 $(SHARED) $(LIB_DIR)/libbitfold.so.$(VERSION)
	ln -sfn libbitfold.so.$(VERSION) $(LIB_DIR)/$(SONAME)
	ln -sfn $(SONAME) $(LIB_DIR)/libbitfold.so
	install -m 644 include/bitfold.h $(HEADER_DIR)/bitfold.h
	sed 's|@PREFIX@|$(PREFIX)|; s|@VERSION@|$(VERSION)|' dist/bitfold.pc.in >$(LIB_DIR)/pkgconfig/bitfold.pc
	install -m 644 docs/bitfold.1 $(SHARE_DIR)/man/man1/bitfold.1
	install -m 644 dist/bitfold.bash $(SHARE_DIR)/bash-completion/completions/bitfold
	install -m 644 dist/_bitfold $(SHARE_DIR)/zsh/site-functions/_bitfold

uninstall: ## remove what install put there
	rm -f $(BIN_DIR)/bitfold $(LIB_DIR)/libbitfold.a $(LIB_DIR)/libbitfold.so $(LIB_DIR)/$(SONAME) \
	    $(LIB_DIR)/libbitfold.so.$(VERSION) $(LIB_DIR)/pkgconfig/bitfold.pc $(HEADER_DIR)/bitfold.h \
	    $(SHARE_DIR)/man/man1/bitfold.1 $(SHARE_DIR)/bash-completion/completions/bitfold \
	    $(SHARE_DIR)/zsh/site-functions/_bitfold

clean: ## remove everything that was built
	rm -rf $(BUILD) bitfold

help: ## this list
	@sed -n 's/^\([a-z0-9-]*\):.*## \(.*\)/\1\t\2/p' $(MAKEFILE_LIST) | expand -t 14

.PHONY: all tests objects test test-isa test-interop test-random test-posts test-alloc test-faults test-mpi test-arm64 asan ubsan tsan memcheck coverage fuzz fuzz-seeds check lint format demo bench bench-peers \
        performance results docs install uninstall clean help force
.SECONDARY:
-include $(OBJECTS:.o=.d)
