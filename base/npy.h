/* NumPy's .npy files: "\x93NUMPY", version, header length (16 bits in version 1, 32 in 2 and 3, little-endian), then the
 * header as a Python dictionary {'descr': '|u1', 'fortran_order': False, 'shape': (60000, 28, 28), } and the elements. */
#ifndef BITFOLD_BASE_NPY_H
#define BITFOLD_BASE_NPY_H

#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/file.h"
#include "base/status.h"

enum { NPY_MAX_RANK = 8, NPY_MAX_HEADER_BYTES = 65536, NPY_BEGIN_BYTES = 10 };

typedef struct {
    char order, kind; /* '<', '>', '=' or '|'; 'u', 'i' or 'f' */
    int width;        /* bytes of an element: 1, 2, 4 or 8; 0: another */
    int rank;
    uint64_t dim[NPY_MAX_RANK]; /* those beyond the rank are 1 */
} Npy;

/* How a file begins: where its header lies.  In version 2 and 3 the length goes on for 2 bytes behind the first
 * NPY_BEGIN_BYTES: *more is then 2 and the length not yet known; npy_begin is called again with `more` bytes more. */
Status npy_begin(const char *path, const uint8_t *bytes, size_t given, size_t *more, uint32_t *header_bytes);
/* The header, header_bytes of it and room for a NUL: its text is made fit for a message in place.  STATUS_FORMAT and
 * STATUS_UNSUPPORTED (Fortran order) name the path. */
Status npy_header(const char *path, char *text, uint32_t header_bytes, Npy *npy);

/* One element: of kinds 'u' and 'i' (beyond int64 the largest), of kind 'f' with 2, 4 or 8 bytes. */
int64_t npy_integer(const Npy *npy, const uint8_t *at);
double npy_real(const Npy *npy, const uint8_t *at);

/* Writes a file: descr "<f4", "|i1" and so on; atomic (base/file.h). */
Status npy_write(Arena *arena, const char *path, const char *descr, int rank, const int64_t *dim, const void *data,
                 size_t bytes);

#endif
