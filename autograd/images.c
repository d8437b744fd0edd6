#include "autograd/images.h"

#include "base/batch_share.h"
#include "base/parallel.h"

enum { GROUP_BYTES = 128 * 1024 };

static long images_that_fit(size_t image_bytes)
{
    return GROUP_BYTES / image_bytes < 1 ? 1 : (long)(GROUP_BYTES / image_bytes);
}

long image_group_most(long images, size_t image_bytes)
{
    const long fit = images_that_fit(image_bytes);
    return images < fit ? images : fit;
}

void for_image_groups(long images, size_t image_bytes, int chunk, int thread, ImagesFn *fn, void *context)
{
    long first, last;
    parallel_range(images, batch_chunks(images), chunk, &first, &last);
    const long fit = images_that_fit(image_bytes);
    const int groups = (int)((last - first + fit - 1) / fit); /* evenly spread */
    for (int k = 0; k < groups; k++) {
        long from, to;
        parallel_range(last - first, groups, k, &from, &to);
        fn(context, chunk, thread, first + from, to - from);
    }
}

typedef struct {
    long images;
    size_t image_bytes;
    ImagesFn *fn;
    void *context;
} Groups;

static void groups_chunk(void *context, int chunk, int thread)
{
    const Groups *g = context;
    for_image_groups(g->images, g->image_bytes, chunk, thread, g->fn, g->context);
}

void parallel_image_groups(long images, size_t image_bytes, ImagesFn *fn, void *context)
{
    Groups g = {images, image_bytes, fn, context};
    parallel_for(batch_chunks(images), groups_chunk, &g);
}
