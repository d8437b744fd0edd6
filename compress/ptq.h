/* Post-training quantization: its section of a config, and what it makes of the quant section. */
#ifndef BITFOLD_COMPRESS_PTQ_H
#define BITFOLD_COMPRESS_PTQ_H

#include "base/field.h"
#include "compress/ptq_step.h"
#include "datasets/corruption.h"
#include "quant/quant_config.h"

/* Which images steps see, where not the training images. */
typedef struct {
    const char *dir; /* of their data set; "": they are those of the training */
    CorruptionConfig corruption;
} PtqCalibration;

typedef struct {
    int images;    /* training images that steps may use */
    IntList steps; /* indices into ptq_steps, in the order they run */
    PtqStepKeys keys[PTQ_STEPS];
    PtqCalibration calibration;
} PtqConfig;
extern const Field ptq_fields[];

/* Whether the steps can be run one after another: none stands twice, one of them finds ranges, and each comes after what
 * it needs and before what it would undo.  STATUS_CONFIG names `path`, the config. */
Status ptq_check(const PtqConfig *ptq, const char *path);

/* The quant section that post-training quantization uses: observed scales, "auto" observers become minmax; weights
 * stay on a set of levels, whose scale their start finds. */
QuantConfig ptq_quant_config(Arena *arena, const QuantConfig *quant);

/* Whether it keeps this of quantizer_choices: a quantizer for weights alone. */
bool ptq_keeps_quantizer(int choice);

/* The same section with observed weights everywhere. */
QuantConfig ptq_observed_config(Arena *arena, const QuantConfig *quant);

#endif
