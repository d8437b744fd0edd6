/* The kernel table: pure functions on arrays, chosen once at start-up for the CPU.
 *
 * What holds of every kernel and driver here, unless it says otherwise:
 *   - It allocates nothing, starts no thread and cannot fail: what it is given must be sound.  An operation cuts its
 *     work into chunks (base/parallel.h) and calls a kernel for each chunk, with scratch of that thread.  Calls that
 *     write to different memory may run at the same time.
 *   - Arrays belong to the caller and are used during the call alone.  No pointer may be NULL.  What is written overlaps
 *     nothing else.  A result overwrites what was there; "+=" adds to it.
 *   - Activations are [N,H,W,C], outermost dimension first, without gaps.  A count of 0 images or values does nothing.
 *   - Pointers need the alignment of their elements only.
 *
 * Variants, each with all that those before it have: ref (plain C for any CPU), avx2 (AVX2 + FMA), avx512 (F, BW, DQ,
 * VL), vnni, amx (int8 tiles, if the operating system permits them and a known product on them comes out right).
 * BITFOLD_ISA=NAME chooses a lower one.  Integer kernels give the same bits in every variant.  Float kernels give the
 * same bits in one variant, whatever the number of threads: no result of a product, a convolution or a pool depends on
 * how images are split between calls.  The sums of elementwise kernels do depend on where calls begin; their callers fix
 * that by the problem alone.
 */
#ifndef BITFOLD_KERNELS_KERNELS_H
#define BITFOLD_KERNELS_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/qparams.h"

/* A 2-D convolution or pool over a batch.  Weights [O,KH,KW,C/groups]; depthwise [1,KH,KW,C*M] with groups = C, o =
 * C*M, where output channel c*M + m reads channel c.  Pools: o = c.  Output: oh = floor((h + pt + pb - ((kh-1)*dh + 1)) /
 * sh) + 1, ow alike (pb, pr enter nothing else).  All sizes are at least 1, paddings at least 0 (conv_geom_fill).
 * Functions that take `images` use that in place of n, on arrays that begin at the first of these images. */
typedef struct {
    int n, h, w, c; /* input */
    int o, oh, ow;  /* output channels, rows, columns */
    int kh, kw, sh, sw, dh, dw;
    int pt, pb, pl, pr; /* padding: top, bottom, left, right */
    int groups;
} ConvGeom;

/* An input that is either floats or codes; codes are dequantized while they are packed: scale * (q - zero_point).
 * Where both are there, the floats are read. */
typedef struct {
    const float *x;      /* NULL: there are only codes */
    const int8_t *codes; /* NULL: there are only floats */
    float scale;         /* of the codes */
    int zero_point;
} ConvInput;
/* The same from the value at `offset` on. */
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
 * Each c is one chain of (fused) multiply-adds that starts at 0 or at c: no block size enters its bits.  Strides are in
 * elements and may be negative. */
enum { F32_PANEL = 32 };
typedef struct {
    int m, n, rows, runs, k;
    const float *a;
    ptrdiff_t am, arow, arun, ak;
    const float *b;
    ptrdiff_t bpanel, brun, bk; /* bpanel 32: b's rows lie in memory as they are, not in panels */
    float *c;
    ptrdiff_t ldc;
    bool accumulate;
} GemmF32;

/* The same in integers, with b packed by gemm_s16_pack_runs (kernels/gemm_s16.h):
 *     c[m,n] = sum a[m*am + row*arow + run*arun + k] * b(row, run, k, n)
 * k is rounded up to even: the packed b is 0 there, so a may hold anything there but must be readable.  The caller
 * promises |c| < 2^31. */
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
 * start[n] = -zero_point * sums[n] makes that the sum of (q - zero_point) * b.  b is packed by gemm_s8_pack_runs
 * (kernels/gemm_s8.h); k is rounded up to a multiple of 4: b is 0 there, so a may hold anything there, but
 * round_up(k, 4) codes of each run must be readable.
 * Sums wrap modulo 2^32, so c is exact whenever it fits int32, whatever the partial sums are. */
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
 * channel.  The tables are tiled channel vectors: they hold the channels over and over, so that short rows fill long
 * vectors.  requant_rows_make makes them. */
typedef struct {
    Rounding rounding;
    int zero_point, lo, hi; /* of the output, -128 <= lo <= hi <= 127 */
    int channels, period;   /* a multiple of channels */
    const int32_t *bias;    /* [period] */
    const float *f;         /* [period] Multiplier.f */
    const int32_t *m, *e;   /* [period] Multiplier.m and .e */
} RequantRows;

/* A real multiplier of sums on int16 codes, m * 2^-shift (kernels/requant_s16.h makes it). */
typedef struct {
    int32_t m; /* 2^14 to 2^15 - 1, or 2^30 to 2^31 - 1, or 0 */
    int shift; /* 1 to 62 */
} ScaleS16;

/* A convolution of int16 codes: requant_s16(bias + sum x w, scale, lo, hi) by output. */
typedef struct {
    const int16_t *weights; /* -128 to 127, [O,KH,KW,C/groups]; depthwise [KH,KW,O] */
    const int64_t *bias;    /* [O] */
    const ScaleS16 *scale;  /* [O] */
    int lo, hi;
} ConvS16;

/* How the codes under a pool's window become the code of their average: by the function of kernels/requant.h that has
 * the kind's name.  average_rule makes one. */
typedef enum { AVERAGE_CODES, AVERAGE_SCALED, AVERAGE_REALS } AverageKind;
typedef struct {
    AverageKind kind;
    float scale;            /* of the input, and of the output */
    float factor;           /* 1 / count, rounded as scale / (scale * count) in float32 */
    int zero_point, lo, hi; /* of the input; what the output is clamped to */
} AverageRule;

typedef struct DwRowsS8 DwRowsS8; /* kernels/dwconv_s8.h */
struct AddParams;                 /* kernels/requant.h */

/* The grid of one scale that values are rounded to: q = rne(clip(z / scale, lo - zero_point, hi - zero_point)) +
 * zero_point, with the division in float32 and rne rounding half to even (quantize_value, quant/quantizer.h). */
typedef struct {
    float scale;            /* > 0 */
    int zero_point, lo, hi; /* -128 <= lo <= hi <= 127 */
} QuantizeGrid;

/* The extremes of values, joined over calls; starts as {INFINITY, -INFINITY, false}. */
typedef struct {
    float min, max;
    bool not_finite; /* a value was NaN or infinite; min and max mean nothing then */
} Extremes;

/* A learned step and where the gradient passes: lo <= z / step <= hi. */
typedef struct {
    float step;   /* > 0 */
    float lo, hi; /* in units of the step */
    float above;  /* d(y)/d(step) where z / step > hi */
} StepGate;

/* Batch norm and what follows it: z = scale * y + shift, and the gradient passes where lo <= z <= hi.  The pointers are
 * tiled channel vectors, [period]. */
typedef struct {
    const float *scale, *shift, *mean;
    const float *mean_dy, *slope; /* norm_backward alone: mean of g, and scale * mean(g * xhat) / deviation */
    float lo, hi;
} NormTables;

typedef struct Kernels {
    const char *isa; /* the variant's name */

    /* ---- products: the equations are with their structs, above ---- */

    void (*gemm_runs_f32)(const GemmF32 *g);
    void (*gemm_runs_s16)(const GemmS16 *g);
    void (*gemm_runs_s8)(const GemmS8 *g); /* NULL: there is none, and conv_s8 takes gemm_runs_s16 */

    /* ---- depthwise convolutions: groups = C, weights [KH,KW,C*M] ---- */

    /* y[images,OH,OW,O] = sum x * w; cells outside the image contribute 0. */
    void (*dwconv_f32_forward)(const ConvGeom *g, int images, ConvInput x, const float *w, float *y);
    /* dx[images,H,W,C] += the gradient of that sum in x. */
    void (*dwconv_f32_backward_data)(const ConvGeom *g, int images, const float *dy, const float *w, float *dx);
    /* dw[KH,KW,C*M] += its gradient in w, summed over the images in their order. */
    void (*dwconv_f32_backward_weights)(const ConvGeom *g, int images, ConvInput x, const float *dy, float *dw);
    /* acc[images,OH,OW,O] = sum (x - zx) * w, which must fit int32; cells outside the image contribute 0. */
    void (*dwconv_s8_forward)(const ConvGeom *g, int images, const int8_t *x, int zx, const int8_t *w, int32_t *acc);
    /* The same for rows of a strip (kernels/dwconv_s8.h).  NULL: there is none, and dwconv_s8 takes dwconv_s8_forward. */
    void (*dwconv_rows_s8)(const DwRowsS8 *g);

    /* ---- convolutions of int16 codes (kernels/conv_s16.inc); |bias + sum| < 2^47 ---- */

    /* y[images,OH,OW,O]; scratch: conv_s16_scratch_bytes.  The second: depthwise. */
    void (*conv_s16_forward)(const ConvGeom *g, int images, const int16_t *x, const ConvS16 *k, int16_t *y,
                             void *scratch);
    void (*dwconv_s16_forward)(const ConvGeom *g, int images, const int16_t *x, const ConvS16 *k, int16_t *y,
                               void *scratch);

    /* ---- pools: cells outside the image are ignored, and a window without a cell inside gives 0 ---- */

    /* y[images,OH,OW,C] = the largest value of each window. */
    void (*maxpool_f32_forward)(const ConvGeom *g, int images, const float *x, float *y);
    void (*maxpool_s8_forward)(const ConvGeom *g, int images, const int8_t *x, int8_t *y);
    /* Each dy goes to the first value of its window, by rows, that equals y.  fresh: dx need not be initialised and
     * every element is written; otherwise dx +=. */
    void (*maxpool_f32_backward)(const ConvGeom *g, int images, const float *x, const float *y, const float *dy,
                                 bool fresh, float *dx);
    void (*maxpool_s8_backward)(const ConvGeom *g, int images, const int8_t *x, const int8_t *y, const float *dy,
                                bool fresh, float *dx);
    /* y[images,OH,OW,C] = the average of each window by the rule.  Those of floats are drivers, below. */
    void (*avgpool_s8_forward)(const ConvGeom *g, int images, const int8_t *x, const AverageRule *rule, int8_t *y);

    /* ---- conversions of n codes of one grid ---- */

    /* real[i] = scale * (q[i] - zero_point): an exact difference, one rounding to float32. */
    void (*dequantize)(size_t n, const int8_t *q, float scale, int zero_point, float *real);
    /* wide[i] = q[i] - zero_point, -255 to 255. */
    void (*widen)(size_t n, const int8_t *q, int zero_point, int16_t *wide);

    /* ---- requantization ---- */

    /* y[i] = the code of acc[i] + bias of its channel; acc[0] is of channel 0.  |acc + bias| < 2^31. */
    void (*requantize_rows)(const RequantRows *r, size_t count, const int32_t *acc, int8_t *y);
    /* y[i] = requant_add(p, a[i], b[i]).  a and b may be the same memory. */
    void (*requant_add_rows)(const struct AddParams *p, size_t n, const int8_t *a, const int8_t *b, int8_t *y);

    /* ---- elementwise: what is done to the values around a product ----
     *
     * n values whose channel runs innermost.  Per-channel arguments and sums are tiled channel vectors of `period`
     * values: the channels, repeated so often that a loop over the table is worth while (tile_channels, autograd/norm.h).
     * Value i meets entry i % period, so value 0 must be of channel 0, and the sums of a channel are those of its
     * entries together.  Each entry sums its values in their order, in float.
     * Only this memory may be the same, from its first element on: z of scale_shift and y's; z of add_f32 and a's or
     * b's; y of relu_f32 and z's; g of gate and z's or dy's; g of select_inside and dy's; dx of norm_backward and dy's
     * (not y's). */

    /* In place: n int32 sums become floats, y = scale * sum. */
    void (*scale_channels)(size_t n, size_t period, const float *scale, void *sums);
    /* z = scale * y + shift */
    void (*scale_shift)(size_t n, size_t period, const float *scale, const float *shift, const float *y, float *z);
    /* sum[i % period] += x[i] */
    void (*channel_sums_f32)(size_t n, size_t period, const float *x, float *sum);
    /* sum[i % period] += (x[i] - mean[i % period])^2 */
    void (*channel_deviations)(size_t n, size_t period, const float *mean, const float *x, float *sum);
    /* z = a + b */
    void (*add_f32)(size_t n, const float *a, const float *b, float *z);
    /* y = min(max(z, 0), limit) */
    void (*relu_f32)(size_t n, float limit, const float *z, float *y);
    /* codes[i] = z[i] on the grid; joins what it saw to *extremes. */
    void (*quantize)(size_t n, const float *z, const QuantizeGrid *grid, int8_t *codes, Extremes *extremes);
    /* Joins x[n] to *extremes. */
    void (*extremes)(size_t n, const float *x, Extremes *extremes);
    /* g = lo <= z <= hi ? dy : 0 */
    void (*gate)(size_t n, float lo, float hi, const float *z, const float *dy, float *g);
    /* The gradient of the integer layers passes where v, the value before rounding, lies inside the grid.
     * v = factor * (acc + bias), the sum in int32 and exact, the product in float32 */
    void (*scale_acc)(size_t n, size_t period, const int32_t *bias, const float *factor, const int32_t *acc, float *v);
    /* inside = lo <= v <= hi ? 1 : 0 */
    void (*inside)(size_t n, float lo, float hi, const float *v, uint8_t *inside);
    /* g = inside ? dy : 0 */
    void (*select_inside)(size_t n, const uint8_t *inside, const float *dy, float *g);
    /* The sum of dy * d(y)/d(step) over n values, with v = z / step: d(y)/d(step) is rne(v) - v inside, lo below and
     * `above` above (Esser 2020, arXiv 1902.08153, eq. 3).  In blocks of float sums, joined in double in their order. */
    double (*step_gradient)(size_t n, const float *z, const float *dy, const StepGate *step);
    /* sum[i % period] += g,  sum_y[i % period] += g * (y - mean),  g = dy where lo <= scale * y + shift <= hi, else 0 */
    void (*norm_sums)(size_t n, size_t period, const NormTables *norm, const float *y, const float *dy, float *sum,
                      float *sum_y);
    /* dx = scale * (g - mean_dy) - slope * (y - mean), with that g (Ioffe and Szegedy 2015, arXiv 1502.03167) */
    void (*norm_backward)(size_t n, size_t period, const NormTables *norm, const float *y, const float *dy, float *dx);
} Kernels;

/* The table that is in use; never NULL.  The first call chooses it, if kernels_select has not: the variant BITFOLD_ISA
 * names, or the best one where that cannot be had.  Any thread may call it. */
const Kernels *kernels(void);

/* Chooses the variant of this name; NULL: the one BITFOLD_ISA names, or the best if there is no such variable.  False:
 * the name is unknown or the CPU lacks it; *error is then a constant sentence without the name, and the choice is as it
 * was.  The program and tests call it before anything else: weights that were packed before are of no use after. */
bool kernels_select(const char *isa_or_null, const char **error);

/* Whose arithmetic the table has: tables of one name give equal bytes (integer kernels always do; in floats those with
 * fused multiply-add share one order of sums).  "fma", or "ref on <machine>"; a constant. */
const char *kernels_arithmetic(void);

/* The variant that brings the table's entry of this name ("gemm_runs_f32"): the lowest with the same function.  A
 * constant.  NULL: the table has no such entry, or nothing in it. */
const char *kernels_variant(const char *entry);

/* ---- convolution drivers on top of the table (kernels/conv_*.c), any geometry ----
 *
 * Implicit gemm: the product reads windows of the image in place, through its three-level inner dimension (kernel row,
 * kernel column, channel).  Only what has to change first, padding or codes that no product takes as they are, is
 * copied, once per element and not once per tap, to a strip of rows in scratch.  A dense layer is the 1x1 convolution
 * of 1x1 images.  Scratch is memory of the calling thread, of any alignment and content.
 */

/* Bytes of scratch that are enough for each conv_f32 function that takes some. */
size_t conv_scratch_bytes(const ConvGeom *g);

/* Weights w[O,KH,KW,C/groups] in the layout that conv_f32_forward reads (panels of 32 outputs, the last filled up with
 * zeros): made once per step, not once per image.  packed[conv_f32_packed_count]. */
size_t conv_f32_packed_count(const ConvGeom *g); /* in floats */
void conv_f32_pack(const ConvGeom *g, const float *w, float *packed);

/* y[images,OH,OW,O] = sum x * w, without bias; cells outside the image contribute 0. */
void conv_f32_forward(const ConvGeom *g, int images, ConvInput x, const float *packed, float *y, void *scratch);
/* dx[images,H,W,C] += its gradient in x, from weights w[O,KH,KW,C/groups] that are not packed. */
void conv_f32_backward_data(const ConvGeom *g, int images, const float *dy, const float *w, float *dx);
/* dw[O,KH,KW,C/groups] += its gradient in w, summed over the images in their order. */
void conv_f32_backward_weights(const ConvGeom *g, int images, ConvInput x, const float *dy, float *dw, void *scratch);

/* The integer forward pass.  What is packed is for the variant that is selected at that time, and the sizes are its. */
typedef struct {
    /* Bytes of packed weights; and their making from w, in memory that is aligned to 64 bytes. */
    size_t (*packed_bytes)(const ConvGeom *g);
    void (*pack)(const ConvGeom *g, const int8_t *w, void *packed);
    size_t (*scratch_bytes)(const ConvGeom *g); /* for each thread */
    /* acc[images,OH,OW,O] = sum (x - zx) * w, which must fit int32; padding contributes exactly 0. */
    void (*sums)(const ConvGeom *g, int images, const int8_t *x, int zx, const void *packed, int32_t *acc,
                 void *scratch);
    /* y[images,OH,OW,O] = the codes of those sums by r, made a few rows at a time, as soon as they are summed. */
    void (*codes)(const ConvGeom *g, int images, const int8_t *x, int zx, const void *packed, const RequantRows *r,
                  int8_t *y, void *scratch);
} ConvS8;
extern const ConvS8 conv_s8;   /* weights [O,KH,KW,C/groups] */
extern const ConvS8 dwconv_s8; /* weights [KH,KW,C*M] */
static inline const ConvS8 *conv_s8_of(bool depthwise) { return depthwise ? &dwconv_s8 : &conv_s8; }

/* Whether dwconv_s8 takes dwconv_rows_s8 for this geometry. */
bool dwconv_s8_by_rows(const ConvGeom *g);

/* ---- int16 codes (kernels/pool_s16.c, conv_s16.inc) ---- */

/* As the table's maxpool; the average is the sum divided, half away from zero, clamped. */
void maxpool_s16_forward(const ConvGeom *g, int images, const int16_t *x, int16_t *y);
void avgpool_s16_forward(const ConvGeom *g, int images, const int16_t *x, int lo, int hi, int16_t *y);
/* Scratch of conv_s16_forward and dwconv_s16_forward, aligned for int64. */
static inline size_t conv_s16_scratch_bytes(const ConvGeom *g)
{
    const size_t row = sizeof(int16_t) * (size_t)g->kh * (size_t)g->kw * (size_t)(g->c / g->groups);
    const size_t sums = sizeof(int64_t) * (size_t)g->o;
    return row > sums ? row : sums;
}

/* ---- average pools of floats (kernels/pool.c), as the table's pools ---- */

/* y[images,OH,OW,C] = the mean of each window's cells inside the image. */
void avgpool_f32_forward(const ConvGeom *g, int images, const float *x, float *y);
/* Each cell gets dy / count of its window.  fresh: dx is written as a whole; otherwise dx +=. */
void avgpool_backward(const ConvGeom *g, int images, const float *dy, bool fresh, float *dx);

#endif
