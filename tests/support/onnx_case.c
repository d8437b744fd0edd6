#include "tests/support/onnx_case.h"

#include <check.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"

uint8_t *onnx_case_pixels(Arena *arena, const int hwc[3])
{
    const long count = (long)ONNX_CASE_IMAGES * hwc[0] * hwc[1] * hwc[2];
    uint8_t *pixels = arena_alloc(arena, (size_t)count);
    for (long i = 0; i < count; i++) pixels[i] = (uint8_t)((7 * i * i + 31 * i) % 251);
    return pixels;
}

const float *onnx_case_outputs(Arena *arena, const char *name, long *count)
{
    unsigned char *bytes;
    size_t length;
    const Status status = file_read(arena, arena_printf(arena, "tests/onnx/%s.f32", name), 1 << 20, &bytes, &length);
    ck_assert_msg(status == STATUS_OK, "%s", status_message());
    *count = (long)(length / sizeof(float));
    return (const float *)(void *)bytes;
}

Model *onnx_case_model(Arena *arena, ImportedModel *imported)
{
    static const double zero = 0.0, one = 1.0;
    ModelConfig config;
    Model *m = NULL;
    Status status = field_parse(model_fields, imported->model, "imported", &config, arena);
    if (status == STATUS_OK) status = model_build(arena, &config, (PixelScale){1, &zero, &one}, NULL, "imported", &m);
    ck_assert_msg(status == STATUS_OK, "%s", status_message());
    for (int i = 0; i < imported->arrays; i++) {
        long count = 0;
        float *to = model_values(m, imported->array[i].name, &count);
        ck_assert_ptr_nonnull(to);
        ck_assert_int_eq(count, imported->array[i].count);
        memcpy(to, imported->array[i].values, sizeof *to * (size_t)count);
    }
    return m;
}

const float *onnx_case_logits(Arena *arena, Model *m, const uint8_t *pixels)
{
    Arena *step = arena_create();
    Tape *t = tape_create(arena, step);
    tape_reset(t, false);
    const ForwardMode mode = {.arithmetic = ARITHMETIC_FLOAT};
    const Tensor *y = model_forward(m, t, &mode, pixels, ONNX_CASE_IMAGES);
    ck_assert_msg(y != NULL, "%s", t->message);
    float *logits = arena_alloc(arena, sizeof(float) * ONNX_CASE_IMAGES * (size_t)m->classes);
    memcpy(logits, y->x, sizeof(float) * ONNX_CASE_IMAGES * (size_t)m->classes);
    arena_destroy(step);
    return logits;
}
