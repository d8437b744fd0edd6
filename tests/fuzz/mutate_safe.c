/* Safetensors files taken apart, changed and put together again. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/json.h"
#include "base/safetensors.h"
#include "graph/graph_text.h"
#include "graph/node.h"
#include "tests/fuzz/fuzz.h"
#include "tests/support/random_graph.h"

typedef struct {
    const uint8_t *data;
    size_t bytes;
} Bytes;

static uint64_t header_bytes(const uint8_t *file)
{
    uint64_t length = 0;
    for (int i = 7; i >= 0; i--) length = length << 8 | file[i];
    return length;
}

void fuzz_right_crc(uint8_t *file, size_t bytes)
{
    const size_t head = sizeof SAFE_CRC_HEAD - 1;
    if (bytes < 8 + head + SAFE_CRC_DIGITS || memcmp(file + 8, SAFE_CRC_HEAD, head) != 0) return;
    char digits[SAFE_CRC_DIGITS + 1];
    memset(file + 8 + head, '0', SAFE_CRC_DIGITS);
    snprintf(digits, sizeof digits, "%08lx", crc32_z(crc32_z(0, NULL, 0), file, bytes) & 0xffffffffUL);
    memcpy(file + 8 + head, digits, SAFE_CRC_DIGITS);
}

/* ---- the shapes an int8 graph wants ------------------------------------------------------------------------------ */

static void set_shape(Arena *arena, cJSON *header, const char *prefix, const char *suffix, int rank, const int64_t *dim)
{
    cJSON *entry = cJSON_GetObjectItemCaseSensitive(header, arena_printf(arena, "%s%s", prefix, suffix));
    if (!cJSON_IsObject(entry)) return;
    double size[4] = {0};
    for (int i = 0; i < rank; i++) size[i] = (double)dim[i];
    cJSON_DeleteItemFromObjectCaseSensitive(entry, "shape");
    cJSON_AddItemToObject(entry, "shape", cJSON_CreateDoubleArray(size, rank));
}

static void shape_by_graph(Arena *arena, cJSON *header, const cJSON *graph)
{
    Graph g = {0};
    if (graph_from_json(arena, graph, "graph", &g) != STATUS_OK) return;
    const int64_t tensors = g.tensors, channels = g.tensor[0].c;
    set_shape(arena, header, "tensor", ".scale", 1, &tensors);
    set_shape(arena, header, "tensor", ".zero_point", 1, &tensors);
    set_shape(arena, header, "input", ".mean", 1, &channels);
    set_shape(arena, header, "input", ".std", 1, &channels);
    for (int i = 0; i < g.nodes; i++) {
        const Node *n = &g.node[i];
        if (!node_has_weights(n)) continue;
        int64_t shape[4];
        const int64_t outputs = n->geom.o;
        const int rank = node_weight_shape(n, shape);
        set_shape(arena, header, n->name, ".weight", rank, shape);
        set_shape(arena, header, n->name, ".bias", 1, &outputs);
        set_shape(arena, header, n->name, ".weight_scale", 1, &outputs);
    }
}

/* ---- together again ---------------------------------------------------------------------------------------------- */

static size_t entry_bytes(const cJSON *entry, size_t most)
{
    const cJSON *dtype = json_get(entry, "dtype"), *item;
    double bytes = 1;
    for (int t = ST_U8; t <= ST_F64; t++)
        if (cJSON_IsString(dtype) && strcmp(dtype->valuestring, safe_type_name((SafeType)t)) == 0)
            bytes = (double)safe_type_bytes((SafeType)t);
    cJSON_ArrayForEach(item, json_get(entry, "shape")) bytes *= item->valuedouble;
    return bytes >= 0 && bytes <= (double)most ? (size_t)bytes : 0;
}

static size_t entry_begin(const cJSON *entry)
{
    const cJSON *begin = cJSON_GetArrayItem(json_get(entry, "data_offsets"), 0);
    return cJSON_IsNumber(begin) && begin->valuedouble >= 0 && begin->valuedouble < 0x1p32 ? (size_t)begin->valuedouble
                                                                                           : 0;
}

/* New offsets, in the header's order; the data follow, cut or repeated to the new sizes. */
static size_t lay_out(cJSON *header, Bytes old, uint8_t *data, size_t room)
{
    size_t at = 0;
    cJSON *entry;
    cJSON_ArrayForEach(entry, header)
    {
        if (!cJSON_IsObject(entry) || entry->string == NULL || strcmp(entry->string, "__metadata__") == 0) continue;
        const size_t bytes = entry_bytes(entry, room - at), begin = entry_begin(entry);
        for (size_t i = 0; i < bytes; i++) data[at + i] = old.bytes == 0 ? 0 : old.data[(begin + i) % old.bytes];
        const double offsets[2] = {(double)at, (double)(at + bytes)};
        cJSON_DeleteItemFromObjectCaseSensitive(entry, "data_offsets");
        cJSON_AddItemToObject(entry, "data_offsets", cJSON_CreateDoubleArray(offsets, 2));
        at += bytes;
    }
    return at;
}

static size_t put_file(uint8_t *file, size_t room, const char *header, size_t length, Bytes data)
{
    if (8 + length + data.bytes > room) return 0;
    for (int i = 0; i < 8; i++) file[i] = (uint8_t)((uint64_t)length >> 8 * i);
    memcpy(file + 8, header, length);
    memcpy(file + 8 + length, data.data, data.bytes);
    fuzz_right_crc(file, 8 + length + data.bytes);
    return 8 + length + data.bytes;
}

/* JSON inside the metadata: a change there, and back into its string. */
static void edit_inside(Arena *arena, cJSON *header, Rng *rng)
{
    cJSON *metadata = cJSON_GetObjectItemCaseSensitive(header, "__metadata__");
    const char *key = rng_below(rng, 16) == 0 ? "classes" : "graph";
    const cJSON *text = json_get(metadata, key);
    cJSON *inside = cJSON_IsString(text) ? cJSON_Parse(text->valuestring) : NULL;
    if (inside == NULL) {
        fuzz_edit_json(header, rng);
        return;
    }
    for (uint32_t i = 0, edits = rng_below(rng, 4); i <= edits; i++) fuzz_edit_json(inside, rng);
    cJSON_ReplaceItemInObjectCaseSensitive(metadata, key, cJSON_CreateString(json_print_compact(arena, inside)));
    if (rng_below(rng, 8) > 0) shape_by_graph(arena, header, inside);
    cJSON_Delete(inside);
}

static size_t change_header(Arena *arena, uint8_t *file, size_t room, Bytes text, Bytes old, Rng *rng)
{
    cJSON *header = cJSON_ParseWithLength((const char *)text.data, text.bytes);
    if (header == NULL) return 0;
    if (rng_below(rng, 4) == 0)
        fuzz_edit_json(header, rng);
    else
        edit_inside(arena, header, rng);
    uint8_t *data = arena_alloc(arena, room);
    const Bytes laid = rng_below(rng, 16) == 0 ? old : (Bytes){data, lay_out(header, old, data, room)};
    const char *printed = json_print_compact(arena, header);
    cJSON_Delete(header);
    return put_file(file, room, printed, strlen(printed), laid);
}

/* Only the text of the header, or only the data, byte by byte. */
static size_t change_part(Arena *arena, uint8_t *file, size_t room, Bytes text, Bytes data, Rng *rng, FuzzBytes *change)
{
    Bytes *part = rng_below(rng, 2) == 0 || data.bytes == 0 ? &text : &data;
    const size_t most = part == &text ? room - 8 - data.bytes : data.bytes;
    uint8_t *copy = arena_alloc(arena, most > part->bytes ? most : part->bytes);
    memcpy(copy, part->data, part->bytes);
    const size_t bytes = change(copy, part->bytes, most);
    *part = (Bytes){copy, part == &data ? part->bytes : bytes};
    return put_file(file, room, (const char *)text.data, text.bytes, data);
}

size_t fuzz_mutate_safe(uint8_t *file, size_t bytes, size_t room, Rng *rng, FuzzBytes *change)
{
    const uint32_t choice = rng_below(rng, 8);
    const uint64_t length = bytes < 8 ? 0 : header_bytes(file);
    if (choice == 0 || bytes < 8 || length > bytes - 8) return change(file, bytes, room);
    Arena *arena = arena_create();
    uint8_t *copy = memcpy(arena_alloc(arena, bytes), file, bytes);
    const Bytes text = {copy + 8, (size_t)length}, data = {copy + 8 + length, bytes - 8 - (size_t)length};
    size_t now = choice > 2 ? change_header(arena, file, room, text, data, rng)
                            : change_part(arena, file, room, text, data, rng, change);
    arena_destroy(arena);
    return now > 0 ? now : change(file, bytes, room);
}
