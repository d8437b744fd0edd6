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

typedef struct OptimizerType {
    const char *name, *doc;
    int slots;                     /* float blocks of the size of the parameters, 0 at the start */
    const char *const *slot_names; /* "momentum"; "m", "v": names in a checkpoint */
    /* One step on n elements of one parameter and its slots; `t` = 1, 2, ...: the step's number.  The gradient is
     * scale * dx.  Every element is computed from itself alone. */
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

/* `params` must be placed.  STATUS_CONFIG: no optimizer of that type; STATUS_NOMEM. */
Status optimizer_make(Arena *arena, const OptimizerConfig *config, ParamSet *params, Optimizer *out);

/* One step with learning rate `lr`: config.lr times the schedule's factor.  t counts from 1.  Gradients are clipped to
 * config.clip_norm (global L2 norm, computed in fixed chunks) as they are read.  PARAM_QUANTIZER values
 * have the decay, the learning rate and the least value of their rule; frozen parameters and their slots stay as they are.  Returns the gradient norm before clipping, or
 * 0 when it was not needed (clip_norm 0).  A norm that is not finite is returned without a step: parameters and slots
 * are as they were.  Same bits with any number of threads. */
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

typedef struct ScheduleType {
    const char *name, *doc;
    /* The factor on lr of step `step`, warmup_steps <= step < steps. */
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
