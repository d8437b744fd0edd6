#include "compress/layer_means.h"

#include "quant/format_ops.h"

enum { BATCH = 64 };

static void add_channels(const Tensor *y, int channels, LayerMeans *to)
{
    const long n = tensor_elements(y);
    for (long i = 0; i < n; i++) {
        const double v = (double)y->x[i];
        to->mean[i % channels] += v;
        to->deviation[i % channels] += v * v;
    }
}

/* The layer once more, without its activation, on what the pass left in front of it. */
static Tensor *linear_output(Model *m, Tape *t, int layer, bool quantized)
{
    Layer *l = &m->layer[layer];
    const ForwardMode mode = {
        .arithmetic = ARITHMETIC_FLOAT, .keep_outputs = true, .in_floats = quantized, .linear = true};
    Tensor *x = l->input[0] < 0 ? m->image : m->out[l->input[0]];
    if (x->x == NULL) x = op_dequantize(t, x);
    return tape_failed(t) ? NULL : l->type->forward(l, &mode, t, &x);
}

typedef struct {
    bool quantized;
    LayerMeans *means;
} Means;

static Status add_layers(void *context, Model *m, Tape *t, const Tensor *logits, const PtqImages *part, int at)
{
    (void)logits, (void)part, (void)at;
    const Means *c = context;
    for (int i = 0; i < m->layers; i++) {
        if (c->means[i].mean == NULL) continue;
        const Tensor *y = linear_output(m, t, i, c->quantized);
        if (y == NULL) return status_fail(t->status, "%s", t->message);
        add_channels(y, m->layer[i].out.c, &c->means[i]);
    }
    return STATUS_OK;
}

Status layer_means(Arena *arena, Model *m, const PtqImages *images, bool quantized, int only, LayerMeans *means)
{
    for (int i = 0; i < m->layers; i++) {
        const Layer *l = &m->layer[i];
        means[i] = (LayerMeans){NULL, NULL};
        if (!layer_multiplies(l) || (only >= 0 && only != i)) continue;
        means[i].mean = ARENA_ARRAY(arena, double, l->out.c);
        means[i].deviation = ARENA_ARRAY(arena, double, l->out.c);
    }
    const ForwardMode mode = {.arithmetic = quantized ? ARITHMETIC_FAKE : ARITHMETIC_FLOAT,
                              .keep_outputs = true,
                              .rounding = (Rounding)m->quant->rounding};
    const Status status = ptq_images_run(m, &mode, images, BATCH, add_layers, &(Means){quantized, means});
    for (int i = 0; i < m->layers && status == STATUS_OK; i++) {
        const Layer *l = &m->layer[i];
        const double n = (double)images->n * l->out.h * l->out.w;
        for (int c = 0; means[i].mean != NULL && c < l->out.c; c++) {
            const double mean = means[i].mean[c] / n;
            means[i].deviation[c] = sqrt(fmax(means[i].deviation[c] / n - mean * mean, 0.0));
            means[i].mean[c] = mean;
        }
    }
    return status;
}
