/* Pictures: files to bytes [H,W,C] of the size and channels that a model wants.
 *
 * A decoder is one kind of file, registered in decoders.def.  A folder knows pictures by the ends of their names; how a
 * file is decoded depends on its first bytes alone. */
#ifndef BITFOLD_DATASETS_DECODER_H
#define BITFOLD_DATASETS_DECODER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/status.h"

enum { MAX_SIDE = 16384 };

/* One picture to decode, and what it is to become. */
typedef struct {
    const char *path;    /* for messages */
    const uint8_t *file; /* the whole file */
    size_t file_bytes;
    int want_hwc[3];
    bool crop;      /* the centre of the wanted aspect, else all of it */
    uint8_t *out;   /* [want_hwc] */
    int *size_hw;   /* rows and columns, as the picture is shown, are all that is wanted; NULL: pixels */
    Arena *scratch; /* may be reset after */
} PictureJob;

/* A decoder refuses what is damaged, and what is too large, before it takes memory by a size that the file names:
 * picture_check.  Its bytes are a function of the file alone, on every machine.  It is called by several threads. */
typedef struct {
    const char *name;                                  /* "PNG" */
    const char *const *extensions;                     /* without the dot, NULL-ended; any case */
    bool (*begins)(const uint8_t *file, size_t bytes); /* whether a file starts as one of this kind does */
    Status (*decode)(const PictureJob *job);           /* STATUS_FORMAT, _UNSUPPORTED, _NOMEM name file and finding */
} DecoderType;

extern const DecoderType *const decoder_types[]; /* NULL-ended, from decoders.def */

/* Whether a file of this name is a picture that a decoder reads. */
bool picture_is_read(const char *name);

/* Whether its name is that of a picture, of a kind that is read or of another. */
bool picture_is_named(const char *name);

/* "PNG or JPEG". */
const char *picture_kinds(Arena *arena);

/* The picture of a file of any kind that is read, resized (bilinear) or, if `crop`, its centre: bytes [H,W,C] in the
 * arena, C 1 (gray) or 3 (RGB).
 *
 * At most 16384 pixels a side, and pixels of 2^28 bytes and 64 more for each byte of the file (a 2 MB file: 0.4 GB,
 * some seconds).  Memory: the file and some rows; of an interlaced PNG, of at most 2^24 pixels, all of it, and of a
 * JPEG in several scans, of at most 2^25 pixels, its coefficients. */
Status picture_read(Arena *arena, const char *path, const int want_hwc[3], bool crop, uint8_t **pixels);

/* picture_read into memory of the caller; `scratch` holds the file and some rows meanwhile and may be reset after. */
Status picture_read_into(Arena *scratch, const char *path, const int want_hwc[3], bool crop, uint8_t *pixels);

/* The rows and columns of the picture, by its header. */
Status picture_size(Arena *scratch, const char *path, int hw[2]);

/* ---- for decoders ------------------------------------------------------------------------------------------------ */

/* Before anything is unpacked: sides of 1 to MAX_SIDE, and so many bytes a row of pixels as a file of that size may
 * hold. */
Status picture_check_sides(const PictureJob *job, uint32_t h, uint32_t w);
Status picture_check_bytes(const PictureJob *job, int h, int w, uint64_t row_bytes);

/* Takes the rows of a picture, one after the other, of 1 (gray), 2 (gray and alpha), 3 (RGB) or 4 (RGB and alpha)
 * channels; job->out is complete with the last one.  Alpha is over black; gray of a colour is its luma (ITU-R BT.601),
 * in 16-bit fixed point. */
typedef struct PictureRows PictureRows;
Status picture_rows_create(const PictureJob *job, int h, int w, int channels, PictureRows **rows);
void picture_rows_take(PictureRows *rows, const uint8_t *row);

#endif
