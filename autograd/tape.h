/* The tape: records ops as they run and plays them backwards.
 *
 * Eager: an op computes at once, so a debugger stops on the failing line.  All memory of a step comes from the tape's
 * arena and is taken back by tape_reset; after the second step nothing allocates.  The tape keeps the FIRST failure:
 * later ops see it, do nothing and return NULL, so forward code composes like algebra and is checked once.
 *
 * What is as large as an activation is a buffer with owners, and its memory serves the next buffer of the same step as
 * soon as the last owner is through with it: a step needs what is alive at one time, not the sum.  A tensor of the tape
 * owns its values, its codes and its gradient until the backward of the op that made it is done (each consumer ran
 * before); an op keeps what its backward needs with node_keep, and releases its scratch when it returns.
 *
 * Not thread-safe: between parallel regions only.
 */
#ifndef BITFOLD_AUTOGRAD_TAPE_H
#define BITFOLD_AUTOGRAD_TAPE_H

#include "autograd/tensor.h"
#include "base/arena.h"
#include "base/status.h"

enum { TAPE_NODE_MAX_INPUTS = 129 /* a concat of 128 and its step */, NODE_MAX_KEPT = 8 };

typedef struct Tape Tape;
struct TapeNode;

/* `contract` is executed: "x[N,H,W,C] w[O,K,L,D] b[O]? -> y[N,P,Q,O]".  A letter binds to the first length it meets
 * and must meet the same one again; '?' marks an input that may be NULL; '*' after the name takes any number of inputs
 * of that shape; "x[...]" accepts any shape. */
typedef struct {
    const char *name, *contract;
    void (*backward)(Tape *tape, struct TapeNode *node); /* adds to the dx of the inputs that need it */
} OpType;

typedef struct TapeNode {
    const OpType *type;
    struct TapeNode *previous;
    int inputs;
    Tensor *in[TAPE_NODE_MAX_INPUTS];
    Tensor *out;
    void *saved; /* what backward needs, in the step arena */
    int kept;
    void *keep[NODE_MAX_KEPT]; /* buffers that go when backward is done */
} TapeNode;

struct Tape {
    Arena *arena;
    TapeNode *last;
    Tensor *made; /* the last owned tensor */
    Status status;
    char message[1024]; /* of the first failure */
    const char *where;  /* the layer that is running, for messages */
    bool grad;          /* false: nothing is recorded (evaluation) */
};

Tape *tape_create(Arena *owner, Arena *step);
void tape_reset(Tape *tape, bool grad); /* forgets everything, also a failure */

/* A buffer with one owner, 64-byte aligned, not initialised.  Release takes NULL, too; the last owner's gives the
 * memory back for later buffers of this step. */
void *tape_buffer(Tape *tape, size_t bytes);
void tape_share(Tape *tape, void *buffer); /* one more owner */
void tape_release(Tape *tape, void *buffer);

/* A tensor of this shape that owns its buffers.  needs_grad is decided by tape_record. */
Tensor *tape_tensor(Tape *tape, const char *name, Shape shape);                       /* x allocated */
Tensor *tape_codes(Tape *tape, const char *name, Shape shape, const QuantParams *qp); /* codes allocated, x NULL */
Tensor *tape_wide(Tape *tape, const char *name, Shape shape, const QuantParams *qp);  /* wide and x allocated */
/* The values and codes of x, shared, under another shape with as many elements. */
Tensor *tape_alias(Tape *tape, const char *name, Shape shape, const Tensor *x);
/* A leaf around memory that somebody else owns (a parameter, the image). */
Tensor *tape_leaf(Tape *tape, const char *name, Shape shape, float *x, float *dx);

/* Remembers that `out` came from `in` (NULL inputs allowed).  Returns the node to store `saved` in, or NULL when no
 * input needs a gradient or the tape does not record. */
TapeNode *tape_record(Tape *tape, const OpType *type, int inputs, Tensor *const *in, Tensor *out);

/* `buffer` (NULL is allowed) is released when the node's backward is done; at once when node is NULL. */
void node_keep(Tape *tape, TapeNode *node, void *buffer);

/* Checks the inputs against type->contract: false and STATUS_SHAPE kept in the tape, `dense "fc1": I is 400 in x but
 * 256 in w; contract ...`.  Also false when the tape has failed before. */
bool tape_contract(Tape *tape, const OpType *type, int inputs, Tensor *const *in);

Status tape_fail(Tape *tape, Status status); /* keeps status_message() as the first failure */
static inline bool tape_failed(const Tape *tape) { return tape->status != STATUS_OK; }

/* dx of x, for adding: zeros at first use, a copy of its own when it was shared; NULL when x needs no gradient. */
float *tensor_grad(Tape *t, Tensor *x);
/* As tensor_grad, but at first use it is not initialised and *fresh is set: the caller then writes every element. */
float *tensor_grad_fresh(Tape *t, Tensor *x, bool *fresh);
/* dx of x += dx of from.  When x has none yet it shares from's buffer: no pass over memory. */
void tensor_grad_pass(Tape *t, Tensor *x, const Tensor *from);

/* Seeds d loss / d loss = 1 and runs every node's backward, last first, each followed by the release of its output and
 * of what it kept; the loss itself can still be read.  Returns the tape's status. */
Status tape_backward(Tape *tape, Tensor *loss);

/* Releases x, codes and dx of an owned tensor, which are NULL afterwards; does nothing to others. */
void tensor_release(Tape *t, Tensor *x);
/* Releases the owned tensors that were made since t->made was `made_before`, all but `keep` (NULL is allowed): what a
 * layer made for itself, when nothing is recorded. */
void tape_release_since(Tape *t, const Tensor *made_before, const Tensor *keep);

/* values[tensor_elements(x)] = what the codes of x stand for. */
void tensor_dequantize(const Tensor *x, float *values);
/* The values of x as floats: x->x, or its codes dequantized into a buffer, and the release of that buffer; or its
 * keeping for the node's backward (node_keep). */
const float *tensor_values(Tape *t, const Tensor *x);
void tensor_values_release(Tape *t, const Tensor *x, const float *values);
void tensor_values_keep(Tape *t, TapeNode *node, const Tensor *x, const float *values);

#endif
