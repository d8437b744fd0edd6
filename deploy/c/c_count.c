#include "deploy/c/c_count.h"

#include "deploy/c/c_cost.h"
#include "graph/node.h"

/* ---- rescaling --------------------------------------------------------------------------------------------------- */

Rounding c_exported_rounding(const Graph *g)
{
    return g->rounding == ROUNDING_TFLITE_DOUBLE ? ROUNDING_TFLITE_DOUBLE : ROUNDING_TFLITE_SINGLE;
}

void c_count_rescale(const CCount *c, int e, double values)
{
    if (c_shifts(c->g)) return;
    if (c_exported_rounding(c->g) == ROUNDING_TFLITE_DOUBLE)
        c_count(c, CYCLES_rescale_double, values);
    else if (e >= -1)
        c_count(c, CYCLES_rescale_long, values);
}

/* `cells` cells of all output channels. */
static void count_rescaled_sums(const CCount *c, double cells)
{
    const Node *n = c->n;
    for (int o = 0; o < n->geom.o; o++) {
        const Multiplier M = multiplier_make(c_exported_rounding(c->g), node_x(c->g, n)->scale, n->weight_scale[o],
                                             node_y(c->g, n)->scale);
        c_count_rescale(c, M.e, cells);
    }
}

/* ---- windows ----------------------------------------------------------------------------------------------------- */

/* Of the positions start + k step >= bound, the first k. */
static int first_from(int start, int step, int bound) { return start >= bound ? 0 : (bound - start + step - 1) / step; }

int c_cells_inside(int output, int stride, int padding, int kernel, int dilation, int size)
{
    const int start = output * stride - padding, end = first_from(start, dilation, size);
    const int inside = (end < kernel ? end : kernel) - first_from(start, dilation, 0);
    return inside > 0 ? inside : 0;
}

static int rows_inside(const ConvGeom *g, int row) { return c_cells_inside(row, g->sh, g->pt, g->kh, g->dh, g->h); }
static int columns_inside(const ConvGeom *g, int column)
{
    return c_cells_inside(column, g->sw, g->pl, g->kw, g->dw, g->w);
}

CWindowCells c_window_rows(const ConvGeom *g)
{
    double inside = 0.0;
    for (int row = 0; row < g->oh; row++) inside += rows_inside(g, row);
    return (CWindowCells){inside, (double)g->oh * g->kh - inside};
}

CWindowCells c_window_columns(const ConvGeom *g)
{
    double inside = 0.0;
    for (int column = 0; column < g->ow; column++) inside += columns_inside(g, column);
    return (CWindowCells){inside, (double)g->ow * g->kw - inside};
}

/* ---- conv2d ------------------------------------------------------------------------------------------------------ */

/* Windows of one axis that a group copies, two for a pair; `whole`: those inside the image in that axis, copied row by
 * row; `cells`: inside it, of the others. */
typedef struct {
    double windows, whole, cells;
} Windows;

static void add_windows(const ConvGeom *g, int column, Windows *w)
{
    const int inside = columns_inside(g, column);
    w->windows++;
    if (g->groups == 1 && g->dw == 1 && inside == g->kw)
        w->whole++;
    else
        w->cells += inside;
}

/* `rows` output rows, `inside` rows of their windows inside the image, with these windows each. */
static void count_gather(const CCount *c, double rows, double inside, const Windows *w)
{
    const ConvGeom *g = &c->n->geom;
    const int group_channels = g->c / g->groups;
    const double groups = g->groups, channels = group_channels, line = g->kw * channels;
    const double outside = rows * g->kh - inside, others = w->windows - w->whole;
    c_count(c, CYCLES_conv2d_gather, groups * rows * w->windows / 2);
    c_count(c, CYCLES_gather_row, groups * (outside * w->windows + inside * w->whole));
    c_count(c, CYCLES_gather_cell, groups * inside * others * g->kw);
    c_count(c, CYCLES_gather_code, groups * inside * (w->whole * line + w->cells * channels));
    c_count(c, CYCLES_gather_zero,
            groups * (outside * w->windows * line + inside * (others * line - w->cells * channels)));
}

static void count_copied_windows(const CCount *c, const ConvGeom *g)
{
    const bool direct = c_direct(c->n) && !c->planned->in_place;
    Windows all = {0}, leaving = {0};
    for (int column = 0; column < g->ow; column += 2) {
        const int next = column + 1 < g->ow ? column + 1 : column;
        const bool inside = direct && columns_inside(g, column) == g->kw && columns_inside(g, next) == g->kw;
        add_windows(g, column, &all), add_windows(g, next, &all);
        if (!inside) add_windows(g, column, &leaving), add_windows(g, next, &leaving);
    }
    double whole_rows = 0.0, rows = 0.0, cells = 0.0;
    for (int row = 0; row < g->oh; row++) {
        const int inside = rows_inside(g, row);
        if (inside == g->kh)
            whole_rows++;
        else
            rows++, cells += inside;
    }
    count_gather(c, whole_rows, whole_rows * g->kh, &leaving);
    count_gather(c, rows, cells, &all);
}

/* Steps of `runs` runs: `each` positions in a step, those that are left over one by one. */
static void count_runs(const CCount *c, double runs, long run, CycleTerm begun, int each)
{
    const long steps = run / each;
    c_count(c, begun, runs);
    c_count(c, begun + 1, runs * (double)steps);
    if (each > 1) c_count(c, begun + 2, runs * (double)(run - steps * each));
}

/* Levels cost what weights of 8 bits do, and looking up each of the two a part of what unpacking one of 2 bits does: as
 * measured of LeNet-5 with codebooks of 2 bits. */
static const double LOOK_UP = 0.54;

/* Zero points and groups, as measured of ResNet-8 in 4 bits: what a piece of one group costs besides its products, in runs
 * of weights of 8 bits begun, and the sum of its inputs, in steps of those, each for a pair of outputs. */
static const double PIECE = 4.0, INPUTS = 1.0;

/* How many pieces of one group a run has, on average. */
static double pieces_of(const Node *n)
{
    const long run = c_run(n), runs = c_runs(n) / n->geom.o, group = n->weight_group;
    long pieces = 0;
    for (long r = 0; r < runs; r++) pieces += group == 0 ? 1 : ((r + 1) * run - 1) / group - r * run / group + 1;
    return (double)pieces / (double)runs;
}

static void count_split(const CCount *c, double runs, CycleTerm begun, CycleTerm step)
{
    const double pieces = pieces_of(c->n);
    c_count(c, begun, runs * (pieces - 1.0));
    c_count(c, CYCLES_conv2d_run8, PIECE * runs * pieces);
    if (c->n->weight_affine) c_count(c, step, INPUTS * runs * (double)c_run(c->n));
}

static void count_weights(const CCount *c, double runs, CycleTerm of8, CycleTerm of4, CycleTerm of2)
{
    const int width = c_weight_width(c->n);
    if (c_has_levels(c->n)) {
        count_runs(c, runs, c_run(c->n), of8, 1);
        c_count(c, CYCLES_depthwise_code2, LOOK_UP * 2 * runs * (double)c_run(c->n));
        return;
    }
    const CycleTerm begun = width == 8 ? of8 : width == 4 ? of4 : of2;
    count_runs(c, runs, c_run(c->n), begun, 8 / width);
    if (c_is_split(c->n)) count_split(c, runs, begun, of8 + 1);
}

/* Windows, their codes, and what is counted of each output. */
static void count_binary(const CCount *c)
{
    const ConvGeom *g = &c->n->geom;
    const double cells = (double)g->oh * g->ow, kernel = (double)g->kh * g->kw, words = (double)c_binary_words(c->n);
    double whole[2] = {0.0, 0.0}; /* rows and columns whose windows lie inside */
    for (int i = 0; i < g->oh; i++) whole[0] += rows_inside(g, i) == g->kh;
    for (int i = 0; i < g->ow; i++) whole[1] += columns_inside(g, i) == g->kw;
    const double border = cells - whole[0] * whole[1];
    c_count(c, CYCLES_call, 1);
    c_count(c, CYCLES_binary_cell, (cells + border) * g->groups * kernel);
    c_count(c, CYCLES_binary_code, (cells + border) * kernel * g->c);
    c_count(c, CYCLES_binary_output, cells * g->o);
    c_count(c, CYCLES_binary_word, cells * g->o * words);
    if (graph_tensor_is_signs(node_y(c->g, c->n))) return;
    c_count(c, CYCLES_binary_rescaled, cells * g->o);
    count_rescaled_sums(c, cells);
}

static void count_conv2d(const CCount *c)
{
    if (c_is_binary(c->g, c->n)) {
        count_binary(c);
        return;
    }
    ConvGeom g = c->n->geom;
    if (c_flat(c->n, c->planned)) g.h = 1, g.w = c->n->geom.h * c->n->geom.w, g.oh = 1, g.ow = g.w;
    const int group_pairs = (g.o / g.groups + 1) / 2, column_pairs = (g.ow + 1) / 2;
    const long filter_runs = c_runs(c->n) / g.o;
    const double output_pairs = (double)g.groups * group_pairs, pairs = (double)g.oh * column_pairs;
    c_count(c, CYCLES_conv2d_call, c->planned->by_rows ? g.oh : 1);
    if (c->planned->by_rows) c_count(c, CYCLES_call, g.oh - 1); /* of the add after each row */
    c_count(c, CYCLES_conv2d_row, g.oh);
    c_count(c, CYCLES_conv2d_pair, pairs * g.groups);
    count_copied_windows(c, &g);
    c_count(c, CYCLES_conv2d_outputs, pairs * output_pairs);
    count_weights(c, pairs * output_pairs * (double)filter_runs, CYCLES_conv2d_run8, CYCLES_conv2d_run4,
                  CYCLES_conv2d_run2);
    count_rescaled_sums(c, 4 * pairs * output_pairs / g.o);
}

/* ---- other nodes with weights ------------------------------------------------------------------------------------ */

static void count_dense(const CCount *c)
{
    if (c_is_binary(c->g, c->n)) {
        count_binary(c);
        return;
    }
    const int outputs = c->n->geom.o, pairs = (outputs + 1) / 2;
    c_count(c, CYCLES_dense_call, 1);
    c_count(c, CYCLES_dense_output, outputs);
    count_weights(c, pairs, CYCLES_dense_run8, CYCLES_dense_run4, CYCLES_dense_run2);
    count_rescaled_sums(c, 1);
}

static void count_depthwise(const CCount *c)
{
    const ConvGeom *g = &c->n->geom;
    const int width = c_weight_width(c->n);
    const int fours = g->o == g->c ? g->o / 4 : 0, ones = g->o - 4 * fours;
    const double groups = fours + ones, calls = c->planned->by_rows ? g->oh : 1;
    const double cells = (double)g->oh * g->ow, kernel = (double)g->kh * g->kw;
    const CWindowCells rows = c_window_rows(g), columns = c_window_columns(g);
    c_count(c, CYCLES_depthwise_call, calls);
    c_count(c, CYCLES_call, calls - 1); /* of the add after each row */
    c_count(c, CYCLES_depthwise_group, groups * calls);
    c_count(c, CYCLES_depthwise_row, groups * g->oh);
    c_count(c, CYCLES_depthwise_cell, groups * cells);
    c_count(c, CYCLES_depthwise_output, g->o * cells);
    c_count(c, CYCLES_clip_step, groups * (rows.outside + columns.outside * g->oh));
    c_count(c, CYCLES_depthwise_line1, ones * rows.inside * g->ow);
    c_count(c, CYCLES_depthwise_tap1, ones * rows.inside * columns.inside);
    c_count(c, CYCLES_depthwise_line4, fours * rows.inside * g->ow);
    c_count(c, CYCLES_depthwise_tap4, fours * rows.inside * columns.inside);
    if (width < 8) c_count(c, CYCLES_depthwise_unpack, groups * kernel * calls);
    const bool levels = c_has_levels(c->n);
    if (width == 4 && !levels) c_count(c, CYCLES_depthwise_code4, g->o * kernel * calls);
    if (width == 2 || levels) c_count(c, CYCLES_depthwise_code2, g->o * kernel * calls);
    if (c_is_split(c->n)) c_count(c, CYCLES_depthwise_code4, g->o * kernel * calls); /* less zero points */
    if (c->planned->in_place) {
        c_count(c, CYCLES_depthwise_copy_cell, groups * g->h * g->w);
        c_count(c, CYCLES_depthwise_copy_code, (double)g->o * g->h * g->w);
    }
    if (c_exported_rounding(c->g) == ROUNDING_TFLITE_DOUBLE) c_count(c, CYCLES_depthwise_double, g->o * cells);
    count_rescaled_sums(c, cells);
}

/* ---- elements and pools ------------------------------------------------------------------------------------------ */

double c_outputs(const CCount *c) { return (double)graph_tensor_elements(node_y(c->g, c->n)); }

void c_count_elements(const CCount *c, CycleTerm term)
{
    c_count(c, CYCLES_call, 1);
    c_count(c, term, c_outputs(c));
}

static void count_add(const CCount *c)
{
    const GraphTensor *a = node_x(c->g, c->n), *b = &c->g->tensor[c->n->input[1]], *y = node_y(c->g, c->n);
    AddParams p;
    c_count_elements(c, CYCLES_add_output);
    if (c_exported_rounding(c->g) == ROUNDING_TFLITE_DOUBLE) c_count(c, CYCLES_rescale_double, 2 * c_outputs(c));
    if (add_params_make(c_exported_rounding(c->g), a->scale, a->zero_point, b->scale, b->zero_point, y->scale,
                        y->zero_point, c->n->lo, c->n->hi, &p))
        c_count_rescale(c, p.eo, c_outputs(c));
}

static void count_multiply(const CCount *c)
{
    const float a = node_x(c->g, c->n)->scale, b = c->g->tensor[c->n->input[1]].scale, y = node_y(c->g, c->n)->scale;
    c_count_elements(c, CYCLES_multiply_output);
    c_count_rescale(c, multiplier_make(c_exported_rounding(c->g), a, b, y).e, c_outputs(c));
}

static void count_requantize(const CCount *c)
{
    const float x = node_x(c->g, c->n)->scale, y = node_y(c->g, c->n)->scale;
    c_count_elements(c, CYCLES_requantize_output);
    c_count_rescale(c, multiplier_make(c_exported_rounding(c->g), x, 1.0f, y).e, c_outputs(c));
}

void c_count_concat(const CCount *c, CycleTerm code)
{
    const GraphTensor *y = node_y(c->g, c->n);
    c_count(c, CYCLES_call, c->n->inputs);
    c_count(c, CYCLES_concat_cell, (double)c->n->inputs * y->h * y->w);
    c_count(c, code, c_outputs(c));
}

void c_count_pool(const CCount *c, CycleTerm output, CycleTerm line, CycleTerm tap)
{
    const ConvGeom *g = &c->n->geom;
    const CWindowCells rows = c_window_rows(g), columns = c_window_columns(g);
    c_count(c, CYCLES_call, 1);
    c_count(c, CYCLES_clip_step, rows.outside * g->ow + columns.outside * g->oh);
    c_count(c, output, (double)g->c * g->oh * g->ow);
    c_count(c, line, g->c * rows.inside * g->ow);
    c_count(c, tap, g->c * rows.inside * columns.inside);
}

static void count_max_pool(const CCount *c)
{
    c_count(c, CYCLES_max_pool_cell, (double)c->n->geom.oh * c->n->geom.ow);
    c_count_pool(c, CYCLES_max_pool_output, CYCLES_max_pool_line, CYCLES_max_pool_tap);
}

static void count_average_pool(const CCount *c)
{
    c_count(c, CYCLES_average_pool_cell, (double)c->n->geom.oh * c->n->geom.ow);
    c_count_pool(c, CYCLES_average_pool_output, CYCLES_average_pool_line, CYCLES_average_pool_tap);
}

static void count_concat(const CCount *c) { c_count_concat(c, CYCLES_concat_code); }
static void count_look_up(const CCount *c) { c_count_elements(c, CYCLES_look_up_output); }
/* Codes copied, as concat copies them. */
static void count_embedding(const CCount *c) { c_count_elements(c, CYCLES_concat_code); }
static void count_quantize(const CCount *c) { c_count_elements(c, CYCLES_quantize_output); }
static void count_dequantize(const CCount *c) { c_count_elements(c, CYCLES_dequantize_output); }
static void count_reshape(const CCount *c)
{
    if (c->planned->copies) c_count_elements(c, CYCLES_concat_code);
}

CCounter *const c_counters[NODE_KINDS] = {
    [NODE_CONV2D] = count_conv2d,         [NODE_DWCONV2D] = count_depthwise,
    [NODE_DENSE] = count_dense,           [NODE_ADD] = count_add,
    [NODE_MULTIPLY] = count_multiply,     [NODE_CONCAT] = count_concat,
    [NODE_MAXPOOL] = count_max_pool,      [NODE_AVGPOOL] = count_average_pool,
    [NODE_REQUANT] = count_requantize,    [NODE_LUT] = count_look_up,
    [NODE_RESHAPE] = count_reshape,       [NODE_QUANTIZE] = count_quantize,
    [NODE_DEQUANTIZE] = count_dequantize, [NODE_EMBEDDING] = count_embedding,
};
