/* Nodes that are tables, in C: a code, or a vector of codes, for each code. */
#include "deploy/c/c_writer.h"

static void layer_table(const CWriter *w, int node)
{
    c_write_array(w, "int8_t", c_layer_name(w, node), 256, w->g->node[node].table, 1);
    fputs("\n", w->out);
}

static void call_table(const CWriter *w, int node)
{
    const Node *n = &w->g->node[node];
    fprintf(w->out, "    look_up(%s, %ld, %s, %s);\n", c_layer_name(w, node),
            graph_tensor_elements(&w->g->tensor[n->output]), c_place(w, n->input[0]), c_place(w, n->output));
}

static void layer_embedding(const CWriter *w, int node)
{
    const Node *n = &w->g->node[node];
    c_write_array(w, "int8_t", c_layer_name(w, node), 256L * n->geom.o, n->table, 1);
    fputs("\n", w->out);
}

static void call_embedding(const CWriter *w, int node)
{
    const Node *n = &w->g->node[node];
    fprintf(w->out, "    embedding(%s, %d, %ld, %s, %s);\n", c_layer_name(w, node), n->geom.o,
            graph_tensor_elements(&w->g->tensor[n->input[0]]), c_place(w, n->input[0]), c_place(w, n->output));
}

const COp c_table = {.kernels = (const char *const[]){"look_up", NULL}, .layer = layer_table, .call = call_table};
const COp c_embedding = {
    .kernels = (const char *const[]){"embedding", NULL}, .layer = layer_embedding, .call = call_embedding};
