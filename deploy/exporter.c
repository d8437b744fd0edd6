#include "deploy/exporter.h"

#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "graph/graph_check.h"
#include "graph/node.h"
#include "layers/model_finite.h"

const ExporterType *const exporters[] = {
#define X(name) &exporter_##name,
#include "deploy/exporters.def"
#undef X
    NULL};

const ExporterType *exporter_find(const char *name)
{
    for (int i = 0; exporters[i] != NULL; i++)
        if (strcmp(exporters[i]->name, name) == 0) return exporters[i];
    return NULL;
}

Status exporter_named(Arena *arena, const char *where, const char *name, const ExporterType **type)
{
    *type = exporter_find(name);
    if (*type != NULL) return STATUS_OK;
    const char *known = exporters[0]->name;
    for (int i = 1; exporters[i] != NULL; i++) known = arena_printf(arena, "%s, %s", known, exporters[i]->name);
    return status_fail(STATUS_INVALID, "%s: \"%s\"; must be one of: %s", where, name, known);
}

bool exporter_carries(const ExporterType *type, NodeKind kind) { return type->carries == NULL || type->carries(kind); }

Status exporter_refuse(const ExporterType *type, const char *layer, NodeKind kind)
{
    Arena *arena = arena_create();
    const char *others = "";
    for (int i = 0; exporters[i] != NULL; i++)
        if (exporter_carries(exporters[i], kind))
            others = arena_printf(arena, "%s%s--to %s", others, others[0] == '\0' ? "" : " or ", exporters[i]->name);
    const Status status = status_fail(
        STATUS_UNSUPPORTED,
        "layer \"%s\": a node of type %s, for which %s has no operator; must be one of another type: export %s", layer,
        node_types[kind]->name, type->runtime, others);
    arena_destroy(arena);
    return status;
}

/* Whether the path ends in a file name with this extension. */
static bool has_extension(const char *path, const char *extension)
{
    const char *slash = strrchr(path, '/');
    return file_ends(slash == NULL ? path : slash + 1, extension);
}

const ExporterType *exporter_of(const char *path)
{
    for (int i = 0; exporters[i] != NULL; i++)
        if (has_extension(path, exporters[i]->extension)) return exporters[i];
    return NULL;
}

const char *exporter_companion(const ExporterType *type, Arena *arena, const char *path)
{
    if (type->companion == NULL) return NULL;
    return arena_printf(arena, "%.*s%s", (int)(strlen(path) - strlen(type->extension)), path, type->companion);
}

static bool bears(const char *path, const char *signature)
{
    int fd;
    size_t bytes;
    if (file_open_fd(path, &fd, &bytes) != STATUS_OK) return false;
    char head[EXPORT_HEAD_BYTES];
    const ssize_t n = pread(fd, head, sizeof head, 0);
    close(fd);
    return n > 0 && memmem(head, (size_t)n, signature, strlen(signature)) != NULL;
}

bool exporter_made(const ExporterType *type, const char *path) { return bears(path, type->signature); }
bool exporter_made_companion(const ExporterType *type, const char *path)
{
    return bears(path, type->companion_signature);
}

/* An export may replace an earlier export, never anything else that bears its name: a config, a checkpoint. */
static Status may_replace(const char *path, const char *signature)
{
    if (!file_exists(path) || bears(path, signature)) return STATUS_OK;
    return status_fail(STATUS_STATE, "%s: exists and is no exported model; choose another -o FILE", path);
}

static Status parse_options(const ExporterType *type, Arena *arena, const cJSON *options, void **parsed)
{
    static const Field none[] = {FIELD_END};
    *parsed = arena_zalloc(arena, type->options_bytes);
    return field_parse(type->fields == NULL ? none : type->fields, options, type->name, *parsed, arena);
}

static Status begin(const ExporterType *type, Arena *arena, const char *path, const cJSON *options, void **parsed)
{
    if (!has_extension(path, type->extension))
        return status_fail(STATUS_INVALID, "%s: the name of a %s file; must end in %s", path, type->name,
                           type->extension);
    TRY(parse_options(type, arena, options, parsed));
    TRY(may_replace(path, type->signature));
    return type->companion == NULL ? STATUS_OK
                                   : may_replace(exporter_companion(type, arena, path), type->companion_signature);
}

Rounding exporter_rounding(const ExporterType *type, Rounding wanted)
{
    if (type->roundings == NULL) return wanted;
    for (const Rounding *d = type->roundings; *d != (Rounding)ROUNDINGS; d++)
        if (*d == wanted) return wanted;
    return type->roundings[0];
}

Status exporter_check_dynamic(const ExporterType *type, const Graph *g)
{
    for (int i = 0; i < g->nodes && !type->dynamic; i++)
        if (g->node[i].input_bits > 0)
            return status_fail(STATUS_UNSUPPORTED,
                               "layer \"%s\": finds the grid of its input at run time (quant.activations.scheme "
                               "\"dynamic\"); --to %s writes grids that are known before: export --to onnx, "
                               "tflite or safetensors, or quantize with scheme \"static\"",
                               g->node[i].name, type->name);
    return STATUS_OK;
}

/* That the type has something for nodes that compute in floats, if there are any. */
static Status check_floats(const ExporterType *type, const Graph *g)
{
    for (int i = 0; i < g->nodes && !type->floats; i++)
        if (node_is_float(g, &g->node[i]))
            return status_fail(STATUS_UNSUPPORTED,
                               "layer \"%s\": computes in %s; --to %s writes integers only: export --to safetensors or "
                               "--to onnx, or quantize it in int8",
                               g->node[i].name, format_names[node_y(g, &g->node[i])->format], type->name);
    return STATUS_OK;
}

/* The same for int16 codes. */
static Status check_wide(const ExporterType *type, const Graph *g)
{
    for (int i = 0; i < g->nodes && !type->wide; i++) {
        const Node *n = &g->node[i];
        if (!node_is_wide(g, n) && !graph_tensor_is_wide(node_y(g, n))) continue;
        if (type->wide_output && (node_widens(g, n) || node_gives_output(g, n))) continue;
        return status_fail(
            STATUS_UNSUPPORTED,
            "layer \"%s\": codes of 16 bits; --to %s writes %s only: export --to c, tflite or safetensors, "
            "or quantize in 8 bits (quant.activations.bits%s, quant.overrides)",
            n->name, type->name, type->wide_output ? "int8 codes, and int16 at the network's output" : "int8 codes",
            type->wide_output ? "" : ", quant.output_bits");
    }
    return STATUS_OK;
}

/* The same for an output of int32 codes. */
static Status check_sums(const ExporterType *type, const Graph *g)
{
    for (int i = 0; i < g->nodes && !type->sums; i++)
        if (node_gives_sums(&g->node[i]))
            return status_fail(STATUS_UNSUPPORTED,
                               "layer \"%s\": an output of 32 bits; --to %s writes at most 16: export --to c or "
                               "safetensors, or quantize with quant.output_bits 8 or 16",
                               g->node[i].name, type->name);
    return STATUS_OK;
}

Status exporter_write(const ExporterType *type, Arena *arena, const Graph *g, const char *path, const cJSON *options)
{
    void *parsed = NULL;
    TRY(begin(type, arena, path, options, &parsed));
    TRY(graph_check(g));
    const Rounding usual = exporter_rounding(type, g->rounding);
    if (usual != g->rounding)
        return status_fail(STATUS_UNSUPPORTED,
                           "rounding %s; must be one that runtimes of %s files round as, such as %s",
                           rounding_names[g->rounding], type->name, rounding_names[usual]);
    TRY(exporter_check_dynamic(type, g));
    TRY(check_floats(type, g));
    TRY(check_wide(type, g));
    TRY(check_sums(type, g));
    for (int i = 0; i < g->nodes; i++)
        if (!exporter_carries(type, g->node[i].op)) return exporter_refuse(type, g->node[i].name, g->node[i].op);
    return type->write(arena, g, path, parsed);
}

const char *exporter_note(const ExporterType *type, Arena *arena, const Graph *g, const cJSON *options)
{
    if (type->note == NULL) return NULL;
    void *parsed = NULL;
    if (parse_options(type, arena, options, &parsed) != STATUS_OK) return NULL;
    return type->note(arena, g, parsed);
}

Status exporter_write_float(const ExporterType *type, Arena *arena, Model *m, const char *path, const cJSON *options)
{
    if (type->write_float == NULL)
        return status_fail(STATUS_UNSUPPORTED,
                           "--to %s: a float model; %s files hold integers only: leave out --float, or --to onnx",
                           type->name, type->name);
    TRY(model_check_finite(m));
    void *parsed = NULL;
    TRY(begin(type, arena, path, options, &parsed));
    return type->write_float(arena, m, path, parsed);
}
