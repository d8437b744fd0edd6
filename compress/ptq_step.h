/* Steps of post-training quantization: what is done, in order, to a model that has just got its quantizers.
 *
 * A step is one file, compress/ptq_step_<name>.c, and one line in compress/ptq_steps.def.  `ptq.steps` of a config
 * lists them by name.  A step with keys of its own has a second line, in compress/ptq_step_keys.def.
 */
#ifndef BITFOLD_COMPRESS_PTQ_STEP_H
#define BITFOLD_COMPRESS_PTQ_STEP_H

#include "base/field.h"
#include "compress/ptq_images.h"
#include "compress/real_network.h"
#include "layers/model.h"
#include "tasks/task.h"

/* Places of the steps in ptq_steps.def, by which their keys are found. */
enum {
#define PTQ_STEP(name) PTQ_STEP_INDEX_##name,
#include "compress/ptq_steps.def"
#undef PTQ_STEP
    PTQ_STEPS
};
enum { PTQ_STEP_KEYS_BYTES = 64, PTQ_TOLD = 64 };
typedef union {
    double align;
    unsigned char bytes[PTQ_STEP_KEYS_BYTES];
} PtqStepKeys;

/* What steps tell about what they found and where they stopped, in the arena. */
typedef struct {
    Arena *arena;
    int n;
    const char *line[PTQ_TOLD];
} PtqTold;

/* What a step may look at.  Borrowed for the call. */
typedef struct {
    const Dataset *train; /* training images; no step sees test images */
    int images;           /* how many of them it may use: ptq.images */
    uint64_t seed;        /* chooses them, and whatever else is random */
    const void *keys;     /* the step's own; NULL: their defaults */
    const Task *task;     /* whose loss is measured; a step that measures none may get NULL */
    /* The float network that the quantized one is to be like.  NULL: the parameters that the step finds. */
    const RealNetwork *real;
    PtqTold *told; /* NULL: nobody listens */
} PtqContext;

/* A sentence for whoever reads what a step did, as printf writes it. */
void ptq_tell(const PtqContext *context, const char *format, ...) __attribute__((format(printf, 2, 3)));

typedef struct {
    const char *name, *doc;
    bool finds_ranges;   /* afterwards every activation quantizer has a range: a list of steps needs one that does */
    bool needs_ranges;   /* comes after one that finds them */
    bool moves_weights;  /* changes real weights or what activations range over: comes before any that finds ranges */
    bool keeps_function; /* the float network computes afterwards what it did before, in other numbers */
    bool rounds_weights; /* chooses the codes of weights; of such steps a list has one */
    bool alone;          /* it runs other steps itself, and is a list of its own */
    /* The keys of its own, which stand in the config as an object after its name; NULL: none. */
    const Field *fields;
    size_t config_bytes; /* of the struct that they fill; at most PTQ_STEP_KEYS_BYTES */
    /* Changes the model in place: its parameters, batch norm statistics, the ranges of its quantizers.  On entry it has
     * the weights and batch norm of the float model, and what earlier steps made of it.  Its layers, quantizers and
     * their bits stay, but weights may get zero points.  Equal model and context: equal bits, for any number of
     * threads.  On failure the model is of no
     * further use. */
    Status (*run)(Model *m, const PtqContext *context);
} PtqStep;

#define PTQ_STEP(name) extern const PtqStep ptq_step_##name;
#include "compress/ptq_steps.def"
#undef PTQ_STEP

extern const PtqStep *const ptq_steps[]; /* in the order of ptq_steps.def, NULL-ended */

/* A step's keys: the context's, or the defaults in the arena. */
const void *ptq_keys(Arena *arena, const PtqStep *step, const PtqContext *context);

#endif
