/* JPEG pictures. */
#include <zlib.h>

#include "datasets/decoder.h"
#include "tests/fuzz/fuzz.h"

/* Coefficients of a block, two bytes each, for a bit of the file; what else is held is a part of that. */
enum { COEFFICIENTS_PER_BYTE = 8 * 64 * 2 };

static void run(const uint8_t *data, size_t bytes)
{
    static const int wanted[][3] = {{5, 4, 1}, {3, 7, 3}};
    Arena *arena = arena_create();
    const char *path = fuzz_path(data, bytes);
    uint8_t *pixels;
    for (int i = 0; i < 2; i++)
        if (picture_read(arena, path, wanted[i], i == 0, &pixels) == STATUS_OK)
            (void)crc32_z(0, pixels, (size_t)wanted[i][0] * (size_t)wanted[i][1] * (size_t)wanted[i][2]); /* reads it */
        else
            ASSERT(status_message()[0] != '\0');
    arena_destroy(arena);
}

const FuzzTarget fuzz_jpeg = {.name = "jpeg", .per_byte = 2 * COEFFICIENTS_PER_BYTE, .run = run};
