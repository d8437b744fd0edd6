/* model_build: what it refuses, in which words; and a small residual network in the three arithmetics. */
#include <math.h>
#include <string.h>

#include "tests/support/gradcheck.h"
#include "tests/support/kernel_cases.h"
#include "tests/support/small_model.h"
#include "tests/support/suite.h"

static void refused(Status status, const char *message, const char *model)
{
    Arena *arena = arena_create();
    Model *m;
    const Status got = small_model_build(arena, model, NULL, &m);
    ck_assert_msg(got == status && strcmp(status_message(), message) == 0, "%s\n  gives %d: %s\n  wanted %d: %s", model,
                  (int)got, got == STATUS_OK ? "" : status_message(), (int)status, message);
    arena_destroy(arena);
}

#define MODEL(layers) "{\"input\":[8,8,4],\"layers\":[" layers "]}"
#define CONV(name, inputs)                                                                                             \
    "{\"type\":\"conv2d\",\"name\":\"" name "\",\"inputs\":\"" inputs "\",\"filters\":4,\"kernel\":3}"
#define LOGITS ",{\"type\":\"dense\",\"name\":\"logits\",\"units\":3}"

START_TEST(refusals)
{
    refused(STATUS_CONFIG, "small.json: model.layers: a list of 0; must have 1 to 512 layers", MODEL(""));
    refused(STATUS_CONFIG, "small.json: model.layers[0]: no \"type\"; an object with the kind of layer is required",
            MODEL("{\"filters\":3}"));
    refused(STATUS_CONFIG, "small.json: model.layers[0]: no \"type\"; an object with the kind of layer is required",
            MODEL("[1]"));
    refused(STATUS_CONFIG,
            "small.json: model.layers[0].type: \"conv2\"; must be a kind of layer (did you mean \"conv2d\"?)",
            MODEL("{\"type\":\"conv2\"}"));
    refused(STATUS_CONFIG,
            "small.json: model.layers[0].type: \"transformer_block\"; must be a kind of layer, see `bitfold describe "
            "layers`",
            MODEL("{\"type\":\"transformer_block\"}"));
    refused(STATUS_CONFIG, "small.json: model.layers[0]: unknown key \"unit\"; did you mean \"units\"?",
            MODEL("{\"type\":\"dense\",\"units\":10,\"unit\":3}"));
    refused(STATUS_CONFIG, "small.json: model.layers[1].name: \"c\" is also layers[0]'s; names must be unique",
            MODEL(CONV("c", "input") "," CONV("c", "c") LOGITS));
    refused(STATUS_CONFIG, "small.json: model.layers[0].name: \"input\"; that is the image, take another name",
            MODEL(CONV("input", "input") LOGITS));
    refused(STATUS_CONFIG, "small.json: model.layers[0].name: \"a/b\"; must be letters, digits, '_' and '-'",
            MODEL(CONV("a/b", "input") LOGITS));
    refused(STATUS_CONFIG,
            "small.json: model.layers[1].inputs: \"stm\"; must be the name of a layer (did you mean \"stem\"?)",
            MODEL(CONV("stem", "input") "," CONV("c", "stm") LOGITS));
    refused(STATUS_CONFIG,
            "small.json: model.layers[0] \"x\": its inputs lead back to itself; the graph must have no cycle",
            MODEL(CONV("x", "y") "," CONV("y", "x") LOGITS));
    refused(STATUS_CONFIG,
            "small.json: model.layers[1] \"c\": no layer reads its output; only the last layer of the list may give "
            "the logits",
            MODEL(CONV("stem", "input") "," CONV(
                "c", "stem") ",{\"type\":\"dense\",\"name\":\"logits\",\"inputs\":\"stem\",\"units\":3}"));
    refused(STATUS_CONFIG,
            "small.json: model.layers[0] \"d\": no layer reads its output; only the last layer of the list may give "
            "the logits",
            MODEL("{\"type\":\"dense\",\"name\":\"d\",\"inputs\":\"c\",\"units\":3}," CONV("c", "input")));
    refused(STATUS_CONFIG, "small.json: model.layers[1] \"sum\": 1 input; add takes 2 to 2",
            MODEL(CONV("stem", "input") ",{\"type\":\"add\",\"name\":\"sum\"}" LOGITS));
    refused(
        STATUS_SHAPE,
        "small.json: layer \"sum\" (reads \"stem\": 8 x 8 x 4, \"six\": 8 x 8 x 6): 8 x 8 x 4 beside 8 x 8 x 6; both "
        "inputs must have one "
        "shape",
        MODEL(CONV("stem",
                   "input") ",{\"type\":\"conv2d\",\"name\":\"six\",\"inputs\":\"input\",\"filters\":6,\"kernel\":1},"
                            "{\"type\":\"add\",\"name\":\"sum\",\"inputs\":[\"stem\",\"six\"]}" LOGITS));
    refused(STATUS_SHAPE,
            "small.json: layer \"c\" (reads the image: 8 x 8 x 4): groups: 3; must divide both the 4 input and the 6 "
            "output "
            "channels",
            MODEL("{\"type\":\"conv2d\",\"name\":\"c\",\"filters\":6,\"kernel\":1,\"groups\":3}" LOGITS));
    refused(STATUS_SHAPE, "small.json: layer \"stem\" gives 8 x 8 x 4; the last layer must give 1 x 1 x outputs",
            MODEL(CONV("stem", "input")));
    refused(
        STATUS_SHAPE,
        "small.json: layer \"c\" (reads the image: 4096 x 4096 x 1): an output of 4096 x 4096 x 65536; must be at most "
        "2^28 values",
        "{\"input\":[4096,4096,1],\"layers\":[{\"type\":\"conv2d\",\"name\":\"c\",\"filters\":65536,\"kernel\":"
        "1}" LOGITS "]}");
    refused(
        STATUS_CONFIG,
        "small.json: layer \"c\": bias: on beside batch_norm: true; batch norm's own shift is the bias, leave one out",
        MODEL("{\"type\":\"conv2d\",\"name\":\"c\",\"filters\":2,\"kernel\":1,\"bias\":\"on\",\"batch_norm\":"
              "true}" LOGITS));
}
END_TEST

/* Weights of more bytes than any machine has: refused, not attempted. */
START_TEST(too_large)
{
    Arena *arena = arena_create();
    Model *m;
    ck_assert_int_ne(
        small_model_build(arena,
                          "{\"input\":[4096,4096,16],\"layers\":[{\"type\":\"dense\",\"name\":\"d\",\"units\":65536},"
                          "{\"type\":\"dense\",\"name\":\"logits\",\"units\":3}]}",
                          NULL, &m),
        STATUS_OK);
    ck_assert_msg(strstr(status_message(), "memory") != NULL || strstr(status_message(), "bytes") != NULL, "%s",
                  status_message());
    arena_destroy(arena);
}
END_TEST

/* Layers may be listed in any order; each is run after its inputs. */
START_TEST(any_order)
{
    Arena *arena = arena_create();
    Model *m;
    ck_assert_int_eq(small_model_build(arena,
                                       MODEL(CONV("late", "early") "," CONV(
                                           "early", "input") ","
                                                             "{\"type\":\"dense\",\"inputs\":\"late\",\"units\":3}"),
                                       NULL, &m),
                     STATUS_OK);
    ck_assert_str_eq(m->layer[0].name, "early");
    ck_assert_str_eq(m->layer[1].name, "late");
    ck_assert_str_eq(m->layer[2].name, "dense_2");
    ck_assert_int_eq(m->classes, 3);
    ck_assert_int_eq(model_parameters(m), 2 * (4 * 9 * 4 + 4) + 3 * 256 + 3);
    ck_assert_int_eq(layer_macs(&m->layer[0]), 4 * 9 * 4 * 64);
    arena_destroy(arena);
}
END_TEST

/* ---- a small residual network ------------------------------------------------------------------------------------ */

#define NETWORK(hidden)                                                                                                \
    "{\"input\":[12,12,3],\"layers\":["                                                                                \
    "{\"type\":\"conv2d\",\"name\":\"stem\",\"filters\":8,\"kernel\":3,\"batch_norm\":true,\"activation\":\"relu\"},"  \
    "{\"type\":\"depthwise_conv2d\",\"name\":\"dw\",\"kernel\":3,\"batch_norm\":true,\"activation\":\"relu6\"},"       \
    "{\"type\":\"conv2d\",\"name\":\"pw\",\"filters\":8,\"kernel\":1,\"batch_norm\":true},"                            \
    "{\"type\":\"add\",\"name\":\"sum\",\"inputs\":[\"stem\",\"pw\"],\"activation\":\"relu\"},"                        \
    "{\"type\":\"concat\",\"name\":\"both\",\"inputs\":[\"sum\",\"dw\"]},"                                             \
    "{\"type\":\"avgpool\",\"name\":\"pool\",\"kernel\":2},"                                                           \
    "{\"type\":\"dense\",\"name\":\"hidden\",\"units\":12," hidden "\"activation\":\"relu\"},"                         \
    "{\"type\":\"dense\",\"name\":\"logits\",\"units\":4}]}"

static const char *const network = NETWORK("\"batch_norm\":true,");
/* Pooled noise differs little between images: a batch norm behind it would magnify the rounding along with that
 * little. */
static const char *const calm_network = NETWORK("");

static void forward(Model *m, Tape *t, ForwardMode mode, const uint8_t *pixels)
{
    tape_reset(t, false);
    mode.keep_outputs = true;
    ck_assert_msg(model_forward(m, t, &mode, pixels, SMALL_IMAGES) != NULL, "%s", t->message);
}

/* Layer by layer on the same input codes: real numbers rounded at the end (FAKE, running statistics) and integers (INT)
 * give codes at most 1 apart, and rarely that: one in fifty, or one in twenty where the rounding rounds twice. */
static void check_consistent(const char *quant, Rounding rounding)
{
    Arena *arena = arena_create();
    Bench fake = bench_make(), exact = bench_make();
    Model *m = small_model(arena, network, quant, 21);
    const uint8_t *pixels = small_pixels(arena, m, 22);
    forward(m, fake.tape, (ForwardMode){.arithmetic = ARITHMETIC_FAKE}, pixels);
    Tensor *codes[16];
    memcpy(codes, m->out, sizeof *codes * (size_t)m->layers);
    tape_reset(exact.tape, false);
    const ForwardMode mode = {.arithmetic = ARITHMETIC_INT, .rounding = rounding};
    long differ = 0, all = 0;
    for (int i = 0; i < m->layers; i++) {
        Layer *l = &m->layer[i];
        Tensor *x[LAYER_MAX_INPUTS];
        for (int k = 0; k < l->inputs; k++) {
            const Tensor *from = l->input[k] < 0 ? m->image : codes[l->input[k]];
            x[k] = leaf_codes(exact.tape, from->shape, from->codes, from->qp, false);
        }
        const Tensor *y = l->type->forward(l, &mode, exact.tape, x);
        ck_assert_msg(y != NULL, "%s", exact.tape->message);
        for (long k = 0; k < tensor_elements(y); k++, all++) {
            const int d = abs(y->codes[k] - codes[i]->codes[k]);
            ck_assert_msg(d <= 1, "%s: %s: %d beside %d", quant, l->name, y->codes[k], codes[i]->codes[k]);
            differ += d;
        }
    }
    ck_assert_msg((double)differ < (rounding == ROUNDING_TFLITE_DOUBLE ? 0.05 : 0.02) * (double)all,
                  "%s: %ld of %ld codes differ", quant, differ, all);
    bench_end(&fake);
    bench_end(&exact);
    arena_destroy(arena);
}

static const char *const quants[] = {"{}", "{\"weights\":{\"granularity\":\"per_tensor\"}}",
                                     "{\"weights\":{\"bits\":4},\"activations\":{\"bits\":4}}",
                                     "{\"weights\":{\"bits\":3,\"granularity\":\"per_tensor\"},\"first_last_bits\":0}",
                                     "{\"activations\":{\"symmetric\":true,\"observer\":\"mse\"}}"};
enum { QUANTS = sizeof quants / sizeof quants[0] };

START_TEST(fake_equals_int)
{
    for (int q = 0; q < QUANTS; q++)
        for (int d = ROUNDING_XNNPACK; d < ROUNDINGS; d++) check_consistent(quants[q], (Rounding)d);
}
END_TEST

/* With 8 bits the logits stay near the float model's, and so do the gradients' directions; with the batch's
 * statistics, for which the ranges were not calibrated, a few values are clipped and give no gradient. */
static void check_near_float(const char *quant, ForwardMode mode, double logit_error, double least_cosine)
{
    Arena *arena = arena_create();
    Bench b = bench_make();
    Model *m = small_model(arena, calm_network, quant, 21), *f = small_model(arena, calm_network, NULL, 21);
    const uint8_t *pixels = small_pixels(arena, m, SMALL_CALIBRATION); /* within the calibrated ranges */
    const ForwardMode as_float = {.arithmetic = ARITHMETIC_FLOAT, .batch_statistics = mode.batch_statistics};
    float want[SMALL_IMAGES * 4];
    memcpy(want, small_step(f, b.tape, &as_float, pixels)->x, sizeof want);
    const Tensor *logits = small_step(m, b.tape, &mode, pixels);
    double error = 0, size = 0;
    for (int i = 0; i < SMALL_IMAGES * 4; i++) {
        const double got = (double)logits->qp->scale[0] * (logits->codes[i] - logits->qp->zero_point);
        error += pow(got - (double)want[i], 2);
        size += pow((double)want[i], 2);
    }
    ck_assert_msg(sqrt(error / size) < logit_error, "%s: relative error of the logits %g", quant, sqrt(error / size));
    for (int i = 0; i < m->params.n; i++) {
        const Param *p = m->params.param[i], *q = f->params.param[i];
        ck_assert_str_eq(p->name, q->name);
        double pq = 0, pp = 0, qq = 0;
        for (long k = 0; k < p->count; k++) {
            pq += (double)p->dx[k] * (double)q->dx[k];
            pp += (double)p->dx[k] * (double)p->dx[k];
            qq += (double)q->dx[k] * (double)q->dx[k];
        }
        const double cosine = pq / sqrt(pp * qq + 1e-30);
        ck_assert_msg(cosine > least_cosine, "%s: %s: cosine %g", quant, p->name, cosine);
    }
    bench_end(&b);
    arena_destroy(arena);
}

START_TEST(eight_bits_near_float)
{
    for (int q = 0; q < 2; q++) {
        check_near_float(quants[q], (ForwardMode){.arithmetic = ARITHMETIC_FAKE, .batch_statistics = true}, 0.05, 0.85);
        check_near_float(quants[q], (ForwardMode){.arithmetic = ARITHMETIC_FAKE}, 0.05, 0.98);
        check_near_float(quants[q], (ForwardMode){.arithmetic = ARITHMETIC_INT}, 0.05, 0.98);
    }
}
END_TEST

/* Rows on bytes take kernels of at most three columns; the name is that of the kernel which really runs. */
START_TEST(kernels_by_shape)
{
    Arena *arena = arena_create();
    Model *m = small_model(arena,
                           MODEL("{\"type\":\"depthwise_conv2d\",\"name\":\"three\",\"kernel\":3},"
                                 "{\"type\":\"depthwise_conv2d\",\"name\":\"five\",\"kernel\":5}" LOGITS),
                           NULL, 21);
    FOR_EACH_ISA(isa)
    {
        const bool rows = kernels()->dwconv_rows_s8 != NULL;
        const char *const plain = arena_printf(arena, "dwconv_s8__%s", kernels()->isa);
        ck_assert_str_eq(layer_kernel(arena, &m->layer[0], true), rows ? "dwconv_s8__vnni" : plain);
        ck_assert_str_eq(layer_kernel(arena, &m->layer[1], true), rows ? "dwconv_s8__avx512" : plain);
    }
    arena_destroy(arena);
}
END_TEST

TEST_MAIN("model", refusals, kernels_by_shape, too_large, any_order, fake_equals_int, eight_bits_near_float)
