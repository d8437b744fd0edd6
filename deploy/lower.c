#include "deploy/lower.h"
#include "deploy/lower_floats.h"
#include "graph/engine.h"
#include "graph/graph_check.h"

#include <math.h>
#include <string.h>

static Status check_values(const Model *m)
{
    if (m->quant == NULL)
        return status_fail(STATUS_STATE, "%s: a float model; quantize it first (bitfold ptq or bitfold qat)", m->name);
    for (int i = 0; i < m->quantizers; i++) {
        const Quantizer *q = m->quantizer[i];
        if (!q->ready && !q->is_weight)
            return status_fail(STATUS_STATE, "%s: its range was never observed; calibrate or train first", q->name);
        for (int c = 0; c < q->qp.n && q->ready; c++)
            if (!isfinite(q->qp.scale[c]) || q->qp.scale[c] <= 0.0f)
                return status_fail(STATUS_NUMERIC, "%s: scale[%d] is %g; must be finite and above 0", q->name, c,
                                   (double)q->qp.scale[c]);
    }
    for (int i = 0; i < m->params.n; i++)
        for (long k = 0; k < m->params.param[i]->count; k++)
            if (!isfinite(m->params.param[i]->x[k]))
                return status_fail(STATUS_NUMERIC, "%s[%ld]: %g; must be finite", m->params.param[i]->name, k,
                                   (double)m->params.param[i]->x[k]);
    return STATUS_OK;
}

/* Of the image and of each layer: its output, and that in the forms that are not its own, int8 codes, int16 codes and
 * floats; 0: nobody has asked yet. */
typedef struct {
    int *natural, *as[3];
} Forms;

static int form_of(Format f) { return format_is_float(f) ? 2 : f == FORMAT_INT16; }

static Format read_format(const Layer *l)
{
    return l->in_floats ? FORMAT_FLOAT32 : layer_is_wide(l) ? FORMAT_INT16 : FORMAT_INT8;
}

/* The inputs of a layer in the form that it reads. */
static void read_forms(const Model *m, const Layer *l, Lowering *w, Forms *f)
{
    const Format reads = read_format(l);
    for (int k = 0; k < l->inputs; k++) {
        const int source = l->input[k], at = source + 1;
        const bool same = form_of(w->graph->tensor[f->natural[at]].format) == form_of(reads);
        int *other = &f->as[form_of(reads)][at];
        if (!same && *other == 0) *other = lower_converted(w, m, source, f->natural[at], reads);
        w->tensor_of[at] = same ? f->natural[at] : *other;
    }
}

static Status lower_layers(Model *m, Lowering *w, Forms *f)
{
    for (int i = 0; i < m->layers; i++) {
        Layer *l = &m->layer[i];
        if (l->type->lower == NULL)
            return status_fail(STATUS_UNSUPPORTED, "%s: layers of type %s cannot be exported", l->name, l->type->name);
        if (l->out_q != NULL) l->out_q->type->prepare(l->out_q, NULL);
        read_forms(m, l, w, f);
        TRY(l->in_floats ? lower_floats(l, w) : l->type->lower(l, w));
        f->natural[i + 1] = w->graph->node[w->graph->nodes - 1].output;
    }
    return STATUS_OK;
}

Status model_lower_unchecked(Arena *arena, Model *m, Rounding rounding, Graph **out)
{
    TRY(check_values(m));
    Graph *g = ARENA_ARRAY(arena, Graph, 1);
    *g = (Graph){.rounding = rounding,
                 .classes = m->classes,
                 .class_names = m->class_names,
                 .task = m->task,
                 .scale = m->scale,
                 .channels = m->input.c,
                 .mean = m->mean,
                 .std = m->std,
                 .model_name = m->name};
    Forms forms = {.natural = ARENA_ARRAY(arena, int, m->layers + 1)};
    for (int k = 0; k < 3; k++) forms.as[k] = ARENA_ARRAY(arena, int, m->layers + 1);
    Arena *step = arena_create();
    Lowering w = {.arena = arena,
                  .tape = tape_create(arena, step),
                  .graph = g,
                  .tensor_of = ARENA_ARRAY(arena, int, m->layers + 1)};
    const QuantParams *in = &m->input_grid;
    lowering_add_tensor(&w, &(GraphTensor){.name = "input",
                                           .h = m->input.h,
                                           .w = m->input.w,
                                           .c = m->input.c,
                                           .scale = in->scale[0],
                                           .zero_point = in->zero_point,
                                           .bits = 8,
                                           .qmin = in->qmin,
                                           .qmax = in->qmax});
    const Status status = lower_layers(m, &w, &forms);
    arena_destroy(step);
    TRY(status);
    g->output = forms.natural[m->layers];
    *out = g;
    return STATUS_OK;
}

Status model_lower(Arena *arena, Model *m, Rounding rounding, Graph **out)
{
    TRY(model_lower_unchecked(arena, m, rounding, out));
    return graph_check(*out);
}

static int code_at(const void *codes, Format format, long i)
{
    return format == FORMAT_INT32   ? ((const int32_t *)codes)[i]
           : format == FORMAT_INT16 ? ((const int16_t *)codes)[i]
                                    : ((const int8_t *)codes)[i];
}

/* n values of one layer, in the format of its tensor: what was trained against what is deployed, bit for bit. */
static void compare(const char *name, const void *a, const void *b, Format format, long n, Arena *arena,
                    VerifyResult *r)
{
    const bool floats = format_is_float(format);
    const size_t size = floats ? sizeof(float) : format_bytes(format);
    r->values += n;
    if (memcmp(a, b, size * (size_t)n) == 0) return;
    for (long i = 0; i < n; i++) {
        if (memcmp((const char *)a + size * (size_t)i, (const char *)b + size * (size_t)i, size) == 0) continue;
        if (r->first == NULL && floats)
            r->first = arena_printf(arena, "%s[%ld]: %.9g trained, %.9g deployed", name, i,
                                    (double)((const float *)a)[i], (double)((const float *)b)[i]);
        else if (r->first == NULL)
            r->first = arena_printf(arena, "%s[%ld]: %d trained, %d deployed", name, i, code_at(a, format, i),
                                    code_at(b, format, i));
        r->different++;
    }
}

Status verify_batch(Model *m, Tape *t, Engine *engine, const Graph *graph, const uint8_t *pixels, int n,
                    VerifyResult *result)
{
    tape_reset(t, false);
    const ForwardMode mode = {.arithmetic = ARITHMETIC_INT, .rounding = graph->rounding, .keep_outputs = true};
    if (model_forward(m, t, &mode, pixels, n) == NULL) return status_fail(t->status, "%s", t->message);
    const long image = (long)m->input.h * m->input.w * m->input.c;
    int8_t *codes = arena_alloc(t->arena, (size_t)(n * image));
    void *logits = arena_alloc(t->arena, (size_t)n * graph_tensor_bytes(&graph->tensor[graph->output]));
    graph_quantize_pixels(graph, pixels, n, codes);
    engine_run(engine, codes, n, logits);
    compare("input", m->image->codes, codes, FORMAT_INT8, n * image, m->arena, result);
    for (int i = 0; i < m->layers; i++) {
        const int tensor = graph_tensor_named(graph, m->layer[i].name);
        if (tensor < 0)
            return status_fail(STATUS_FORMAT, "layer \"%s\": is not in the exported graph", m->layer[i].name);
        const Tensor *out = m->out[i];
        const Format format = graph->tensor[tensor].format;
        const void *values = format_is_float(format)  ? (const void *)out->x
                             : format == FORMAT_INT32 ? (const void *)out->sums
                             : format == FORMAT_INT16 ? (const void *)out->wide
                                                      : out->codes;
        compare(m->layer[i].name, values, engine_tensor(engine, tensor), format, tensor_elements(out), m->arena,
                result);
    }
    return STATUS_OK;
}
