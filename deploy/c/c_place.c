/* Where the activations of a model lie, in C, and calls of kernels on them. */
#include "deploy/c/c_writer.h"

static bool has_wide(const Graph *g)
{
    for (int t = 0; t < g->tensors; t++)
        if (graph_tensor_is_wide(&g->tensor[t])) return true;
    return false;
}

static bool is_mixed(const Graph *g) { return !graph_is_integer(g) || has_wide(g); }

void c_write_arena(const CWriter *w)
{
    if (w->plan.bytes == 0) return;
    fputs("/* Every activation while it is needed. */\nstatic ", w->out);
    if (!is_mixed(w->g)) {
        fprintf(w->out, "int8_t arena[%zu];\n\n", w->plan.bytes);
        return;
    }
    fputs("union {\n", w->out);
    if (!graph_is_integer(w->g)) fprintf(w->out, "    float values[%zu];\n", w->plan.bytes / sizeof(float));
    if (has_wide(w->g)) fprintf(w->out, "    int16_t wide[%zu];\n", w->plan.bytes / sizeof(int16_t));
    fprintf(w->out, "    int8_t codes[%zu];\n} arena;\n\n", w->plan.bytes);
}

const char *c_type(const GraphTensor *t)
{
    return graph_tensor_is_float(t)  ? "float"
           : graph_tensor_is_sums(t) ? "int32_t"
           : graph_tensor_is_wide(t) ? "int16_t"
                                     : "int8_t";
}

const char *c_codes_at(const CWriter *w, size_t offset)
{
    return arena_printf(w->arena, is_mixed(w->g) ? "arena.codes + %zu" : "arena + %zu", offset);
}

const char *c_place(const CWriter *w, int tensor)
{
    const PlanTensor *at = &w->plan.tensor[tensor];
    const GraphTensor *t = &w->g->tensor[tensor];
    if (at->place == PLAN_INPUT || at->place == PLAN_OUTPUT) return at->place == PLAN_INPUT ? "in" : "out";
    if (graph_tensor_is_float(t)) return arena_printf(w->arena, "arena.values + %zu", at->offset / sizeof(float));
    if (graph_tensor_is_wide(t)) return arena_printf(w->arena, "arena.wide + %zu", at->offset / sizeof(int16_t));
    return c_codes_at(w, at->offset);
}

void c_call_whole(const CWriter *w, int node, const char *kernel)
{
    const Node *n = &w->g->node[node];
    fprintf(w->out, "    %s(&%s, %s, %s);\n", kernel, c_layer_name(w, node), c_place(w, n->input[0]),
            c_place(w, n->output));
}

static long elements(const CWriter *w, const Node *n) { return graph_tensor_elements(&w->g->tensor[n->output]); }

void c_call_elements(const CWriter *w, int node, const char *kernel)
{
    const Node *n = &w->g->node[node];
    fprintf(w->out, "    %s(&%s, %ld, %s, %s);\n", kernel, c_layer_name(w, node), elements(w, n),
            c_place(w, n->input[0]), c_place(w, n->output));
}

void c_call_add(const CWriter *w, int node, const char *kernel)
{
    const Node *n = &w->g->node[node];
    fprintf(w->out, "    %s(&%s, %ld, %s, %s, %s);\n", kernel, c_layer_name(w, node), elements(w, n),
            c_place(w, n->input[0]), c_place(w, n->input[1]), c_place(w, n->output));
}

void c_call_concat(const CWriter *w, int node, const char *begin)
{
    const Node *n = &w->g->node[node];
    const GraphTensor *y = &w->g->tensor[n->output];
    for (int k = 0, first = 0; k < n->inputs; k++) {
        const int channels = w->g->tensor[n->input[k]].c;
        fprintf(w->out, "    %s%s, %d, %d, %d, %s + %d);\n", begin, c_place(w, n->input[k]), y->h * y->w, channels,
                y->c, c_place(w, n->output), first);
        first += channels;
    }
}
