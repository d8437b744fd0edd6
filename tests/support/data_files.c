#include "tests/support/data_files.h"

#include <ftw.h>
#include <png.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "base/file.h"
#include "tests/support/suite.h"

char *folder_make(Arena *arena)
{
    char *folder = arena_strdup(arena, "/tmp/bitfold_data_XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    return folder;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *where)
{
    (void)st, (void)type, (void)where;
    return remove(path);
}

void folder_remove(const char *folder) { ck_assert_int_eq(nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0); }

static char *place(char path[512], const char *folder, const char *name)
{
    snprintf(path, 512, "%s/%s", folder, name);
    char *slash = strrchr(path, '/');
    *slash = '\0';
    ck_assert_int_eq(file_make_dir(path), STATUS_OK);
    *slash = '/';
    return path;
}

void put_bytes(const char *folder, const char *name, const void *bytes, size_t n)
{
    char path[512];
    FILE *f = fopen(place(path, folder, name), "wb");
    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fwrite(bytes, 1, n, f), n);
    ck_assert_int_eq(fclose(f), 0);
}

void put_gzip(const char *folder, const char *name, const void *bytes, size_t n)
{
    char path[512];
    gzFile f = gzopen(place(path, folder, name), "wb");
    ck_assert_ptr_nonnull(f);
    ck_assert_int_eq(gzwrite(f, bytes, (unsigned)n), (int)n);
    ck_assert_int_eq(gzclose(f), Z_OK);
}

void cut_file(const char *folder, const char *name, size_t n)
{
    char path[512];
    ck_assert_int_eq(truncate(place(path, folder, name), (off_t)n), 0);
}

void poke_file(const char *folder, const char *name, long at, uint8_t value)
{
    char path[512];
    FILE *f = fopen(place(path, folder, name), "r+b");
    ck_assert_ptr_nonnull(f);
    ck_assert_int_eq(fseek(f, at, at < 0 ? SEEK_END : SEEK_SET), 0);
    ck_assert_int_eq(fputc(value, f), value);
    ck_assert_int_eq(fclose(f), 0);
}

static void put_idx(const char *folder, const char *name, int rank, const int *dim, const uint8_t *data, bool zipped)
{
    static uint8_t file[1 << 16];
    size_t n = 4, count = 1;
    memcpy(file, (uint8_t[]){0, 0, 8, (uint8_t)rank}, 4);
    for (int i = 0; i < rank; i++) {
        for (int byte = 3; byte >= 0; byte--) file[n++] = (uint8_t)(dim[i] >> 8 * byte);
        count *= (size_t)dim[i];
    }
    ck_assert_uint_le(n + count, sizeof file);
    memcpy(file + n, data, count);
    (zipped ? put_gzip : put_bytes)(folder, name, file, n + count);
}

void put_idx_images(const char *folder, const char *name, int n, int h, int w, const uint8_t *pixels, bool zipped)
{
    put_idx(folder, name, 3, (const int[]){n, h, w}, pixels, zipped);
}

void put_idx_labels(const char *folder, const char *name, int n, const uint8_t *labels, bool zipped)
{
    put_idx(folder, name, 1, &n, labels, zipped);
}

void put_npy(const char *folder, const char *name, int version, const char *header, const void *data, size_t bytes)
{
    static uint8_t file[1 << 16];
    const size_t start = version == 1 ? 10 : 12, text = strlen(header);
    const size_t padded = (start + text + 1 + 63) / 64 * 64 - start;
    memcpy(file, "\x93NUMPY", 6);
    file[6] = (uint8_t)version, file[7] = 0;
    for (size_t i = 8; i < start; i++) file[i] = (uint8_t)(padded >> 8 * (i - 8));
    memset(file + start, ' ', padded);
    memcpy(file + start, header, text);
    file[start + padded - 1] = '\n';
    ck_assert_uint_le(start + padded + bytes, sizeof file);
    memcpy(file + start + padded, data, bytes);
    put_bytes(folder, name, file, start + padded + bytes);
}

void put_png(const char *folder, const char *name, const Picture *p)
{
    char path[512];
    FILE *f = fopen(place(path, folder, name), "wb");
    ck_assert_ptr_nonnull(f);
    png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
    png_infop info = png_create_info_struct(png);
    ck_assert_int_eq(setjmp(png_jmpbuf(png)), 0);
    png_init_io(png, f);
    png_set_IHDR(png, info, (png_uint_32)p->w, (png_uint_32)p->h, p->bits, p->type,
                 p->interlaced ? PNG_INTERLACE_ADAM7 : PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT,
                 PNG_FILTER_TYPE_DEFAULT);
    if (p->palette != NULL) {
        png_color colors[256];
        memcpy(colors, p->palette, (size_t)p->entries * 3);
        png_set_PLTE(png, info, colors, p->entries);
        if (p->alpha != NULL) png_set_tRNS(png, info, p->alpha, p->entries, NULL);
    }
    png_write_info(png, info);
    const size_t row = png_get_rowbytes(png, info);
    png_bytep rows[512];
    ck_assert_int_le(p->h, 512);
    for (int y = 0; y < p->h; y++) rows[y] = (png_bytep)p->rows + (size_t)y * row;
    png_write_image(png, rows);
    png_write_end(png, NULL);
    png_destroy_write_struct(&png, &info);
    ck_assert_int_eq(fclose(f), 0);
}
