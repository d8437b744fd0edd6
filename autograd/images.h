/* The images of a batch in chunks (base/parallel.h), and the images of a chunk in groups, whose values stay within the
 * second-level cache from one pass over them to the next. */
#ifndef BITFOLD_AUTOGRAD_IMAGES_H
#define BITFOLD_AUTOGRAD_IMAGES_H

#include <stddef.h>

/* What is done with the images first .. first + images - 1, by one thread. */
typedef void ImagesFn(void *context, int chunk, int thread, long first, long images);

/* fn for the groups of chunk `chunk` of batch_chunks(images) (base/batch_share.h), in order. */
void for_image_groups(long images, size_t image_bytes, int chunk, int thread, ImagesFn *fn, void *context);
/* The same for every chunk, in parallel. */
void parallel_image_groups(long images, size_t image_bytes, ImagesFn *fn, void *context);

/* The most images in one group. */
long image_group_most(long images, size_t image_bytes);

#endif
