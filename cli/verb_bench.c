/* bench: training steps on random inputs of the config's shape; no data set is needed. */
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "base/parallel.h"
#include "base/rng.h"
#include "base/timing.h"
#include "cli/cli.h"

enum { WARM_UP = 3 };

/* One training step: forward, loss, backward, optimizer. */
static Status step(Model *m, Tape *t, Optimizer *optimizer, const Pass *pass, const uint8_t *pixels,
                   const int32_t *labels, int batch, long number)
{
    tape_reset(t, true);
    param_set_zero_grad(&m->params);
    Tensor *loss = op_softmax_cross_entropy(t, model_forward(m, t, pass, pixels, batch), labels, 0.0f, NULL);
    if (tape_backward(t, loss) != STATUS_OK) return status_fail(t->status, "%s", t->message);
    optimizer_step(optimizer, 1e-3f, number);
    return STATUS_OK;
}

/* Which kernel computes a layer's forward pass. */
static const char *kernel_of(Arena *arena, const Layer *l, bool codes)
{
    if (l->weight == NULL) return "";
    const char *family = strcmp(l->type->name, "depthwise_conv2d") == 0 ? "dwconv" : "gemm";
    return arena_printf(arena, "%s_%s__%s", family, codes ? (family[0] == 'd' ? "s8" : "s16") : "f32", kernels()->isa);
}

static void print(Arena *arena, const Options *o, const Model *m, bool qat, int batch, double *ms, int steps)
{
    const double median = timing_median(ms, steps);
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    if (!o->json) {
        printf("%s, %s, batch %d, %d threads, %s: %.2f ms a step (%.2f to %.2f), %.0f images/s, peak %ld KiB\n",
               m->name, qat ? "qat" : "float", batch, parallel_threads(), kernels()->isa, median, ms[0], ms[steps - 1],
               1e3 * batch / median, usage.ru_maxrss);
        return;
    }
    cJSON *json = cJSON_CreateObject();
    cJSON_AddStringToObject(json, "name", m->name);
    cJSON_AddStringToObject(json, "mode", qat ? "qat" : "float");
    cJSON_AddNumberToObject(json, "batch", batch);
    cJSON_AddNumberToObject(json, "threads", parallel_threads());
    cJSON_AddNumberToObject(json, "images_per_s", 1e3 * batch / median);
    cJSON_AddNumberToObject(json, "ms_per_step", median);
    cJSON_AddNumberToObject(json, "ms_min", ms[0]);
    cJSON_AddNumberToObject(json, "ms_max", ms[steps - 1]);
    cJSON_AddNumberToObject(json, "peak_rss_bytes", 1024.0 * (double)usage.ru_maxrss);
    cJSON_AddStringToObject(json, "isa", kernels()->isa);
    cJSON *list = cJSON_AddObjectToObject(json, "kernels");
    for (int i = 0; i < m->layers; i++)
        if (m->layer[i].weight != NULL)
            cJSON_AddStringToObject(list, m->layer[i].name, kernel_of(arena, &m->layer[i], qat));
    cli_print_json(arena, json);
}

static Status run_bench(Arena *arena, const Options *o, int *exit_code)
{
    (void)exit_code;
    const bool qat = o->mode != NULL && strcmp(o->mode, "qat") == 0;
    if (o->mode != NULL && !qat && strcmp(o->mode, "float") != 0)
        return status_fail(STATUS_INVALID, "--mode: \"%s\"; must be float or qat", o->mode);
    Config *config;
    TRY(config_read(arena, o->argument[0], o->sets, &config));
    Model *m;
    TRY(experiment_model(arena, config, qat ? &config->quant : NULL, NULL, &m));
    model_init(m, config->seed);
    const int batch = o->batch > 0 ? o->batch : config->train.batch, steps = o->steps > 0 ? o->steps : 20;
    const size_t image = (size_t)m->input.h * (size_t)m->input.w * (size_t)m->input.c;
    uint8_t *pixels = arena_try_alloc(arena, image * (size_t)batch);
    if (pixels == NULL) return STATUS_NOMEM;
    int32_t *labels = ARENA_ARRAY(arena, int32_t, batch);
    Rng rng = rng_make(config->seed, RNG_TEST, 0);
    for (size_t i = 0; i < image * (size_t)batch; i++) pixels[i] = (uint8_t)rng_u32(&rng);
    for (int i = 0; i < batch; i++) labels[i] = (int32_t)rng_below(&rng, (uint32_t)m->classes);
    if (qat) {
        const Dataset random = {.n = batch,
                                .h = m->input.h,
                                .w = m->input.w,
                                .c = m->input.c,
                                .classes = m->classes,
                                .images = pixels,
                                .labels = labels};
        TRY(calibrate(m, &random, batch, config->seed));
    }
    Optimizer optimizer;
    TRY(optimizer_make(arena, &config->train.optimizer, &m->params, &optimizer));
    /* The first QAT phase: quantizers, observers and batch statistics all on. */
    const Pass pass = train_pass(&config->quant, qat ? MODEL_QAT : MODEL_FLOAT, 0, 1000);
    Arena *memory = arena_create();
    Tape *t = tape_create(arena, memory);
    double *ms = ARENA_ARRAY(arena, double, steps);
    Status status = STATUS_OK;
    for (int i = -WARM_UP; i < steps && status == STATUS_OK; i++) {
        const double start = timing_seconds();
        status = step(m, t, &optimizer, &pass, pixels, labels, batch, i + WARM_UP + 1);
        if (i >= 0) ms[i] = 1e3 * (timing_seconds() - start);
    }
    arena_destroy(memory);
    TRY(status);
    print(arena, o, m, qat, batch, ms, steps);
    return STATUS_OK;
}

const Verb verb_bench = {"bench", "CONFIG", "Times training steps on random inputs", "smbk", 1, 1, run_bench};
