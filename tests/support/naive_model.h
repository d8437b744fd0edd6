/* Inside the naive interpreter: what its two halves, integers and floats, share. */
#ifndef BITFOLD_TESTS_SUPPORT_NAIVE_MODEL_H
#define BITFOLD_TESTS_SUPPORT_NAIVE_MODEL_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdint.h>

#include "tests/support/naive_interpreter.h"

typedef struct {
    const char *name;
    int h, w, c;
    float scale;
    int32_t zero;
    int64_t *q;
    const char *format; /* of floats; NULL: codes */
    bool wide;          /* int16 codes */
    bool sums;          /* int32 codes */
    double *x;          /* the floats */
    int lo, hi;         /* the codes */
} Grid;

struct NaiveModel {
    unsigned char *file, *data; /* the whole file, and the first byte behind its header */
    cJSON *header, *graph;
    char rounding; /* 'x' xnnpack, 's' tflite-single, 'd' tflite-double, 'o' onnxruntime */
    int tensors;
    Grid *tensor;
};

const void *naive_binary(const NaiveModel *m, const char *owner, const char *what);
const cJSON *naive_member(const cJSON *object, const char *key);
const char *naive_text(const cJSON *object, const char *key);
int naive_number(const cJSON *object, const char *key, int index);
int naive_by_name(const NaiveModel *m, const char *name);
int64_t naive_half_to_even(double x);

/* A node that reads or writes floats. */
bool naive_touches_floats(const NaiveModel *m, const cJSON *node);
void naive_run_floats(const NaiveModel *m, const cJSON *node);

#endif
