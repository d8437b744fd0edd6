#include "base/npy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/format.h"

static const char *skip_blank(const char *p)
{
    while (*p == ' ') p++;
    return p;
}

/* The text after `punctuation`, blanks around it allowed; NULL if it is not there.  NULL passes through. */
static const char *expect(const char *p, const char *punctuation)
{
    if (p == NULL) return NULL;
    p = skip_blank(p);
    const size_t n = strlen(punctuation);
    return strncmp(p, punctuation, n) == 0 ? skip_blank(p + n) : NULL;
}

static const char *parse_descr(const char *p, Npy *npy)
{
    p = expect(p, "'");
    if (p == NULL || strchr("<>|=", p[0]) == NULL || p[0] == '\0' || p[1] == '\0') return NULL;
    npy->order = p[0];
    npy->kind = p[1];
    char *end;
    const long width = strtol(p + 2, &end, 10);
    npy->width = width == 1 || width == 2 || width == 4 || width == 8 ? (int)width : 0;
    return expect(end, "'");
}

static const char *parse_shape(const char *p, Npy *npy)
{
    p = expect(p, "(");
    npy->rank = 0;
    while (p != NULL && *p != ')') {
        if (npy->rank == NPY_MAX_RANK || *p < '0' || *p > '9') return NULL;
        uint64_t n = 0;
        for (; *p >= '0' && *p <= '9'; p++) {
            if (n > UINT32_MAX) return NULL;
            n = 10 * n + (uint64_t)(*p - '0');
        }
        npy->dim[npy->rank++] = n;
        p = skip_blank(p);
        if (*p == ',')
            p = skip_blank(p + 1);
        else if (*p != ')')
            return NULL;
    }
    return expect(p, ")");
}

static Status parse_header(const char *path, const char *text, Npy *npy)
{
    unsigned seen = 0;
    const char *p = expect(text, "{"), *q;
    bool c_order = true;
    while (p != NULL && *p != '}') {
        if ((q = expect(p, "'descr':")) != NULL) {
            p = parse_descr(q, npy);
            seen |= 1;
        } else if ((q = expect(p, "'fortran_order':")) != NULL) {
            c_order = (p = expect(q, "False")) != NULL;
            if (!c_order) p = expect(q, "True");
            seen |= 2;
        } else if ((q = expect(p, "'shape':")) != NULL) {
            p = parse_shape(q, npy);
            seen |= 4;
        } else {
            p = NULL;
        }
        if (p != NULL && *p != '}') p = expect(p, ",");
    }
    if (p == NULL || seen != 7 || *skip_blank(p + 1) != '\0')
        return status_fail(STATUS_FORMAT,
                           "%s: header %.80s; must be {'descr': ..., 'fortran_order': False, 'shape': (...)} with at "
                           "most %d dimensions",
                           path, text, NPY_MAX_RANK);
    if (!c_order)
        return status_fail(STATUS_UNSUPPORTED, "%s: in Fortran order; must be in C order (numpy.ascontiguousarray)",
                           path);
    return STATUS_OK;
}

Status npy_begin(const char *path, const uint8_t *b, size_t given, size_t *more, uint32_t *header_bytes)
{
    *more = 0;
    if (given < NPY_BEGIN_BYTES || memcmp(b, "\x93NUMPY", 6) != 0 || b[6] < 1 || b[6] > 3)
        return status_fail(STATUS_FORMAT, "%s: does not start as a .npy file of version 1 to 3 does", path);
    *header_bytes = (uint32_t)b[8] | (uint32_t)b[9] << 8;
    if (b[6] > 1) {
        *more = 2;
        if (given < NPY_BEGIN_BYTES + 2) return STATUS_OK;
        *header_bytes |= (uint32_t)b[10] << 16 | (uint32_t)b[11] << 24;
    }
    if (*header_bytes > NPY_MAX_HEADER_BYTES)
        return status_fail(STATUS_FORMAT, "%s: a header of %u bytes; at most %d are accepted", path, *header_bytes,
                           NPY_MAX_HEADER_BYTES);
    return STATUS_OK;
}

Status npy_header(const char *path, char *text, uint32_t header_bytes, Npy *npy)
{
    text[header_bytes] = '\0';
    for (uint32_t i = 0; i < header_bytes; i++) /* may be quoted in a message: one line, nothing a terminal obeys */
        if (text[i] < ' ' || text[i] > '~') text[i] = text[i] == '\n' || text[i] == '\t' ? ' ' : '?';
    *npy = (Npy){0};
    for (int i = 0; i < NPY_MAX_RANK; i++) npy->dim[i] = 1;
    return parse_header(path, text, npy);
}

static uint64_t element_bits(const Npy *npy, const uint8_t *at)
{
    uint64_t bits = 0;
    for (int i = 0; i < npy->width; i++) bits |= (uint64_t)at[npy->order == '>' ? npy->width - 1 - i : i] << (8 * i);
    return bits;
}

int64_t npy_integer(const Npy *npy, const uint8_t *at)
{
    const uint64_t bits = element_bits(npy, at);
    const int unused = 64 - 8 * npy->width;
    if (npy->kind == 'i') return (int64_t)(bits << unused) >> unused;
    return bits > INT64_MAX ? INT64_MAX : (int64_t)bits;
}

double npy_real(const Npy *npy, const uint8_t *at)
{
    const uint64_t bits = element_bits(npy, at);
    const uint32_t half = (uint32_t)bits;
    float single;
    double value;
    if (npy->width == 2) return (double)format_decode(FORMAT_FLOAT16, half);
    memcpy(&value, &bits, sizeof value);
    memcpy(&single, &half, sizeof single);
    return npy->width == 4 ? (double)single : value;
}

Status npy_write(Arena *arena, const char *path, const char *descr, int rank, const int64_t *dim, const void *data,
                 size_t bytes)
{
    enum { HEAD = 128 }; /* version 1.0: a multiple of 64, and room for any shape of ours */
    char head[HEAD] = "\x93NUMPY\x01";
    head[8] = HEAD - NPY_BEGIN_BYTES;
    char *text = arena_printf(arena, "{'descr': '%s', 'fortran_order': False, 'shape': (", descr);
    for (int i = 0; i < rank; i++)
        text = arena_printf(arena, "%s%lld%s", text, (long long)dim[i], i + 1 < rank ? ", " : rank == 1 ? "," : "");
    text = arena_printf(arena, "%s), }", text);
    const size_t n = strlen(text);
    ASSERT(n < HEAD - NPY_BEGIN_BYTES);
    memset(head + NPY_BEGIN_BYTES, ' ', HEAD - NPY_BEGIN_BYTES);
    memcpy(head + NPY_BEGIN_BYTES, text, n);
    head[HEAD - 1] = '\n';
    FileWriter w;
    TRY(file_begin(arena, path, &w));
    fwrite(head, 1, HEAD, w.stream);
    fwrite(data, 1, bytes, w.stream);
    return file_commit(&w);
}
