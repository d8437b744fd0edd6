/* Steps of post-training quantization one after another, and what each changed. */
#ifndef BITFOLD_COMPRESS_PTQ_RUN_H
#define BITFOLD_COMPRESS_PTQ_RUN_H

#include <cjson/cJSON.h>

#include "compress/ptq.h"
#include "compress/ptq_measure.h"

/* What one step did. */
typedef struct {
    const PtqStep *step;
    bool compared; /* there was a quantized network before: not before the ranges that a first step finds */
    PtqMeasure before, after;
    double seconds; /* of the step, measuring apart */
    PtqTold told;
} PtqReport;

typedef struct {
    Arena *arena;
    Model *model;
    const PtqConfig *ptq;
    PtqContext context;
    const Dataset *measured; /* loss and SQNR of each step, on these images; NULL: of none */
    /* the rest is ptq_run.c's own */
    RealNetwork *real;
    PtqImages images;
    const float *outputs; /* of the float network */
    PtqMeasure last;
    int reports;
    PtqReport *report[PTQ_STEPS];
} PtqRun;

/* The next step on the model, which before the first one is the float network.  The report is added to run->report. */
Status ptq_run_step(PtqRun *run, const PtqStep *step);

/* "equalize: loss 0.5312 -> 0.4922, SQNR 12.1 -> 14.0 dB on 512 training images, 0.3 s". */
const char *ptq_report_text(Arena *arena, const PtqRun *run, const PtqReport *report);

/* A list of the reports; the caller frees it. */
cJSON *ptq_reports_json(const PtqRun *run);

#endif
