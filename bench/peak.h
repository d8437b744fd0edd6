/* What this machine can do at most, measured now: the loops that every other figure is a share of. */
#ifndef BITFOLD_BENCH_PEAK_H
#define BITFOLD_BENCH_PEAK_H

#include <stddef.h>

/* Operations a second (a multiply-add is two) of multiply-adds on registers alone, by `threads` threads: in floats by
 * the widest FMA, in bytes by the widest dot product.  *name says which instruction; 0 where there is none. */
double peak_float(int threads, const char **name);
double peak_int8(int threads, const char **name);

/* Bytes a second of a[i] = b[i] + s * c[i] over three arrays of `bytes` bytes in all. */
double peak_triad(int threads, size_t bytes);

#endif
