/* PNG pictures.  CRCs are put right, so that what is inside the chunks is looked at. */
#include <string.h>
#include <zlib.h>

#include "datasets/decoder.h"
#include "tests/fuzz/fuzz.h"

enum { PNG_HEAD = 8, CHUNK_HEAD = 8, CHUNK_TAIL = 4, DEFLATE_RATIO = 1032 };

static void right_crcs(uint8_t *file, size_t bytes)
{
    for (size_t at = PNG_HEAD; at + CHUNK_HEAD + CHUNK_TAIL <= bytes;) {
        const size_t length =
            (size_t)file[at] << 24 | (size_t)file[at + 1] << 16 | (size_t)file[at + 2] << 8 | file[at + 3];
        if (length > bytes - at - CHUNK_HEAD - CHUNK_TAIL) return;
        const uint32_t crc = (uint32_t)crc32_z(crc32_z(0, NULL, 0), file + at + 4, length + 4);
        at += CHUNK_HEAD + length;
        for (int i = 0; i < 4; i++) file[at++] = (uint8_t)(crc >> 8 * (3 - i));
    }
}

static void run(const uint8_t *data, size_t bytes)
{
    static const int wanted[][3] = {{5, 4, 1}, {3, 7, 3}};
    Arena *arena = arena_create();
    uint8_t *file = arena_alloc(arena, bytes), *pixels;
    memcpy(file, data, bytes);
    right_crcs(file, bytes);
    const char *path = fuzz_path(file, bytes);
    for (int i = 0; i < 2; i++)
        if (picture_read(arena, path, wanted[i], i == 0, &pixels) == STATUS_OK)
            (void)crc32_z(0, pixels, (size_t)wanted[i][0] * (size_t)wanted[i][1] * (size_t)wanted[i][2]); /* reads it */
    arena_destroy(arena);
}

/* A file of n bytes can hold a picture of 1032 times that, decoded to four bytes a pixel and then resized. */
const FuzzTarget fuzz_png = {.name = "png", .per_byte = 8 * DEFLATE_RATIO, .run = run};
