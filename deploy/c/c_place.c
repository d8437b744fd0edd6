/* Where the activations of a model lie, in C. */
#include "deploy/c/c_writer.h"

bool c_has_floats(const Graph *g)
{
    for (int t = 0; t < g->tensors; t++)
        if (graph_tensor_is_float(&g->tensor[t])) return true;
    return false;
}

const char *c_codes_at(const CWriter *w, size_t offset)
{
    return arena_printf(w->arena, c_has_floats(w->g) ? "arena.codes + %zu" : "arena + %zu", offset);
}

const char *c_place(const CWriter *w, int tensor)
{
    const PlanTensor *t = &w->plan.tensor[tensor];
    if (t->place == PLAN_INPUT || t->place == PLAN_OUTPUT) return t->place == PLAN_INPUT ? "in" : "out";
    return graph_tensor_is_float(&w->g->tensor[tensor])
               ? arena_printf(w->arena, "arena.values + %zu", t->offset / sizeof(float))
               : c_codes_at(w, t->offset);
}
