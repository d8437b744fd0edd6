#include "tests/support/data_sets.h"

#include <png.h>
#include <stdio.h>
#include <string.h>

#include "datasets/batch_reader.h"
#include "tests/support/suite.h"

#define IMAGE(v)                                                                                                       \
    {                                                                                                                  \
        v, v + 1, v + 2, v + 3, v + 4, v + 5, v + 6, v + 7, v + 8, v + 9, v + 10, v + 11                               \
    }
const uint8_t data_pixels[7][12] = {IMAGE(0), IMAGE(20), IMAGE(40), IMAGE(60), IMAGE(80), IMAGE(100), IMAGE(120)};
const uint8_t train_labels[7] = {0, 1, 2, 2, 1, 0, 1}, test_labels[3] = {2, 0, 1};

void put_idx_set(const char *folder, bool zipped)
{
    const char *end = zipped ? ".gz" : "";
    const struct {
        const char *stem;
        int n;
        const uint8_t *labels;
    } halves[2] = {{"train", 7, train_labels}, {"t10k", 3, test_labels}};
    for (int i = 0; i < 2; i++) {
        char name[64];
        snprintf(name, sizeof name, "%s-images-idx3-ubyte%s", halves[i].stem, end);
        put_idx_images(folder, name, halves[i].n, 4, 3, data_pixels[0], zipped);
        snprintf(name, sizeof name, "%s-labels-idx1-ubyte%s", halves[i].stem, end);
        put_idx_labels(folder, name, halves[i].n, halves[i].labels, zipped);
    }
}

void put_npy_set(const char *folder, int version, const char *label_type, int width, bool big_endian)
{
    char header[200];
    uint8_t labels[7 * 8] = {0};
    for (int half = 0; half < 2; half++) {
        const int n = half == 0 ? 7 : 3;
        const uint8_t *from = half == 0 ? train_labels : test_labels;
        snprintf(header, sizeof header, "{'descr': '|u1', 'fortran_order': False, 'shape': (%d, 4, 3), }", n);
        put_npy(folder, half == 0 ? "train_images.npy" : "test_images.npy", version, header, data_pixels,
                (size_t)n * 12);
        memset(labels, 0, sizeof labels);
        for (int i = 0; i < n; i++) labels[i * width + (big_endian ? width - 1 : 0)] = from[i];
        snprintf(header, sizeof header, "{'descr': '%s', 'fortran_order': False, 'shape': (%d,), }", label_type, n);
        put_npy(folder, half == 0 ? "train_labels.npy" : "test_labels.npy", version, header, labels,
                (size_t)(n * width));
    }
}

uint8_t cifar_byte(int image, int channel, int pixel) { return (uint8_t)(7 * image + 50 * channel + pixel); }

void put_cifar_set(const char *folder)
{
    static uint8_t records[3 * CIFAR_RECORD];
    for (int f = 0; f < 6; f++) {
        const int n = f == 5 ? 3 : 2;
        for (int i = 0; i < n; i++) {
            uint8_t *r = records + i * CIFAR_RECORD;
            const int image = f == 5 ? i : 2 * f + i;
            *r++ = (uint8_t)(image % 10);
            for (int k = 0; k < 3; k++)
                for (int p = 0; p < 1024; p++) *r++ = cifar_byte(image, k, p);
        }
        char name[32] = "test_batch.bin";
        if (f < 5) snprintf(name, sizeof name, "data_batch_%d.bin", f + 1);
        put_bytes(folder, name, records, (size_t)n * CIFAR_RECORD);
    }
}

void put_gray(const char *folder, const char *name, uint8_t level)
{
    uint8_t rows[12];
    memset(rows, level, sizeof rows);
    put_png(folder, name, &(Picture){3, 4, 8, PNG_COLOR_TYPE_GRAY, .rows = rows});
}

void put_classes(const char *folder, const char *prefix, int n)
{
    for (int i = 0; i < n; i++) {
        char name[64];
        snprintf(name, sizeof name, "%sdog/p%02d.png", prefix, i);
        put_gray(folder, name, (uint8_t)(100 + i));
        snprintf(name, sizeof name, "%scat/p%02d.PNG", prefix, i);
        put_gray(folder, name, (uint8_t)i);
    }
}

const uint8_t *all_images(Arena *a, const Dataset *set)
{
    uint8_t *buffer = arena_alloc(a, (size_t)set->n * dataset_image_bytes(set));
    const uint8_t *pixels;
    ck_assert_msg(dataset_read(set, 0, set->n, buffer, &pixels) == STATUS_OK, "%s", status_message());
    return pixels;
}

Status load_small(const char *dataset, const char *folder, Arena *a, DataSplits *splits)
{
    return load_small_in(dataset, folder, 0, a, splits);
}

Status load_small_in(const char *dataset, const char *folder, uint64_t memory, Arena *a, DataSplits *splits)
{
    const DataConfig cfg = {.dataset = dataset, .path = folder, .memory = memory};
    const bool cifar = strcmp(dataset, "cifar10") == 0;
    return dataset_load(&cfg, cifar ? (const int[3]){32, 32, 3} : (const int[3]){4, 3, 1}, 1, a, splits);
}
