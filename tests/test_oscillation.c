/* Weights that oscillate: frequency, freezing and dampening against the formulas; in training their state is kept, and
 * what is frozen is what is shipped. */
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/safetensors.h"
#include "compress/calibrate.h"
#include "quant/fake_quant.h"
#include "quant/oscillation.h"
#include "tests/support/fixture.h"
#include "tests/support/gradcheck.h"
#include "tests/support/json_values.h"
#include "tests/support/program.h"
#include "tests/support/suite.h"
#include "tests/support/surrogate.h"
#include "train/experiment.h"

enum { N = 4 };

/* One grid of 3 bits, step 0.5. */
static Quantizer *quantizer_of(Bench *b, ParamSet *params, const char *type)
{
    const QuantizerSpec spec = {
        .bits = 3, .symmetric = true, .type = quantizer_type(type), .observer = observer_type("max"), .momentum = 1};
    Quantizer *q =
        quantizer_create(b->owner, params, "w", &spec, (QuantizedTensor){.is_weight = true, .channels = 1, .axis = 0});
    ck_assert_ptr_nonnull(q);
    ck_assert_int_eq(param_set_place(params, b->owner), STATUS_OK);
    q->ready = true;
    if (q->params > 0) q->param[0]->x[0] = 0.5f;
    return q;
}

static const Shape shape = {2, {1, N}};

/* A step of a training, whose gradient of y is r. */
static const int8_t *step(Bench *b, Quantizer *q, float *w, float *dw, const float *r, const float *sign)
{
    tape_reset(b->tape, true);
    memset(dw, 0, sizeof *dw * N);
    Tensor *y = op_fake_quant_weights(b->tape, tape_leaf(b->tape, "w", shape, w, dw), q, sign);
    ck_assert_msg(y != NULL, "%s", b->tape->message);
    const int8_t *codes = memcpy(arena_alloc(b->owner, N), y->codes, N);
    ck_assert_int_eq(tape_backward(b->tape, weighted_sum(b->tape, y, r)), STATUS_OK);
    return codes;
}

/* The first weight is 1 in two steps of three and 0 in the third; the second climbs; the others stay. */
START_TEST(a_weight_that_oscillates_is_frozen_at_its_mean)
{
    static const float signs[] = {-1};
    for (int with_sign = 0; with_sign < 2; with_sign++) {
        const float way = with_sign ? -1.0f : 1.0f;
        Bench b = bench_make();
        ParamSet params = {0};
        Quantizer *q = quantizer_of(&b, &params, "lsq");
        const OscillationConfig config = {.momentum = 0.1, .freeze = 0.3, .freeze_end = -1};
        ck_assert_int_eq(oscillation_attach(b.owner, &config, q, N), STATUS_OK);
        float w[N] = {0.5f, -1.9f, 1.0f, 0.1f}, dw[N];
        const float r[N] = {2, 3, -1, 4};
        double f = 0, mean = 0, last = 0, was = 0;
        int frozen_at = -1;
        for (int t = 0; t < 60 && frozen_at < 0; t++) {
            w[0] = t % 3 == 2 ? 0.2f : 0.3f, w[1] += 0.03f;
            const double now = t % 3 == 2 ? 0 : 1;
            ck_assert_int_eq(step(&b, q, w, dw, r, with_sign ? signs : NULL)[0], (int)(way * (float)now));
            oscillation_update(q, &config, t, 60);
            if (t == 0) was = mean = now;
            const double change = now - was;
            f += 0.1 * ((change * last < 0 ? 1 : 0) - f);
            mean += 0.1 * (now - mean);
            if (change != 0) last = change;
            was = now;
            ck_assert_double_eq_tol((double)q->oscillation->frequency[0], f, 1e-6);
            ck_assert_double_eq_tol((double)q->oscillation->mean[0], mean, 1e-6);
            if (q->frozen_codes[0] != OSCILLATION_FREE) frozen_at = t;
            ck_assert_int_eq(frozen_at >= 0, f > 0.3);
        }
        ck_assert_int_gt(frozen_at, 3);
        ck_assert_int_eq(q->frozen_codes[0], 1); /* the code it had more often */
        for (int i = 1; i < N; i++) ck_assert_int_eq(q->frozen_codes[i], OSCILLATION_FREE);
        ck_assert(q->oscillation->frequency[1] == 0.0f); /* it changed, never back */
        /* Whatever the weight is, it has that code; it has no gradient, and the step has that of its code. */
        w[0] = -1.0f;
        memset(q->param[0]->dx, 0, sizeof(float));
        ck_assert_int_eq(step(&b, q, w, dw, r, with_sign ? signs : NULL)[0], (int)way);
        ck_assert(dw[0] == 0.0f && dw[3] == 4.0f);
        double ds = 2.0 * 1;
        for (int i = 1; i < N; i++) {
            const double v = (double)(way * w[i]) / 0.5;
            ds += (double)(way * r[i]) * (v <= -4 ? -4 : v >= 3 ? 3 : rint(v) - v);
        }
        ck_assert_double_eq_tol((double)q->param[0]->dx[0], ds / sqrt(N * 3.0), 1e-5);
        OscillationCount count = {0};
        oscillation_count(q, &count);
        ck_assert(count.weights == N && count.frozen == 1 && count.oscillating == 0);
        /* In evaluation, too. */
        tape_reset(b.tape, false);
        const Tensor *y =
            op_fake_quant_weights(b.tape, tape_leaf(b.tape, "w", shape, w, NULL), q, with_sign ? signs : NULL);
        ck_assert(y->codes[0] == (int)way && y->x[0] == 0.5f);
        bench_end(&b);
    }
}
END_TEST

/* Of weights that are frozen y = s q: what a quantizer's parameter gets is q times the slope of its step, which its
 * surrogate has at x = 0 with q as the residual. */
START_TEST(scales_of_frozen_codes_learn)
{
    static const int8_t code[N] = {1, -2, 0, -1};
    const float r[N] = {2, 3, -1, 4};
    int types = 0;
    for (const QuantizerType *const *type = quantizer_types; *type != NULL; type++) {
        if ((*type)->backward_scale == NULL || (*type)->moves_levels) continue;
        types++;
        Bench b = bench_make();
        ParamSet params = {0};
        Quantizer *q = quantizer_of(&b, &params, (*type)->name);
        float w[N] = {0.4f, -0.9f, 0.1f, -0.3f}, dw[N];
        q->frozen_codes = memcpy(oscillation_no_codes(b.owner, N), code, N);
        ck_assert_mem_eq(step(&b, q, w, dw, r, NULL), code, N);
        float **param = surrogate_params(b.owner, q);
        const QuantizerRun run = surrogate_run(q, 0, q->qp.scale[0], N);
        double want = 0;
        for (int i = 0; i < N; i++) {
            want += (double)r[i] * surrogate_slope(q, &run, param, 0, 1e-3f, code[i], 0.0);
            ck_assert(dw[i] == 0.0f);
        }
        want *= surrogate_scale(q, &run, 0);
        ck_assert_msg(fabs((double)q->param[0]->dx[0] - want) < 1e-3 * (1 + fabs(want)), "%s: %g, must be %g",
                      (*type)->name, (double)q->param[0]->dx[0], want);
        bench_end(&b);
    }
    ck_assert_int_ge(types, 5);
}
END_TEST

START_TEST(a_set_of_levels_is_frozen_at_the_nearest)
{
    Bench b = bench_make();
    ParamSet params = {0};
    Quantizer *q = quantizer_of(&b, &params, "pot"); /* 0, 1, 2, 4 */
    q->param[0]->x[0] = 4.0f;
    const OscillationConfig config = {.momentum = 0.4, .freeze = 0.3, .freeze_end = -1};
    ck_assert_int_eq(oscillation_attach(b.owner, &config, q, N), STATUS_OK);
    float w[N] = {0}, dw[N];
    const float r[N] = {1, 1, 1, 1};
    for (int t = 0; t < 8 && q->frozen_codes[0] == OSCILLATION_FREE; t++) {
        w[0] = t % 2 == 0 ? 2.0f : 4.0f;
        step(&b, q, w, dw, r, NULL);
        oscillation_update(q, &config, t, 8);
    }
    const int code = q->frozen_codes[0];
    ck_assert_msg(code == 2 || code == 4, "%d is no level it had", code);
    bench_end(&b);
}
END_TEST

/* lambda sum (w^ - clip(w))^2, w^ frozen. */
static double loss_of(const float *w, const double *code, double lambda)
{
    double sum = 0;
    for (int i = 0; i < N; i++) {
        const double inside = fmin(fmax((double)w[i], 0.5 * -4), 0.5 * 3);
        sum += (0.5 * code[i] - inside) * (0.5 * code[i] - inside);
    }
    return lambda * sum;
}

START_TEST(dampening_pulls_weights_to_their_codes)
{
    Bench b = bench_make();
    ParamSet params = {0};
    Quantizer *q = quantizer_of(&b, &params, "lsq");
    const OscillationConfig config = {.momentum = 0.01, .dampening = 0.7};
    ck_assert_int_eq(oscillation_attach(b.owner, &config, q, N), STATUS_OK);
    ck_assert_ptr_null(q->frozen_codes);
    q->oscillation->lambda = oscillation_lambda(&config, 9, 10);
    ck_assert_double_eq_tol(q->oscillation->lambda, 0.7, 1e-12); /* all of it in the last step, nothing in the first */
    ck_assert_double_eq_tol(oscillation_lambda(&config, 0, 10), 0, 1e-12);
    float w[N] = {0.2f, -0.6f, 1.9f, -1.13f}, dw[N];
    const float r[N] = {0, 0, 0, 0};
    const int8_t *codes = step(&b, q, w, dw, r, NULL);
    const double by_hand[N] = {0.2, -0.1, 0, -0.13}; /* w - w^; 1.9 is beyond the grid */
    double code[N], squares = 0;
    for (int i = 0; i < N; i++) code[i] = codes[i], squares += by_hand[i] * by_hand[i];
    for (int i = 0; i < N; i++) {
        ck_assert_double_eq_tol((double)dw[i], 2 * 0.7 * by_hand[i], 1e-6);
        const float h = 1e-3f, x = w[i];
        w[i] = x + h;
        const double up = loss_of(w, code, 0.7);
        w[i] = x - h;
        const double down = loss_of(w, code, 0.7);
        w[i] = x;
        ck_assert_double_eq_tol((up - down) / (2 * (double)h), (double)dw[i], 1e-4);
    }
    OscillationCount count = {0};
    oscillation_count(q, &count);
    ck_assert_double_eq_tol(count.dampening, 0.7 * squares, 1e-6);
    bench_end(&b);
}
END_TEST

START_TEST(thresholds_follow_half_a_cosine)
{
    const OscillationConfig config = {.freeze = 0.04, .freeze_end = 0.01}, stays = {.freeze = 0.04, .freeze_end = -1};
    ck_assert_double_eq_tol(oscillation_threshold(&config, 0, 101), 0.04, 1e-12);
    ck_assert_double_eq_tol(oscillation_threshold(&config, 50, 101), 0.025, 1e-12);
    ck_assert_double_eq_tol(oscillation_threshold(&config, 100, 101), 0.01, 1e-12);
    ck_assert_double_eq_tol(oscillation_threshold(&stays, 100, 101), 0.04, 1e-12);
}
END_TEST

/* ---- in training ------------------------------------------------------------------------------------------------- */

static const char net[] =
    "{\"seed\": 3, \"data\": {\"dataset\": \"synthetic\", \"synthetic_train\": 400, \"synthetic_test\": 60, "
    "\"classes\": 4, \"validation\": 0.2},"
    "\"model\": {\"input\": [8, 8, 2], \"layers\": ["
    "{\"type\": \"conv2d\", \"name\": \"c1\", \"filters\": 8, \"kernel\": 3, \"batch_norm\": true, \"activation\": "
    "\"relu\"},"
    "{\"type\": \"conv2d\", \"name\": \"c2\", \"filters\": 8, \"kernel\": 3, \"batch_norm\": true, \"activation\": "
    "\"relu\"},"
    "{\"type\": \"maxpool\", \"kernel\": 2}, {\"type\": \"flatten\"},"
    "{\"type\": \"dense\", \"name\": \"logits\", \"units\": 4}]},"
    "\"train\": {\"epochs\": 3, \"batch\": 8, \"optimizer\": {\"lr\": 0.05}, \"schedule\": {\"type\": \"constant\"}},"
    "\"quant\": {\"weights\": {\"bits\": 3}, \"activations\": {\"bits\": 4}, \"first_last_bits\": 0},"
    "\"qat\": {\"epochs\": 3, \"lr\": 0.05, \"oscillation\": {\"momentum\": 0.05, \"freeze\": 0.08, \"freeze_end\": "
    "0.03, \"dampening\": 0.01}}}";

static bool same_files(const char *one, const char *other)
{
    unsigned char *a, *b;
    size_t n, m;
    must(file_read(arena, inside(one), 1 << 24, &a, &n));
    must(file_read(arena, inside(other), 1 << 24, &b, &m));
    return n == m && memcmp(a, b, n) == 0;
}

static const SafeTensor *tensor_of(const char *path, const char *name)
{
    SafeFile *file = ARENA_ARRAY(arena, SafeFile, 1);
    must(safe_read(arena, inside(path), true, file));
    for (int i = 0; i < file->n; i++)
        if (strcmp(file->tensor[i].name, name) == 0) return &file->tensor[i];
    return NULL;
}

START_TEST(what_is_frozen_is_shipped)
{
    begin();
    put_text(folder, "net.json", net);
    program_must(arena, folder, "qat net.json --out one --quiet --threads 1");
    program_must(arena, folder, "qat net.json --out two --quiet --threads 2");
    ck_assert(same_files("one/last.safetensors", "two/last.safetensors"));
    ck_assert(same_files("one/metrics.jsonl", "two/metrics.jsonl"));
    /* The last line tells the shares; some are frozen. */
    const char *metrics = text_of("one/metrics.jsonl"), *last = metrics;
    for (const char *at = metrics; (at = strstr(at, "\"frozen\":")) != NULL; at++) last = at;
    const double share = strtod(last + strlen("\"frozen\":"), NULL);
    ck_assert_msg(share > 0.0 && share < 1.0, "%g", share);
    has(metrics, "\"oscillating\":");
    has(metrics, "\"dampening\":");
    cJSON *verified = program_json(arena, folder, "verify one/last.safetensors --quiet");
    ck_assert(number(verified, "different") == 0 && number(verified, "values") > 0);
    cJSON_Delete(verified);
    program_must(arena, folder, "export one/last.safetensors --to safetensors -o int8.safetensors");
    int frozen = 0;
    const SafeTensor *codes = tensor_of("one/last.safetensors", "quant.c2.weight.frozen");
    const SafeTensor *shipped = tensor_of("int8.safetensors", "c2.weight");
    ck_assert(codes != NULL && shipped != NULL);
    ck_assert_int_eq(codes->bytes, shipped->bytes);
    const SafeTensor *gamma = tensor_of("one/last.safetensors", "c2.bn.gamma");
    for (size_t i = 0; i < codes->bytes; i++) {
        const int code = ((const int8_t *)codes->data)[i], w = ((const int8_t *)shipped->data)[i];
        float factor;
        memcpy(&factor, (const char *)gamma->data + sizeof factor * (i / (codes->bytes / 8)), sizeof factor);
        if (code == OSCILLATION_FREE) continue;
        const int stored = (factor < 0 ? -code : code) * (1 << 4); /* 3 bits are stored shifted */
        ck_assert_msg(w == stored || w == stored - (1 << 4), "weight %zu: %d shipped, frozen at %d", i, w, code);
        frozen++;
    }
    ck_assert_int_gt(frozen, 0);
    end();
}
END_TEST

/* A table's page has the curves of the rows that are watched. */
START_TEST(the_page_shows_shares)
{
    begin();
    put_text(folder, "net.json", net);
    program_must(
        arena, folder,
        "compare net.json --quiet --out t --set compare.qat_bits=3 --set compare.ptq_bits=[] --set train.epochs=1");
    has(text_of("t/report.html"), "Oscillating weights, %");
    has(text_of("t/report.html"), "Frozen weights, %");
    program_must(
        arena, folder,
        "compare net.json --quiet --out u --set compare.qat_bits=3 --set compare.ptq_bits=[] --set train.epochs=1 "
        "--set qat.oscillation.freeze=0 --set qat.oscillation.dampening=0");
    ck_assert_ptr_null(strstr(text_of("u/report.html"), "Oscillating weights, %"));
    end();
}
END_TEST

static volatile sig_atomic_t stop;

static void stop_after_some(void *context, const TrainProgress *p)
{
    (void)context;
    stop = p->step == 47;
}

/* In `to`, from the start or from where it is; stopped in its second epoch, or never. */
static Status train_into(const char *to, const char *const *sets, bool resume, bool whole)
{
    Config *config;
    DataSplits data;
    Model *m;
    must(config_read(arena, inside("net.json"), sets, &config));
    must(experiment_data(arena, config, &data));
    must(experiment_model(arena, config, &config->quant, &data, &m));
    model_init(m, config->seed);
    if (!resume) must(calibrate(m, &data.train, 32, config->seed));
    must(file_make_dir(inside(to)));
    stop = 0;
    const TrainJob job = {.config = config,
                          .data = &data,
                          .model = m,
                          .kind = MODEL_QAT,
                          .from_scratch = true,
                          .folder = inside(to),
                          .resume = resume,
                          .stop = &stop,
                          .progress = whole ? NULL : stop_after_some};
    TrainResult result;
    return train_run(arena, &job, &result);
}

START_TEST(training_goes_on_to_the_same_bytes)
{
    begin();
    put_text(folder, "net.json", net);
    static const char *const gradients[] = {"quant.weights.quantizer=dorefa", "quant.weights.dorefa.gradient_bits=4",
                                            "qat.oscillation.dampening=0", NULL};
    for (int k = 0; k < 2; k++) {
        const char *const *sets = k == 0 ? NULL : gradients;
        const char *a = k == 0 ? "a" : "c", *b = k == 0 ? "b" : "d";
        must(train_into(a, sets, false, true));
        ck_assert_int_eq(train_into(b, sets, false, false), STATUS_INTERRUPTED);
        must(train_into(b, sets, true, true));
        static const char *const files[] = {"last.safetensors", "best.safetensors", "metrics.jsonl"};
        for (int i = 0; i < 3; i++)
            ck_assert_msg(same_files(file_join(arena, a, files[i]), file_join(arena, b, files[i])), "%s", files[i]);
    }
    ck_assert(!same_files("a/last.safetensors", "c/last.safetensors"));
    /* Any number of threads; without bits of gradients it is another training. */
    const char *dorefa = "--quiet --set quant.weights.quantizer=dorefa --set qat.oscillation.dampening=0 --set "
                         "quant.weights.bits=1 --set quant.weights.dorefa.gradient_bits";
    program_must(arena, folder, arena_printf(arena, "qat net.json --out one --threads 1 %s=6", dorefa));
    program_must(arena, folder, arena_printf(arena, "qat net.json --out two --threads 2 %s=6", dorefa));
    program_must(arena, folder, arena_printf(arena, "qat net.json --out none %s=0", dorefa));
    ck_assert(same_files("one/last.safetensors", "two/last.safetensors"));
    ck_assert(!same_files("one/last.safetensors", "none/last.safetensors"));
    cJSON *json = program_json(arena, folder, "verify one --quiet");
    ck_assert(number(json, "different") == 0);
    cJSON_Delete(json);
    end();
}
END_TEST

START_TEST(what_cannot_be_is_refused_by_layer)
{
    begin();
    put_text(folder, "net.json", net);
    static const struct {
        const char *sets, *words;
    } cases[] = {{"--set quant.weights.bits=2 --set quant.weights.quantizer=ttq", "net.json: layer \"c1\""},
                 {"--set quant.weights.quantizer=pot", "qat.oscillation.dampening: 0.01 with quantizer \"pot\""},
                 {"--set qat.oscillation.freeze=2", "qat.oscillation.freeze"}};
    for (int i = 0; i < 3; i++) {
        program_refuses(arena, folder, arena_printf(arena, "qat net.json --out no --quiet %s", cases[i].sets),
                        cases[i].words);
        ck_assert(!file_exists(inside("no/config.json")));
    }
    end();
}
END_TEST

TEST_MAIN("oscillation", a_weight_that_oscillates_is_frozen_at_its_mean, scales_of_frozen_codes_learn,
          a_set_of_levels_is_frozen_at_the_nearest, dampening_pulls_weights_to_their_codes,
          thresholds_follow_half_a_cosine, what_is_frozen_is_shipped, the_page_shows_shares,
          training_goes_on_to_the_same_bytes, what_cannot_be_is_refused_by_layer)
