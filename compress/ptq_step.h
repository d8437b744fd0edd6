/* Steps of post-training quantization: what is done, in order, to a model that has just got its quantizers.
 *
 * A step is one file, compress/ptq_step_<name>.c, and one line in compress/ptq_steps.def.  `ptq.steps` of a config
 * lists them by name.
 */
#ifndef BITFOLD_COMPRESS_PTQ_STEP_H
#define BITFOLD_COMPRESS_PTQ_STEP_H

#include "datasets/dataset.h"
#include "layers/model.h"

/* What a step may look at.  Borrowed for the call. */
typedef struct {
    const Dataset *train; /* training images; no step sees test images */
    int images;           /* how many of them it may use: ptq.images */
    uint64_t seed;        /* chooses them, and whatever else is random */
} PtqContext;

typedef struct {
    const char *name, *doc;
    bool finds_ranges; /* afterwards every activation quantizer has a range: a list of steps needs one that does */
    /* Changes the model in place: its parameters, the ranges of its quantizers.  On entry it has the weights and batch
     * norm of the float model, and what earlier steps made of it.  Its layers, quantizers and their bits stay.  Equal
     * model and context: equal bits, for any number of threads.  On failure the model is of no further use. */
    Status (*run)(Model *m, const PtqContext *context);
} PtqStep;

#define PTQ_STEP(name) extern const PtqStep ptq_step_##name;
#include "compress/ptq_steps.def"
#undef PTQ_STEP

extern const PtqStep *const ptq_steps[]; /* in the order of ptq_steps.def, NULL-ended */

#endif
