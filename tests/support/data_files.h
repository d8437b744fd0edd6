/* Small files of each data format in a temporary folder. */
#ifndef BITFOLD_TESTS_SUPPORT_DATA_FILES_H
#define BITFOLD_TESTS_SUPPORT_DATA_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"

char *folder_make(Arena *arena);        /* new and empty */
void folder_remove(const char *folder); /* with all that is in it */

/* folder/name with these bytes; missing folders in `name` are created. */
void put_bytes(const char *folder, const char *name, const void *bytes, size_t n);
void put_gzip(const char *folder, const char *name, const void *bytes, size_t n);

/* Cuts folder/name to n bytes, or sets its byte `at`. */
void cut_file(const char *folder, const char *name, size_t n);
void poke_file(const char *folder, const char *name, long at, uint8_t value);

/* IDX: images [n,h,w] and labels [n]. */
void put_idx_images(const char *folder, const char *name, int n, int h, int w, const uint8_t *pixels, bool zipped);
void put_idx_labels(const char *folder, const char *name, int n, const uint8_t *labels, bool zipped);

/* .npy of this version and header text, padded as numpy does. */
void put_npy(const char *folder, const char *name, int version, const char *header, const void *data, size_t bytes);

typedef struct {
    int w, h, bits, type; /* type: PNG_COLOR_TYPE_* */
    bool interlaced;
    const uint8_t *palette; /* type palette: entries of 3 bytes ... */
    int entries;
    const uint8_t *alpha; /* ... and their tRNS, or NULL */
    const uint8_t *rows;  /* h rows as the file stores them (16 bits big-endian, bits packed) */
} Picture;
void put_png(const char *folder, const char *name, const Picture *picture);

#endif
