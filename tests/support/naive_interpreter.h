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
void naive_run(NaiveModel *m, const int8_t *image);          /* one image's codes of tensor 0 */
const int64_t *naive_codes(const NaiveModel *m, int tensor); /* [H,W,C] after naive_run */

#endif
