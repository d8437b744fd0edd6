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

typedef enum { SAMPLE_U8, SAMPLE_I32, SAMPLE_F32 } SampleType;

/* Elements in the order [rows, columns, channels].  An image is bytes, a class one int32, a vector
 * of real numbers floats. */
typedef struct {
    SampleType type;
    int dim[3];
} SampleShape;
size_t sample_bytes(const SampleShape *shape);

typedef struct SampleSource SampleSource;
typedef struct SourceCache SourceCache;

/* Sample `index` into input[sample_bytes]; `scratch` may be reset after.  The same bytes each time, for any number of
 * threads at once, each with a scratch of its own.  STATUS_IO, _FORMAT, _UNSUPPORTED or _NOMEM names the file. */
typedef Status SourceRead(const SampleSource *source, int index, Arena *scratch, uint8_t *input);

struct SampleSource {
    int count;
    SampleShape input, target;
    Targets targets;      /* [count] */
    const uint8_t *bytes; /* [count,H,W,C]: the images are in memory; NULL: `read` reads them */
    SourceRead *read;
    const void *context; /* for `read` */
    SourceCache *cache;  /* what has been read stays in memory; NULL: it does not */
};

/* Images that are in memory, [n,H,W,C], and stay as they are. */
SampleSource *source_of_bytes(Arena *arena, int n, const int hwc[3], const uint8_t *images, Targets targets);

/* Images that `read` reads.  `keep`: each one once, STATUS_NOMEM where the system has no memory for them. */
Status source_of_files(Arena *arena, int n, const int hwc[3], Targets targets, SourceRead *read, const void *context,
                       bool keep, SampleSource **source);

/* Where sample `index` lies in memory and stays, or NULL: it must be read.  For any number of threads. */
const uint8_t *source_kept(const SampleSource *source, int index);

/* As SourceRead, whether the sample is in memory or not. */
Status source_read(const SampleSource *source, int index, Arena *scratch, uint8_t *input);

#endif
