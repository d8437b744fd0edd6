/* The geometries that convolutions and pools are tested over, and the walk over the variants this CPU has. */
#ifndef BITFOLD_TESTS_SUPPORT_KERNEL_CASES_H
#define BITFOLD_TESTS_SUPPORT_KERNEL_CASES_H

#include "kernels/kernels.h"

typedef struct {
    const char *name;
    int images;
    bool depthwise;
    ConvGeom g; /* oh, ow: oracle_geom */
} KernelCase;

extern const KernelCase kernel_cases[];
extern const int kernel_case_count;

/* Selects the i-th variant; false past the last one this CPU has.  After the walk the best one is selected again. */
bool kernel_variant(int i);
#define FOR_EACH_ISA(i) for (int i = 0; kernel_variant(i); i++)

#endif
