#include "train/latency.h"

#include <math.h>
#include <time.h>

#include "base/machine.h"
#include "base/parallel.h"
#include "base/timing.h"
#include "datasets/batch_reader.h"
#include "graph/engine.h"

enum { WARM_UP = 10, LEAST_RUNS = 101, MOST_RUNS = 10000 };
static const double RUN_SECONDS = 1.0 / 15, LOOK_SECONDS = 0.002;

typedef struct {
    Model *m;
    const Graph *graph;
    const uint8_t *pixels;
    Engine *engine;
    Tape *tape;
    int8_t *codes;
    void *logits;
} Runner;

static Status run_image(Runner *r)
{
    tape_reset(r->tape, false);
    if (r->graph != NULL) {
        graph_quantize_pixels(r->graph, r->pixels, 1, r->codes);
        engine_run(r->engine, r->codes, 1, r->logits);
        return STATUS_OK;
    }
    const ForwardMode mode = {.arithmetic = ARITHMETIC_FLOAT};
    if (model_forward(r->m, r->tape, &mode, r->pixels, 1) != NULL) return STATUS_OK;
    return status_fail(r->tape->status, "%s", r->tape->message);
}

/* Of this thread, on a processor. */
static double thread_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* The threads of the last parallel region go on spinning for a while. */
static void let_threads_rest(void) { nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL); }

static Status repeat(Runner *r, double *times, Latency *latency)
{
    Status status = STATUS_OK;
    for (int i = 0; i < WARM_UP && status == STATUS_OK; i++) status = run_image(r);
    double all = 0, others = 0, looked = 0;
    int n = 0, looks = 0;
    const double on_processor = thread_seconds(), began = timing_seconds();
    while (status == STATUS_OK && n < MOST_RUNS && (n < LEAST_RUNS || all < RUN_SECONDS)) {
        const double start = timing_seconds();
        status = run_image(r);
        times[n++] = timing_seconds() - start;
        all += times[n - 1];
        if (all - looked < LOOK_SECONDS) continue;
        looked = all;
        others += fmax(machine_others_running(), 0);
        looks++;
    }
    const double took = timing_seconds() - began;
    if (n == 0) return status;
    latency->repeats = n;
    latency->median_us = 1e6 * timing_median(times, n); /* which sorts them */
    latency->least_us = 1e6 * times[0];
    latency->others = looks == 0 ? 0 : others / looks / machine_cpus();
    latency->waited = fmax(1 - (thread_seconds() - on_processor) / took, 0);
    return status;
}

Status latency_measure(Arena *arena, Model *m, const Graph *graph, const Dataset *test, Latency *latency)
{
    *latency = (Latency){0};
    const int threads = parallel_threads();
    parallel_set_threads(1);
    Arena *own = arena_create(), *memory = arena_create();
    Runner r = {.m = m, .graph = graph, .tape = tape_create(own, memory)};
    Status status = graph == NULL ? STATUS_OK : engine_create_planned(own, graph, &r.engine);
    const size_t image = dataset_image_bytes(test);
    if (status == STATUS_OK) status = dataset_read(test, 0, 1, arena_alloc(own, image), &r.pixels);
    r.codes = arena_alloc(own, image);
    r.logits = arena_alloc(own, graph == NULL ? 1 : graph_tensor_bytes(&graph->tensor[graph->output]));
    let_threads_rest();
    if (status == STATUS_OK) status = repeat(&r, ARENA_ARRAY(arena, double, MOST_RUNS), latency);
    arena_destroy(memory);
    arena_destroy(own);
    parallel_set_threads(threads);
    return status;
}

bool latency_disturbed(const Latency *latency) { return latency->others > 0.1 || latency->waited > 0.1; }
