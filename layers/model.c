#include "layers/model.h"

#include <math.h>

#include "base/parallel.h"

void model_init(Model *m, uint64_t seed)
{
    for (int i = 0; i < m->layers; i++)
        if (m->layer[i].type->init != NULL) m->layer[i].type->init(&m->layer[i], seed);
}

long model_parameters(const Model *m)
{
    long count = 0;
    for (int i = 0; i < m->params.n; i++)
        if (m->params.param[i]->kind != PARAM_STEP) count += m->params.param[i]->count;
    return count;
}

long layer_macs(const Layer *l)
{
    if (l->weight == NULL) return 0;
    /* A weight is used once for each output position; the depthwise layout holds all its output channels, too. */
    return l->weight->count * l->out.h * l->out.w;
}

typedef struct {
    const Model *m;
    const uint8_t *pixels;
    int n;
    Tensor *out;
} Image;

static void image_chunk(void *context, int chunk, int thread)
{
    (void)thread;
    const Image *im = context;
    const int C = im->m->input.c;
    const long image = (long)im->m->input.h * im->m->input.w * C;
    long first, last;
    parallel_range(im->n, parallel_chunks(im->n), chunk, &first, &last);
    for (long i = first * image; i < last * image; i += C)
        for (int c = 0; c < C; c++) {
            const int at = c * 256 + im->pixels[i + c];
            if (im->out->codes != NULL)
                im->out->codes[i + c] = im->m->pixel_code[at];
            else
                im->out->x[i + c] = im->m->pixel_value[at];
        }
}

Tensor *model_forward(Model *m, Tape *t, const Pass *pass, const uint8_t *pixels, int n)
{
    const Shape shape = shape_4(n, m->input.h, m->input.w, m->input.c);
    m->image = pass->arithmetic == ARITHMETIC_FLOAT ? tape_tensor(t, "input", shape)
                                                    : tape_codes(t, "input", shape, &m->input_grid);
    Image im = {m, pixels, n, m->image};
    parallel_for(parallel_chunks(n), image_chunk, &im);
    for (int i = 0; i < m->layers; i++) {
        Layer *l = &m->layer[i];
        Tensor *x[LAYER_MAX_INPUTS];
        for (int k = 0; k < l->inputs; k++) x[k] = l->input[k] < 0 ? m->image : m->out[l->input[k]];
        t->where = l->name;
        m->out[i] = tape_failed(t) ? NULL : l->type->forward(l, pass, t, x);
    }
    return op_reshape(t, m->out[m->layers - 1], shape_2(n, m->classes));
}
