#include "train/run_source.h"

#include <string.h>

#include "base/file.h"
#include "base/json.h"

bool run_source_is_model(const char *path) { return file_ends(path, ".safetensors") || file_is_dir(path); }

static bool is_own(Arena *arena, const RunRequest *r)
{
    if (!r->resume || !run_source_is_model(r->path)) return false;
    if (r->out == NULL) return file_is_dir(r->path);
    const char *folder = file_is_dir(r->path) ? r->path : file_dirname(arena, r->path);
    return run_folder_holds(folder, r->out) && run_folder_holds(r->out, folder);
}

RunSource run_source(Arena *arena, const RunRequest *r, ModelKind kind)
{
    const bool model = kind == MODEL_FLOAT ? run_source_is_model(r->path) : !file_ends(r->path, ".json");
    const char *suffix = r->suffix != NULL ? r->suffix : kind == MODEL_QAT ? "-qat" : model ? "-tuned" : "";
    return (RunSource){.suffix = suffix, .model = model, .own = is_own(arena, r)};
}

Status run_source_config(Arena *arena, const RunRequest *r, RunSource *source, Config **config)
{
    if (source->own)
        return status_fail(STATUS_STATE,
                           "%s: has no config.json yet; what the run starts from must be given: CONFIG|MODEL --out %s "
                           "--resume",
                           r->path, r->out != NULL ? r->out : r->path);
    if (source->model) TRY(model_open(arena, r->path, NULL, &source->from));
    TRY(config_read(arena, source->model ? source->from.config->path : r->path, r->sets, config));
    if (!file_ends((*config)->name, source->suffix))
        (*config)->name = arena_printf(arena, "%s%s", (*config)->name, source->suffix);
    return STATUS_OK;
}

Status run_source_start(Arena *arena, const RunSource *source, ModelKind kind, const Checkpoint *last, RunStart *start)
{
    *start = (RunStart){kind, source->model && kind == MODEL_QAT ? "model" : "config", NULL};
    if (last == NULL || !source->model) return STATUS_OK;
    const Provenance p = checkpoint_provenance(last);
    if (p.config == NULL) return STATUS_OK;
    cJSON *json = NULL;
    TRY(json_parse(p.config, strlen(p.config), last->path, &json));
    const cJSON *began = json_get(json, "start");
    if (cJSON_IsString(began)) start->start = arena_strdup(arena, began->valuestring);
    cJSON_Delete(json);
    return STATUS_OK;
}

Status run_source_unread(Arena *arena, const RunRequest *r, const RunSource *source, const char *folder)
{
    if (!source->model || source->own) return STATUS_OK;
    if (!file_exists(r->path))
        return status_fail(STATUS_IO,
                           "%s: does not exist; must be a model, or the run directory %s itself, which goes on without "
                           "one",
                           r->path, folder);
    run_note(r, arena_printf(arena, "note: %s goes on from its own checkpoint; %s is not read", folder, r->path));
    return STATUS_OK;
}

Status run_source_again(const RunSource *source, ModelKind kind, const RunFolder *run)
{
    if (source->model && !source->own) return STATUS_OK;
    const bool qat = kind == MODEL_QAT;
    if (!run->was_from_model && !(qat && source->own)) return STATUS_OK;
    return status_fail(STATUS_STATE,
                       "%s: has no checkpoint yet; the model%s that the run starts from must be given: bitfold %s "
                       "MODEL --out %s --resume",
                       run->path, run->was_from_model ? "" : " or config", qat ? "qat" : "train", run->path);
}
