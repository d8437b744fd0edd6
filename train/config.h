/* The whole configuration of an experiment, as one JSON file says it. */
#ifndef BITFOLD_TRAIN_CONFIG_H
#define BITFOLD_TRAIN_CONFIG_H

#include "compress/ptq.h"
#include "compress/sparsity.h"
#include "datasets/dataset.h"
#include "layers/model.h"
#include "optim/optimizer.h"
#include "quant/oscillation.h"
#include "quant/quant_config.h"
#include "tasks/task.h"

/* A network that another one learns from. */
typedef struct {
    const char *model; /* as the config has it: a file or run directory, or TEACHER_FLOAT; NULL or "": none */
    const char *path;  /* ... as seen from the working directory */
    Distillation distillation;
} TeacherConfig;

/* The float network that quantization-aware training starts from. */
#define TEACHER_FLOAT "float"

typedef struct {
    int epochs, batch;
    OptimizerConfig optimizer;
    ScheduleConfig schedule;
    double label_smoothing;
    int checkpoint_every;    /* steps; 0: only by the clock */
    FloatList class_weights; /* factors on the loss of each class; empty: all 1 */
    double ema;              /* decay of the moving average that is the model; 0: none */
    int early_stopping;      /* epochs without a better validation; 0: none */
    StringList freeze;       /* patterns of layers that float training leaves as they are */
    TeacherConfig teacher;
    SparsityConfig sparsity;
} TrainConfig;

typedef struct {
    int epochs;
    double lr;           /* 0: a share of train.optimizer.lr that depends on the bits */
    double weight_decay; /* < 0: train's */
    double clip_norm;    /* < 0: train's */
    ScheduleConfig schedule;
    OscillationConfig oscillation;
    TeacherConfig teacher;
} QatConfig;

enum { COMPARE_MAX_SEEDS = 64 };
typedef struct {
    IntList seeds;              /* empty: the config's own */
    IntList ptq_bits, qat_bits; /* weights and activations alike */
    IntList progressive;        /* widths of quantization-aware training, each from the one before; empty: none */
    IntList observers;          /* indices into observer_names */
    IntList granularities;      /* Granularity */
    IntList first_last_bits;
    const cJSON *rows, *grid; /* patches (train/config_patch.h); NULL: none */
} CompareConfig;

typedef struct {
    const char *path, *folder; /* of the file; folder: what data.dir is relative to */
    const cJSON *assigned;     /* the assignments alone */
    const char *const *sets;   /* the same as they were typed, NULL-ended; NULL: none */
    const cJSON *file;         /* with assignments: what the file has without them, else NULL */
    bool renormalized;         /* they changed data.normalize to something else than the file has */
    const cJSON *given; /* what the user wrote: the file and the assignments; of a model, the assignments alone */
    const char *name, *schema;
    uint64_t seed;
    TaskConfig task;
    DataConfig data;
    ModelConfig model;
    TrainConfig train;
    QuantConfig quant;
    PtqConfig ptq;
    QatConfig qat;
    CompareConfig compare;
} Config;
extern const Field config_fields[];
extern const char *const observer_names[];

/* The assignments alone, as an object; one that reaches into what only the config has is left out. */
const cJSON *config_given(Arena *arena, const char *const *sets);

/* Reads a config, applies the assignments ("a.b=value", NULL-ended, may be NULL), checks it.  data.path is set:
 * data.dir as the file has it is relative to the file's folder, as an assignment has it to the working directory. */
Status config_read(Arena *arena, const char *path, const char *const *sets, Config **config);

/* The same from JSON that is in memory; `path` names it and gives the folder. */
Status config_from_json(Arena *arena, cJSON *root, const char *path, const char *const *sets, Config **config);

/* Says whose fault a failure is: of an assignment, if it is one that brought the message about.
 *
 * `status` with its message, mostly "<config->path>: ...", is what `check` says of the config (NULL: what reading it
 * says).  It is asked again for the file alone, with the first assignment, the first two, ...; where the message is
 * there from one assignment on, it becomes "--set KEY=VALUE: ..." (of another file than the config: with its name),
 * otherwise it stays. */
typedef Status ConfigCheck(Arena *arena, const Config *config, const void *context);
Status config_blame(const Config *config, ConfigCheck *check, const void *context, Status status);

/* The same for a message "KEY: ...", "KEY[2]: ..." that has no place in front yet: puts the last assignment of that
 * key, of an object that holds it or, else, the config's path there. */
Status config_blame_key(const Config *config, Status status);

/* The resolved config as JSON text: every key, defaults included; data.dir made relative to `folder` (the run
 * directory), so that the config next to a model reads the same data.  STATUS_IO when the system cannot tell where they
 * are. */
Status config_text(Arena *arena, const Config *config, const char *folder, char **text);

/* What `quant` says in short: "W8A8", ... */
char *config_bits_text(Arena *arena, const QuantConfig *quant);

/* The teacher of quantization-aware training, or of float training; and whether there is one. */
const TeacherConfig *config_teacher(const Config *config, bool qat);
static inline bool teacher_is_named(const TeacherConfig *t) { return t->model != NULL && t->model[0] != '\0'; }

/* The pixel scale of data.normalize. */
PixelScale config_pixels(const Config *config);

#endif
