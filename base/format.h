/* Number formats: how the values of a tensor are written down.
 *
 * int8, int16 and int32 hold codes of a grid (base/qparams.h); a grid of fewer than 8 bits lies in int8 as well.  The float
 * formats differ from float32 in how many bits the exponent and the fraction have:
 *
 *     format        exponent  fraction  bias  largest   least normal  least
 *     float32           8        23      127  3.4e38    2^-126        2^-149
 *     float16           5        10       15  65504     2^-14         2^-24
 *     bfloat16          8         7      127  3.39e38   2^-126        2^-133
 *     float8_e4m3       4         3        7  448       2^-6          2^-9     (OCP, Micikevicius 2022, 2209.05433)
 *     float8_e5m2       5         2       15  57344     2^-14         2^-16
 *
 * What computes on such a tensor holds its values as float32, rounded to the format.
 */
#ifndef BITFOLD_BASE_FORMAT_H
#define BITFOLD_BASE_FORMAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum {
    FORMAT_INT8, /* codes of 2 to 8 bits */
    FORMAT_INT16,
    FORMAT_INT32, /* exact sums: of a network's output alone */
    FORMAT_FLOAT32,
    FORMAT_FLOAT16,
    FORMAT_BFLOAT16,
    FORMAT_FLOAT8_E4M3,
    FORMAT_FLOAT8_E5M2,
} Format;
enum { FORMATS = FORMAT_FLOAT8_E5M2 + 1 };
extern const char *const format_names[]; /* "int8", "int16", "int32", "float32", ...: in this order, NULL-ended */

static inline bool format_is_float(Format f) { return f >= FORMAT_FLOAT32; }
size_t format_bytes(Format f); /* of one value, as it is stored in a file */

/* The nearest value of a float format, as its bits; of two equally near ones the even (IEEE 754).  Subnormal results
 * are kept.  Beyond the largest value: infinity in float16 and bfloat16, the largest value in the 8-bit formats,
 * infinity included.  NaN gives a quiet NaN. */
uint32_t format_encode(Format f, float x);
/* The same of a double, rounded once. */
uint32_t format_encode_double(Format f, double x);
/* The value of such bits, exactly. */
float format_decode(Format f, uint32_t bits);

/* Bits of the exponent; the sign has one, the fraction the rest of 8 * format_bytes. */
int format_exponent_bits(Format f);

/* The largest finite value. */
float format_largest(Format f);

/* y[n] = the nearest values of the format, by format_encode; y may be x.  Nothing to do for float32. */
void format_round(Format f, size_t n, const float *x, float *y);

/* Values to and from how a file stores them, format_bytes each, little-endian. */
void format_pack(Format f, size_t n, const float *x, void *stored);
void format_unpack(Format f, size_t n, const void *stored, float *x);

#endif
