#include "train/integers.h"

#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "graph/graph_check.h"
#include "graph/graph_read.h"
#include "quant/target.h"

static bool begins(const char *text, const char *start) { return strncmp(text, start, strlen(start)) == 0; }

Status integers_settable(const char *path, const char *const *sets, bool import)
{
    for (int i = 0; sets != NULL && sets[i] != NULL; i++) {
        const bool data = begins(sets[i], "data.") && !begins(sets[i], "data.normalize");
        if (data || begins(sets[i], "quant.target=") || begins(sets[i], "quant.dialect=") || begins(sets[i], "seed="))
            continue;
        if (import && (begins(sets[i], "data") || begins(sets[i], "name="))) continue;
        return status_fail(STATUS_CONFIG, "--set %s: %s holds integers only; quant.target, seed%s are what can be set",
                           sets[i], path, import ? ", name and data.*" : " and data.* but data.normalize");
    }
    return STATUS_OK;
}

/* config.json next to the file, its network replaced by the file's image; or what follows from the file alone, which
 * names no data. */
static Status read_config(Arena *arena, const char *path, const char *const *sets, const Graph *g, Config **config)
{
    const char *config_path = file_join(arena, file_dirname(arena, path), "config.json");
    cJSON *root = NULL;
    if (file_exists(config_path))
        TRY(json_read(arena, config_path, &root));
    else
        root = cJSON_CreateObject();
    if (!file_exists(config_path)) cJSON_AddStringToObject(cJSON_AddObjectToObject(root, "data"), "dataset", "");
    cJSON *model = cJSON_CreateObject(), *quant = cJSON_CreateObject();
    if (json_get(root, "task") == NULL)
        cJSON_AddStringToObject(cJSON_AddObjectToObject(root, "task"), "type", graph_task(g)->name);
    cJSON_AddItemToObject(model, "input",
                          cJSON_CreateIntArray((int[]){g->tensor[0].h, g->tensor[0].w, g->tensor[0].c}, 3));
    cJSON_AddArrayToObject(model, "layers");
    cJSON_AddStringToObject(quant, "target", target_of(g->rounding)->name);
    cJSON_DeleteItemFromObjectCaseSensitive(root, "model");
    cJSON_DeleteItemFromObjectCaseSensitive(root, "quant");
    cJSON_AddItemToObject(root, "model", model);
    cJSON_AddItemToObject(root, "quant", quant);
    const Status status = config_from_json(arena, root, config_path, sets, config);
    cJSON_Delete(root);
    return status;
}

Status integers_open(Arena *arena, const char *path, const char *const *sets, OpenModel *open, Graph **graph)
{
    Config *config;
    Graph *g;
    TRY(graph_read(arena, path, &g));
    const Rounding trained = g->rounding;
    TRY(integers_settable(path, sets, false));
    TRY(read_config(arena, path, sets, g, &config));
    g->rounding = (Rounding)config->quant.rounding;
    TRY(graph_check(g));
    const bool values = task_types[config->task.type]->scale != NULL;
    if (values != (g->scale.mean != NULL) || (g->task != NULL && strcmp(g->task, task_names[config->task.type]) != 0))
        return status_fail(STATUS_STATE, "%s: task \"%s\", the config says %s; must be the same", path,
                           g->task == NULL ? task_names[0] : g->task, task_names[config->task.type]);
    Model *m = ARENA_ARRAY(arena, Model, 1);
    const char **names = ARENA_ARRAY(arena, const char *, g->classes);
    for (int i = 0; i < g->classes; i++)
        names[i] = g->class_names != NULL ? g->class_names[i] : arena_printf(arena, "%d", i);
    *m = (Model){.arena = arena,
                 .name = g->model_name,
                 .input = {g->tensor[0].h, g->tensor[0].w, g->tensor[0].c},
                 .classes = g->classes,
                 .class_names = names,
                 .task = g->task,
                 .scale = g->scale,
                 .quant = &config->quant};
    *open = (OpenModel){.config = config, .model = m, .kind = MODEL_PTQ, .trained = trained};
    *graph = g;
    return STATUS_OK;
}
