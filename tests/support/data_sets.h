/* Small sets in each format, of 4x3 gray images (CIFAR-10: its own size): 7 to train on, 3 to test on. */
#ifndef BITFOLD_TESTS_SUPPORT_DATA_SETS_H
#define BITFOLD_TESTS_SUPPORT_DATA_SETS_H

#include "datasets/dataset.h"
#include "tests/support/data_files.h"

enum { CIFAR_RECORD = 3073 };

extern const uint8_t data_pixels[7][12]; /* image i, byte k: 20 i + k; the test images are the first 3 */
extern const uint8_t train_labels[7], test_labels[3];

void put_idx_set(const char *folder, bool zipped);
void put_npy_set(const char *folder, int version, const char *label_type, int width, bool big_endian);

/* 2 images in each training batch, 3 in the test batch; labels 0, 1, 2, ... in order, modulo 10. */
void put_cifar_set(const char *folder);
uint8_t cifar_byte(int image, int channel, int pixel);

/* A PNG of one gray level, and folder/<prefix>cat and dog with n of them each, at levels 0.. and 100.. */
void put_gray(const char *folder, const char *name, uint8_t level);
void put_classes(const char *folder, const char *prefix, int n);

/* dataset_load of `dataset` from `folder` with seed 1 and the input shape of these sets; data.memory as given, or
 * without a limit. */
Status load_small_in(const char *dataset, const char *folder, uint64_t memory, Arena *a, DataSplits *splits);
Status load_small(const char *dataset, const char *folder, Arena *a, DataSplits *splits);

/* Every image of a split, read. */
const uint8_t *all_images(Arena *a, const Dataset *set);

#endif
