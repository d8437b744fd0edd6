/* Instructions of nodes on int16 codes and in floats. */
#include "deploy/c/c_count.h"
#include "deploy/c/c_cost.h"
#include "graph/node.h"
#include "kernels/dwconv_f32.h"
#include "kernels/requant_s16.h"

static void count_cells(const CCount *c)
{
    const ConvGeom *g = &c->n->geom;
    const CWindowCells rows = c_window_rows(g), columns = c_window_columns(g);
    c_count(c, CYCLES_call, 1);
    c_count(c, CYCLES_window_cell, (double)g->oh * g->ow);
    c_count(c, CYCLES_clip_step, rows.outside * g->ow + columns.outside * g->oh);
}

/* Of all outputs: rows of their windows, runs of products begun, products. */
typedef struct {
    double lines, runs, products;
} Products;

static Products conv2d_products(const CCount *c)
{
    const ConvGeom *g = &c->n->geom;
    const double rows = c_window_rows(g).inside, columns = c_window_columns(g).inside;
    const bool whole = g->groups == 1 && g->dw == 1;
    const int channels = g->c / g->groups;
    return (Products){.lines = g->o * rows * g->ow,
                      .runs = g->o * rows * (whole ? g->ow : columns),
                      .products = g->o * rows * columns * channels};
}

static Products depthwise_products(const CCount *c, bool by_columns)
{
    const ConvGeom *g = &c->n->geom;
    const double rows = c_window_rows(g).inside, columns = c_window_columns(g).inside;
    return (Products){.runs = g->o * (by_columns ? columns * g->oh : rows * g->ow), .products = g->o * rows * columns};
}

static void count_pool(const CCount *c, CycleTerm output, CycleTerm line, CycleTerm tap)
{
    c_count(c, CYCLES_window_cell, (double)c->n->geom.oh * c->n->geom.ow);
    c_count_pool(c, output, line, tap);
}

/* The kernels of these precisions that go over windows, as bits; dense layers are convolutions. */
static unsigned window_kernel(const Graph *g, const Node *n)
{
    const bool floats = node_is_float(g, n), convolves = n->op == NODE_CONV2D || n->op == NODE_DENSE;
    const unsigned kernel = convolves                ? 1
                            : n->op == NODE_DWCONV2D ? 2
                            : n->op == NODE_MAXPOOL  ? 4
                            : n->op == NODE_AVGPOOL  ? 8
                                                     : 0;
    return !floats && !node_is_wide(g, n) ? 0 : floats ? kernel << 4 : kernel;
}

/* Whether several of them are in the model: what finds a window is then called, not compiled into its only caller, and
 * its answer lies in memory. */
static bool windows_are_shared(const Graph *g)
{
    unsigned kernels = 0;
    for (int i = 0; i < g->nodes; i++) kernels |= window_kernel(g, &g->node[i]);
    return (kernels & (kernels - 1)) != 0;
}

/* The terms of a kernel of sums: outputs, of their windows rows, both once more where windows are shared, runs,
 * products. */
typedef struct {
    CycleTerm output, line, shared_output, shared_line, run, product;
} SumTerms;

static void count_sums(const CCount *c, const SumTerms *t, Products p)
{
    count_cells(c);
    c_count(c, t->output, c_outputs(c));
    c_count(c, t->run, p.runs);
    c_count(c, t->line, p.lines);
    if (p.lines > 0.0 && windows_are_shared(c->g)) {
        c_count(c, t->shared_output, c_outputs(c));
        c_count(c, t->shared_line, p.lines);
    }
    c_count(c, t->product, p.products);
}

/* ---- int16 ------------------------------------------------------------------------------------------------------- */

static void count_int16_sums(const CCount *c, CycleTerm output, CycleTerm run, Products p)
{
    const int width = c_weight_width(c->n);
    const SumTerms terms = {.output = output,
                            .line = CYCLES_int16_line,
                            .shared_output = CYCLES_int16_shared_output,
                            .shared_line = CYCLES_int16_shared_line,
                            .run = run,
                            .product = width == 8   ? CYCLES_int16_product8
                                       : width == 4 ? CYCLES_int16_product4
                                                    : CYCLES_int16_product2};
    count_sums(c, &terms, p);
}

static void count_int16_conv2d(const CCount *c)
{
    count_int16_sums(c, CYCLES_int16_conv2d_output, CYCLES_int16_conv2d_run, conv2d_products(c));
}

static void count_int16_depthwise(const CCount *c)
{
    count_int16_sums(c, CYCLES_int16_depthwise_output, CYCLES_int16_depthwise_run, depthwise_products(c, false));
}

static void count_int16_max_pool(const CCount *c)
{
    count_pool(c, CYCLES_int16_max_pool_output, CYCLES_int16_max_pool_line, CYCLES_int16_max_pool_tap);
}

static void count_int16_average_pool(const CCount *c)
{
    count_pool(c, CYCLES_int16_average_pool_output, CYCLES_int16_average_pool_line, CYCLES_int16_average_pool_tap);
}

static void count_int16_add(const CCount *c)
{
    const float a = node_x(c->g, c->n)->scale, b = c->g->tensor[c->n->input[1]].scale, y = node_y(c->g, c->n)->scale;
    AddS16 p;
    c_count_elements(c, CYCLES_int16_add_output);
    if (!add_s16_make(c_exported_rounding(c->g), a, b, y, c->n->lo, c->n->hi, &p)) return;
    c_count_rescale(c, p.m1.e, c_outputs(c));
    c_count_rescale(c, p.m2.e, c_outputs(c));
    c_count_rescale(c, p.mo.e, c_outputs(c));
}

/* Multiplied by `ratio`. */
static void count_rescaled(const CCount *c, CycleTerm term, double ratio)
{
    c_count_elements(c, term);
    c_count_rescale(c, multiplier_s16(ratio).e, c_outputs(c));
}

static void count_int16_multiply(const CCount *c)
{
    const double a = (double)node_x(c->g, c->n)->scale, b = (double)c->g->tensor[c->n->input[1]].scale;
    count_rescaled(c, CYCLES_int16_multiply_output, a * b / (double)node_y(c->g, c->n)->scale);
}

static void count_int16_requantize(const CCount *c)
{
    count_rescaled(c, CYCLES_int16_requantize_output,
                   (double)node_x(c->g, c->n)->scale / (double)node_y(c->g, c->n)->scale);
}

static void count_int16_concat(const CCount *c) { c_count_concat(c, CYCLES_int16_concat_code); }
static void count_int16_quantize(const CCount *c) { c_count_elements(c, CYCLES_int16_quantize_output); }
static void count_int16_dequantize(const CCount *c) { c_count_elements(c, CYCLES_int16_dequantize_output); }

CCounter *const c_wide_counters[NODE_KINDS] = {
    [NODE_CONV2D] = count_int16_conv2d,         [NODE_DWCONV2D] = count_int16_depthwise,
    [NODE_DENSE] = count_int16_conv2d,          [NODE_ADD] = count_int16_add,
    [NODE_MULTIPLY] = count_int16_multiply,     [NODE_CONCAT] = count_int16_concat,
    [NODE_MAXPOOL] = count_int16_max_pool,      [NODE_AVGPOOL] = count_int16_average_pool,
    [NODE_REQUANT] = count_int16_requantize,    [NODE_QUANTIZE] = count_int16_quantize,
    [NODE_DEQUANTIZE] = count_int16_dequantize,
};

/* ---- floats ------------------------------------------------------------------------------------------------------ */

/* What becomes of each output. */
static void count_ends(const CCount *c)
{
    if (c->n->activation != 0) c_count(c, CYCLES_float_relu, c_outputs(c));
    if (c->n->activation == 2) c_count(c, CYCLES_float_relu6, c_outputs(c));
    if (node_y(c->g, c->n)->format != FORMAT_FLOAT32) c_count(c, CYCLES_float_narrow, c_outputs(c));
}

static CycleTerm float_product(const Node *n)
{
    const int width = c_weight_width(n);
    if (n->weights == NULL) return width == 32 ? CYCLES_float_product32 : CYCLES_float_product16;
    return width == 8   ? CYCLES_float_product_code8
           : width == 4 ? CYCLES_float_product_code4
                        : CYCLES_float_product_code2;
}

static void count_float_sums(const CCount *c, CycleTerm output, CycleTerm run, Products p)
{
    const SumTerms terms = {.output = output,
                            .line = CYCLES_float_line,
                            .shared_output = CYCLES_float_shared_output,
                            .shared_line = CYCLES_float_shared_line,
                            .run = run,
                            .product = float_product(c->n)};
    count_sums(c, &terms, p);
    count_ends(c);
}

static void count_float_conv2d(const CCount *c)
{
    count_float_sums(c, CYCLES_float_conv2d_output, CYCLES_float_conv2d_run, conv2d_products(c));
}

static void count_float_depthwise(const CCount *c)
{
    count_float_sums(c, CYCLES_float_depthwise_output, CYCLES_float_depthwise_run,
                     depthwise_products(c, dwconv_f32_by_columns(&c->n->geom)));
}

static void count_float_max_pool(const CCount *c)
{
    count_pool(c, CYCLES_float_max_pool_output, CYCLES_float_max_pool_line, CYCLES_float_max_pool_tap);
    count_ends(c);
}

static void count_float_average_pool(const CCount *c)
{
    count_pool(c, CYCLES_float_average_pool_output, CYCLES_float_average_pool_line, CYCLES_float_average_pool_tap);
    count_ends(c);
}

static void count_float_elements(const CCount *c, CycleTerm term)
{
    c_count_elements(c, term);
    count_ends(c);
}

static void count_float_add(const CCount *c) { count_float_elements(c, CYCLES_float_add_output); }
static void count_float_multiply(const CCount *c) { count_float_elements(c, CYCLES_float_multiply_output); }
static void count_float_activate(const CCount *c) { count_float_elements(c, CYCLES_float_activate_output); }

static void count_float_curve(const CCount *c)
{
    count_float_elements(c, curve_has_exp(c->n->curve) ? CYCLES_float_curve_exp : CYCLES_float_curve_ramp);
}

static void count_float_concat(const CCount *c)
{
    c_count_concat(c, CYCLES_float_concat_output);
    count_ends(c);
}

CCounter *const c_float_counters[NODE_KINDS] = {
    [NODE_CONV2D] = count_float_conv2d,     [NODE_DWCONV2D] = count_float_depthwise,
    [NODE_DENSE] = count_float_conv2d,      [NODE_ADD] = count_float_add,
    [NODE_MULTIPLY] = count_float_multiply, [NODE_CONCAT] = count_float_concat,
    [NODE_MAXPOOL] = count_float_max_pool,  [NODE_AVGPOOL] = count_float_average_pool,
    [NODE_REQUANT] = count_float_activate,  [NODE_LUT] = count_float_curve,
};
