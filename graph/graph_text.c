#include "graph/graph_text.h"

#include <string.h>

#include "base/field.h"
#include "base/json.h"
#include "graph/node_text.h"

typedef struct {
    const char *name;
    IntList shape;
    int bits, qmin, qmax;
    int format; /* Format, of floats */
} TensorText;

#define MEMBER(member, kind) .name = #member, .type = kind, .offset = offsetof(TensorText, member), .required = true

static const Field tensor_fields[] = {
    {MEMBER(name, FIELD_STRING), .max = GRAPH_TENSOR_MAX_NAME_BYTES},
    {MEMBER(shape, FIELD_INTS), .min = 1, .max = GRAPH_TENSOR_MAX_DIM, .min_count = 3, .max_count = 3},
    {MEMBER(bits, FIELD_INT), .min = 1, .max = 8},
    {MEMBER(qmin, FIELD_INT), .min = -128, .max = 127},
    {MEMBER(qmax, FIELD_INT), .min = -128, .max = 127},
    FIELD_END,
};
static const Field wide_tensor_fields[] = {
    {MEMBER(name, FIELD_STRING), .max = GRAPH_TENSOR_MAX_NAME_BYTES},
    {MEMBER(shape, FIELD_INTS), .min = 1, .max = GRAPH_TENSOR_MAX_DIM, .min_count = 3, .max_count = 3},
    {MEMBER(format, FIELD_ENUM), .names = format_names},
    {MEMBER(bits, FIELD_INT), .min = 16, .max = 16},
    {MEMBER(qmin, FIELD_INT), .min = -32768, .max = 32767},
    {MEMBER(qmax, FIELD_INT), .min = -32768, .max = 32767},
    FIELD_END,
};
static const Field sums_tensor_fields[] = {
    {MEMBER(name, FIELD_STRING), .max = GRAPH_TENSOR_MAX_NAME_BYTES},
    {MEMBER(shape, FIELD_INTS), .min = 1, .max = GRAPH_TENSOR_MAX_DIM, .min_count = 3, .max_count = 3},
    {MEMBER(format, FIELD_ENUM), .names = format_names},
    {MEMBER(bits, FIELD_INT), .min = 32, .max = 32},
    {MEMBER(qmin, FIELD_INT), .min = -INT32_MAX, .max = -INT32_MAX},
    {MEMBER(qmax, FIELD_INT), .min = INT32_MAX, .max = INT32_MAX},
    FIELD_END,
};
static const Field float_tensor_fields[] = {
    {MEMBER(name, FIELD_STRING), .max = GRAPH_TENSOR_MAX_NAME_BYTES},
    {MEMBER(shape, FIELD_INTS), .min = 1, .max = GRAPH_TENSOR_MAX_DIM, .min_count = 3, .max_count = 3},
    {MEMBER(format, FIELD_ENUM), .names = format_names},
    FIELD_END,
};
static const Field *fields_of(Format f)
{
    if (format_is_float(f)) return float_tensor_fields;
    return f == FORMAT_INT32 ? sums_tensor_fields : f == FORMAT_INT16 ? wide_tensor_fields : tensor_fields;
}

static IntList ints(Arena *arena, int n, const int *values)
{
    return (IntList){.n = n,
                     .at = memcpy(arena_alloc(arena, sizeof(int) * (size_t)n), values, sizeof(int) * (size_t)n)};
}
#define INTS(...) ints(arena, sizeof((int[]){__VA_ARGS__}) / sizeof(int), (int[]){__VA_ARGS__})

cJSON *graph_tensor_to_json(Arena *arena, const GraphTensor *t)
{
    const TensorText text = {t->name, INTS(t->h, t->w, t->c), t->bits, t->qmin, t->qmax, (int)t->format};
    return field_dump(fields_of(t->format), &text);
}

/* Of a node with this output. */
static const Field *node_fields(const NodeType *type, const GraphTensor *y)
{
    return graph_tensor_is_float(y) && type->in_float != NULL ? type->in_float->fields : type->fields;
}

static IntList levels_text(Arena *arena, const Node *n)
{
    int *level = ARENA_ARRAY(arena, int, n->levels + 1);
    for (int i = 0; i < n->levels; i++) level[i] = n->level[i];
    return (IntList){.n = n->levels, .at = level};
}

static void read_levels(Arena *arena, IntList text, Node *n)
{
    int8_t *level = arena_alloc(arena, (size_t)text.n + 1);
    for (int i = 0; i < text.n; i++) level[i] = (int8_t)text.at[i];
    n->levels = text.n;
    n->level = text.n == 0 ? NULL : level;
}

cJSON *node_to_json(Arena *arena, const Graph *graph, const Node *n)
{
    const ConvGeom *g = &n->geom;
    const char *inputs[NODE_MAX_INPUTS];
    for (int i = 0; i < n->inputs; i++) inputs[i] = graph->tensor[n->input[i]].name;
    const NodeText text = {.op = node_type(n)->name,
                           .name = n->name,
                           .inputs = {.n = n->inputs, .at = inputs},
                           .kernel = INTS(g->kh, g->kw),
                           .stride = INTS(g->sh, g->sw),
                           .dilation = INTS(g->dh, g->dw),
                           .padding = INTS(g->pt, g->pb, g->pl, g->pr),
                           .clamp = INTS(n->lo, n->hi),
                           .groups = g->groups,
                           .weight_bits = n->weight_bits,
                           .weight_shift = n->weight_shift,
                           .weight_levels = levels_text(arena, n),
                           .input_bits = n->input_bits,
                           .weight_group = n->weight_group,
                           .weight_affine = n->weight_affine,
                           .weight_format = (int)n->weight_format,
                           .activation = n->activation,
                           .curve = curve_index(n->curve)};
    cJSON *json = field_dump(node_fields(node_type(n), node_y(graph, n)), &text);
    if (n->weight_group == 0) cJSON_DeleteItemFromObject(json, "weight_group");
    if (!n->weight_affine) cJSON_DeleteItemFromObject(json, "weight_affine");
    return json;
}

cJSON *graph_to_json(Arena *arena, const Graph *g)
{
    cJSON *root = cJSON_CreateObject();
    cJSON_AddStringToObject(root, "output", g->tensor[g->output].name);
    cJSON *tensors = cJSON_AddArrayToObject(root, "tensors");
    for (int i = 0; i < g->tensors; i++) cJSON_AddItemToArray(tensors, graph_tensor_to_json(arena, &g->tensor[i]));
    cJSON *nodes = cJSON_AddArrayToObject(root, "nodes");
    for (int i = 0; i < g->nodes; i++) cJSON_AddItemToArray(nodes, node_to_json(arena, g, &g->node[i]));
    return root;
}

cJSON *graph_classes_json(const Graph *g)
{
    cJSON *list = cJSON_CreateArray();
    for (int i = 0; g->class_names != NULL && i < g->classes; i++)
        cJSON_AddItemToArray(list, cJSON_CreateString(g->class_names[i]));
    return list;
}

static Status tensor_from_json(Arena *arena, const cJSON *json, const char *where, GraphTensor *t)
{
    TensorText text = {0};
    const cJSON *format = json_get(json, "format"); /* without one: int8 codes */
    const int named = cJSON_IsString(format) ? name_find(format_names, format->valuestring) : -1;
    const bool codes = named == FORMAT_INT16 || named == FORMAT_INT32;
    TRY(field_parse(format == NULL ? tensor_fields : fields_of(codes ? (Format)named : FORMAT_FLOAT32), json, where,
                    &text, arena));
    const int *shape = text.shape.at;
    *t = (GraphTensor){.name = text.name,
                       .h = shape[0],
                       .w = shape[1],
                       .c = shape[2],
                       .format = (Format)text.format,
                       .bits = text.bits,
                       .qmin = text.qmin,
                       .qmax = text.qmax};
    return STATUS_OK;
}

static const char *known_types(Arena *arena)
{
    const char *names = node_types[0]->name;
    for (int i = 1; i < NODE_KINDS; i++)
        names = arena_printf(arena, "%s%s%s", names, i + 1 < NODE_KINDS ? ", " : " or ", node_types[i]->name);
    return names;
}

static Status node_from_json(Arena *arena, const cJSON *json, const char *where, const Graph *g, Node *n)
{
    const cJSON *op = json_get(json, "op");
    int kind = 0;
    while (kind < NODE_KINDS && !(cJSON_IsString(op) && strcmp(node_types[kind]->name, op->valuestring) == 0)) kind++;
    if (kind == NODE_KINDS)
        return status_fail(STATUS_FORMAT, "%s: op %s; must be %s", where,
                           op == NULL ? "missing" : json_brief(arena, op), known_types(arena));
    const NodeType *type = node_types[kind];
    NodeText text = {.curve = -1}; /* a table fills its own fields only */
    const cJSON *name = json_get(json, "name");
    const int output = cJSON_IsString(name) ? graph_tensor_named(g, name->valuestring) : -1;
    TRY(field_parse(output < 0 ? type->fields : node_fields(type, &g->tensor[output]), json, where, &text, arena));
    *n = (Node){.op = (NodeKind)kind, .name = text.name, .inputs = text.inputs.n, .output = output};
    if (n->output < 0) return status_fail(STATUS_FORMAT, "%s: its output; must be a tensor of the node's name", where);
    for (int i = 0; i < n->inputs; i++) {
        n->input[i] = graph_tensor_named(g, text.inputs.at[i]);
        if (n->input[i] < 0)
            return status_fail(STATUS_FORMAT, "%s: input %s; must be the name of a tensor", where,
                               json_quote(arena, text.inputs.at[i]));
    }
    const GraphTensor *y = &g->tensor[n->output];
    const bool clamped = text.clamp.n == 2;
    n->lo = clamped ? text.clamp.at[0] : y->qmin;
    n->hi = clamped ? text.clamp.at[1] : y->qmax;
    n->weight_bits = text.weight_bits;
    n->weight_shift = text.weight_shift;
    read_levels(arena, text.weight_levels, n);
    n->weight_group = text.weight_group;
    n->weight_affine = text.weight_affine;
    n->weight_format = (Format)text.weight_format;
    n->input_bits = text.input_bits;
    n->activation = text.activation;
    n->curve = text.curve < 0 ? NULL : &curve_types[text.curve];
    if (type->geometry != NULL) n->geom = type->geometry(&text, &g->tensor[n->input[0]], y);
    return STATUS_OK;
}

static const char *item_place(Arena *arena, const cJSON *item, const char *where, const char *kind, int index)
{
    const cJSON *name = json_get(item, "name");
    if (cJSON_IsString(name) && name->valuestring[0] != '\0')
        return arena_printf(arena, "%s: %s %s", where, kind, json_quote(arena, name->valuestring));
    return arena_printf(arena, "%s: %s %d", where, kind, index);
}

Status graph_from_json(Arena *arena, const cJSON *json, const char *where, Graph *g)
{
    const cJSON *tensors = json_get(json, "tensors"), *nodes = json_get(json, "nodes"),
                *output = json_get(json, "output");
    if (!cJSON_IsArray(tensors) || !cJSON_IsArray(nodes) || !cJSON_IsString(output) || cJSON_GetArraySize(json) != 3)
        return status_fail(STATUS_FORMAT, "%s: graph; must be an object of \"output\", \"tensors\" and \"nodes\"",
                           where);
    g->tensors = cJSON_GetArraySize(tensors);
    g->nodes = cJSON_GetArraySize(nodes);
    if (g->nodes < 1 || g->nodes > GRAPH_MAX_NODES || g->tensors != g->nodes + 1)
        return status_fail(STATUS_FORMAT,
                           "%s: graph of %d nodes and %d tensors; must be 1 to %d nodes, one tensor more", where,
                           g->nodes, g->tensors, GRAPH_MAX_NODES);
    g->tensor = ARENA_ARRAY(arena, GraphTensor, g->tensors);
    g->node = ARENA_ARRAY(arena, Node, g->nodes);
    const cJSON *item;
    int i = 0;
    cJSON_ArrayForEach(item, tensors)
    {
        const char *place = item_place(arena, item, where, "tensor", i);
        if (tensor_from_json(arena, item, place, &g->tensor[i++]) != STATUS_OK) return STATUS_FORMAT;
    }
    i = 0;
    cJSON_ArrayForEach(item, nodes)
    {
        const char *place = item_place(arena, item, where, "node", i);
        if (node_from_json(arena, item, place, g, &g->node[i++]) != STATUS_OK) return STATUS_FORMAT;
    }
    g->output = graph_tensor_named(g, output->valuestring);
    if (g->output < 0)
        return status_fail(STATUS_FORMAT, "%s: output %s; must be the name of a tensor", where,
                           json_quote(arena, output->valuestring));
    return STATUS_OK;
}
