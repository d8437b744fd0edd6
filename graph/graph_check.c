#include "graph/graph_check.h"

#include <string.h>

#include "base/arena.h"
#include "graph/node_check.h"

static bool good_name(const char *name)
{
    if (name == NULL || name[0] == '\0' || strlen(name) > GRAPH_TENSOR_MAX_NAME_BYTES) return false;
    for (const char *p = name; *p != '\0'; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7f) return false;
    return true;
}

static Status check_grid(const GraphTensor *t)
{
    if (!graph_scale_ok(t->scale))
        return status_fail(STATUS_NUMERIC, "tensor \"%s\": scale %g; must be finite and above 0", t->name,
                           (double)t->scale);
    if (graph_tensor_is_sums(t)) {
        if (t->bits == 32 && t->qmin == -INT32_MAX && t->qmax == INT32_MAX && t->zero_point == 0) return STATUS_OK;
        return status_fail(STATUS_UNSUPPORTED,
                           "tensor \"%s\": int32 of %d bits, codes %d to %d, zero point %d; must be 32 bits, codes "
                           "-2147483647 to 2147483647 around the zero point 0",
                           t->name, t->bits, t->qmin, t->qmax, t->zero_point);
    }
    if (graph_tensor_is_wide(t)) {
        if (t->bits == 16 && t->qmin >= INT16_MIN && t->qmax <= INT16_MAX && t->qmin <= 0 && t->qmax > 0 &&
            t->zero_point == 0)
            return STATUS_OK;
        return status_fail(STATUS_UNSUPPORTED,
                           "tensor \"%s\": int16 of %d bits, codes %d to %d, zero point %d; must be 16 bits, codes "
                           "around the zero point 0 within -32768 to 32767",
                           t->name, t->bits, t->qmin, t->qmax, t->zero_point);
    }
    if (graph_tensor_is_signs(t)) {
        if (t->zero_point == 0) return STATUS_OK;
        return status_fail(STATUS_UNSUPPORTED, "tensor \"%s\": codes -1 and 1, zero point %d; must be 0", t->name,
                           t->zero_point);
    }
    if (t->bits < 1 || t->bits > 8)
        return status_fail(STATUS_UNSUPPORTED, "tensor \"%s\": bits %d; must be 1 to 8", t->name, t->bits);
    if (t->qmin < -128 || t->qmax > 127 || t->qmin >= t->qmax || t->qmax - t->qmin >= 1 << t->bits)
        return status_fail(STATUS_UNSUPPORTED,
                           "tensor \"%s\": codes %d to %d; must be at most 2^%d, within -128 to 127", t->name, t->qmin,
                           t->qmax, t->bits);
    if (t->zero_point < t->qmin || t->zero_point > t->qmax)
        return status_fail(STATUS_UNSUPPORTED, "tensor \"%s\": zero point %d; must be one of the codes %d to %d",
                           t->name, t->zero_point, t->qmin, t->qmax);
    return STATUS_OK;
}

static Status check_no_grid(const GraphTensor *t)
{
    if (t->scale == 0.0f && t->zero_point == 0 && t->bits == 0 && t->qmin == 0 && t->qmax == 0) return STATUS_OK;
    return status_fail(STATUS_UNSUPPORTED, "tensor \"%s\": a grid in %s; scale, zero point, bits and codes must be 0",
                       t->name, format_names[t->format]);
}

static Status check_tensor(const Graph *g, int index)
{
    const GraphTensor *t = &g->tensor[index];
    if (!good_name(t->name))
        return status_fail(STATUS_UNSUPPORTED, "tensor %d: its name; must be 1 to %d bytes, none a control character",
                           index, GRAPH_TENSOR_MAX_NAME_BYTES);
    for (int i = 0; i < index; i++)
        if (strcmp(g->tensor[i].name, t->name) == 0)
            return status_fail(STATUS_UNSUPPORTED, "tensor \"%s\": the name of tensors %d and %d; must be unique",
                               t->name, i, index);
    const int dim[3] = {t->h, t->w, t->c};
    for (int i = 0; i < 3; i++)
        if (dim[i] < 1 || dim[i] > GRAPH_TENSOR_MAX_DIM)
            return status_fail(STATUS_SHAPE, "tensor \"%s\": shape [%d,%d,%d]; each size must be 1 to %d", t->name,
                               t->h, t->w, t->c, GRAPH_TENSOR_MAX_DIM);
    if ((long)t->h * t->w > GRAPH_TENSOR_MAX_ELEMENTS || graph_tensor_elements(t) > GRAPH_TENSOR_MAX_ELEMENTS)
        return status_fail(STATUS_SHAPE, "tensor \"%s\": shape [%d,%d,%d]; at most %d elements", t->name, t->h, t->w,
                           t->c, GRAPH_TENSOR_MAX_ELEMENTS);
    if ((int)t->format < 0 || (int)t->format >= FORMATS)
        return status_fail(STATUS_UNSUPPORTED, "tensor \"%s\": format %d; must be int8, int16, int32 or a float format",
                           t->name, (int)t->format);
    return graph_tensor_is_float(t) ? check_no_grid(t) : check_grid(t);
}

static Status check_header(const Graph *g)
{
    if ((int)g->rounding < ROUNDING_XNNPACK || (int)g->rounding >= ROUNDINGS)
        return status_fail(STATUS_UNSUPPORTED, "graph: rounding %d; must be 0 to %d", (int)g->rounding, ROUNDINGS - 1);
    if (g->nodes < 1 || g->nodes > GRAPH_MAX_NODES || g->tensors != g->nodes + 1)
        return status_fail(STATUS_UNSUPPORTED, "graph: %d nodes and %d tensors; must be 1 to %d nodes, one tensor more",
                           g->nodes, g->tensors, GRAPH_MAX_NODES);
    for (int i = 0; i < g->tensors; i++) TRY(check_tensor(g, i));
    if (graph_tensor_is_signs(&g->tensor[0]))
        return status_fail(STATUS_UNSUPPORTED, "tensor 0: codes -1 and 1; must be codes of pixels");
    if (strcmp(g->tensor[0].name, "input") != 0)
        return status_fail(STATUS_UNSUPPORTED, "tensor 0: named \"%s\"; must be \"input\"", g->tensor[0].name);
    if (g->tensor[0].format != FORMAT_INT8)
        return status_fail(STATUS_UNSUPPORTED, "tensor \"input\": format %s; must be int8",
                           format_names[g->tensor[0].format]);
    if (g->output < 1 || g->output >= g->tensors)
        return status_fail(STATUS_UNSUPPORTED, "graph: output tensor %d; must be 1 to %d", g->output, g->tensors - 1);
    if (g->classes != graph_tensor_elements(&g->tensor[g->output]))
        return status_fail(STATUS_SHAPE, "graph: %d classes; must be the %ld elements of output \"%s\"", g->classes,
                           graph_tensor_elements(&g->tensor[g->output]), g->tensor[g->output].name);
    if (g->class_names != NULL)
        for (int i = 0; i < g->classes; i++)
            if (g->class_names[i] == NULL)
                return status_fail(STATUS_UNSUPPORTED, "graph: class %d; must have a name", i);
    if (g->model_name == NULL) return status_fail(STATUS_UNSUPPORTED, "graph: no model name; must have one");
    if (g->channels != g->tensor[0].c)
        return status_fail(STATUS_SHAPE, "graph: %d image channels; must be the %d of \"input\"", g->channels,
                           g->tensor[0].c);
    for (int c = 0; c < g->channels; c++)
        if (!isfinite(g->mean[c]) || !graph_scale_ok(g->std[c]))
            return status_fail(STATUS_NUMERIC, "graph: channel %d: mean %g, std %g; must be finite, std above 0", c,
                               (double)g->mean[c], (double)g->std[c]);
    return STATUS_OK;
}

Status graph_check(const Graph *g)
{
    TRY(check_header(g));
    Arena *arena = arena_create();
    bool *made = ARENA_ARRAY(arena, bool, g->tensors);
    made[0] = true;
    Status status = STATUS_OK;
    for (int i = 0; i < g->nodes && status == STATUS_OK; i++) status = node_check(g, i, made);
    arena_destroy(arena);
    return status;
}
