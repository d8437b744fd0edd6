/* What the files of the TFLite interpreter share. */
#ifndef BITFOLD_TESTS_SUPPORT_TFLITE_RUN_H
#define BITFOLD_TESTS_SUPPORT_TFLITE_RUN_H

#include "base/qparams.h"
#include "deploy/tflite/tflite_model.h"

typedef struct {
    Arena *arena;
    const TfliteModel *m;
    Rounding rounding;
    int8_t **value;            /* [tensors] bytes; values of float16 as floats */
    const float *const *known; /* [tensors] what readers of a float tensor see instead, NULL: its own; or NULL */
} TfliteRun;

typedef struct {
    int kh, kw, sh, sw, dh, dw, padding, activation, multiplier; /* multiplier 0: not depthwise */
} TfliteWindow;

const TfliteTensor *tflite_run_tensor(const TfliteRun *r, int32_t t);
long tflite_elements(const TfliteTensor *t);
/* Cells before the image's first: TensorFlow's SAME leaves the odd one to the end. */
int tflite_before(int padding, int in, int out, int stride, int window);
/* Of a convolution; false: it is none. */
bool tflite_window(const TfliteRun *r, const TfliteOperator *o, TfliteWindow *window);

/* tests/support/tflite_floats.c: runs an operator that reads or writes floats; false: it does neither. */
bool tflite_run_floats(const TfliteRun *r, const TfliteOperator *o);

#endif
