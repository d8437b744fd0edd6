#include <ctype.h>
#include <string.h>

#include "deploy/c/c_writer.h"
#include "kernels/requant.h"
#include "graph/node_groups.h"
#include "graph/node_levels.h"

/* Unique by its number, readable by the rest. */
char *c_layer_name(const CWriter *w, int node)
{
    enum { LONGEST = 40 };
    char *name = arena_printf(w->arena, "l%d_%.*s", node, LONGEST, w->g->node[node].name);
    for (char *p = name; *p != '\0'; p++)
        if (!isalnum((unsigned char)*p) || (unsigned char)*p > 0x7e) *p = '_';
    return name;
}

enum { COLUMNS = 110, CONSTANT_BYTES = 32 };

static const char *literal(char text[CONSTANT_BYTES], float x)
{
    const int digits = snprintf(text, CONSTANT_BYTES, "%.9g", (double)x);
    snprintf(text + digits, CONSTANT_BYTES - (size_t)digits, "%sf", strpbrk(text, ".e") == NULL ? ".0" : "");
    return text;
}

char *c_literal(const CWriter *w, float x)
{
    char text[CONSTANT_BYTES];
    return arena_strdup(w->arena, literal(text, x));
}

void c_write_list(const CWriter *w, const char *name, const float *x, int n)
{
    fprintf(w->out, "#define %s_%s {", w->upper, name);
    for (int i = 0; i < n; i++) fprintf(w->out, "%s%s", i == 0 ? "" : ", ", c_literal(w, x[i]));
    fputs("}\n", w->out);
}

/* Number i of integers of so many bytes. */
static long long number(const void *data, int bytes, long i)
{
    return bytes == 1   ? ((const int8_t *)data)[i]
           : bytes == 2 ? ((const int16_t *)data)[i]
           : bytes == 4 ? ((const int32_t *)data)[i]
                        : ((const int64_t *)data)[i];
}

/* One of an array's, in lines of about 110 columns.  Returns the column behind it. */
static int write_constant(const CWriter *w, const char *text, bool last, int column)
{
    if (column >= COLUMNS) column = fprintf(w->out, "\n    ");
    column += fprintf(w->out, "%s,", text);
    if (column < COLUMNS && !last) column += fprintf(w->out, " ");
    return column;
}

/* -2^31 has no literal in C: 2^31 is no int32_t. */
void c_write_array(const CWriter *w, const char *type, const char *name, long count, const void *data, int bytes)
{
    char text[CONSTANT_BYTES];
    int column = COLUMNS;
    fprintf(w->out, "static const %s %s[%ld] = {", type, name, count);
    for (long i = 0; i < count; i++) {
        const long long v = number(data, bytes, i);
        snprintf(text, sizeof text, "%lld", v);
        column = write_constant(w, v == INT32_MIN ? "-2147483647 - 1" : text, i + 1 == count, column);
    }
    fprintf(w->out, "\n};\n");
}

void c_write_floats(const CWriter *w, const char *name, long count, const float *data)
{
    char text[CONSTANT_BYTES];
    int column = COLUMNS;
    fprintf(w->out, "static const float %s[%ld] = {", name, count);
    for (long i = 0; i < count; i++) column = write_constant(w, literal(text, data[i]), i + 1 == count, column);
    fprintf(w->out, "\n};\n");
}

/* Of 8 bits: the stored weight; of fewer: the code, or the index of its level. */
static int code_of(const Node *n, long i)
{
    if (c_weight_width(n) == 8) return n->weights[i];
    if (c_is_split(n)) return node_weight_code(n, i);
    const int code = n->weights[i] / (1 << n->weight_shift);
    return c_has_levels(n) ? node_level(n, code) : code;
}

void c_write_levels(const CWriter *w, int node)
{
    const Node *n = &w->g->node[node];
    const long count = (long)c_level_count(n);
    int8_t *level = arena_zalloc(w->arena, (size_t)count);
    memcpy(level, n->level, (size_t)n->levels);
    c_write_array(w, "int8_t", arena_printf(w->arena, "%s_levels", c_layer_name(w, node)), count, level, 1);
}

void c_write_codes(const CWriter *w, const Node *n, const char *name)
{
    const int width = c_weight_width(n), mask = (1 << width) - 1;
    const size_t run_bytes = c_run_bytes(n);
    const long runs = c_runs(n), run = c_run(n);
    uint8_t *packed = arena_zalloc(w->arena, (size_t)runs * run_bytes);
    for (long r = 0; r < runs; r++)
        for (long k = 0; k < run; k++) {
            const int code = code_of(n, r * run + k);
            packed[(size_t)r * run_bytes + (size_t)(k * width / 8)] |= (uint8_t)((code & mask) << (k * width % 8));
        }
    c_write_array(w, "int8_t", arena_printf(w->arena, "%s_weights", name), runs * (long)run_bytes, packed, 1);
}

void c_write_window(const CWriter *w, const ConvGeom *g)
{
    fprintf(w->out,
            "    .window = {.h = %d, .w = %d, .c = %d, .oh = %d, .ow = %d, .kh = %d, .kw = %d,\n"
            "               .sh = %d, .sw = %d, .dh = %d, .dw = %d, .pt = %d, .pl = %d},\n",
            g->h, g->w, g->c, g->oh, g->ow, g->kh, g->kw, g->sh, g->sw, g->dh, g->dw, g->pt, g->pl);
}

/* With the input's zero point taken out of the sum: sum (x - z) w + b = sum x w + (b - z sum w), modulo 2^32. */
static int32_t *folded_bias(const CWriter *w, const Node *n)
{
    const long per_output = node_weights(n) / n->geom.o;
    const int zero_point = w->g->tensor[n->input[0]].zero_point;
    int32_t *bias = ARENA_ARRAY(w->arena, int32_t, n->geom.o);
    for (int o = 0; o < n->geom.o; o++) {
        int64_t sum = 0;
        for (long k = 0; k < per_output; k++) sum += n->weights[o * per_output + k];
        const uint32_t folded = (uint32_t)(n->bias[o] - zero_point * sum);
        memcpy(&bias[o], &folded, sizeof folded);
    }
    return bias;
}

void c_write_multipliers(const CWriter *w, int node)
{
    const Node *n = &w->g->node[node];
    const GraphTensor *x = &w->g->tensor[n->input[0]], *y = &w->g->tensor[n->output];
    const char *name = c_layer_name(w, node);
    const int outputs = n->geom.o;
    int32_t *m = ARENA_ARRAY(w->arena, int32_t, outputs);
    int8_t *e = ARENA_ARRAY(w->arena, int8_t, outputs);
    for (int o = 0; o < outputs; o++) {
        const Multiplier M = multiplier_make(w->g->rounding, x->scale, n->weight_scale[o], y->scale);
        m[o] = M.m, e[o] = (int8_t)M.e;
    }
    if (!c_shifts(w->g)) c_write_array(w, "int32_t", arena_printf(w->arena, "%s_multiplier", name), outputs, m, 4);
    c_write_array(w, "int8_t", arena_printf(w->arena, "%s_exponent", name), outputs, e, 1);
}

void c_write_weights(const CWriter *w, int node)
{
    const Node *n = &w->g->node[node];
    const char *name = c_layer_name(w, node);
    c_write_codes(w, n, name);
    c_write_array(w, "int32_t", arena_printf(w->arena, "%s_bias", name), n->geom.o,
                  n->op == NODE_DWCONV2D ? n->bias : folded_bias(w, n), 4);
    c_write_multipliers(w, node);
}

const char *c_multiplier(const CWriter *w, int node)
{
    return arena_printf(w->arena, c_shifts(w->g) ? "%s_bias" : "%s_multiplier", c_layer_name(w, node));
}
