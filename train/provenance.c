#include "train/provenance.h"

#include <string.h>
#include <zlib.h>

#include "base/json.h"
#include "datasets/batch_reader.h"
#include "kernels/kernels.h"

/* ---- now --------------------------------------------------------------------------------------------------------- */

bool run_from_config(RunStart start) { return strcmp(start.start, "config") == 0; }

/* What of the train section quantization-aware training does not read. */
static void drop_of_float(cJSON *train, bool from_scratch)
{
    cJSON_DeleteItemFromObjectCaseSensitive(train, "freeze");
    cJSON_DeleteItemFromObjectCaseSensitive(train, "ema");
    cJSON_DeleteItemFromObjectCaseSensitive(train, "early_stopping");
    cJSON_DeleteItemFromObjectCaseSensitive(train, "schedule");
    cJSON_DeleteItemFromObjectCaseSensitive(train, "teacher");
    cJSON_DeleteItemFromObjectCaseSensitive(train, "distillation");
    if (!from_scratch) cJSON_DeleteItemFromObjectCaseSensitive(train, "epochs");
}

/* Of a training without a teacher nothing; of one with a teacher what it is, not where. */
static void tell_teacher(cJSON *section, const TeacherConfig *teacher, const char *digest)
{
    if (!teacher_is_named(teacher)) {
        cJSON_DeleteItemFromObjectCaseSensitive(section, "teacher");
        cJSON_DeleteItemFromObjectCaseSensitive(section, "distillation");
    } else if (digest != NULL) {
        cJSON_ReplaceItemInObjectCaseSensitive(section, "teacher", cJSON_CreateString(digest));
    }
}

/* Quantization-aware training calibrates, and takes no other step. */
static void keep_images(cJSON *ptq)
{
    for (cJSON *next, *item = ptq->child; item != NULL; item = next) {
        next = item->next;
        if (strcmp(item->string, "images") != 0) cJSON_Delete(cJSON_DetachItemViaPointer(ptq, item));
    }
}

/* A copy of the config as JSON, without what no result of the kind depends on. */
static cJSON *relevant(const Config *config, RunStart start)
{
    static const char *const never[] = {"$schema", "name", "compare", NULL};
    static const char *const unused[][4] = {[MODEL_FLOAT] = {"quant", "ptq", "qat"}, [MODEL_PTQ] = {"train", "qat"}};
    Config copy = *config;
    copy.schema = NULL;
    cJSON *root = field_dump(config_fields, &copy);
    for (int i = 0; never[i] != NULL; i++) cJSON_DeleteItemFromObjectCaseSensitive(root, never[i]);
    for (int i = 0; start.kind != MODEL_QAT && unused[start.kind][i] != NULL; i++)
        cJSON_DeleteItemFromObjectCaseSensitive(root, unused[start.kind][i]);
    cJSON *data = cJSON_GetObjectItemCaseSensitive(root, "data");
    cJSON_DeleteItemFromObjectCaseSensitive(data, "dir");
    cJSON_DeleteItemFromObjectCaseSensitive(data, "memory");
    if (start.kind == MODEL_QAT) keep_images(cJSON_GetObjectItemCaseSensitive(root, "ptq"));
    cJSON *train = cJSON_GetObjectItemCaseSensitive(root, "train");
    if (train != NULL) {
        cJSON_DeleteItemFromObjectCaseSensitive(train, "checkpoint_every");
        if (start.kind == MODEL_QAT) drop_of_float(train, run_from_config(start));
    }
    if (config->train.sparsity.target <= 0.0) cJSON_DeleteItemFromObjectCaseSensitive(train, "sparsity");
    if (start.kind == MODEL_FLOAT) tell_teacher(train, &config->train.teacher, start.teacher);
    if (start.kind == MODEL_QAT)
        tell_teacher(cJSON_GetObjectItemCaseSensitive(root, "qat"), &config->qat.teacher, start.teacher);
    cJSON_AddStringToObject(root, "start", start.start);
    return root;
}

enum { CRC_IMAGES = 64 };

static Status split_crc(const Dataset *d, uLong *crc)
{
    *crc = crc32_z(0, NULL, 0);
    if (d->n == 0) return STATUS_OK;
    Arena *own = arena_create();
    DatasetBatches b = dataset_batches(own, d, CRC_IMAGES);
    Status status = STATUS_OK;
    while (dataset_next(&b, &status)) *crc = crc32_z(*crc, b.pixels, (size_t)b.n * dataset_image_bytes(d));
    *crc = crc32_z(*crc, targets_memory(d->targets), target_bytes(d->targets) * (size_t)d->n);
    arena_destroy(own);
    return status;
}

Status provenance_data(Arena *arena, const DataSplits *data, const char **text)
{
    const Dataset *const sets[] = {&data->train, &data->validation, &data->test};
    static const char *const names[] = {"training", "validation", "test"};
    *text = "";
    for (int i = 0; i < 3; i++) {
        uLong crc;
        TRY(split_crc(sets[i], &crc));
        *text = arena_printf(arena, "%s%s%d %s images with CRC-32 %08lx", *text, i == 0 ? "" : "; ", sets[i]->n,
                             names[i], crc);
    }
    return STATUS_OK;
}

Provenance provenance_now(Arena *arena, const Config *config, RunStart start, const char *data)
{
    cJSON *json = relevant(config, start);
    const Provenance p = {
        .config = json_print_compact(arena, json), .data = data, .kernels = kernels_arithmetic(), .changed = ""};
    cJSON_Delete(json);
    return p;
}

const char *provenance_weights(Arena *arena, const Model *m)
{
    uLong crc = crc32_z(0, (const Bytef *)m->params.x, sizeof *m->params.x * m->params.count);
    for (int i = 0; i < m->layers; i++) {
        const Layer *l = &m->layer[i];
        if (l->norm == NULL) continue;
        crc = crc32_z(crc, (const Bytef *)l->norm->mean, sizeof(float) * (size_t)l->gamma->count);
        crc = crc32_z(crc, (const Bytef *)l->norm->var, sizeof(float) * (size_t)l->gamma->count);
    }
    return arena_printf(arena, "weights with CRC-32 %08lx", crc);
}

/* ---- differences ------------------------------------------------------------------------------------------------- */

enum { SHOWN = 3, VALUE_BYTES = 60 };

typedef struct {
    Arena *arena;
    const char *text; /* the first ones */
    int n;
} Differences;

static const char *value_text(Arena *arena, const cJSON *value)
{
    if (value == NULL) return "not there";
    const char *text = json_print_compact(arena, value);
    return strlen(text) <= VALUE_BYTES ? text : arena_printf(arena, "%.*s...", VALUE_BYTES, text);
}

static void differ(Differences *d, const char *what, const char *now, const char *was)
{
    if (d->n++ < SHOWN)
        d->text =
            arena_printf(d->arena, "%s%s%s is %s, was %s", d->text, d->text[0] == '\0' ? "" : "; ", what, now, was);
}

static const char *key_of(Arena *arena, const char *path, const cJSON *item, int index)
{
    if (item->string == NULL) return arena_printf(arena, "%s[%d]", path, index);
    return path[0] == '\0' ? item->string : arena_printf(arena, "%s.%s", path, item->string);
}

/* Depth is that of the config's tables. */
static void compare_json(Differences *d, const char *path, const cJSON *now, const cJSON *was)
{
    if (cJSON_Compare(now, was, true)) return;
    const bool objects = cJSON_IsObject(now) && cJSON_IsObject(was);
    const bool lists = cJSON_IsArray(now) && cJSON_IsArray(was) && cJSON_GetArraySize(now) == cJSON_GetArraySize(was);
    if (!objects && !lists) {
        differ(d, path, value_text(d->arena, now), value_text(d->arena, was));
        return;
    }
    int i = 0;
    for (const cJSON *item = now->child; item != NULL; item = item->next, i++)
        compare_json(d, key_of(d->arena, path, item, i), item,
                     objects ? json_get(was, item->string) : cJSON_GetArrayItem(was, i));
    for (const cJSON *item = objects ? was->child : NULL; item != NULL; item = item->next)
        if (json_get(now, item->string) == NULL)
            differ(d, key_of(d->arena, path, item, 0), "not there", value_text(d->arena, item));
}

/* The config of an earlier version of the program, with the keys that have been added since at their defaults. */
static cJSON *completed(Arena *arena, const cJSON *was, ModelKind kind)
{
    cJSON *parts = cJSON_Duplicate(was, true);
    const cJSON *start = json_get(was, "start");
    const RunStart how = {kind, cJSON_IsString(start) ? start->valuestring : "", NULL};
    cJSON_DeleteItemFromObjectCaseSensitive(parts, "start");
    Config *config;
    const Status status = config_from_json(arena, parts, "config.json", NULL, &config);
    cJSON_Delete(parts);
    return status == STATUS_OK ? relevant(config, how) : cJSON_Duplicate(was, true);
}

static Status compare_config(Arena *arena, const Checkpoint *c, const char *now, const char *was, Differences *d)
{
    if (strcmp(now, was) == 0) return STATUS_OK;
    cJSON *a = NULL, *b = NULL;
    TRY(json_parse(now, strlen(now), c->path, &a));
    const Status status = json_parse(was, strlen(was), c->path, &b);
    if (status == STATUS_OK) {
        cJSON *whole = completed(arena, b, c->kind);
        compare_json(d, "", a, whole);
        cJSON_Delete(whole);
    }
    cJSON_Delete(a);
    cJSON_Delete(b);
    return status;
}

/* The parts of the data's text that are others. */
static void compare_data(Differences *d, const char *now, const char *was)
{
    char *a = arena_strdup(d->arena, now), *b = arena_strdup(d->arena, was);
    for (char *x, *y; (x = strsep(&a, ";")) != NULL && (y = strsep(&b, ";")) != NULL;)
        if (strcmp(x, y) != 0) differ(d, "the data", x + strspn(x, " "), y + strspn(y, " "));
}

static void add_part(Arena *arena, const char **all, const char *part, const Differences *d)
{
    if (d->n == 0) return;
    const char *more = d->n > SHOWN ? arena_printf(arena, "; and %d more", d->n - SHOWN) : "";
    *all = arena_printf(arena, "%s%s%s: %s%s", *all, (*all)[0] == '\0' ? "" : "; ", part, d->text, more);
}

Status provenance_config_changes(Arena *arena, const Checkpoint *c, const Provenance *now, const char **changes)
{
    const Provenance was = checkpoint_provenance(c);
    Differences config = {arena, "", 0};
    *changes = "";
    if (was.config != NULL) TRY(compare_config(arena, c, now->config, was.config, &config));
    add_part(arena, changes, "other config", &config);
    return STATUS_OK;
}

Status provenance_check(Arena *arena, const Checkpoint *c, bool allow, Provenance *now, const char **note)
{
    const char *path = c->path;
    const Provenance was = checkpoint_provenance(c);
    *note = NULL;
    if (was.config == NULL) {
        *note = arena_printf(arena,
                             "note: %s: of an earlier version, does not tell what config, data and kernels it was made "
                             "with: they are taken to be the same",
                             path);
        return STATUS_OK;
    }
    Differences config = {arena, "", 0}, data = {arena, "", 0}, kernel = {arena, "", 0};
    TRY(compare_config(arena, c, now->config, was.config, &config));
    compare_data(&data, now->data, was.data);
    if (strcmp(now->kernels, was.kernels) != 0) differ(&kernel, "the arithmetic", now->kernels, was.kernels);
    const char *all = "";
    add_part(arena, &all, "other config", &config);
    add_part(arena, &all, "other data", &data);
    add_part(arena, &all, "other kernels", &kernel);
    now->changed = was.changed;
    if (all[0] == '\0') return STATUS_OK;
    if (!allow)
        return status_fail(STATUS_STATE,
                           "%s: %s; must be what the run began with, or its result is another (--allow-changed goes on "
                           "all the same)",
                           path, all);
    now->changed = arena_printf(arena, "%s%s%s", was.changed, was.changed[0] == '\0' ? "" : "\n", all);
    *note = arena_printf(arena, "note: %s: goes on with %s", path, all);
    return STATUS_OK;
}

const char *provenance_without_effect(Arena *arena, const char *note)
{
    return arena_printf(arena, "%s: without effect, no step is left to train", note);
}
