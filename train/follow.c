#include "train/follow.h"

#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/parallel.h"
#include "kernels/kernels.h"
#include "train/model_data.h"
#include "train/provenance.h"
#include "train/recipe.h"
#include "train/shared_job.h"

static Status check_kernels(const SharedJob *shared)
{
    const char *error = NULL;
    if (!kernels_select(NULL, &error)) return status_fail(STATUS_STATE, "BITFOLD_ISA: %s", error);
    if (strcmp(shared->kernels, kernels_arithmetic()) == 0) return STATUS_OK;
    return status_fail(STATUS_STATE, "computes as %s; must compute as rank 0, %s", kernels_arithmetic(),
                       shared->kernels);
}

static Status check_data(Arena *arena, const SharedJob *shared, const Config *config, const DataSplits *data)
{
    const char *own;
    if (shared->data[0] == '\0') return STATUS_OK;
    TRY(provenance_data(arena, data, &own));
    if (strcmp(own, shared->data) == 0) return STATUS_OK;
    return status_fail(STATUS_STATE, "%s: %s; must be the data of rank 0, %s",
                       config->data.dir == NULL ? shared->path : config->data.path, own, shared->data);
}

static Status open_bytes(Arena *arena, const SharedJob *shared, Checkpoint *last)
{
    FILE *stream;
    TRY(file_nameless(&stream));
    Status status = STATUS_OK;
    if (fwrite(shared->checkpoint, 1, shared->checkpoint_bytes, stream) != shared->checkpoint_bytes ||
        fflush(stream) != 0)
        status = file_fail("a checkpoint in memory", "write");
    if (status == STATUS_OK)
        status = checkpoint_open(arena, arena_printf(arena, "/proc/self/fd/%d", fileno(stream)), last);
    fclose(stream);
    return status;
}

/* Everything of a run that goes on from its checkpoint, but for its folder. */
static Status prepare(Arena *arena, const SharedJob *shared, TrainJob *job)
{
    Recipe *recipe = ARENA_ARRAY(arena, Recipe, 1);
    Checkpoint *last = ARENA_ARRAY(arena, Checkpoint, 1);
    DataSplits *data = ARENA_ARRAY(arena, DataSplits, 1);
    cJSON *root = NULL;
    Config *config;
    StringList names;
    TRY(check_kernels(shared));
    TRY(json_parse(shared->config, strlen(shared->config), shared->path, &root));
    const Status status = config_from_json(arena, root, shared->path, NULL, &config);
    cJSON_Delete(root);
    TRY(status);
    TRY(open_bytes(arena, shared, last));
    TRY(checkpoint_classes(last, &names));
    const ModelClasses classes = {.where = "the model of rank 0", .n = names.n, .name = names.at};
    TRY(model_data(arena, config, &classes, true, data));
    TRY(check_data(arena, shared, config, data));
    *recipe = (Recipe){.arena = arena,
                       .config = config,
                       .kind = shared->kind,
                       .data = data,
                       .renewed = -1,
                       .from_scratch = shared->from_scratch,
                       .last = last,
                       .label = ""};
    TRY(experiment_model(arena, config, shared->kind == MODEL_FLOAT ? NULL : &config->quant, data, &recipe->model));
    recipe_plan(recipe);
    TRY(recipe_run(recipe, RECIPE_BEGIN));
    *job = (TrainJob){.config = config,
                      .data = data,
                      .model = recipe->model,
                      .kind = shared->kind,
                      .teacher = recipe->teacher,
                      .from_scratch = shared->from_scratch,
                      .resume = true,
                      .last = last,
                      .allow_changed = true, /* rank 0 has looked */
                      .follows = true};
    return STATUS_OK;
}

void train_follow(void)
{
    SharedJob shared;
    for (bool more = true; more;) {
        Arena *arena = arena_create();
        more = shared_job_receive(arena, &shared);
        if (more) {
            TrainJob job;
            TrainResult result;
            parallel_set_threads(shared.threads);
            const Status status = prepare(arena, &shared, &job);
            if (status == STATUS_OK)
                (void)train_run(arena, &job, &result); /* which agrees with rank 0 how it ends */
            else
                (void)shared_agree(status);
        }
        arena_destroy(arena);
    }
}
