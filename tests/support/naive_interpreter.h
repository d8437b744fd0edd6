/* A second, independent reading of docs/format.md: runs an exported int8 model with plain loops over 64-bit integers.
 * It includes no header of the project, on purpose: whatever the engine and this program agree on, the page says. */
#ifndef BITFOLD_TESTS_SUPPORT_NAIVE_INTERPRETER_H
#define BITFOLD_TESTS_SUPPORT_NAIVE_INTERPRETER_H

#include <stdint.h>

typedef struct NaiveModel NaiveModel;

NaiveModel *naive_open(const char *path); /* NULL when the file is not what the page describes */
void naive_close(NaiveModel *m);
int naive_tensors(const NaiveModel *m);
const char *naive_name(const NaiveModel *m, int tensor);
long naive_elements(const NaiveModel *m, int tensor);
void naive_run(NaiveModel *m, const int8_t *image); /* one image's codes of tensor 0 */
/* [H,W,C] after naive_run; NULL of floats. */
const int64_t *naive_codes(const NaiveModel *m, int tensor);
/* The floats, in double where nothing says otherwise; NULL of codes. */
const double *naive_floats(const NaiveModel *m, int tensor);

/* naive_run node by node; the result is the tensor that it wrote.  Where floats are summed in another order the last
 * bits differ, and a code that follows from them may: naive_set_floats puts the engine's in their place. */
int naive_nodes(const NaiveModel *m);
void naive_image(NaiveModel *m, const int8_t *image);
int naive_step(NaiveModel *m, int node);
void naive_set_floats(NaiveModel *m, int tensor, const float *x);

#endif
