#include "deploy/tflite/flatbuffer.h"

#include <string.h>

enum { WORD = 4, FIRST_CAPACITY = 1 << 16 };

static void put(unsigned char *at, int bytes, uint32_t value)
{
    for (int i = 0; i < bytes; i++) at[i] = (unsigned char)(value >> 8 * i);
}

static unsigned get_u16(const unsigned char *at) { return at[0] | (unsigned)at[1] << 8; }

/* Room for `count` zero bytes after the end; their position. */
static size_t extend(FlatWriter *w, size_t count)
{
    if (w->capacity - w->bytes < count) {
        while (w->capacity - w->bytes < count) w->capacity *= 2;
        unsigned char *larger = arena_alloc(w->arena, w->capacity);
        memcpy(larger, w->data, w->bytes);
        w->data = larger;
    }
    const size_t at = w->bytes;
    memset(w->data + at, 0, count);
    w->bytes += count;
    return at;
}

/* Zeros until what is written `ahead` bytes from here stands at a multiple of `align`. */
static void pad(FlatWriter *w, size_t ahead, size_t align) { extend(w, (align - (w->bytes + ahead) % align) % align); }

static void link_word(FlatWriter *w, size_t slot, size_t target)
{
    ASSERT(target > slot && target < w->bytes && target - slot <= INT32_MAX);
    put(w->data + slot, WORD, (uint32_t)(target - slot));
}

FlatWriter flat_writer(Arena *arena, const char *identifier)
{
    FlatWriter w = {.arena = arena, .capacity = FIRST_CAPACITY};
    w.data = arena_alloc(arena, w.capacity);
    extend(&w, WORD);
    memcpy(w.data + extend(&w, WORD), identifier, WORD);
    return w;
}

void flat_set_root(FlatWriter *w, size_t table) { link_word(w, 0, table); }

/* The vtable stands right before its table; words come before bytes, so every field is aligned. */
size_t flat_table(FlatWriter *w, int fields, const FlatField *field)
{
    const size_t slots = fields == 0 ? 0 : (size_t)field[fields - 1].id + 1, vtable_bytes = 4 + 2 * slots;
    ASSERT(slots <= FLAT_MAX_FIELDS);
    pad(w, vtable_bytes, WORD);
    const size_t vtable = extend(w, vtable_bytes), table = extend(w, WORD);
    for (int bytes = WORD; bytes >= 1; bytes -= WORD - 1)
        for (int i = 0; i < fields; i++) {
            if (field[i].bytes != bytes) continue;
            const size_t at = extend(w, (size_t)bytes);
            put(w->data + at, bytes, (uint32_t)field[i].value);
            put(w->data + vtable + 4 + 2 * (size_t)field[i].id, 2, (uint32_t)(at - table));
        }
    put(w->data + vtable, 2, (uint32_t)vtable_bytes);
    put(w->data + vtable + 2, 2, (uint32_t)(w->bytes - table));
    put(w->data + table, WORD, (uint32_t)(table - vtable));
    return table;
}

size_t flat_string(FlatWriter *w, const char *text)
{
    const size_t length = strlen(text);
    pad(w, 0, WORD);
    const size_t at = extend(w, WORD + length + 1);
    put(w->data + at, WORD, (uint32_t)length);
    memcpy(w->data + at + WORD, text, length);
    return at;
}

size_t flat_vector(FlatWriter *w, size_t count, size_t element_bytes, size_t align, const void *data)
{
    ASSERT(count <= INT32_MAX);
    pad(w, WORD, align);
    const size_t at = extend(w, WORD + count * element_bytes);
    put(w->data + at, WORD, (uint32_t)count);
    if (count > 0) memcpy(w->data + at + WORD, data, count * element_bytes);
    return at;
}

size_t flat_references(FlatWriter *w, size_t count)
{
    pad(w, 0, WORD);
    const size_t at = extend(w, WORD + count * WORD);
    put(w->data + at, WORD, (uint32_t)count);
    return at;
}

void flat_link(FlatWriter *w, size_t table, int id, size_t target)
{
    const unsigned char *vtable = w->data + table - w->data[table]; /* a vtable of ours has less than 256 bytes */
    const unsigned offset = get_u16(vtable + 4 + 2 * id);
    ASSERT(offset != 0);
    link_word(w, table + offset, target);
}

void flat_link_element(FlatWriter *w, size_t vector, size_t index, size_t target)
{
    link_word(w, vector + WORD + index * WORD, target);
}
