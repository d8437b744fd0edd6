/* Optimizers and learning-rate schedules: one file each (optimizer_<name>.c, schedule_<name>.c), listed in
 * optimizers.def and schedules.def. */
#ifndef BITFOLD_OPTIM_OPTIMIZER_H
#define BITFOLD_OPTIM_OPTIMIZER_H

#include "autograd/param.h"
#include "base/field.h"

typedef struct {
    int type; /* index into optimizer_names */
    double lr;
    double momentum;              /* sgd */
    bool nesterov;                /* sgd */
    double beta1, beta2, epsilon; /* adamw */
    double weight_decay;
    bool decay_norm, decay_bias; /* also decay batch norm, biases */
    double clip_norm;            /* 0: off */
} OptimizerConfig;
extern const Field optimizer_fields[];
extern const char *const optimizer_names[]; /* "sgd", "adamw", NULL: from optimizers.def */

/* A kind of optimizer: constants.  Its memory between steps is in slots: float blocks of the size of the parameters,
 * which are 0 before the first step and are kept in checkpoints. */
typedef struct OptimizerType {
    const char *name, *doc;        /* the name in the config; one sentence, no final period */
    int slots;                     /* 0 to OPTIMIZER_MAX_SLOTS */
    const char *const *slot_names; /* [slots] their names in a checkpoint: "momentum"; "m", "v" */
    /* One step of n elements x of one parameter.  The gradient is scale * dx (scale: 1 unless it is clipped); slot[k]
     * are their elements of slot k.  lr >= 0 is the learning rate of this step and this parameter, decay >= 0 its
     * weight decay; t = 1, 2, ... is the step's number.  Writes x and the slots.  Every element is computed from itself
     * alone, so how a parameter is split between calls and threads does not show.  Called by several threads at a time,
     * for different elements; cannot fail. */
    void (*update)(const OptimizerConfig *cfg, float lr, float decay, float scale, long t, long n, float *restrict x,
                   const float *restrict dx, float *const slot[]);
} OptimizerType;
extern const OptimizerType *const optimizer_types[]; /* in the order of optimizer_names, NULL-ended */
#define OPTIMIZER(name) extern const OptimizerType optimizer_##name;
#include "optim/optimizers.def"
#undef OPTIMIZER

enum { OPTIMIZER_MAX_SLOTS = 4 };
typedef struct {
    const OptimizerType *type;
    OptimizerConfig config;
    ParamSet *params;
    float *slot[OPTIMIZER_MAX_SLOTS]; /* each params->count floats */
} Optimizer;

/* An optimizer of these parameters, which must have their values (param_set_place) and outlive it; its slots are in the
 * arena.  STATUS_CONFIG: there is no optimizer of that type; STATUS_NOMEM. */
Status optimizer_make(Arena *arena, const OptimizerConfig *config, ParamSet *params, Optimizer *out);

/* One step with learning rate `lr`: config.lr times the schedule's factor.  t counts from 1.  Gradients are clipped to
 * config.clip_norm (global L2 norm, computed in fixed chunks) as they are read; they stay as they are.  PARAM_QUANTIZER
 * values have the decay, the learning rate and the least value of their rule; frozen parameters and their slots do not
 * change.  Returns the gradient norm before clipping, or 0 if clip_norm is 0 and the norm was not computed.  A norm
 * that is not finite is returned without a step: parameters and slots are as they were.  Same bits with any number of
 * threads. */
float optimizer_step(Optimizer *o, float lr, long t);

typedef struct {
    int type;             /* index into schedule_names */
    double warmup;        /* share of the steps with lr rising linearly to its value, 0..0.9 */
    double final_scale;   /* cosine: lr at the end / lr at the start */
    FloatList milestones; /* step: shares of all steps */
    double gamma;         /* step: factor at each milestone */
} ScheduleConfig;
extern const Field schedule_fields[];
extern const char *const schedule_names[]; /* "constant", "step", "cosine", NULL: from schedules.def */

/* A kind of schedule: constants. */
typedef struct ScheduleType {
    const char *name, *doc; /* the name in the config; one sentence, no final period */
    /* The factor on the learning rate in step `step`, counted from 0, with warmup_steps <= step < steps; the steps of
     * the warm-up are schedule_factor's.  Depends on its arguments alone, so that a resumed training goes on as it
     * was. */
    double (*factor)(const ScheduleConfig *config, long step, long warmup_steps, long steps);
} ScheduleType;
extern const ScheduleType *const schedule_types[]; /* in the order of schedule_names, NULL-ended */
#define SCHEDULE(name) extern const ScheduleType schedule_##name;
#include "optim/schedules.def"
#undef SCHEDULE

/* ceil(share * steps), where a product that misses a whole number by rounding alone counts as that number: 7 of 100
 * steps for 0.07. */
long schedule_share(double share, long steps);

/* The factor on lr of step `step` (0-based) of `steps`.  With w = schedule_share(warmup, steps): (step + 1) / w during
 * warm-up, which so starts above 0 and ends at 1; then the schedule.  A step past the end gets the last factor. */
double schedule_factor(const ScheduleConfig *config, long step, long steps);

#endif
