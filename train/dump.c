#include "train/dump.h"

#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/names.h"
#include "datasets/batch_reader.h"
#include "graph/graph_text.h"
#include "graph/engine.h"

enum { DUMP_BATCH = 64, CODES = 256 };

/* Files that grow together, one batch after the other. */
typedef struct {
    int n;
    FileWriter *at; /* stream NULL: not written */
} Files;

static Status files_finish(Files *f, Status status)
{
    for (int i = 0; i < f->n; i++) {
        if (f->at[i].stream == NULL) continue;
        if (status == STATUS_OK)
            status = file_commit(&f->at[i]);
        else
            file_abort(&f->at[i]);
    }
    return status;
}

/* Pixels and labels: the same for every kind of model. */
static Status dump_images(Arena *arena, const Dataset *data, const char *folder)
{
    TRY(file_make_dir(folder));
    FileWriter w;
    TRY(file_begin(arena, file_join(arena, folder, "pixels.u8"), &w));
    DatasetBatches b = dataset_batches(arena, data, DUMP_BATCH);
    Status status = STATUS_OK;
    while (dataset_next(&b, &status)) fwrite(b.pixels, dataset_image_bytes(data), (size_t)b.n, w.stream);
    if (status != STATUS_OK) file_abort(&w);
    TRY(status);
    TRY(file_commit(&w));
    const char *name = data->targets.width > 0 ? "targets.f32" : "labels.i32";
    return file_write(arena, file_join(arena, folder, name), targets_memory(data->targets),
                      (size_t)data->n * target_bytes(data->targets));
}

static cJSON *manifest_begin(const char *model, int images)
{
    cJSON *root = cJSON_CreateObject();
    cJSON_AddStringToObject(root, "format", "bitfold dump");
    cJSON_AddNumberToObject(root, "version", 1);
    cJSON_AddStringToObject(root, "model", model);
    cJSON_AddNumberToObject(root, "images", images);
    return root;
}

static Status manifest_end(Arena *arena, cJSON *root, const char *folder)
{
    const char *text = json_print(arena, root);
    cJSON_Delete(root);
    return file_write(arena, file_join(arena, folder, "tensors.json"), text, strlen(text));
}

/* ---- codes ------------------------------------------------------------------------------------------------------- */

/* Of int8 codes. */
typedef bool Seen[CODES];

/* A file for each tensor. */
static char **codes_files(Arena *arena, const Graph *g)
{
    const char **names = ARENA_ARRAY(arena, const char *, g->tensors);
    for (int i = 0; i < g->tensors; i++) names[i] = g->tensor[i].name;
    char **files = names_of_files(arena, g->tensors, names);
    for (int i = 0; i < g->tensors; i++)
        files[i] = arena_printf(arena, "%s.%s", files[i],
                                graph_tensor_is_float(&g->tensor[i])  ? "f32"
                                : graph_tensor_is_sums(&g->tensor[i]) ? "i32"
                                : graph_tensor_is_wide(&g->tensor[i]) ? "i16"
                                                                      : "i8");
    return files;
}

static bool is_dumped(const Graph *g, bool layers, int tensor) { return layers || tensor == 0 || tensor == g->output; }

static Status codes_manifest(Arena *arena, const Graph *g, int images, bool layers, const Seen *seen, char **files,
                             const char *folder)
{
    cJSON *root = manifest_begin(g->model_name, images);
    cJSON_AddStringToObject(root, "dialect", rounding_names[g->rounding]);
    cJSON_AddStringToObject(root, "output", g->tensor[g->output].name);
    cJSON *list = cJSON_AddArrayToObject(root, "tensors");
    for (int i = 0; i < g->tensors; i++) {
        const GraphTensor *t = &g->tensor[i];
        int different = 0;
        for (int k = 0; k < CODES; k++) different += seen[i][k];
        cJSON *entry = graph_tensor_to_json(arena, t);
        if (!graph_tensor_is_float(t)) {
            cJSON_AddNumberToObject(entry, "scale", json_decimal(t->scale));
            cJSON_AddNumberToObject(entry, "zero_point", t->zero_point);
            if (t->format == FORMAT_INT8) cJSON_AddNumberToObject(entry, "codes_seen", different);
        }
        if (is_dumped(g, layers, i)) cJSON_AddStringToObject(entry, "file", files[i]);
        cJSON_AddItemToArray(list, entry);
    }
    cJSON *nodes = cJSON_AddArrayToObject(root, "nodes");
    for (int i = 0; i < g->nodes; i++) cJSON_AddItemToArray(nodes, node_to_json(arena, g, &g->node[i]));
    return manifest_end(arena, root, folder);
}

Status dump_codes(Arena *arena, const Graph *g, const Dataset *data, bool layers, const char *folder)
{
    Engine *engine;
    TRY(engine_create(arena, g, DUMP_BATCH, &engine));
    TRY(dump_images(arena, data, folder));
    Files files = {g->tensors, ARENA_ARRAY(arena, FileWriter, g->tensors)};
    char **names = codes_files(arena, g);
    Seen *seen = ARENA_ARRAY(arena, Seen, g->tensors);
    int8_t *input = arena_alloc(arena, DUMP_BATCH * dataset_image_bytes(data));
    DatasetBatches b = dataset_batches(arena, data, DUMP_BATCH);
    int8_t *logits = arena_alloc(arena, DUMP_BATCH * graph_tensor_bytes(&g->tensor[g->output]));
    Status status = STATUS_OK;
    for (int i = 0; i < g->tensors && status == STATUS_OK; i++)
        if (is_dumped(g, layers, i)) status = file_begin(arena, file_join(arena, folder, names[i]), &files.at[i]);
    while (dataset_next(&b, &status)) {
        graph_quantize_pixels(g, b.pixels, b.n, input);
        engine_run(engine, input, b.n, logits);
        for (int i = 0; i < g->tensors; i++) {
            const int8_t *codes = engine_tensor(engine, i);
            const size_t count = (size_t)b.n * graph_tensor_bytes(&g->tensor[i]);
            for (size_t k = 0; k < count && g->tensor[i].format == FORMAT_INT8; k++) seen[i][codes[k] + 128] = true;
            if (files.at[i].stream != NULL) fwrite(codes, 1, count, files.at[i].stream);
        }
    }
    TRY(files_finish(&files, status));
    return codes_manifest(arena, g, data->n, layers, seen, names, folder);
}

/* ---- floats ------------------------------------------------------------------------------------------------------ */

static cJSON *float_entry(const char *name, const char *file, int h, int w, int c)
{
    cJSON *entry = cJSON_CreateObject();
    cJSON_AddStringToObject(entry, "name", name);
    cJSON_AddItemToObject(entry, "shape", cJSON_CreateIntArray((int[]){h, w, c}, 3));
    cJSON_AddStringToObject(entry, "file", file);
    return entry;
}

static Status floats_manifest(Arena *arena, const Model *m, int images, const char *logits, const char *folder)
{
    cJSON *root = manifest_begin(m->name, images);
    cJSON_AddStringToObject(root, "output", m->layer[m->layers - 1].name);
    cJSON *list = cJSON_AddArrayToObject(root, "tensors");
    cJSON_AddItemToArray(list, float_entry("input", "input.f32", m->input.h, m->input.w, m->input.c));
    cJSON_AddItemToArray(list, float_entry(m->layer[m->layers - 1].name, logits, 1, 1, m->classes));
    return manifest_end(arena, root, folder);
}

static Status floats_batch(Model *m, Tape *t, const uint8_t *pixels, int n, float *input, const Files *files)
{
    const size_t C = (size_t)m->input.c, count = (size_t)n * (size_t)m->input.h * (size_t)m->input.w * C;
    for (size_t i = 0; i < count; i++) input[i] = m->pixel_value[i % C * CODES + pixels[i]];
    fwrite(input, sizeof *input, count, files->at[0].stream);
    tape_reset(t, false);
    const ForwardMode mode = {.arithmetic = ARITHMETIC_FLOAT};
    const Tensor *z = model_forward(m, t, &mode, pixels, n);
    if (z == NULL) return status_fail(t->status, "%s", t->message);
    fwrite(tensor_values(t, z), sizeof(float), (size_t)n * (size_t)m->classes, files->at[1].stream);
    return STATUS_OK;
}

Status dump_floats(Arena *arena, Model *m, const Dataset *data, const char *folder)
{
    TRY(dump_images(arena, data, folder));
    char **names = names_of_files(arena, 2, (const char *const[]){"input", m->layer[m->layers - 1].name});
    const char *logits = arena_printf(arena, "%s.f32", names[1]);
    FileWriter pair[2] = {{0}};
    Files files = {2, pair};
    Status status = file_begin(arena, file_join(arena, folder, "input.f32"), &pair[0]);
    if (status == STATUS_OK) status = file_begin(arena, file_join(arena, folder, logits), &pair[1]);
    float *input = arena_alloc(arena, DUMP_BATCH * dataset_image_bytes(data) * sizeof *input);
    DatasetBatches b = dataset_batches(arena, data, DUMP_BATCH);
    Arena *step = arena_create();
    Tape *t = tape_create(arena, step);
    while (dataset_next(&b, &status)) status = floats_batch(m, t, b.pixels, b.n, input, &files);
    arena_destroy(step);
    TRY(files_finish(&files, status));
    return floats_manifest(arena, m, data->n, logits, folder);
}
