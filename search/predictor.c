#include "search/predictor.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "graph/node_float.h"
#include "quant/int_ops.h"

const Predictor predictors[PREDICTORS] = {
    [PREDICT_LOCAL_SQNR] = {"local_sqnr", "signal to noise of the outputs in dB, inputs in floats", true, false},
    [PREDICT_CUMULATIVE_SQNR] = {"cumulative_sqnr",
                                 "signal to noise of the outputs in dB where all layers have the format", true, false},
    [PREDICT_FIRST_ORDER] = {"first_order", "sum of |gradient * change|", false, false},
    [PREDICT_FISHER] = {"fisher", "sum of (gradient * change of the outputs)^2, a mean over images", false, false},
    [PREDICT_SECOND_ORDER] = {"second_order", "1/2 d'Hd, d the change of the weights, H between w - d and w + d", false,
                              true},
    [PREDICT_TRACE] = {"trace", "the Hessian's trace by the number of weights, times |d|^2", false, true},
    [PREDICT_EIGENVALUE] = {"eigenvalue", "the Hessian's eigenvalue of largest size, times |d|^2", false, true},
};

/* ---- outputs --------------------------------------------------------------------------------------------------------- */

/* One batch forwards and backwards; outputs of the layers stay until the tape is reset. */
static Status outputs_of_batch(Tape *t, Model *m, const Task *task, const Batch *batch, int first, const int *layer,
                               OutputSample *out)
{
    const ForwardMode mode = {.arithmetic = ARITHMETIC_FLOAT, .keep_outputs = true};
    double running = 0.0;
    tape_reset(t, true);
    Tensor *z = model_forward(m, t, &mode, batch->pixels, batch->n);
    for (int k = 0; k < out->layers && z != NULL; k++) m->out[layer[k]]->owned = false;
    Tensor *loss = task->loss->run(t, task, z, batch->targets, &running);
    if (tape_failed(t)) return status_fail(t->status, "%s", t->message);
    TRY(tape_backward(t, loss));
    for (int k = 0; k < out->layers; k++) {
        const Tensor *y = m->out[layer[k]];
        const size_t n = (size_t)batch->n * (size_t)out->elements[k], at = (size_t)first * (size_t)out->elements[k];
        memcpy(out->y[k] + at, y->x, sizeof(float) * n);
        for (size_t i = 0; i < n; i++) out->g[k][at + i] = y->dx == NULL ? 0.0f : y->dx[i] * (float)batch->n;
    }
    return STATUS_OK;
}

Status output_sample(Arena *arena, Model *m, const Task *task, const Sample *sample, int images, const int *layer,
                     int layers, OutputSample *out)
{
    const Sample some = sample_first(sample, images);
    *out = (OutputSample){layers, some.n, ARENA_ARRAY(arena, long, layers), ARENA_ARRAY(arena, float *, layers),
                          ARENA_ARRAY(arena, float *, layers)};
    for (int k = 0; k < layers; k++) {
        const Extent e = m->layer[layer[k]].out;
        out->elements[k] = (long)e.h * e.w * e.c;
        out->y[k] = ARENA_ARRAY(arena, float, (size_t)some.n *(size_t)out->elements[k]);
        out->g[k] = ARENA_ARRAY(arena, float, (size_t)some.n *(size_t)out->elements[k]);
    }
    Arena *own = arena_create(), *step = arena_create();
    Tape *t = tape_create(own, step);
    Status status = STATUS_OK;
    for (int first = 0; status == STATUS_OK && first < some.n; first += SAMPLE_BATCH) {
        const Batch batch = sample_batch(&some, first);
        param_set_zero_grad(&m->params);
        status = outputs_of_batch(t, m, task, &batch, first, layer, out);
    }
    arena_destroy(step);
    arena_destroy(own);
    return status;
}

typedef struct {
    const Graph *graph;
    const OutputSample *outputs;
    const int *tensor; /* [layers] of the graph */
    float *real;
    double signal, noise, first_order, fisher;
} Change;

static Status sum_batch(void *context, const Engine *engine, int first, int n)
{
    Change *c = context;
    for (int k = 0; k < c->outputs->layers; k++) {
        const size_t count = (size_t)n * (size_t)c->outputs->elements[k];
        const size_t at = (size_t)first * (size_t)c->outputs->elements[k];
        const float *y = c->outputs->y[k] + at, *g = c->outputs->g[k] + at;
        graph_tensor_reals(&c->graph->tensor[c->tensor[k]], engine_tensor(engine, c->tensor[k]), count, c->real);
        for (size_t i = 0; i < count; i++) {
            const double d = (double)c->real[i] - (double)y[i], gd = (double)g[i] * d;
            c->signal += (double)y[i] * (double)y[i];
            c->noise += d * d;
            c->first_order += fabs(gd);
            c->fisher += gd * gd;
        }
    }
    return STATUS_OK;
}

/* In dB, at most 200: no noise at all. */
static double decibel(double signal, double noise)
{
    if (signal <= noise * 1e-20) return -200.0;
    return noise <= signal * 1e-20 ? 200.0 : 10.0 * log10(signal / noise);
}

Status output_change(const Judge *judge, const Graph *graph, const OutputSample *outputs, const char *const *name,
                     OutputChange *change)
{
    Arena *own = arena_create();
    int *tensor = ARENA_ARRAY(own, int, outputs->layers);
    long largest = 1;
    for (int k = 0; k < outputs->layers; k++) {
        tensor[k] = graph_tensor_named(graph, name[k]);
        ASSERT(tensor[k] >= 0);
        if (outputs->elements[k] > largest) largest = outputs->elements[k];
    }
    Change c = {graph, outputs, tensor, ARENA_ARRAY(own, float, (size_t)SAMPLE_BATCH *(size_t)largest), 0, 0, 0, 0};
    Measurement unused;
    const Status status = judge_graph(judge, graph, outputs->images, sum_batch, &c, &unused);
    *change = (OutputChange){decibel(c.signal, c.noise), c.first_order / outputs->images, c.fisher / outputs->images};
    arena_destroy(own);
    return status;
}

/* ---- weights --------------------------------------------------------------------------------------------------------- */

Status weight_change(const Layer *l, const Graph *floats, const Graph *chosen, double *change)
{
    const int before = graph_node_named(floats, l->name), after = graph_node_named(chosen, l->name);
    if (before < 0 || after < 0)
        return status_fail(STATUS_STATE, "layer \"%s\": has no node of its own with weights", l->name);
    Arena *own = arena_create();
    const Node *n = &floats->node[before];
    const float *a = node_real_weights(own, n), *b = node_real_weights(own, &chosen->node[after]);
    const Status status = a == NULL || b == NULL ? STATUS_NOMEM : STATUS_OK;
    const ChannelView v = channel_view(l->weight->shape, l->weight->shape.dim[0] == n->geom.o);
    for (long i = 0; status == STATUS_OK && i < v.n; i++) {
        const int o = (int)channel_at(&v, i);
        const double factor = l->norm == NULL ? 1.0 : (double)norm_scale(l->norm, l->gamma->x, o);
        change[i] = ((double)b[i] - (double)a[i]) / factor;
    }
    arena_destroy(own);
    return status;
}

/* ---- ranks ------------------------------------------------------------------------------------------------------------- */

typedef struct {
    double value;
    int place;
} Ranked;

static int by_value(const void *a, const void *b)
{
    const Ranked *p = a, *q = b;
    return (p->value > q->value) - (p->value < q->value);
}

static double *ranks(Arena *arena, const double *x, int n)
{
    Ranked *sorted = ARENA_ARRAY(arena, Ranked, n);
    double *rank = ARENA_ARRAY(arena, double, n);
    for (int i = 0; i < n; i++) sorted[i] = (Ranked){x[i], i};
    qsort(sorted, (size_t)n, sizeof *sorted, by_value);
    for (int i = 0, end; i < n; i = end) {
        for (end = i + 1; end < n && sorted[end].value == sorted[i].value; end++) continue;
        for (int k = i; k < end; k++) rank[sorted[k].place] = 0.5 * (i + end - 1);
    }
    return rank;
}

double rank_correlation(Arena *arena, const double *a, const double *b, int n)
{
    if (n < 3) return (double)NAN;
    const double *p = ranks(arena, a, n), *q = ranks(arena, b, n), middle = 0.5 * (n - 1);
    double pq = 0.0, pp = 0.0, qq = 0.0;
    for (int i = 0; i < n; i++) {
        pq += (p[i] - middle) * (q[i] - middle);
        pp += (p[i] - middle) * (p[i] - middle);
        qq += (q[i] - middle) * (q[i] - middle);
    }
    return pp == 0.0 || qq == 0.0 ? (double)NAN : pq / sqrt(pp * qq);
}
