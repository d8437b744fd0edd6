/* How a model is made: the steps from a resolved config to the file, in order.
 *
 * `train`, `ptq`, `qat` and every row of a table take this one path; what they say of it, and in which folder it
 * happens, is theirs.
 *
 *     phase          float             post-training quantization    quantization-aware training
 *     RECIPE_BEGIN   draw | take       take                          draw | take
 *                    [teacher]                                       [teacher]
 *     RECIPE_FIT                       each of ptq.steps, floor      calibrate, floor
 *     RECIPE_MAKE    train | write     write                         train
 */
#ifndef BITFOLD_TRAIN_RECIPE_H
#define BITFOLD_TRAIN_RECIPE_H

#include "compress/ptq_run.h"
#include "train/teacher.h"
#include "train/transfer.h"

typedef enum {
    RECIPE_BEGIN, /* the first weights: drawn by the seed, or another model's; whom the network learns from is read */
    RECIPE_FIT,   /* quantizers get their ranges, and what post-training quantization does besides */
    RECIPE_MAKE,  /* trained, or written as it is: the folder has the model and run.json */
} RecipePhase;

/* Runs a training (train_run), with whatever the caller shows of it.  label: what is trained, "" if nothing else is. */
typedef Status TrainHook(void *context, Arena *arena, TrainJob *job, const char *label, TrainResult *result);

struct Recipe;
typedef struct {
    RecipePhase phase;
    const char *name; /* "draw", "take", "calibrate", "train", ... */
    Status (*run)(struct Recipe *r, const PtqStep *ptq);
    const PtqStep *ptq; /* of ptq.steps; NULL: another step */
} RecipeStep;
enum { RECIPE_STEPS = 24 };

/* What the caller fills in; what is pointed to must live as long as the recipe. */
typedef struct Recipe {
    Arena *arena;
    const Config *config; /* its quant section as it applies: ptq_quant_config's for post-training quantization */
    ModelKind kind;
    const DataSplits *data;
    Model *model;           /* of that kind, as experiment_model builds it; the steps fill it */
    const Model *from;      /* its weights and batch norm are taken where names and shapes agree; NULL: drawn */
    const char *from_name;  /* for messages */
    int renewed;            /* the layer that is drawn all the same (transfer_data); -1: none */
    bool untrained;         /* float: what is taken is the result */
    bool from_scratch;      /* quantization-aware training without float training before it */
    const Checkpoint *last; /* goes on from it; NULL: begins */
    bool epochs_may_differ, allow_changed;
    const Provenance *provenance; /* for the checkpoints; NULL: they carry none */
    const char *folder, *label;
    TrainHook *train; /* NULL: train_run */
    /* What each step of post-training quantization did, as a text; NULL: not told.  It is measured where there is a
     * folder, whose run.json has it, too. */
    void (*tell)(void *context, const char *text);
    void *context;
    int argc; /* the command, for run.json */
    char *const *argv;
    /* the recipe's own */
    RecipeStep step[RECIPE_STEPS];
    int steps, done;
    const Teacher *teacher; /* after RECIPE_BEGIN: whom it learns from; NULL: nobody */
    Transfer transfer;      /* after RECIPE_BEGIN: what became of the parameters that were taken */
    PtqRun ptq;
    double start;  /* when it began; 0: with the first step after RECIPE_BEGIN */
    bool finished; /* recipe_check found no step left */
} Recipe;

/* Lists the steps.  A training that goes on has none between its first weights and its training. */
void recipe_plan(Recipe *r);

/* Runs the steps that are left up to the end of a phase.  Before RECIPE_MAKE nothing is written.  STATUS_STATE: a
 * quantized model was to take the weights of another network, of which parameters are missing or left over. */
Status recipe_run(Recipe *r, RecipePhase last);

/* Whether a training that goes on can do so, and how many steps are left (train_check). */
Status recipe_check(Recipe *r, long *left);

/* The file in its folder that a model of the kind ends in. */
const char *recipe_file(ModelKind kind);

/* A quantized model of `quant` that starts from the float network of `from` (same config otherwise), after ptq.steps:
 * the recipe's first two phases. */
Status quantize_from(Arena *arena, const Config *config, const QuantConfig *quant, const Model *from,
                     const DataSplits *data, Model **model);

#endif
