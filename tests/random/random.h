/* Random networks, held to be the same integers everywhere, and the same floats but for last bits: `make
 * test-random`. */
#ifndef BITFOLD_TESTS_RANDOM_RANDOM_H
#define BITFOLD_TESTS_RANDOM_RANDOM_H

#include <stdbool.h>

#include "base/arena.h"
#include "graph/graph.h"

/* A config of network number `number`: convolutions in groups, dilated, with uneven padding, depthwise ones, pools,
 * adds, concats, activations and both kinds of end, on a small synthetic data set, with its own bits, granularity,
 * quantizers and rounding.  The text is the same on every machine. */
char *random_net(Arena *arena, uint64_t seed, int number);

/* Whether some of its layers, but not the last, are in floats: each fourth network. */
static inline bool random_net_in_floats(int number) { return number % 4 == 3; }

/* Whether some of its layers have codes of 16 bits: two of eight networks, one quantized after training, one trained so. */
static inline bool random_net_is_wide(int number) { return number % 8 == 2 || number % 8 == 5; }

/* What one way out of bitfold made of the networks. */
typedef struct {
    const char *name;
    int nets, refused;      /* that it carried, and that it said it cannot */
    long values, different; /* codes compared, and floats of networks that have some */
} Tally;

typedef struct {
    Arena *arena;        /* of one network */
    const char *folder;  /* its files: net.json, run/last.safetensors */
    const char *program; /* bitfold */
    const char *keep;    /* a folder for what other runtimes are to run, or NULL */
    int number;
} Net;

enum { RANDOM_IMAGES = 6 };

/* Runs `bitfold COMMAND` in the network's folder; what it says is in said.txt, the last line of it in *last. */
int net_run(const Net *net, const char **last, const char *command);

/* Each adds to its tally and returns false where anything differs or breaks; the reason is printed. */
typedef struct {
    const char *name;
    bool (*run)(const Net *net, Tally *tally);
} Target;
extern const Target random_targets[]; /* ended by a NULL name */

#endif
