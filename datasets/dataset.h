/* Data sets: images as bytes with a label each, already split.
 *
 * A split is a choice of the samples of a source (datasets/source.h).  Who trains gets its images from the loader
 * (loader.h), everybody else by dataset_read (batch_reader.h).  Images stay bytes until the model's input layer
 * normalises them or takes them as codes, so augmentation works on what the camera gives and a quantized model can be
 * fed the pixels themselves.
 */
#ifndef BITFOLD_DATASETS_DATASET_H
#define BITFOLD_DATASETS_DATASET_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/field.h"
#include "base/status.h"
#include "datasets/source.h"

typedef struct {
    FloatList mean, std; /* per channel or one for all; in units of a pixel range of 0 to 1 */
} NormalizeConfig;

typedef struct {
    int crop_padding;            /* pixels of zero padding before a random crop back to size; 0: off */
    bool flip;                   /* horizontal, probability 1/2 */
    StringList flip_pairs;       /* points that change places then, two names for each pair */
    int shift;                   /* +- pixels, zero filled */
    double rotate;               /* +- degrees, bilinear, zero filled */
    double brightness, contrast; /* factors of 1 - this to 1 + this; 0: off */
    int cutout;                  /* side of a square that is emptied, in pixels; 0: off */
    double random_erasing;       /* share of the images that lose a rectangle; 0: off */
    int jpeg_quality;            /* lowest quality of a JPEG that the image becomes; 0: off */
    double mixup, cutmix;        /* alpha of the shares of mixed images (mix.h); 0: off */
} AugmentConfig;

typedef struct {
    const char *dataset; /* a name of datasets.def */
    const char *dir;     /* relative to the config's folder; resolved to `path` by the reader */
    const char *path;    /* not a JSON key: where dir really is */
    NormalizeConfig normalize;
    AugmentConfig augment;
    bool whole;        /* not a JSON key; folder: no split, all pictures are test images */
    double validation; /* share of the training images held out, 0 to 0.5 */
    uint64_t memory;   /* bytes of images that may be kept in memory; 0: any number */
    int train_limit;   /* use only N training images (after the split), as dataset_take chooses them; 0: all */
    int test_limit;
    int classes;        /* 0: what the data says */
    TargetKind target;  /* not a JSON key: what the task wants */
    StringList targets; /* names of value targets: columns of a table, else of the values as they come */
    const char *table;  /* table only: name of the CSV */
    const char *text;   /* tokens only: name of the text */
    /* synthetic only */
    int synthetic_train, synthetic_test;
    double synthetic_noise;
    const char *resize; /* folder only: "resize" or "crop" */
} DataConfig;
extern const Field data_fields[];

typedef struct {
    int n, h, w, c;
    int classes; /* of value targets how many there are of each sample, of points twice as many as there are; of tokens
                  * 256 for each of them */
    const SampleSource *source;
    const uint32_t *index; /* [n] which samples of the source, rising; NULL: the first n */
    Targets targets;       /* [n] */
    const int *mirror;     /* of points which one each becomes when the image is mirrored; NULL: itself */
    bool by_class;         /* the samples lie class after class: the first N would be of the first classes only */
} Dataset;

/* All of a source. */
Dataset dataset_of(const SampleSource *source, int classes);

/* Which sample of the source is the i-th of the split. */
static inline int dataset_index(const Dataset *set, int i) { return set->index == NULL ? i : (int)set->index[i]; }

typedef struct {
    Dataset train, validation, test; /* validation.n may be 0 */
    const char **class_names; /* [classes]; "0", "1", ... when the data has none; of values the targets' names, of
                                      * points those of their coordinates (points_outputs) */
    bool named;               /* the names are the data's own */
    uint64_t memory_left;     /* of data.memory, while the readers fill the splits */
    int notes;                /* what the user should know */
    const char **note;
} DataSplits;

/* Adds a sentence to data->note. */
void data_note(Arena *arena, DataSplits *data, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* A kind of data set.  `load` looks at cfg->path, checks all that it reads and fills train and test (train.h/w/c are
 * the model's [H,W,C] that the caller wants; a reader that cannot resize refuses another size).  A set whose images fit
 * what is left of data.memory (reader_keeps) may be kept; one that does not is read image by image.  dataset_load then
 * applies the validation split and the limits. */
typedef struct {
    const char *name, *doc;
    Status (*load)(const DataConfig *cfg, const int want_hwc[3], uint64_t seed, Arena *arena, DataSplits *out);
    bool names_classes; /* the data itself says which classes it has, and it may have some of a model's only */
    /* The class names alone, in the order of the labels; NULL: the data has none. */
    Status (*class_names)(const DataConfig *cfg, Arena *arena, StringList *names);
    bool made;                     /* from the seed: there are no files */
    unsigned gives;                /* kinds of targets: GIVES_CLASSES, ...; 0: classes */
    const char *const *flip_pairs; /* of its points, where the config says nothing; NULL-ended; NULL: none */
} DatasetType;
enum {
    GIVES_CLASSES = 1 << TARGET_CLASS,
    GIVES_VALUES = 1 << TARGET_VALUES,
    GIVES_TOKENS = 1 << TARGET_TOKENS,
    GIVES_POINTS = 1 << TARGET_POINTS
};

extern const DatasetType *const dataset_types[];      /* NULL-ended, from datasets.def */
const DatasetType *dataset_type(const char *name);    /* NULL if unknown */
Status dataset_known(Arena *arena, const char *name); /* STATUS_CONFIG if unknown: which there are */

/* The names of the classes of the data in cfg->path, without reading it; none where it has no names. */
Status dataset_class_names(const DataConfig *cfg, Arena *arena, StringList *names);

/* Loads and splits; checks shape against want_hwc and labels against cfg->classes.  The validation split is drawn with
 * RNG_SPLIT and the seed.  STATUS_FORMAT/CONFIG/IO with file, what was found and what is required. */
Status dataset_load(const DataConfig *cfg, const int want_hwc[3], uint64_t seed, Arena *arena, DataSplits *out);

/* Leaves n images of the set, 1 to set->n: the first n, or where the set is by_class every (set->n / n)th, so that each
 * class keeps its share. */
void dataset_take(Arena *arena, Dataset *set, int n);

#endif
