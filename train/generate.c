#include "train/generate.h"

#include <math.h>
#include <string.h>

#include "base/rng.h"
#include "graph/engine.h"
#include "layers/model_finite.h"
#include "tasks/task.h"

enum { BYTES = 256 };

typedef struct {
    Model *m;
    Engine *engine; /* NULL: the float network */
    Arena *step;
    Tape *tape;
    float *scores; /* [window, BYTES] */
    uint8_t *window;
} Generator;

static Status check_model(const OpenModel *open)
{
    const TaskType *type = task_types[open->config->task.type];
    const Model *m = open->model;
    if (type->target == TARGET_TOKENS && m->classes == m->input.h * BYTES) return STATUS_OK;
    return status_fail(STATUS_CONFIG, "%s: a model of the task %s; one of next_token is required", open->config->path,
                       type->name);
}

static Status find_scores(Generator *g)
{
    tape_reset(g->tape, false);
    if (g->engine != NULL) {
        engine_run_pixels(g->engine, g->step, g->window, 1, g->scores);
        return STATUS_OK;
    }
    const ForwardMode mode = {.arithmetic = ARITHMETIC_FLOAT};
    const Tensor *z = model_forward(g->m, g->tape, &mode, g->window, 1);
    if (z == NULL) return status_fail(g->tape->status, "%s", g->tape->message);
    TRY(model_check_logits(g->m, g->tape, g->window, 1, z));
    memcpy(g->scores, z->x, sizeof(float) * (size_t)g->m->classes);
    return STATUS_OK;
}

/* The byte at which the cumulated probabilities pass a number drawn of [0, 1). */
static uint8_t choose(const float *z, const GenerateRequest *r, int number)
{
    int best = 0;
    for (int k = 1; k < BYTES; k++)
        if (z[k] > z[best]) best = k;
    if (r->temperature <= 0.0) return (uint8_t)best;
    double p[BYTES], sum = 0.0, passed = 0.0;
    for (int k = 0; k < BYTES; k++) sum += p[k] = exp(((double)z[k] - (double)z[best]) / r->temperature);
    Rng rng = rng_make(r->seed, RNG_GENERATE, (uint64_t)number);
    const double drawn = sum * (double)rng_uniform(&rng);
    for (int k = 0; k < BYTES; k++)
        if ((passed += p[k]) > drawn) return (uint8_t)k;
    return (uint8_t)best;
}

/* The last bytes of prompt and text so far, at the window's start; how many. */
static int fill_window(const Generator *g, const GenerateRequest *r, const uint8_t *text, int made)
{
    const size_t T = (size_t)g->m->input.h, all = r->prompt_bytes + (size_t)made, n = all < T ? all : T;
    memset(g->window, 0, T);
    for (size_t i = 0; i < n; i++) {
        const size_t at = all - n + i;
        g->window[i] = at < r->prompt_bytes ? r->prompt[at] : text[at - r->prompt_bytes];
    }
    return (int)n;
}

Status generate(Arena *arena, const OpenModel *open, const Graph *graph, const GenerateRequest *r, uint8_t *text)
{
    TRY(check_model(open));
    Model *m = open->model;
    Generator g = {
        .m = m, .scores = ARENA_ARRAY(arena, float, m->classes), .window = ARENA_ARRAY(arena, uint8_t, m->input.h)};
    if (graph != NULL)
        TRY(engine_create(arena, graph, 1, &g.engine));
    else
        TRY(model_check_finite(m));
    g.step = arena_create();
    g.tape = tape_create(arena, g.step);
    Status status = STATUS_OK;
    for (int i = 0; i < r->bytes && status == STATUS_OK; i++) {
        const int n = fill_window(&g, r, text, i);
        status = find_scores(&g);
        if (status == STATUS_OK) text[i] = choose(g.scores + (size_t)(n - 1) * BYTES, r, i);
    }
    arena_destroy(g.step);
    return status;
}
