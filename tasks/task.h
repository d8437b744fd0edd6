/* Tasks: what a network is for.  A task says what the targets are, what the loss is, how good outputs are, what the
 * head must be, and how results are told.  One file each (task_<name>.c), listed in tasks.def; the code that trains,
 * evaluates, compares and exports asks the task and knows none by name. */
#ifndef BITFOLD_TASKS_TASK_H
#define BITFOLD_TASKS_TASK_H

#include <cjson/cJSON.h>

#include "autograd/ops.h"
#include "base/field.h"
#include "graph/graph.h"
#include "tasks/target.h"

typedef struct {
    int type;     /* index into task_names */
    int loss;     /* of loss_choices; 0: the task's first */
    double delta; /* huber */
    double wing_width, wing_curvature;
    int metric;            /* of metric_choices; 0: the task's first */
    StringList normalizer; /* landmarks: two points; none: the box of all */
    double pck_threshold;  /* landmarks */
} TaskConfig;
extern const Field task_fields[];

/* How a network learns from another one's outputs. */
typedef struct {
    double alpha;       /* 0 to 1: the share of the loss that is taken towards the teacher */
    double temperature; /* of classes: what both networks' outputs are divided by before their softmax */
} Distillation;
extern const Field distillation_fields[];
extern const char *const task_names[];   /* tasks.def, NULL-ended */
extern const char *const loss_choices[]; /* "auto", then losses.def, NULL-ended */
extern const char *const metric_choices[];

/* A figure of merit over a set of samples. */
typedef struct {
    const char *name;  /* "accuracy": its key in JSON and CSV */
    const char *label; /* in texts */
    const char *brief; /* "acc": where there is little room */
    const char *unit;  /* " %"; "": none */
    double factor;     /* shown is factor times the value: 100 for percent */
    int digits;        /* shown: after the point, or all of them where its size is not known */
    bool any_size;
    bool higher_is_better;
    /* A share of the samples, shown in percent: differences are points, one less it is an error, and intervals and tests
     * of it are exact. */
    bool proportion;
    double none; /* worse than any value: nothing was measured */
} Metric;

/* Whether something was measured, and `value` is not `none`. */
static inline bool metric_measured(const Metric *metric, double value) { return value != metric->none; }

/* That of the default task: of what names none. */
const Metric *metric_default(void);

/* A value as it is shown, the factor applied, as snprintf writes and counts it: "97.80". */
int metric_print(char *text, size_t size, const Metric *metric, double shown);
/* "97.80", and "97.80 %", in the arena. */
char *metric_number(Arena *arena, const Metric *metric, double value);
char *metric_text(Arena *arena, const Metric *metric, double value);
/* What stands at an axis: "accuracy, %", as snprintf writes and counts it. */
int metric_axis(char *text, size_t size, const Metric *metric);

/* How much worse `value` is than `reference`, as it is shown. */
double metric_drop(const Metric *metric, double reference, double value);
/* Whether `value` is at least as good as `other`. */
bool metric_as_good(const Metric *metric, double value, double other);

typedef struct Task Task;
typedef struct Score Score;

typedef struct {
    const char *name, *doc; /* the name in the config; one sentence, no final period */
    /* The loss of a batch as an operation of the tape, with its backward: outputs z[N,task->outputs], floats or codes,
     * and their N targets -> loss[1], a mean over the samples.  *running += the sum over the samples of what each is to
     * task->type->running.  Keeps targets until the tape is reset.  NULL after a failure of the tape. */
    Tensor *(*run)(Tape *t, const Task *task, Tensor *z, Targets targets, double *running);
    /* Of one output that is off by r; NULL: the loss is no mean over outputs. */
    double (*value)(const Task *task, double r);
} TaskLoss;

typedef struct TaskType {
    const char *name, *doc;
    TargetKind target;
    const TaskLoss *const *losses; /* NULL-ended; the first is the default */
    const Metric *const *metrics;  /* NULL-ended, as they are told; the first is the default to choose by */
    const Metric *running;         /* one that is a mean over samples: told while training, in any order of samples */
    int least_outputs;             /* of the head */
    const char *outputs;           /* what they are, for messages and the exported C: "classes" */
    const char *codes;             /* what the output tensor holds: "logits" */
    bool answers_class;            /* the answer is the index of the largest output */
    int output_bits; /* quant.output_bits where a config leaves it out and the network can (model_output_may_be_wide) */

    /* How far outputs z[N,task->outputs] are from the teacher's [N,task->outputs], as an operation of the tape -> [1], a mean
     * over the samples.  NULL: no network of this task learns from another one. */
    Tensor *(*imitate)(Tape *t, const Task *task, Tensor *z, const float *teacher);
    /* Whether a network of so many outputs can do the task as it is configured, and, where `name` is not NULL, one
     * whose outputs are named so.  STATUS_SHAPE or _CONFIG: "where: ...".  NULL: every number from least_outputs on. */
    Status (*check)(const TaskConfig *config, int outputs, const char *const *name, const char *where);
    /* Of tasks with losses of residuals: what the outputs x[n,task->outputs] of a batch are to be.  A number that has
     * no target is to be what it is, so that nothing is lost there.  *running as TaskLoss.run has it.  NULL: no such
     * loss. */
    void (*learn)(const Task *task, const float *x, Targets targets, int n, float *learned, double *running);
    /* Mean and deviation of n targets, in which outputs are learned; in the arena.  NULL: they are what they say. */
    TargetScale (*scale)(Arena *arena, Targets targets, int n);
    /* Where outputs are points in the picture: point k of a sample's, in pixels of the network's input.  NULL: they are
     * no points. */
    void (*point)(const Task *task, const float *outputs, int k, float *x, float *y);
    /* Turns the outputs of a sample into a target as `like` has them (of one sample), which then is what this network
     * answers; what `like` says is not to be judged is not judged.  into: target_bytes(like). */
    void (*as_target)(const Task *task, const float *outputs, Targets like, void *into);

    /* None of these is NULL, none can fail, and none keeps a pointer but begin, whose sums are the score's.  One thread
     * works on a score.  Texts are in the arena, UTF-8, and safe for a terminal (task_text). */

    /* Makes the sums of a score over at most n samples, at zero, in the arena. */
    void *(*begin)(Arena *arena, const Task *task, int n);
    /* Adds n samples to s->sums, and their losses to s->loss: outputs[n,task->outputs] as the network gives them, and
     * their targets.  s->n, the number of those before, is counted by the caller.  Sums depend on the samples and their
     * order alone, not on how they are split between calls. */
    void (*add)(Score *s, const float *outputs, Targets targets, int n);
    /* The metric, one of `metrics`, over all samples; a number also where there are none. */
    double (*value)(const Score *s, const Metric *metric);
    /* Writes part[s->n]: what each sample is to the metric, which is their mean. */
    void (*parts)(const Score *s, const Metric *metric, double *part);
    /* The metrics in few words: "accuracy 97.80 % (1956 of 2000)". */
    char *(*summary)(Arena *arena, const Score *s);
    /* Adds to an object what is told in addition to metrics and loss. */
    void (*json)(const Score *s, cJSON *json);
    /* The same for people: line i, counted from 0.  NULL: there are no more. */
    char *(*line)(Arena *arena, const Score *s, int i);
    /* What the outputs of one sample say: returned as a text, and added to `json` as members. */
    char *(*answer)(Arena *arena, const Task *task, const float *outputs, cJSON *json);
} TaskType;

#define TASK(name) extern const TaskType task_##name;
#include "tasks/tasks.def"
#undef TASK
#define LOSS(name) extern const TaskLoss loss_##name;
#include "tasks/losses.def"
#undef LOSS
#define METRIC(name) extern const Metric metric_##name;
#include "tasks/metrics.def"
#undef METRIC
extern const TaskType *const task_types[];   /* in the order of task_names, NULL-ended */
const TaskType *task_type(const char *name); /* NULL: unknown */
/* That of a graph; the first where it names none, or one that its outputs are not for. */
const TaskType *graph_task(const Graph *g);

/* A task of one network. */
struct Task {
    const TaskType *type;
    const TaskLoss *loss;
    const Metric *metric;       /* the one that models are chosen by */
    float label_smoothing;      /* cross-entropy: share of the target spread over all classes, 0 to 0.9 */
    const double *class_weight; /* [outputs] cross-entropy: factor of each class on the loss; NULL: all 1 */
    float delta;                /* huber: where the square becomes a line */
    float wing_width, wing_curvature;
    int normalizer[2];         /* landmarks: the points whose distance errors are measured in; -1: the box of all */
    double pck_threshold;      /* landmarks: errors up to it are right */
    int outputs;               /* of the network */
    const char *const *name;   /* [outputs] */
    TargetScale scale;         /* of value targets */
    Distillation distillation; /* how much a teacher's outputs count, of targets that have them */
};

/* The loss that a batch is trained on, as TaskLoss.run: the task's own, L.  Where targets have a teacher's outputs t it
 * is (1 - alpha) L + alpha D, with the task's TaskType.imitate as D. */
Tensor *task_training_loss(Tape *t, const Task *task, Tensor *z, Targets targets, double *running);

/* TaskType.imitate of tasks whose outputs are numbers: the mean squared difference. */
Tensor *imitate_values(Tape *t, const Task *task, Tensor *z, const float *teacher);

/* Whether loss and metric are the task's.  STATUS_CONFIG: "where: task.loss: ..."; where NULL: "task.loss: ...". */
Status task_check(Arena *arena, const TaskConfig *config, const char *where);

/* The task of a config that task_check let pass, for a network whose outputs have these names and this scale. */
Task task_make(const TaskConfig *config, float label_smoothing, int outputs, const char *const *name,
               TargetScale scale);

/* Whether a network with so many outputs can do it: "where: layer "fc" gives 1 x 1 x 1; ...".  targets: classes of the
 * data, or values of each target; 0: not known. */
Status task_check_head(const Task *task, const char *where, const char *layer, int targets);

/* Whether outputs of these names, of a network or of data, are what the task's config asks for: TaskType.check. */
Status task_check_outputs(const TaskConfig *config, int outputs, const char *const *name, const char *where);

/* Mean and standard deviation of n value targets, for networks that are to learn them; 1 where all are equal.  Sums are
 * taken in double, in order. */
TargetScale task_scale(Arena *arena, Targets targets, int n);

/* Which point of the outputs has that name; -1: none. */
int task_point(const char *wanted, int outputs, const char *const *name);

/* What a model's outputs are worth against the targets: sums over samples, in their order. */
struct Score {
    const Task *task;
    int n;       /* samples */
    double loss; /* the sum of their losses */
    void *sums;  /* the task's own */
};
Score score_begin(Arena *arena, const Task *task, int n);
void score_add(Score *score, const float *outputs, Targets targets, int n);
double score_loss(const Score *score); /* mean over samples; 0 of none */
double score_value(const Score *score, const Metric *metric);

/* Adds each metric of the task, by its name. */
void score_json(const Score *score, cJSON *json);

/* What a classifier answered, of which confusion matrices and exact tests are made. */
typedef struct {
    long correct;
    long *confusion; /* [outputs of the label][outputs of the answer] */
    int32_t *answer; /* [n] the largest output, the lowest index on ties */
    bool *right;     /* [n] whether that is the label */
} ClassAnswers;
/* NULL: the task is no classification. */
const ClassAnswers *score_answers(const Score *score);

/* snprintf into the arena, %s safe for a terminal as cli_print has it. */
char *task_text(Arena *arena, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
