/* The ONNX files of tests/onnx and what they compute (tests/onnx/make_models.py). */
#ifndef BITFOLD_TESTS_SUPPORT_ONNX_CASE_H
#define BITFOLD_TESTS_SUPPORT_ONNX_CASE_H

#include "deploy/onnx/import_onnx.h"
#include "layers/model.h"

enum { ONNX_CASE_IMAGES = 2 };

/* Pixel i of the images is (7 i^2 + 31 i) % 251. */
uint8_t *onnx_case_pixels(Arena *arena, const int hwc[3]);

/* What tests/onnx/NAME.f32 holds; *count of them. */
const float *onnx_case_outputs(Arena *arena, const char *name, long *count);

/* A float model of what was imported, with its parameters. */
Model *onnx_case_model(Arena *arena, ImportedModel *imported);

/* Its logits for the two images. */
const float *onnx_case_logits(Arena *arena, Model *m, const uint8_t *pixels);

#endif
