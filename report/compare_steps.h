/* What the steps of post-training quantization did to a table's rows. */
#ifndef BITFOLD_REPORT_COMPARE_STEPS_H
#define BITFOLD_REPORT_COMPARE_STEPS_H

#include "report/compare.h"
#include "report/report.h"

enum { COMPARE_STEPS = 512 };

/* Of the first seed; nothing where no row took more than one step. */
Status compare_steps(Arena *arena, const CompareJob *job, const RowPlan *plan, int rows, Report *report);

#endif
