/* Depthwise convolution on bytes: what its driver hands to a variant's dwconv_rows_s8.
 *
 * A strip holds codes as q + 128, padded with that of the zero point; its rows are cut into sw planes of the columns p,
 * p + sw, ..: tap j of every output pixel of a row is then one run of a plane, so a row of outputs is ow * C cells in a
 * row whatever the stride, and cell i has channel i % C. */
#ifndef BITFOLD_KERNELS_DWCONV_S8_H
#define BITFOLD_KERNELS_DWCONV_S8_H

#include "kernels/kernels.h"

enum { DW_BLOCK = 64, DW_TAPS = 3, DW_BLOCK_BYTES = 4 * DW_BLOCK };

struct DwRowsS8 {
    int rows, outputs, cells, period; /* kernel rows, output rows, cells of a row, cells until the tables repeat */
    const uint8_t *x;                 /* readable to a multiple of DW_BLOCK cells */
    ptrdiff_t tap[DW_TAPS];           /* where a kernel row's taps begin */
    ptrdiff_t row, step;              /* from a kernel row, from an output row to the next */
    const int8_t *w;            /* per block of the period and kernel row: quad k, lane l, channel 16 l + 4 k + i */
    const int32_t *start;       /* [period] */
    const RequantRows *requant; /* xnnpack, its bias being in start; NULL: acc is wanted */
    int32_t *acc;
    int8_t *y;
    ptrdiff_t ld;
};

#endif
