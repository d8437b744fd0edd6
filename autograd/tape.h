/* The tape: records ops as they run and plays them backwards.
 *
 * Eager: an op computes at once, so a debugger stops on the failing line.  All memory of a step comes from the tape's
 * arena and is taken back by tape_reset; after the second step nothing allocates.  The tape keeps the FIRST failure:
 * later ops see it, do nothing and return NULL, so forward code composes like algebra and is checked once.
 */
#ifndef BITFOLD_AUTOGRAD_TAPE_H
#define BITFOLD_AUTOGRAD_TAPE_H

#include "autograd/tensor.h"
#include "base/arena.h"
#include "base/status.h"

enum { NODE_MAX_INPUTS = 16 };

typedef struct Tape Tape;
struct Node;

/* `contract` is executed: "x[N,H,W,C] w[O,K,L,D] b[O]? -> y[N,P,Q,O]".  A letter binds to the first length it meets
 * and must meet the same one again; '?' marks an input that may be NULL; '*' after the name takes any number of inputs
 * of that shape; "x[...]" accepts any shape. */
typedef struct {
    const char *name, *contract;
    void (*backward)(Tape *tape, struct Node *node); /* adds to the dx of the inputs that need it */
} OpType;

typedef struct Node {
    const OpType *type;
    struct Node *previous;
    int inputs;
    Tensor *in[NODE_MAX_INPUTS];
    Tensor *out;
    void *saved; /* what backward needs, in the step arena */
} Node;

struct Tape {
    Arena *arena;
    Node *last;
    Status status;
    char message[1024]; /* of the first failure */
    const char *where;  /* the layer that is running, for messages */
    bool grad;          /* false: nothing is recorded (evaluation) */
};

Tape *tape_create(Arena *owner, Arena *step);
void tape_reset(Tape *tape, bool grad); /* forgets everything, also a failure */

/* A tensor of this shape in the step arena.  needs_grad is decided by tape_record. */
Tensor *tape_tensor(Tape *tape, const char *name, Shape shape);                       /* x allocated */
Tensor *tape_codes(Tape *tape, const char *name, Shape shape, const QuantParams *qp); /* codes allocated, x NULL */
/* A leaf around memory that somebody else owns (a parameter, the image). */
Tensor *tape_leaf(Tape *tape, const char *name, Shape shape, float *x, float *dx);

/* Remembers that `out` came from `in` (NULL inputs allowed).  Returns the node to store `saved` in, or NULL when no
 * input needs a gradient or the tape does not record. */
Node *tape_record(Tape *tape, const OpType *type, int inputs, Tensor *const *in, Tensor *out);

/* Checks the inputs against type->contract: false and STATUS_SHAPE kept in the tape, `dense "fc1": I is 400 in x but 256
 * in w; contract ...`.  Also false when the tape has failed before. */
bool tape_contract(Tape *tape, const OpType *type, int inputs, Tensor *const *in);

Status tape_fail(Tape *tape, Status status); /* keeps status_message() as the first failure */
static inline bool tape_failed(const Tape *tape) { return tape->status != STATUS_OK; }

/* dx of x, made (zeros) when it is the first use; NULL when x needs no gradient. */
float *tensor_grad(Tape *t, Tensor *x);

void *tape_buffer(Tape *t, size_t bytes);
void tape_release(Tape *t, void *buffer);
float *tensor_grad_fresh(Tape *t, Tensor *x, bool *fresh);
void tensor_grad_pass(Tape *t, Tensor *x, Tensor *from);
void node_keep(Tape *t, Node *node, void *buffer);

/* Seeds d loss / d loss = 1 and runs every node's backward, last first.  Returns the tape's status. */
Status tape_backward(Tape *tape, Tensor *loss);

/* The values of x as floats: x->x, or its codes dequantized into the step arena. */
const float *tensor_values(Tape *t, const Tensor *x);

#endif
