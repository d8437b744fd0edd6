/* Sample sources: where the samples of a data set come from, one at a time and in any order.
 *
 * A reader (dataset_<name>.c) makes one.  Its images are in memory, or each is read from its file when it is asked for;
 * whoever asks cannot tell.  Targets are always in memory.
 */
#ifndef BITFOLD_DATASETS_SOURCE_H
#define BITFOLD_DATASETS_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/status.h"
#include "tasks/target.h"

typedef enum { SAMPLE_U8 } SampleType;

/* Elements in the order [rows, columns, channels]. */
typedef struct {
    SampleType type;
    int dim[3];
} SampleShape;
size_t sample_bytes(const SampleShape *shape);

typedef struct SampleSource SampleSource;
typedef struct SourceCache SourceCache;

/* Reads sample `index`, 0 to count - 1, into input[sample_bytes(&source->input)], which is the caller's.  What it needs
 * meanwhile it takes from `scratch`, which the caller may reset afterwards.  The same index gives the same bytes each
 * time.  Several threads call it at a time, each with a scratch of its own; it changes nothing that they share.  After
 * a failure (STATUS_IO, _FORMAT, _UNSUPPORTED or _NOMEM, with a sentence that names the file) input holds anything. */
typedef Status SourceRead(const SampleSource *source, int index, Arena *scratch, uint8_t *input);

/* It lives in the arena it was made in, and is not changed after that but for its cache. */
struct SampleSource {
    int count;
    SampleShape input;
    Targets targets;      /* [count] */
    const uint8_t *bytes; /* [count,H,W,C]: the images are in memory; NULL: `read` reads them */
    SourceRead *read;     /* NULL where there are bytes */
    const void *context;  /* for `read`: what the reader keeps; lives as long as the source */
    SourceCache *cache;   /* what has been read stays in memory; NULL: it does not */
};

/* Images that are in memory, [n,H,W,C], and stay there as they are, as the targets do. */
SampleSource *source_of_bytes(Arena *arena, int n, const int hwc[3], const uint8_t *images, Targets targets);

/* Images that `read` reads.  `keep`: each is read once and then kept in memory; STATUS_NOMEM where the system has none
 * for all of them. */
Status source_of_files(Arena *arena, int n, const int hwc[3], Targets targets, SourceRead *read, const void *context,
                       bool keep, SampleSource **source);

/* Where sample `index` lies in memory, valid as long as the source; NULL: it must be read.  For any number of
 * threads. */
const uint8_t *source_kept(const SampleSource *source, int index);

/* As SourceRead, whether the sample is in memory or not. */
Status source_read(const SampleSource *source, int index, Arena *scratch, uint8_t *input);

#endif
