#include "deploy/onnx/onnx_file.h"

#include <stdalign.h>
#include <string.h>

#include "base/file.h"

/* ---- memory of the parser ---------------------------------------------------------------------------------------- */

/* Hands out pieces of blocks from the arena, as messages are many and small, up to a budget.  Nothing is given back:
 * the parser frees only its own notes, and those are part of the bound. */
typedef struct {
    Arena *arena;
    size_t budget_bytes; /* still to be handed out */
    unsigned char *block;
    size_t left_bytes; /* of the block */
    bool exhausted;
} Pool;

enum { POOL_BLOCK_BYTES = 32 << 10 };

static void *pool_alloc(void *context, size_t bytes)
{
    Pool *pool = context;
    const size_t align = alignof(max_align_t);
    if (pool->exhausted || bytes > pool->budget_bytes || pool->budget_bytes - bytes < align) {
        pool->exhausted = true;
        return NULL;
    }
    const size_t piece = (bytes + align) & ~(align - 1); /* never empty */
    pool->budget_bytes -= piece;
    if (piece > pool->left_bytes) {
        const size_t block = piece > POOL_BLOCK_BYTES / 4 ? piece : POOL_BLOCK_BYTES;
        unsigned char *fresh = arena_try_alloc(pool->arena, block);
        if (fresh == NULL) {
            pool->exhausted = true;
            return NULL;
        }
        if (block == piece) return fresh;
        pool->block = fresh;
        pool->left_bytes = block;
    }
    void *at = pool->block;
    pool->block += piece;
    pool->left_bytes -= piece;
    return at;
}

static void pool_free(void *context, void *at)
{
    (void)context;
    (void)at;
}

/* ---- files ------------------------------------------------------------------------------------------------------- */

Status onnx_parse(Arena *arena, const void *bytes, size_t length, const char *where, Onnx__ModelProto **model)
{
    if (length > ONNX_MAX_FILE_BYTES)
        return status_fail(STATUS_FORMAT, "%s: %zu bytes; at most %d are accepted", where, length, ONNX_MAX_FILE_BYTES);
    const size_t bound_bytes = ONNX_EXPANSION_BASE_BYTES + (size_t)ONNX_EXPANSION * length;
    Pool pool = {.arena = arena, .budget_bytes = bound_bytes};
    ProtobufCAllocator allocator = {.alloc = pool_alloc, .free = pool_free, .allocator_data = &pool};
    ProtobufCMessage *message = protobuf_c_message_unpack(&onnx__model_proto__descriptor, &allocator, length, bytes);
    if (pool.exhausted)
        return status_fail(STATUS_NOMEM, "%s: needs more than %zu bytes of memory; a file of %zu bytes may not", where,
                           bound_bytes, length);
    if (message == NULL) return status_fail(STATUS_FORMAT, "%s: its bytes are no ONNX model; must be one", where);
    *model = (Onnx__ModelProto *)(void *)message;
    if ((*model)->graph == NULL) return status_fail(STATUS_FORMAT, "%s: holds no graph; must be an ONNX model", where);
    return STATUS_OK;
}

Status onnx_read(Arena *arena, const char *path, Onnx__ModelProto **model)
{
    Arena *scratch = arena_create(); /* every message is a copy */
    unsigned char *bytes = NULL;
    size_t length = 0;
    Status status = file_read(scratch, path, ONNX_MAX_FILE_BYTES, &bytes, &length);
    if (status == STATUS_OK) status = onnx_parse(arena, bytes, length, path, model);
    arena_destroy(scratch);
    return status;
}

Status onnx_write(Arena *arena, const Onnx__ModelProto *model, const char *path)
{
    const size_t length = protobuf_c_message_get_packed_size(&model->base);
    unsigned char *bytes = arena_try_alloc(arena, length);
    if (bytes == NULL) return status_prefix(STATUS_NOMEM, "%s", path);
    protobuf_c_message_pack(&model->base, bytes);
    return file_write(arena, path, bytes, length);
}

/* ---- accessors --------------------------------------------------------------------------------------------------- */

const char *onnx_text(const char *text) { return text == NULL ? "" : text; }

const Onnx__AttributeProto *onnx_attribute(const Onnx__NodeProto *node, const char *name)
{
    for (size_t i = 0; i < node->n_attribute; i++)
        if (strcmp(onnx_text(node->attribute[i]->name), name) == 0) return node->attribute[i];
    return NULL;
}

int64_t onnx_attribute_int(const Onnx__NodeProto *node, const char *name, int64_t missing)
{
    const Onnx__AttributeProto *a = onnx_attribute(node, name);
    return a != NULL ? a->i : missing;
}

float onnx_attribute_float(const Onnx__NodeProto *node, const char *name, float missing)
{
    const Onnx__AttributeProto *a = onnx_attribute(node, name);
    return a != NULL ? a->f : missing;
}

const char *onnx_attribute_string(Arena *arena, const Onnx__NodeProto *node, const char *name, const char *missing)
{
    const Onnx__AttributeProto *a = onnx_attribute(node, name);
    if (a == NULL || !a->has_s) return missing;
    char *text = arena_zalloc(arena, a->s.len + 1);
    if (a->s.len > 0) memcpy(text, a->s.data, a->s.len);
    return text;
}

int64_t onnx_opset(const Onnx__ModelProto *model)
{
    for (size_t i = 0; i < model->n_opset_import; i++) {
        const char *domain = onnx_text(model->opset_import[i]->domain);
        if (domain[0] == '\0' || strcmp(domain, "ai.onnx") == 0)
            return model->opset_import[i]->has_version ? model->opset_import[i]->version : 0;
    }
    return 0;
}

const char *onnx_metadata(const Onnx__ModelProto *model, const char *key)
{
    for (size_t i = 0; i < model->n_metadata_props; i++)
        if (strcmp(onnx_text(model->metadata_props[i]->key), key) == 0)
            return onnx_text(model->metadata_props[i]->value);
    return NULL;
}
