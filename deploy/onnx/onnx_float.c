#include "deploy/onnx/onnx_float.h"

#include <math.h>
#include <string.h>

#include "deploy/exporter.h"
#include "deploy/onnx/onnx_ops.h"
#include "graph/node.h"

typedef struct {
    OnnxNet net;
    const Model *m;
    bool keep_norm;
} FloatNet;

static Arena *arena_of(const FloatNet *f) { return onnx_arena(f->net.b); }

static const char *part(const FloatNet *f, const char *name, const char *suffix)
{
    return onnx_part(&f->net, name, suffix);
}

static const char *vector(FloatNet *f, const Layer *l, const char *suffix, const float *values, int n)
{
    const int64_t dim[1] = {n};
    return onnx_constant(f->net.b, part(f, l->name, suffix), ONNX_FLOAT, 1, dim, values);
}

/* ---- parameters -------------------------------------------------------------------------------------------------- */

static double norm_factor(const Layer *l, int o)
{
    return (double)l->gamma->x[o] / sqrt((double)l->norm->var[o] + (double)l->norm->epsilon);
}

/* Weights as the layer computes: [O,...], but [...,O] of a depthwise layer. */
static const float *folded_weights(FloatNet *f, const Layer *l, const FloatOp *r)
{
    const long count = l->weight->count, each = count / r->geom.o;
    float *w = ARENA_ARRAY(arena_of(f), float, count);
    for (long i = 0; i < count; i++) {
        const int o = (int)(r->op == NODE_DWCONV2D ? i % r->geom.o : i / each);
        w[i] = (float)((double)l->weight->x[i] * norm_factor(l, o));
    }
    return w;
}

static const float *folded_bias(FloatNet *f, const Layer *l, int n)
{
    float *b = ARENA_ARRAY(arena_of(f), float, n);
    for (int o = 0; o < n; o++) b[o] = (float)((double)l->beta->x[o] - (double)l->norm->mean[o] * norm_factor(l, o));
    return b;
}

static void weights(FloatNet *f, const Layer *l, const FloatOp *r, const OnnxOp *op, const char **weight,
                    const char **bias)
{
    const bool fold = l->norm != NULL && !f->keep_norm;
    const float *w = fold ? folded_weights(f, l, r) : l->weight->x;
    const float *b = fold ? folded_bias(f, l, r->geom.o) : l->bias == NULL ? NULL : l->bias->x;
    int64_t dim[4];
    const void *stored = NULL;
    const int rank = onnx_weights(&f->net, op, w, sizeof *w, dim, &stored);
    *weight = onnx_constant(f->net.b, part(f, l->name, "weight"), ONNX_FLOAT, rank, dim, stored);
    *bias = b == NULL ? NULL : vector(f, l, "bias", b, r->geom.o);
}

/* ---- what follows the operation ---------------------------------------------------------------------------------- */

static const char *normalize(FloatNet *f, const Layer *l, const char *input, const char *output)
{
    const int n = l->out.c;
    const char *const inputs[5] = {input, vector(f, l, "gamma", l->gamma->x, n), vector(f, l, "beta", l->beta->x, n),
                                   vector(f, l, "mean", l->norm->mean, n), vector(f, l, "var", l->norm->var, n)};
    onnx_node(f->net.b, "BatchNormalization", part(f, l->name, "norm"), 5, inputs, output);
    onnx_float(f->net.b, "epsilon", l->norm->epsilon);
    return output;
}

static Status check_finite(const Param *p)
{
    for (long i = 0; i < p->count; i++)
        if (!isfinite(p->x[i]))
            return status_fail(STATUS_NUMERIC, "%s[%ld]: %g; must be finite", p->name, i, (double)p->x[i]);
    return STATUS_OK;
}

static Status add_layer(FloatNet *f, int index, bool last)
{
    const Layer *l = &f->m->layer[index];
    if (l->type->real == NULL)
        return status_fail(STATUS_UNSUPPORTED,
                           "layer \"%s\": a layer of type %s has no float form in ONNX; export the quantized model",
                           l->name, l->type->name);
    Param *params[LAYER_PARAMS];
    const int n = layer_params(l, params);
    for (int i = 0; i < n; i++) TRY(check_finite(params[i]));
    const FloatOp r = l->type->real(l);
    int input[LAYER_MAX_INPUTS];
    for (int i = 0; i < l->inputs; i++) input[i] = l->input[i] + 1;
    const bool table = r.op == NODE_LUT && r.curve == NULL; /* of codes, which a float network has not */
    if (table || !onnx_carries(r.op)) return exporter_refuse(&exporter_onnx, l->name, r.op);
    if (r.curve != NULL) TRY(onnx_check_curve(l->name, r.curve, "export the quantized model"));
    if (node_types[r.op]->shows_input) {
        onnx_value_reshape(&f->net, index + 1, input[0]);
        return STATUS_OK;
    }
    const OnnxOp op = {
        .op = r.op, .name = l->name, .geom = &r.geom, .inputs = l->inputs, .input = input, .curve = r.curve};
    const bool norm = l->norm != NULL && f->keep_norm;
    const char *end = last && l->out.h == 1 && l->out.w == 1 && r.op == NODE_DENSE ? onnx_output_name
                                                                                   : onnx_own_name(&f->net, l->name);
    const char *weight = NULL, *bias = NULL;
    if (l->weight != NULL) weights(f, l, &r, &op, &weight, &bias);
    OnnxResult y = onnx_op(&f->net, &op, weight, bias, norm || r.act.relu ? part(f, l->name, "sum") : end);
    if (norm) y.result = normalize(f, l, y.result, r.act.relu ? part(f, l->name, "normal") : end);
    if (r.act.relu) y.result = onnx_activate(&f->net, r.op, l->name, r.act, y.result, end);
    onnx_value_set(&f->net, index + 1, y.result, y.rank);
    return STATUS_OK;
}

Status onnx_float_net(OnnxBuilder *b, const Model *m, bool nhwc, bool keep_norm)
{
    FloatNet f = {.m = m, .keep_norm = keep_norm};
    f.net = (OnnxNet){.b = b, .values = m->layers + 1, .value = ARENA_ARRAY(onnx_arena(b), OnnxValue, m->layers + 1)};
    f.net.value[0] = (OnnxValue){.name = onnx_input_name, .h = m->input.h, .w = m->input.w, .c = m->input.c};
    for (int i = 0; i < m->layers; i++) {
        const Layer *l = &m->layer[i];
        f.net.value[i + 1] = (OnnxValue){.name = l->name, .h = l->out.h, .w = l->out.w, .c = l->out.c, .from = i + 1};
    }
    onnx_value_set(&f.net, 0, onnx_image(&f.net, ONNX_FLOAT, nhwc), ONNX_MAP);
    for (int i = 0; i < m->layers; i++) TRY(add_layer(&f, i, i + 1 == m->layers));
    onnx_logits(&f.net, m->layers, m->classes);
    return STATUS_OK;
}
