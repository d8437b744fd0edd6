/* Optimizers and learning-rate schedules. */
#ifndef BITFOLD_OPTIM_OPTIMIZER_H
#define BITFOLD_OPTIM_OPTIMIZER_H

#include "autograd/param.h"
#include "base/field.h"

typedef struct {
    int type;           /* index into optimizer_names */
    double lr;
    double momentum;    /* sgd                                         */
    bool nesterov;      /* sgd                                         */
    double beta1, beta2, epsilon; /* adamw                             */
    double weight_decay;
    bool decay_norm, decay_bias;  /* also decay batch norm, biases     */
    double clip_norm;   /* 0: off                                      */
} OptimizerConfig;
extern const Field optimizer_fields[];
extern const char *const optimizer_names[]; /* "sgd", "adamw", NULL: from optimizers.def */

typedef struct OptimizerType {
    const char *name, *doc;
    int slots;                          /* float blocks of the size of the parameters */
    const char *const *slot_names;      /* "momentum"; "m", "v": names in a checkpoint */
    /* Elements [first, last) of one parameter; `t` = 1, 2, ...: the step's number. */
    void (*update)(const OptimizerConfig *cfg, float lr, float decay, long t, long n, float *restrict x,
                   const float *restrict dx, float *const slot[]);
} OptimizerType;

typedef struct {
    const OptimizerType *type;
    OptimizerConfig config;
    ParamSet *params;
    float *slot[4]; /* each params->count floats */
} Optimizer;

Status optimizer_make(Arena *arena, const OptimizerConfig *config, ParamSet *params, Optimizer *out);

/* One step with learning rate `lr` (from the schedule).  t counts from 1.  Gradients are clipped to config.clip_norm (global
 * L2 norm, computed in fixed chunks) before use.  PARAM_STEP values are kept >= 1e-8 and get no decay.  Returns the gradient
 * norm before clipping, or 0 when it was not needed. */
float optimizer_step(Optimizer *o, float lr, long t);

typedef struct {
    int type;             /* "constant", "step", "cosine" (schedules.def)                    */
    double warmup;        /* share of the steps with lr rising linearly to its value, 0..0.9 */
    double final_scale;   /* cosine: lr at the end / lr at the start                         */
    FloatList milestones; /* step: shares of the steps, rising                               */
    double gamma;         /* step: factor at each milestone                                  */
} ScheduleConfig;
extern const Field schedule_fields[];

/* The factor on lr of step `step` (0-based) of `steps`.  With w = ceil(warmup * steps): (step + 1) / w during warm-up, then the
 * schedule over the rest. */
double schedule_factor(const ScheduleConfig *config, long step, long steps);

#endif
