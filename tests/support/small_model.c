#include "tests/support/small_model.h"

#include <math.h>
#include <string.h>

#include "base/json.h"
#include "base/rng.h"
#include "tests/support/gradcheck.h"
#include "tests/support/suite.h"

static void *parse(Arena *arena, const Field *fields, const char *text, size_t bytes, const char *where)
{
    cJSON *json;
    ck_assert_msg(json_parse(text, strlen(text), where, &json) == STATUS_OK, "%s: %s", text, status_message());
    void *config = arena_zalloc(arena, bytes);
    ck_assert_msg(field_parse(fields, json, where, config, arena) == STATUS_OK, "%s: %s", text, status_message());
    cJSON_Delete(json);
    return config;
}

Status small_model_build(Arena *arena, const char *model, const char *quant, Model **m)
{
    static const double mean = 0.4, std = 0.25;
    const ModelConfig *c = parse(arena, model_fields, model, sizeof *c, "small.json");
    const QuantConfig *q = quant == NULL ? NULL : parse(arena, quant_fields, quant, sizeof *q, "small.json: quant");
    return model_build(arena, c, (PixelScale){1, &mean, &std}, q, "small.json", m);
}

static void shake_norm(Layer *l, Rng *r)
{
    for (long c = 0; l->norm != NULL && c < l->gamma->count; c++) {
        l->gamma->x[c] = (0.5f + rng_uniform(r)) * (rng_below(r, 4) == 0 ? -1.0f : 1.0f);
        l->beta->x[c] = rng_uniform(r) - 0.5f;
    }
    for (long c = 0; l->bias != NULL && c < l->bias->count; c++) l->bias->x[c] = rng_uniform(r) - 0.5f;
}

static void float_pass(Model *m, ForwardMode mode)
{
    Arena *step = arena_create();
    Tape *t = tape_create(m->arena, step);
    tape_reset(t, false);
    const Tensor *logits = model_forward(m, t, &mode, small_pixels(m->arena, m, SMALL_CALIBRATION), 4 * SMALL_IMAGES);
    ck_assert_msg(logits != NULL, "%s", t->message);
    arena_destroy(step);
}

/* Takes the running statistics of batch norm from one batch whole. */
static void settle_norm(Model *m)
{
    for (int i = 0; i < m->layers; i++)
        if (m->layer[i].norm != NULL) m->layer[i].norm->momentum = 1.0f;
    float_pass(m, (ForwardMode){.arithmetic = ARITHMETIC_FLOAT, .batch_statistics = true});
    for (int i = 0; i < m->layers; i++)
        if (m->layer[i].norm != NULL) m->layer[i].norm->momentum = 0.1f;
}

static void calibrate(Model *m)
{
    float_pass(m, (ForwardMode){.arithmetic = ARITHMETIC_FLOAT, .observe = true});
    for (int i = 0; i < m->quantizers; i++)
        if (!m->quantizer[i]->is_weight)
            ck_assert_msg(quantizer_calibrated(m->quantizer[i]) == STATUS_OK, "%s", status_message());
}

Model *small_model(Arena *arena, const char *model, const char *quant, uint64_t seed)
{
    Model *m;
    ck_assert_msg(small_model_build(arena, model, quant, &m) == STATUS_OK, "%s", status_message());
    model_init(m, seed);
    Rng r = rng_make(seed, RNG_TEST, 10);
    for (int i = 0; i < m->layers; i++) shake_norm(&m->layer[i], &r);
    settle_norm(m);
    if (quant != NULL) calibrate(m);
    return m;
}

uint8_t *small_pixels(Arena *arena, const Model *m, uint64_t seed)
{
    const long n = 4L * SMALL_IMAGES * m->input.h * m->input.w * m->input.c;
    uint8_t *pixels = ARENA_ARRAY(arena, uint8_t, n);
    Rng r = rng_make(seed, RNG_TEST, 11);
    for (long i = 0; i < n; i++) pixels[i] = (uint8_t)rng_below(&r, 256);
    return pixels;
}

Tensor *small_step(Model *m, Tape *t, const ForwardMode *mode, const uint8_t *pixels)
{
    static const int32_t labels[SMALL_IMAGES] = {0, 1, 0, 1, 1};
    tape_reset(t, true);
    param_set_zero_grad(&m->params);
    Tensor *logits = model_forward(m, t, mode, pixels, SMALL_IMAGES);
    Tensor *kept = held(t, logits);
    const Status status = tape_backward(t, op_softmax_cross_entropy(t, logits, labels, 0.1f, NULL));
    ck_assert_msg(status == STATUS_OK, "%s", t->message);
    return kept;
}

int small_layer(const Model *m, const char *name)
{
    for (int i = 0; i < m->layers; i++)
        if (strcmp(m->layer[i].name, name) == 0) return i;
    ck_abort_msg("no layer %s", name);
}
