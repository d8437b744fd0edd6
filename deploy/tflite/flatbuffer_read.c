#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "deploy/tflite/flatbuffer.h"

enum { WORD = 4, SHORT = 2, HEADER_BYTES = 2 * WORD };

void flat_fail(FlatReader *r, size_t at, const char *format, ...)
{
    if (r->status != STATUS_OK) return;
    char said[256];
    va_list args;
    va_start(args, format);
    vsnprintf(said, sizeof said, format, args);
    va_end(args);
    r->status = status_fail(STATUS_FORMAT, "byte %zu: %s", at, said);
}

/* `count` bytes from `at` lie in the file, and the budget pays for them. */
static bool take(FlatReader *r, size_t at, uint64_t count, const char *what)
{
    if (r->status != STATUS_OK) return false;
    if (at > r->bytes || count > r->bytes - at)
        flat_fail(r, at, "%s of %llu bytes; must lie within the %zu bytes of the file", what, (unsigned long long)count,
                  r->bytes);
    else if (count > r->budget)
        flat_fail(r, at, "%s that is referred to again and again; at most %d times the file may be read", what,
                  (int)FLAT_MAX_REUSE);
    else
        r->budget -= (size_t)count;
    return r->status == STATUS_OK;
}

static uint64_t load(const FlatReader *r, size_t at, int bytes)
{
    uint64_t value = 0;
    for (int i = 0; i < bytes; i++) value |= (uint64_t)r->data[at + (size_t)i] << 8 * i;
    return value;
}

FlatReader flat_reader(const unsigned char *data, size_t bytes)
{
    const bool huge = bytes > SIZE_MAX / FLAT_MAX_REUSE;
    return (FlatReader){.data = data, .bytes = bytes, .budget = huge ? SIZE_MAX : bytes * FLAT_MAX_REUSE};
}

static FlatTable table_at(FlatReader *r, size_t at)
{
    const FlatTable none = {0};
    if (!take(r, at, WORD, "a table")) return none;
    const int64_t vtable = (int64_t)at - (int32_t)(uint32_t)load(r, at, WORD);
    if (vtable < 0 || (uint64_t)vtable > r->bytes) {
        flat_fail(r, at, "a table with its vtable at %lld; must lie within the %zu bytes of the file",
                  (long long)vtable, r->bytes);
        return none;
    }
    FlatTable t = {.at = at, .vtable = (size_t)vtable};
    if (!take(r, t.vtable, 2 * SHORT, "a vtable")) return none;
    const unsigned length = (unsigned)load(r, t.vtable, SHORT);
    t.bytes = (unsigned)load(r, t.vtable + SHORT, SHORT);
    if (length < 2 * SHORT || length % SHORT != 0 || t.bytes < WORD) {
        flat_fail(r, t.vtable,
                  "a vtable of %u bytes for a table of %u; must be even and at least 4, the table at least 4", length,
                  t.bytes);
        return none;
    }
    if (!take(r, t.vtable, length, "a vtable") || !take(r, at, t.bytes, "a table")) return none;
    t.slots = (length - 2 * SHORT) / SHORT;
    return t;
}

FlatTable flat_root(FlatReader *r, const char *identifier)
{
    if (!take(r, 0, HEADER_BYTES, "a header")) return (FlatTable){0};
    if (memcmp(r->data + WORD, identifier, WORD) != 0) {
        flat_fail(r, WORD, "not the identifier %.4s; must be one of its files", identifier);
        return (FlatTable){0};
    }
    return table_at(r, (size_t)load(r, 0, WORD));
}

/* Position of a field of `bytes` bytes; 0: absent. */
static size_t field_at(FlatReader *r, FlatTable t, int id, unsigned bytes)
{
    if (r->status != STATUS_OK || t.at == 0 || (unsigned)id >= t.slots) return 0;
    const size_t slot = t.vtable + 2 * SHORT + SHORT * (size_t)id;
    const unsigned offset = (unsigned)load(r, slot, SHORT);
    if (offset == 0) return 0;
    if (offset < WORD || offset > t.bytes || t.bytes - offset < bytes) {
        flat_fail(r, slot, "field %d of %u bytes at %u of its table; must lie within the table's 4 to %u", id, bytes,
                  offset, t.bytes);
        return 0;
    }
    return t.at + offset;
}

int32_t flat_int8(FlatReader *r, FlatTable t, int id, int32_t absent)
{
    const size_t at = field_at(r, t, id, 1);
    return at == 0 ? absent : (int8_t)r->data[at];
}

int32_t flat_int32(FlatReader *r, FlatTable t, int id, int32_t absent)
{
    const size_t at = field_at(r, t, id, WORD);
    return at == 0 ? absent : (int32_t)(uint32_t)load(r, at, WORD);
}

uint64_t flat_uint64(FlatReader *r, FlatTable t, int id, uint64_t absent)
{
    const size_t at = field_at(r, t, id, 2 * WORD);
    return at == 0 ? absent : load(r, at, 2 * WORD);
}

/* Where the reference at `slot` leads; 0 after a failure. */
static size_t follow(FlatReader *r, size_t slot)
{
    const size_t offset = (size_t)load(r, slot, WORD);
    if (offset == 0 || offset > r->bytes - slot) {
        flat_fail(r, slot, "a reference %zu bytes ahead; must lead forward, within the %zu bytes of the file", offset,
                  r->bytes);
        return 0;
    }
    return slot + offset;
}

static size_t follow_field(FlatReader *r, FlatTable t, int id)
{
    const size_t slot = field_at(r, t, id, WORD);
    return slot == 0 ? 0 : follow(r, slot);
}

FlatTable flat_get_table(FlatReader *r, FlatTable t, int id)
{
    const FlatTable none = {0};
    const size_t at = follow_field(r, t, id);
    return at == 0 ? none : table_at(r, at);
}

FlatVector flat_get_vector(FlatReader *r, FlatTable t, int id, size_t element_bytes)
{
    const FlatVector none = {0};
    const size_t at = follow_field(r, t, id);
    if (at == 0 || !take(r, at, WORD, "a vector")) return none;
    const uint64_t n = load(r, at, WORD);
    const size_t first = at + WORD;
    if (!take(r, first, n * element_bytes, "a vector")) return none;
    if (first % element_bytes != 0) {
        flat_fail(r, first, "a vector of elements of %zu bytes; must stand at a multiple of their size", element_bytes);
        return none;
    }
    return (FlatVector){.data = r->data + first, .n = (size_t)n, .at = first};
}

const char *flat_get_string(FlatReader *r, FlatTable t, int id)
{
    const size_t at = follow_field(r, t, id);
    if (at == 0 || !take(r, at, WORD, "a string")) return NULL;
    const uint64_t length = load(r, at, WORD);
    if (!take(r, at + WORD, length + 1, "a string")) return NULL;
    const char *text = (const char *)r->data + at + WORD;
    if (strnlen(text, (size_t)length + 1) != length) {
        flat_fail(r, at, "a string of %llu bytes; must hold no NUL and end in one", (unsigned long long)length);
        return NULL;
    }
    return text;
}

FlatVector flat_get_tables(FlatReader *r, FlatTable t, int id) { return flat_get_vector(r, t, id, WORD); }

FlatTable flat_element(FlatReader *r, FlatVector tables, size_t index)
{
    const FlatTable none = {0};
    if (r->status != STATUS_OK || index >= tables.n) return none;
    const size_t at = follow(r, tables.at + WORD * index);
    return at == 0 ? none : table_at(r, at);
}
