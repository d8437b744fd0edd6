#include "layers/model.h"

#include <math.h>
#include <string.h>

#include "base/parallel.h"
#include "layers/model_formats.h"

void model_init(Model *m, uint64_t seed)
{
    for (int i = 0; i < m->layers; i++)
        if (m->layer[i].type->init != NULL) m->layer[i].type->init(&m->layer[i], seed);
}

long model_parameters(const Model *m)
{
    long count = 0;
    for (int i = 0; i < m->params.n; i++)
        if (m->params.param[i]->kind != PARAM_QUANTIZER) count += m->params.param[i]->count;
    return count;
}

long layer_macs(const Layer *l)
{
    if (!layer_multiplies(l)) return 0;
    /* A weight is used once for each output position; the depthwise layout holds all its output channels, too. */
    return l->weight->count * l->out.h * l->out.w;
}

typedef struct {
    const Model *m;
    const uint8_t *pixels;
    Tensor *out;
} Image;

static void image_chunk(void *context, const ParallelRows *rows)
{
    const Image *im = context;
    const int C = im->m->input.c;
    const long image = (long)im->m->input.h * im->m->input.w * C;
    const long end = rows->last * image;
    for (long i = rows->first * image; i < end; i += C)
        for (int c = 0; c < C; c++) {
            const int at = c * 256 + im->pixels[i + c];
            if (im->out->codes != NULL)
                im->out->codes[i + c] = im->m->pixel_code[at];
            else
                im->out->x[i + c] = im->m->pixel_value[at];
        }
}

static bool read_later(const Model *m, int layer, int source)
{
    for (int i = layer + 1; i < m->layers; i++)
        for (int k = 0; k < m->layer[i].inputs; k++)
            if (m->layer[i].input[k] == source) return true;
    return false;
}

static void release_forms(const Model *m, Tape *t, int source)
{
    tensor_release(t, source < 0 ? m->image : m->out[source]);
    if (m->converted[source + 1] != NULL) tensor_release(t, m->converted[source + 1]);
    if (m->widened[source + 1] != NULL) tensor_release(t, m->widened[source + 1]);
}

/* What layer `i` made for itself, and the inputs it was the last to read. */
static void release_behind(const Model *m, int i, Tape *t, const Tensor *made_before, Tensor *const *x)
{
    const Layer *l = &m->layer[i];
    tape_release_since(t, made_before, m->out[i]);
    for (int k = 0; k < l->inputs; k++)
        if (x[k] != m->out[i] && !read_later(m, i, l->input[k])) release_forms(m, t, l->input[k]);
}

Tensor *model_forward(Model *m, Tape *t, const ForwardMode *mode, const uint8_t *pixels, int n)
{
    const Shape shape = shape_4(n, m->input.h, m->input.w, m->input.c);
    m->image = mode->arithmetic == ARITHMETIC_FLOAT ? tape_tensor(t, "input", shape)
                                                    : tape_codes(t, "input", shape, &m->input_grid);
    Image im = {m, pixels, m->image};
    parallel_rows(n, parallel_chunks(n), image_chunk, &im);
    for (int i = 0; i <= m->layers; i++) m->converted[i] = m->widened[i] = NULL;
    for (int i = 0; i < m->layers; i++) {
        Layer *l = &m->layer[i];
        Tensor *x[LAYER_MAX_INPUTS];
        t->where = l->name;
        for (int k = 0; k < l->inputs; k++) x[k] = model_input(m, t, mode, l, l->input[k]);
        const Tensor *made_before = t->made;
        m->out[i] = tape_failed(t) ? NULL : model_run_layer(l, mode, t, x);
        if (m->out[i] != NULL && !t->grad && !mode->keep_outputs) release_behind(m, i, t, made_before, x);
    }
    return op_reshape(t, m->out[m->layers - 1], shape_2(n, m->classes));
}

float *model_values(const Model *m, const char *name, long *count)
{
    for (int i = 0; i < m->params.n; i++)
        if (strcmp(m->params.param[i]->name, name) == 0) {
            *count = m->params.param[i]->count;
            return m->params.param[i]->x;
        }
    for (int i = 0; i < m->layers; i++) {
        const Layer *l = &m->layer[i];
        const size_t n = strlen(l->name);
        if (l->norm == NULL || strncmp(l->name, name, n) != 0) continue;
        *count = l->gamma->count;
        if (strcmp(name + n, ".bn.mean") == 0) return l->norm->mean;
        if (strcmp(name + n, ".bn.var") == 0) return l->norm->var;
    }
    return NULL;
}
