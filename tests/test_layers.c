/* What every registered layer must hold, for each of its examples: JSON, shapes, gradients, threads, memory. */
#include <math.h>
#include <string.h>

#include "base/json.h"
#include "base/parallel.h"
#include "tests/support/conformance.h"
#include "tests/support/gradcheck.h"
#include "tests/support/suite.h"

static cJSON *json_of(const char *text)
{
    cJSON *json;
    ck_assert_msg(json_parse(text, strlen(text), "example", &json) == STATUS_OK, "%s", status_message());
    return json;
}

static void check_round_trip(const LayerType *type, const char *example, const char *model)
{
    (void)model;
    Arena *arena = arena_create();
    void *config = arena_zalloc(arena, type->config_bytes), *again = arena_zalloc(arena, type->config_bytes);
    cJSON *json = json_of(example);
    ck_assert_msg(field_parse(type->fields, json, "example", config, arena) == STATUS_OK, "%s", status_message());
    cJSON *dumped = field_dump(type->fields, config);
    ck_assert_msg(field_parse(type->fields, dumped, "dumped", again, arena) == STATUS_OK, "%s", status_message());
    cJSON *dumped_again = field_dump(type->fields, again);
    ck_assert_str_eq(json_print(arena, dumped), json_print(arena, dumped_again));
    const cJSON *given;
    cJSON_ArrayForEach(given, json) /* what was given is in the dump, bare values perhaps as lists */
    {
        const cJSON *kept = json_get(dumped, given->string);
        ck_assert_msg(kept != NULL, "%s: %s is lost", example, given->string);
        if (cJSON_IsArray(kept) && !cJSON_IsArray(given)) kept = kept->child;
        ck_assert_msg(cJSON_Compare(kept, given, true), "%s: %s", example, given->string);
    }
    /* A key that no field has is refused, with the nearest that one has. */
    cJSON_AddNumberToObject(json, "inputz", 1);
    ck_assert_int_eq(field_parse(type->fields, json, "small.json: layers[0]", again, arena), STATUS_CONFIG);
    ck_assert_str_eq(status_message(), "small.json: layers[0]: unknown key \"inputz\"; did you mean \"inputs\"?");
    ck_assert(type->doc != NULL && layer_type(type->name) == type);
    cJSON_Delete(json);
    cJSON_Delete(dumped);
    cJSON_Delete(dumped_again);
    arena_destroy(arena);
}

START_TEST(json_round_trip) { for_each_layer_example(check_round_trip); }
END_TEST

static const ForwardMode passes[] = {{.arithmetic = ARITHMETIC_FLOAT, .batch_statistics = true},
                                     {.arithmetic = ARITHMETIC_FAKE, .batch_statistics = true, .observe = true},
                                     {.arithmetic = ARITHMETIC_FAKE, .rounding = ROUNDING_TFLITE_SINGLE},
                                     {.arithmetic = ARITHMETIC_INT, .rounding = ROUNDING_XNNPACK},
                                     {.arithmetic = ARITHMETIC_INT, .rounding = ROUNDING_TFLITE_DOUBLE}};
enum { PASSES = sizeof passes / sizeof passes[0] };

/* For what is tested with one config for each pass: the quantizers in turn. */
static const char *quant_of_pass(Arena *arena, const char *model, int pass)
{
    int n = 0;
    while (quantizer_types[n] != NULL) n++;
    return conformance_quant(arena, model, quantizer_types[pass % n], 4, pass < 3);
}

/* What may have no gradient: a parameter of another layer's quantizer, whose grid may be its input's; a further one, such as
 * an offset, where no value lies beyond the grid (tests/test_layer_grids.c lets some); an entry of a codebook, whose few
 * weights may be those of a filter that gives zeros. */
static bool may_rest(const Model *m, const Param *p, const Layer *tested)
{
    for (int i = 0; i < m->quantizers; i++)
        for (int k = 0; k < m->quantizer[i]->params; k++)
            if (m->quantizer[i]->param[k] == p)
                return k > 0 || m->quantizer[i]->params > 2 ||
                       (m->quantizer[i] != tested->out_q && m->quantizer[i] != tested->weight_q);
    return false;
}

/* Shapes as announced, gradients finite and, of every parameter, present. */
static void check_shapes_quantized(const char *example, const char *model, const QuantizerType *type)
{
    static const int widths[] = {8, 4, 3}; /* 2 bits of the extremes leave little but zeros */
    for (int p = 0; p < PASSES; p++) {
        Arena *arena = arena_create();
        const char *quant = conformance_quant(arena, model, type, widths[p % 3], p % 2 == 0);
        Bench b = bench_make();
        Model *m = small_model(arena, model, quant, 3);
        /* Else an output's grid may be its input's, and round nothing, or no value lie beyond a learned bound. */
        const Layer *tested = &m->layer[small_layer(m, "tested")];
        const Quantizer *out = tested->out_q;
        const bool clips = m->layer[small_layer(m, "a")].out_q->fixed;
        /* The gradient of a sign stops where what it is of is beyond 1, which all outputs of a layer may be. */
        const bool signs = grid_is_signs(&m->layer[small_layer(m, "b")].out_q->qp);
        for (int i = 0; i < m->quantizers; i++) {
            Quantizer *q = m->quantizer[i];
            /* What a grid that is given clips was not clipped when ranges were found. */
            if (!q->is_weight && !q->fixed && clips) quantizer_set_scale(q, 0.4f * q->qp.scale[0]);
            if (!q->is_weight && q->params > 0) quantizer_set_scale(q, q->qp.scale[0] * (q == out ? 0.35f : 0.9f));
        }
        const Tensor *logits = small_step(m, b.tape, &passes[p], small_pixels(arena, m, 4));
        ck_assert(shape_equal(logits->shape, shape_2(SMALL_IMAGES, 5)));
        for (int i = 0; i < m->layers; i++) {
            const Extent e = m->layer[i].out;
            ck_assert_msg(shape_equal(m->out[i]->shape, shape_4(SMALL_IMAGES, e.h, e.w, e.c)), "%s: %s", example,
                          shape_text(m->out[i]->shape).text);
            ck_assert((passes[p].arithmetic == ARITHMETIC_FLOAT) == (m->out[i]->qp == NULL));
        }
        for (int i = 0; i < m->params.n; i++) {
            const Param *param = m->params.param[i];
            double size = 0;
            for (long k = 0; k < param->count; k++) size += fabs((double)param->dx[k]);
            ck_assert_msg(isfinite(size), "%s: %s: %s", example, quant, param->name);
            const bool step = param->kind == PARAM_QUANTIZER && passes[p].arithmetic == ARITHMETIC_FLOAT;
            if (!step && size == 0 && (signs || may_rest(m, param, tested))) continue;
            ck_assert_msg((size > 0) != step, "%s: %s, pass %d: %s gradient for %s", example, quant, p,
                          step ? "a" : "no", param->name);
        }
        bench_end(&b);
        arena_destroy(arena);
    }
}

static void check_shapes(const LayerType *type, const char *example, const char *model)
{
    (void)type;
    for (int q = 0; quantizer_types[q] != NULL; q++) check_shapes_quantized(example, model, quantizer_types[q]);
}

START_TEST(shapes_and_finite_gradients) { for_each_layer_example(check_shapes); }
END_TEST

/* ---- the whole layer in float, with everything around it, against differences in every parameter ----------------- */

typedef struct {
    Model *m;
    const uint8_t *pixels;
    Tape *t;
    const float *r;
} Whole;

static Tensor *run(const Whole *w, bool grad)
{
    tape_reset(w->t, grad);
    return model_forward(w->m, w->t, &passes[0], w->pixels, SMALL_IMAGES);
}

static double loss_at(const Whole *w, float *at, float value)
{
    const float before = *at;
    *at = value;
    const double loss = weighted_sum_value(w->t, run(w, false), w->r);
    *at = before;
    return loss;
}

static const double BOUND = 0.02; /* of the parameter's largest gradient */

/* Returns how many differences said something: where those of the two sides disagree, some ReLU or maximum has its
 * kink. */
static int check_param(const Whole *w, Param *p, const float *dx, const char *example)
{
    const float h = 0x1p-8f;
    double largest = 0;
    for (long k = 0; k < p->count; k++) largest = fmax(largest, fabs((double)dx[k]));
    int smooth = 0;
    for (long k = 0; k < p->count; k += 1 + p->count / 5) {
        const float x = p->x[k];
        const double up = loss_at(w, &p->x[k], x + h), here = loss_at(w, &p->x[k], x),
                     down = loss_at(w, &p->x[k], x - h);
        const double right = (up - here) / (double)((x + h) - x), left = (here - down) / (double)(x - (x - h));
        const double slope = (right + left) / 2, size = fmax(largest, fabs(slope));
        if (fabs(right - left) > BOUND * size) continue;
        smooth++;
        ck_assert_msg(fabs(slope - (double)dx[k]) <= BOUND * size, "%s: d%s[%ld] is %g; the difference quotient is %g",
                      example, p->name, k, (double)dx[k], slope);
    }
    return smooth;
}

static void check_gradients(const LayerType *type, const char *example, const char *model)
{
    (void)type;
    Arena *arena = arena_create();
    Bench b = bench_make();
    Whole w = {.m = small_model(arena, model, NULL, 5), .t = b.tape};
    ParamSet *set = &w.m->params;
    w.pixels = small_pixels(arena, w.m, 6);
    w.r = random_values(arena, SMALL_IMAGES * 5, 77);
    ck_assert_int_eq(tape_backward(b.tape, weighted_sum(b.tape, run(&w, true), w.r)), STATUS_OK);
    int smooth = 0;
    for (int i = 0; i < set->n; i++) smooth += check_param(&w, set->param[i], set->param[i]->dx, example);
    ck_assert_msg(smooth >= 2 * set->n, "%s: only %d differences for %d parameters", example, smooth, set->n);
    bench_end(&b);
    arena_destroy(arena);
}

START_TEST(float_gradients) { for_each_layer_example(check_gradients); }
END_TEST

/* Two steps with 1, 2 and 5 threads: the same bytes everywhere. */
static void check_threads(const LayerType *type, const char *example, const char *model)
{
    (void)type;
    static const int threads[] = {1, 2, 5};
    for (int p = 0; p < PASSES; p++) {
        Arena *arena = arena_create();
        const char *quant = quant_of_pass(arena, model, p);
        Bench first = bench_make();
        Model *m0 = NULL;
        const Tensor *logits0 = NULL;
        for (int k = 0; k < 3; k++) {
            parallel_set_threads(threads[k]);
            Bench b = k == 0 ? first : bench_make();
            Model *m = small_model(arena, model, quant, 3);
            small_step(m, b.tape, &passes[p], small_pixels(arena, m, 4));
            const Tensor *logits = small_step(m, b.tape, &passes[p], small_pixels(arena, m, 5));
            if (k == 0) m0 = m, logits0 = logits;
            const size_t n = (size_t)tensor_elements(logits);
            if (logits->codes != NULL)
                ck_assert_mem_eq(logits->codes, logits0->codes, n);
            else
                ck_assert_mem_eq(logits->x, logits0->x, n * sizeof(float));
            ck_assert_msg(memcmp(m->params.dx, m0->params.dx, m->params.count * sizeof(float)) == 0,
                          "%s: pass %d, %d threads", example, p, threads[k]);
            for (int q = 0; q < m->quantizers; q++)
                ck_assert(m->quantizer[q]->qp.scale[0] == m0->quantizer[q]->qp.scale[0]);
            if (k > 0) bench_end(&b);
        }
        bench_end(&first);
        arena_destroy(arena);
    }
    parallel_set_threads(2);
}

START_TEST(threads) { for_each_layer_example(check_threads); }
END_TEST

/* From the third step on neither arena asks the system for memory, and every step takes the same. */
static void check_memory(const LayerType *type, const char *example, const char *model)
{
    (void)type;
    for (int p = 0; p < PASSES; p++) {
        Arena *arena = arena_create();
        const char *quant = quant_of_pass(arena, model, p);
        Bench b = bench_make();
        Model *m = small_model(arena, model, quant, 3);
        const uint8_t *pixels = small_pixels(arena, m, 4);
        size_t calls = 0, used = 0, model_used = 0;
        for (int step = 1; step <= 5; step++) {
            small_step(m, b.tape, &passes[p], pixels);
            const size_t now = arena_system_calls(b.step) + arena_system_calls(arena);
            if (step > 2)
                ck_assert_msg(now == calls && arena_used_bytes(b.step) == used && arena_used_bytes(arena) == model_used,
                              "%s: pass %d, step %d", example, p, step);
            calls = now, used = arena_used_bytes(b.step), model_used = arena_used_bytes(arena);
        }
        bench_end(&b);
        arena_destroy(arena);
    }
}

START_TEST(memory) { for_each_layer_example(check_memory); }
END_TEST

TEST_MAIN("layers", json_round_trip, shapes_and_finite_gradients, float_gradients, threads, memory)
