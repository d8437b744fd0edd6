/* The kernel table: pure functions, chosen once at start-up for the CPU.
 *
 * No allocation, no tensors, no errors, no threads in here: an op cuts its work into chunks (base/parallel.h) and
 * calls a kernel per chunk with that thread's scratch.  Everything is NHWC, outermost dimension first.
 *
 * Variants, each with all of the ones before it: ref (plain C for any CPU), avx2 (AVX2 + FMA), avx512 (F, BW, DQ, VL),
 * vnni, amx (int8 tiles, if the operating system permits them and a known product on them comes out right).
 * BITFOLD_ISA=NAME overrides the choice downwards.  Integer kernels give the same bits in every variant; float kernels
 * the same bits for one variant, whatever the thread count: no result of a product, a convolution or a pool depends on
 * how images are split between calls.  The sums of passes do depend on where calls begin; their callers fix that by the
 * problem alone.
 */
#ifndef BITFOLD_KERNELS_KERNELS_H
#define BITFOLD_KERNELS_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/qparams.h"

/* A 2-D convolution or pool over a batch.  Weights [O,KH,KW,C/groups]; depthwise [1,KH,KW,C*M] with groups = C, o =
 * C*M. Output: oh = floor((h + pt + pb - ((kh-1)*dh + 1)) / sh) + 1, ow alike (pb, pr enter nothing else). */
typedef struct {
    int n, h, w, c; /* input */
    int o, oh, ow;  /* output channels, rows, columns */
    int kh, kw, sh, sw, dh, dw;
    int pt, pb, pl, pr; /* padding: top, bottom, left, right */
    int groups;
} ConvGeom;

/* An input that is either floats or codes; codes are dequantized while they are packed: scale * (q - zero_point). */
typedef struct {
    const float *x; /* NULL when only codes exist */
    const int8_t *codes;
    float scale;
    int zero_point;
} ConvInput;
static inline ConvInput input_at(const ConvInput *x, ptrdiff_t offset)
{
    ConvInput at = *x;
    if (x->x != NULL) at.x += offset;
    if (x->codes != NULL) at.codes += offset;
    return at;
}

/* A product whose inner dimension has three levels, so that a convolution reads its input in place:
 *     c[m,n] = (accumulate ? c : 0) + sum over row, run, k, in this order, of
 *              a[m*am + row*arow + run*arun + k*ak] * b[(n/32)*bpanel + (row*runs + run)*brun + k*bk + n%32]
 * Each c is one chain of (fused) multiply-adds that starts at 0 or at c: no block size enters its bits. */
enum { F32_PANEL = 32 };
typedef struct {
    int m, n, rows, runs, k;
    const float *a;
    ptrdiff_t am, arow, arun, ak;
    const float *b;
    ptrdiff_t bpanel, brun, bk; /* bpanel 32: plain rows */
    float *c;
    ptrdiff_t ldc;
    bool accumulate;
} GemmF32;

/* The same in integers, with b packed: c[m,n] = sum a[m*am + row*arow + run*arun + k] * b(row, run, k, n).  k is
 * rounded up to even: the packed b is 0 there, so a may hold anything there but must be readable.  |c| < 2^31 is the
 * caller's promise. */
typedef struct {
    int m, n, rows, runs, k;
    const int16_t *a;
    ptrdiff_t am, arow, arun;
    const int16_t *b;
    int32_t *c;
    ptrdiff_t ldc;
} GemmS16;

/* The same on codes as they are, for CPUs with a dot product of bytes:
 *     c[m,n] = start[n] + sum q * b,  q = a[m*am + row*arow + run*arun + k]
 * start[n] = -zero_point * sums[n] makes that sum (q - zero_point) * b.  b is packed by gemm_s8_pack_runs
 * (kernels/gemm_s8.h); k is rounded up to a multiple of 4: b is 0 there, so a may hold anything there.  Of each run
 * round_up(k, 4) codes must be readable.
 * Sums wrap modulo 2^32, so c is exact whenever it fits, whatever happens on the way to it. */
typedef struct {
    int m, n, rows, runs, k; /* k in codes */
    const int8_t *a;
    ptrdiff_t am, arow, arun;
    const int8_t *b;
    const int32_t *start; /* [n rounded up to 16] */
    const int32_t *sums;  /* [n rounded up to 16] sum of b's column: for a kernel that reads codes as q + 128 */
    int32_t *c;
    ptrdiff_t ldc;
} GemmS8;

/* How rows of accumulators become codes (kernels/requant.h): requant(rounding, acc + bias, M, zero_point, lo, hi) by
 * channel.  The tables hold the channels over and over, so that short rows fill long vectors. */
typedef struct {
    Rounding rounding;
    int zero_point, lo, hi;
    int channels, period; /* a multiple of channels */
    const int32_t *bias;  /* [period] */
    const float *f;       /* [period] Multiplier by fields */
    const int32_t *m, *e;
} RequantRows;

/* How the codes under a pool's window become the code of their average (kernels/requant.h: functions of these names). */
typedef enum { AVERAGE_CODES, AVERAGE_SCALED, AVERAGE_REALS } AverageKind;
typedef struct {
    AverageKind kind;
    float scale, factor; /* of the input; 1 / count, rounded as s / (s * count) */
    int zero_point, lo, hi;
} AverageRule;

typedef struct DwRowsS8 DwRowsS8; /* kernels/dwconv_s8.h */
struct AddParams;                 /* kernels/requant.h */

/* Where quantization ends: q = rne(clip(z / scale, lo - zero_point, hi - zero_point)) + zero_point. */
typedef struct {
    float scale;
    int zero_point, lo, hi;
} QuantizeGrid;

/* What a pass saw; starts as {INFINITY, -INFINITY, false}. */
typedef struct {
    float min, max;
    bool not_finite;
} Extremes;

/* A learned step and where the gradient passes, lo <= z / step <= hi; above: d(y)/d(step) beyond hi. */
typedef struct {
    float step, lo, hi, above;
} StepGate;

/* Batch norm and what follows it: z = scale * y + shift; the gradient passes where lo <= z <= hi. */
typedef struct {
    const float *scale, *shift, *mean;
    const float *mean_dy, *slope; /* backward: mean of g, and scale * mean(g * xhat) / deviation */
    float lo, hi;
} NormTables;

typedef struct Kernels {
    const char *isa;

    /* ---- products ---- */

    void (*gemm_runs_f32)(const GemmF32 *g);
    void (*gemm_runs_s16)(const GemmS16 *g);
    void (*gemm_runs_s8)(const GemmS8 *g); /* NULL: none, conv_s8 takes gemm_runs_s16 */

    /* ---- depthwise convolutions of `images` images; x, y, dy, dx at the first image ---- */

    void (*dwconv_f32_forward)(const ConvGeom *g, int images, ConvInput x, const float *w, float *y);
    /* dx += */
    void (*dwconv_f32_backward_data)(const ConvGeom *g, int images, const float *dy, const float *w, float *dx);
    /* dw += */
    void (*dwconv_f32_backward_weights)(const ConvGeom *g, int images, ConvInput x, const float *dy, float *dw);
    /* acc = sum (x - zx) * w, cells outside the image contribute 0. */
    void (*dwconv_s8_forward)(const ConvGeom *g, int images, const int8_t *x, int zx, const int8_t *w, int32_t *acc);
    /* Rows of a strip (kernels/dwconv_s8.h).  NULL: none, dwconv_s8_* take dwconv_s8_forward. */
    void (*dwconv_rows_s8)(const DwRowsS8 *g);

    /* ---- pools; cells outside the image are ignored, a window without a cell inside gives 0 ---- */

    /* The largest of each window.  Backward: dy goes to the first of the window's values that equals y; fresh: dx holds
     * nothing yet, else dx +=. */
    void (*maxpool_f32_forward)(const ConvGeom *g, int images, const float *x, float *y);
    void (*maxpool_s8_forward)(const ConvGeom *g, int images, const int8_t *x, int8_t *y);
    void (*maxpool_f32_backward)(const ConvGeom *g, int images, const float *x, const float *y, const float *dy,
                                 bool fresh, float *dx);
    void (*maxpool_s8_backward)(const ConvGeom *g, int images, const int8_t *x, const int8_t *y, const float *dy,
                                bool fresh, float *dx);
    /* The average of each window by the rule; those of floats are drivers, below. */
    void (*avgpool_s8_forward)(const ConvGeom *g, int images, const int8_t *x, const AverageRule *rule, int8_t *y);

    /* ---- conversions: real[i] = scale * (q[i] - zero_point); wide[i] = q[i] - zero_point ---- */

    void (*dequantize)(size_t n, const int8_t *q, float scale, int zero_point, float *real);
    void (*widen)(size_t n, const int8_t *q, int zero_point, int16_t *wide);

    /* ---- requantization ---- */

    /* y[i] = code of acc[i] + bias; acc[0] is of channel 0.  |acc + bias| < 2^31. */
    void (*requantize_rows)(const RequantRows *r, size_t count, const int32_t *acc, int8_t *y);
    /* y[i] = requant_add(p, a[i], b[i]) */
    void (*requant_add_rows)(const struct AddParams *p, size_t n, const int8_t *a, const int8_t *b, int8_t *y);

    /* ---- passes over the values around a product ----
     *
     * n values whose channel runs innermost.  Per-channel arguments and sums are tables of `period` values, the
     * channels repeated so often that a turn through the table is worth a loop (autograd/norm.h makes them): value i
     * meets entry i % period.  The same memory may be, exactly: z of affine and add an operand's, y of relu z's, g of
     * gate z's or dy's, dx of norm_backward dy's, not y's.  Nothing else may overlap. */

    /* In place: int32 sums to floats y = scale * sum. */
    void (*scale_channels)(size_t n, size_t period, const float *scale, void *sums);
    /* z = scale * y + shift */
    void (*scale_shift)(size_t n, size_t period, const float *scale, const float *shift, const float *y, float *z);
    /* sum[i % period] += x[i];  sum[i % period] += (x[i] - mean[i % period])^2 */
    void (*channel_sums_f32)(size_t n, size_t period, const float *x, float *sum);
    void (*channel_deviations)(size_t n, size_t period, const float *mean, const float *x, float *sum);
    /* z = a + b */
    void (*add_f32)(size_t n, const float *a, const float *b, float *z);
    /* y = min(max(z, 0), limit) */
    void (*relu_f32)(size_t n, float limit, const float *z, float *y);
    void (*quantize)(size_t n, const float *z, const QuantizeGrid *grid, int8_t *codes, Extremes *extremes);
    /* g = lo <= z <= hi ? dy : 0 */
    void (*gate)(size_t n, float lo, float hi, const float *z, const float *dy, float *g);
    /* The integer layers' gradient passes where v = factor * (acc + bias), their value before rounding, lies inside:
     * v;  inside = lo <= v <= hi;  g = inside ? dy : 0 */
    void (*scale_acc)(size_t n, size_t period, const int32_t *bias, const float *factor, const int32_t *acc, float *v);
    void (*inside)(size_t n, float lo, float hi, const float *v, uint8_t *inside);
    void (*select_inside)(size_t n, const uint8_t *inside, const float *dy, float *g);
    /* sum of dy * d(y)/d(step), v = z / step:  rne(v) - v inside, lo below, `above` beyond (Esser 2020, 1902.08153) */
    double (*step_gradient)(size_t n, const float *z, const float *dy, const StepGate *step);
    /* sum += g;  sum_y += g * (y - mean), g = dy gated by z */
    void (*norm_sums)(size_t n, size_t period, const NormTables *norm, const float *y, const float *dy, float *sum,
                      float *sum_y);
    /* dx = scale * (g - mean_dy) - slope * (y - mean) */
    void (*norm_backward)(size_t n, size_t period, const NormTables *norm, const float *y, const float *dy, float *dx);
} Kernels;

/* The table for this CPU (or BITFOLD_ISA); never NULL.  kernels_select is called by main and by tests; it fails only
 * for a BITFOLD_ISA that is unknown or that the CPU lacks, with the sentence in *error. */
const Kernels *kernels(void);
bool kernels_select(const char *isa_or_null, const char **error);

/* Whose arithmetic the table has: tables of one name give equal bytes (integer kernels always do; in floats those with
 * fused multiply-add share one order of sums).  "fma", or "ref on <machine>". */
const char *kernels_arithmetic(void);

/* The variant that brings the table's entry of this name ("gemm_runs_f32"): the lowest with the same function.  NULL:
 * the table has no such entry, or nothing in it. */
const char *kernels_variant(const char *entry);

/* ---- convolution drivers on top of the table (kernels/conv_*.c), any geometry ----
 *
 * Implicit gemm: the product reads windows of the image in place, through its three-level inner dimension (kernel row,
 * kernel column, channel).  Only what has to change first, padding or codes that no product takes as they are, is
 * copied, once per element and not once per tap, to a strip of rows in scratch.  A dense layer is the 1x1 convolution
 * of 1x1 images.
 */

size_t conv_scratch_bytes(const ConvGeom *g); /* per thread, enough for each conv_f32 function that takes it */

/* Weights [O,KH,KW,C/groups] to the layout conv_f32_forward reads (panels of 32 outputs, the last filled up with
 * zeros): once per step, not per image. */
size_t conv_f32_packed_count(const ConvGeom *g); /* floats */
void conv_f32_pack(const ConvGeom *g, const float *w, float *packed);
void conv_f32_forward(const ConvGeom *g, int images, ConvInput x, const float *packed, float *y, void *scratch);
void conv_f32_backward_data(const ConvGeom *g, int images, const float *dy, const float *w, float *dx); /* dx += */
void conv_f32_backward_weights(const ConvGeom *g, int images, ConvInput x, const float *dy, float *dw,
                               void *scratch); /* dw += */

/* Integer forward.  The packed weights are the selected variant's own: select first. */
typedef struct {
    size_t (*packed_bytes)(const ConvGeom *g);
    void (*pack)(const ConvGeom *g, const int8_t *w, void *packed); /* packed: 64-byte aligned */
    size_t (*scratch_bytes)(const ConvGeom *g);                     /* per thread */
    /* acc[OH,OW,O] = sum (x - zx) * w: padding contributes exactly 0. */
    void (*sums)(const ConvGeom *g, int images, const int8_t *x, int zx, const void *packed, int32_t *acc,
                 void *scratch);
    /* y[OH,OW,O] = the codes of those sums, a few rows at a time behind the product. */
    void (*codes)(const ConvGeom *g, int images, const int8_t *x, int zx, const void *packed, const RequantRows *r,
                  int8_t *y, void *scratch);
} ConvS8;
extern const ConvS8 conv_s8;   /* weights [O,KH,KW,C/groups] */
extern const ConvS8 dwconv_s8; /* weights [KH,KW,C*M] */
static inline const ConvS8 *conv_s8_of(bool depthwise) { return depthwise ? &dwconv_s8 : &conv_s8; }

/* Whether dwconv_s8 takes dwconv_rows_s8 for this geometry. */
bool dwconv_s8_by_rows(const ConvGeom *g);

/* ---- average pools of floats (kernels/pool.c), as the table's pools ---- */

void avgpool_f32_forward(const ConvGeom *g, int images, const float *x, float *y);
void avgpool_backward(const ConvGeom *g, int images, const float *dy, bool fresh, float *dx);

#endif
