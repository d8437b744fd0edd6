#include "layers/model_finite.h"

#include <math.h>

static bool all_finite(const float *x, long n)
{
    for (long i = 0; i < n; i++)
        if (!isfinite(x[i])) return false;
    return true;
}

/* The name of the layer's first values that are not finite; NULL: none. */
static const char *bad_values(const Layer *l)
{
    Param *params[LAYER_PARAMS];
    const int n = layer_params(l, params);
    for (int p = 0; p < n; p++)
        if (!all_finite(params[p]->x, params[p]->count)) return params[p]->name;
    if (l->norm == NULL) return NULL;
    if (!all_finite(l->norm->mean, l->gamma->count)) return "its batch norm's mean";
    return all_finite(l->norm->var, l->gamma->count) ? NULL : "its batch norm's variance";
}

bool model_first_not_finite(const Model *m, bool outputs, const char **layer, const char **what)
{
    for (int i = 0; i < m->layers; i++) {
        const Tensor *y = outputs ? m->out[i] : NULL;
        *what = bad_values(&m->layer[i]);
        if (*what == NULL && y != NULL && y->x != NULL && !all_finite(y->x, tensor_elements(y))) *what = "its output";
        if (*what == NULL) continue;
        *layer = m->layer[i].name;
        return true;
    }
    return false;
}

Status model_check_finite(const Model *m)
{
    const char *layer, *what;
    if (!model_first_not_finite(m, false, &layer, &what)) return STATUS_OK;
    return status_fail(STATUS_NUMERIC, "layer \"%s\": %s: NaN or infinite; all values must be finite", layer, what);
}

Status model_check_logits(Model *m, Tape *t, const uint8_t *pixels, int n, const Tensor *logits)
{
    const char *layer = m->layer[m->layers - 1].name, *what = "its output";
    if (logits->x == NULL || all_finite(logits->x, tensor_elements(logits))) return STATUS_OK;
    const ForwardMode again = {.arithmetic = ARITHMETIC_FLOAT, .keep_outputs = true};
    tape_reset(t, false);
    if (model_forward(m, t, &again, pixels, n) != NULL) model_first_not_finite(m, true, &layer, &what);
    return status_fail(STATUS_NUMERIC, "layer \"%s\": %s: NaN or infinite on one of the images; must be finite", layer,
                       what);
}
