# bitfold: `make help` lists the targets.
ROOMS   := base kernels autograd quant layers optim datasets deploy train cli
VERSION := $(shell sed -n 's/^\#define BITFOLD_VERSION "\(.*\)"/\1/p' include/bitfold.h)
PREFIX  ?= /usr/local
BUILD   ?= build
MODE    ?= release

CC      ?= gcc
PKGS    := libcjson libpng zlib
WARN    := -Wall -Wextra -Wshadow -Wdouble-promotion -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wno-unknown-pragmas
OPT_release := -O3
OPT_asan    := -O1 -g -fsanitize=address -fno-omit-frame-pointer
OPT_ubsan   := -O1 -g -fsanitize=undefined -fno-sanitize-recover=undefined
OPT_sanitize := -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
CFLAGS_ALL := -std=c11 -D_GNU_SOURCE -I. -fno-math-errno -ffp-contract=off -fopenmp -fPIC -fvisibility=hidden \
              $(WARN) $(OPT_$(MODE)) $(shell pkg-config --cflags $(PKGS)) $(CFLAGS)
LDLIBS_ALL := $(shell pkg-config --libs $(PKGS)) -lm -lpthread $(LDLIBS)

# A kernel file says by its name which CPU it is for; a new variant needs no edit here.
ISA_avx2   := -mavx2 -mfma
ISA_avx512 := -mavx512f -mavx512bw -mavx512dq -mavx512vl -mfma -mprefer-vector-width=512
ISA_vnni   := $(ISA_avx512) -mavx512vnni
isa_flags   = $(if $(findstring x86_64,$(MACHINE)),$(ISA_$(lastword $(subst __, ,$(basename $(notdir $1))))))
MACHINE    := $(shell $(CC) -dumpmachine)

OUT      := $(BUILD)/$(MODE)
SOURCES  := $(foreach r,$(ROOMS),$(wildcard $r/*.c))
LIB_SRC  := $(filter-out cli/%,$(SOURCES))
LIB_OBJ  := $(LIB_SRC:%.c=$(OUT)/%.o)
CLI_OBJ  := $(patsubst %.c,$(OUT)/%.o,$(filter cli/%,$(SOURCES)))
TEST_SRC := $(wildcard tests/test_*.c)
TEST_SUP := $(patsubst %.c,$(OUT)/%.o,$(wildcard tests/support/*.c))
TESTS    := $(TEST_SRC:tests/%.c=$(OUT)/tests/%)

all: $(OUT)/bitfold ## build the program (./bitfold) and the libraries
	@ln -sfn $(OUT)/bitfold bitfold

$(OUT)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_ALL) $(call isa_flags,$<) -MMD -MP -c $< -o $@

$(OUT)/libbitfold.a: $(LIB_OBJ)
	@rm -f $@
	$(AR) rcs $@ $^

$(OUT)/bitfold: $(CLI_OBJ) $(OUT)/libbitfold.a
	$(CC) $(CFLAGS_ALL) -o $@ $^ $(LDLIBS_ALL)

$(OUT)/tests/%: $(OUT)/tests/%.o $(TEST_SUP) $(OUT)/libbitfold.a
	$(CC) $(CFLAGS_ALL) -o $@ $^ $(shell pkg-config --libs check) $(LDLIBS_ALL)

tests: $(TESTS)

test: all tests ## build and run every test
	@sh tests/run.sh $(TESTS)

clean: ## remove everything that was built
	rm -rf $(BUILD) bitfold

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1\t\2/p' $(MAKEFILE_LIST) | expand -t 14

.PHONY: all tests test clean help
.SECONDARY:
-include $(LIB_OBJ:.o=.d) $(CLI_OBJ:.o=.d) $(TESTS:=.d)
