/* What the readers of this room share.  Every length in a file is a claim: it is held against the bytes that are there
 * before memory is asked for, and every failure names file, finding and rule. */
#ifndef BITFOLD_DATASETS_READER_H
#define BITFOLD_DATASETS_READER_H

#include <zlib.h>

#include "datasets/dataset.h"
#include "datasets/decoder.h"

enum { MAX_CLASSES = 4096, MAX_VALUES = 1024 };

/* A DatasetType for each line of datasets.def. */
#define DATASET(name) extern const DatasetType dataset_##name;
#include "datasets/datasets.def"
#undef DATASET

/* A file, or the gzip of one: zlib reads both through the same calls. */
typedef struct {
    const char *path;
    gzFile stream;
    uint64_t file_bytes;
    uint64_t most_bytes; /* no more than this can come out of the file */
    uint64_t at;         /* bytes read so far */
} DataFile;

/* Opens folder/name, or else folder/name.gz.  `hint` ends the message when there is neither. */
Status data_file_open(Arena *arena, const char *folder, const char *name, const char *hint, DataFile *file);
void data_file_close(DataFile *file);

/* Exactly `bytes`, or STATUS_FORMAT saying where the file ends. */
Status data_file_read(DataFile *file, void *to, size_t bytes);

/* That nothing follows; makes zlib compare its checksum, too. */
Status data_file_end(DataFile *file);

/* Whether `bytes` more can come out of the file, by its own size: nothing is read. */
Status data_file_may_hold(const DataFile *file, uint64_t bytes);

/* Whether the file is plain, so that its bytes can be read from where they are. */
bool data_file_is_plain(const DataFile *file);

/* Whether a set of n images is to be kept in memory; its bytes are then taken from what data.memory has left. */
bool reader_keeps(DataSplits *out, uint64_t n, const int hwc[3]);

/* The pictures path[n], which must stay there, as a source: each is decoded, and resized as data.resize says, when it
 * is asked for. */
Status pictures_source(Arena *arena, const DataConfig *cfg, int n, const char **path, const int hwc[3], Targets targets,
                       DataSplits *out, SampleSource **source);

/* Which of n samples become the test set where the data have none: a fifth, rounded, of 2 to 4 one, of a single one
 * none; drawn by the seed, for each group (of folders: the class) anew.  [n], *held of them true. */
bool *reader_hold(Arena *arena, uint64_t seed, int group, int n, int *held);

/* n images [H,W,C], all that follows in the file, as a source: in memory, or read from there one by one.  A file that
 * is packed must be kept: STATUS_UNSUPPORTED otherwise. */
Status data_file_images(Arena *arena, DataFile *file, int n, const int hwc[3], Targets targets, bool keep,
                        SampleSource **source);

/* All that follows, however much it is, at most 256 MiB, in the arena; makes zlib compare its checksum, too. */
Status data_file_all(Arena *arena, DataFile *file, uint8_t **data, size_t *bytes);

/* All that follows, which must be exactly `bytes`, in the arena. */
Status data_file_rest(Arena *arena, DataFile *file, uint64_t bytes, uint8_t **data);

/* "path: label L of image I; must be 0 to classes-1" unless it is. */
Status label_check(const char *path, int64_t label, int64_t index, int classes);

/* The labels a reader lets pass before it knows better: data.classes, else what the format says, else MAX_CLASSES. */
int label_limit(const DataConfig *cfg, int of_format);

/* The number of classes then: data.classes, else what the format says, else the largest training label plus 1. */
int label_classes(const DataConfig *cfg, int of_format, const int32_t *labels, int n);

/* That a value target is a finite float32: "path: value nan of target 1 of image 3; must be finite". */
Status value_check(const char *path, double value, int64_t image, int target);

/* That data made from the seed have images in both splits. */
Status made_counts(const DataConfig *cfg);

/* Names K values as data.targets does, which must be as many or none. */
Status value_names(const DataConfig *cfg, int values, DataSplits *out);

/* "path: images of 32x32x3; must be 28x28x1, the model's input" unless they are; and 1 to INT32_MAX of them. */
Status images_check(const char *path, uint64_t n, const uint64_t hwc[3], const int want_hwc[3]);

/* "bitfold fetch mnist --dir D" as a hint. */
const char *fetch_hint(Arena *arena, const char *dataset, const char *dir);

/* pixels[h,w,c], of which the centre of the wanted aspect if `crop`, resampled to out[H,W,c].  Separable triangle
 * filter: bilinear interpolation when enlarging, the same filter stretched over the pixels that fall together when
 * reducing.  resizer_take gets the rows of pixels, one after the other; `out` is complete with the last one.  A few
 * rows are kept, never the picture. */
typedef struct Resizer Resizer;
Resizer *resizer_create(Arena *scratch, const int hwc[3], bool crop, const int want_hw[2], uint8_t *out);
void resizer_take(Resizer *r, const uint8_t *row);

/* Which rows and columns of hw pixels are the centre of the wanted aspect: from first[2] on, count[2] of them. */
void resize_crop(const int hw[2], const int want_hw[2], int first[2], int count[2]);

#endif
