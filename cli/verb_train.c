/* train, ptq, qat: the verbs that make models. */
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "cli/cli.h"
#include "deploy/lower.h"
#include "train/experiment.h"

static void print_result(Arena *arena, const Options *o, const char *folder, const char *file, const EvalResult *r,
                         const char *engine)
{
    if (o->json) {
        cJSON *json = cJSON_CreateObject();
        cJSON_AddStringToObject(json, "folder", folder);
        cJSON_AddStringToObject(json, "model", file_join(arena, folder, file));
        cJSON_AddStringToObject(json, "engine", engine);
        cJSON_AddNumberToObject(json, "accuracy", r->accuracy);
        cJSON_AddNumberToObject(json, "loss", r->loss);
        cJSON_AddNumberToObject(json, "n", r->n);
        cli_print_json(arena, json);
    } else if (!o->quiet) {
        printf("test accuracy %.2f %% on %d images (%s engine)\n%s\n", 100.0 * r->accuracy, r->n, engine,
               file_join(arena, folder, file));
    }
}

/* The test accuracy of a finished model: by the integer engine when it has one. */
static Status report(Arena *arena, const Options *o, const Config *config, Model *m, const Dataset *test,
                     const char *folder, const char *file)
{
    QGraph *graph = NULL;
    if (m->quant != NULL) TRY(model_lower(arena, m, (Dialect)config->quant.dialect, &graph));
    EvalResult r;
    TRY(evaluate(arena, m, graph, test, graph == NULL ? ENGINE_FLOAT : ENGINE_INT8, &r));
    print_result(arena, o, folder, file, &r, graph == NULL ? "float" : "int8");
    return STATUS_OK;
}

static void warn_pixels(const Options *o, const Model *m)
{
    if (m->exact_pixels || o->quiet) return;
    fprintf(stderr, "note: with this data.normalize the image's codes are not the pixels: each pixel is rounded to a grid of "
                    "%.4g, and firmware must do the same. One mean and std for all channels, 255 * mean an integer, avoids it\n",
            (double)m->input_grid.scale[0]);
}

/* The config of a resumed run is the one in its folder. */
static Status read_config(Arena *arena, const Options *o, const char *path, Config **config)
{
    if (!o->resume) return config_read(arena, path, o->sets, config);
    if (o->out == NULL && path == NULL) return status_fail(STATUS_INVALID, "--resume: no --out; the folder of a run is required");
    const char *folder = o->out;
    if (folder == NULL) {
        Config *named;
        TRY(config_read(arena, path, NULL, &named));
        folder = file_join(arena, "runs", named->name);
    }
    const char *inside = file_join(arena, folder, "config.json");
    if (!file_exists(inside))
        return status_fail(STATUS_STATE, "%s: has no config.json; --resume needs the folder of an earlier run", folder);
    return config_read(arena, inside, o->sets, config);
}

static Status run_train(Arena *arena, const Options *o, int *exit_code)
{
    Config *config;
    TRY(read_config(arena, o, o->argument[0], &config));
    DataSplits data;
    TRY(experiment_data(arena, config, &data));
    Model *m;
    TRY(experiment_model(arena, config, NULL, &data, &m));
    model_init(m, config->seed);
    const char *folder = o->resume && o->out == NULL ? config->folder : cli_run_folder(arena, o, config->name);
    TRY(run_folder_begin(arena, folder, config, o->overwrite, o->resume));
    cli_catch_signals();
    TrainJob job = {.config = config, .data = &data, .model = m, .kind = MODEL_FLOAT, .folder = folder, .resume = o->resume};
    TrainResult result;
    TRY(cli_train(arena, o, &job, "", &result, exit_code));
    return report(arena, o, config, m, &data.test, folder, "last.safetensors");
}

static bool ends_with(const char *text, const char *end)
{
    const size_t n = strlen(text), k = strlen(end);
    return n >= k && strcmp(text + n - k, end) == 0;
}

/* The config of a derived run has a name, and so a folder, of its own. */
static void rename_run(Arena *arena, Config *config, const char *suffix)
{
    if (!ends_with(config->name, suffix)) config->name = arena_printf(arena, "%s%s", config->name, suffix);
}

static Status run_ptq(Arena *arena, const Options *o, int *exit_code)
{
    (void)exit_code;
    OpenModel from;
    TRY(model_open(arena, o->argument[0], o->sets, &from));
    if (from.kind != MODEL_FLOAT)
        return status_fail(STATUS_STATE, "%s: a %s model; ptq starts from a float model", o->argument[0],
                           model_kind_names[from.kind]);
    Config config = *from.config;
    rename_run(arena, &config, "-ptq");
    config.quant = ptq_quant_config(arena, &config.quant);
    DataSplits data;
    TRY(experiment_data(arena, &config, &data));
    const double start = cli_seconds();
    Model *m;
    TRY(quantize_from(arena, &config, &config.quant, from.model, &data, &m));
    warn_pixels(o, m);
    QGraph *graph;
    TRY(model_lower(arena, m, (Dialect)config.quant.dialect, &graph));
    const char *folder = cli_run_folder(arena, o, config.name);
    TRY(run_folder_begin(arena, folder, &config, o->overwrite, false));
    const TrainState state = {.kind = MODEL_PTQ, .seed = config.seed, .best_accuracy = -1.0};
    TRY(checkpoint_write(file_join(arena, folder, "model.safetensors"), m, NULL, &state));
    TRY(run_folder_note(arena, folder, o->argc, o->argv, cli_seconds() - start));
    return report(arena, o, &config, m, &data.test, folder, "model.safetensors");
}

static Status run_qat(Arena *arena, const Options *o, int *exit_code)
{
    const bool scratch = ends_with(o->argument[0], ".json");
    Config *config;
    OpenModel from = {0};
    if (scratch || o->resume) {
        TRY(read_config(arena, o, o->argument[0], &config));
    } else {
        TRY(model_open(arena, o->argument[0], o->sets, &from));
        if (from.kind != MODEL_FLOAT)
            return status_fail(STATUS_STATE, "%s: a %s model; qat starts from a float model or from a config",
                               o->argument[0], model_kind_names[from.kind]);
        config = ARENA_ARRAY(arena, Config, 1);
        *config = *from.config;
    }
    rename_run(arena, config, "-qat");
    DataSplits data;
    TRY(experiment_data(arena, config, &data));
    Model *m;
    TRY(experiment_model(arena, config, &config->quant, &data, &m));
    warn_pixels(o, m);
    if (from.model != NULL)
        model_copy_network(m, from.model);
    else
        model_init(m, config->seed);
    if (!o->resume) TRY(calibrate(m, &data.train, config->ptq.images, config->seed));
    const char *folder = cli_run_folder(arena, o, config->name);
    TRY(run_folder_begin(arena, folder, config, o->overwrite, o->resume));
    cli_catch_signals();
    TrainJob job = {.config = config, .data = &data, .model = m, .kind = MODEL_QAT, .from_scratch = scratch,
                    .folder = folder, .resume = o->resume};
    TrainResult result;
    TRY(cli_train(arena, o, &job, "", &result, exit_code));
    return report(arena, o, config, m, &data.test, folder, "last.safetensors");
}

const Verb verb_train = {"train", "CONFIG", "Trains in float", "srwcx", 1, 1, run_train};
const Verb verb_ptq = {"ptq", "MODEL", "Quantizes a trained float model: calibrates ranges, trains nothing", "srwx", 1, 1,
                       run_ptq};
const Verb verb_qat = {"qat", "MODEL|CONFIG", "Trains with quantization in the loop, from a float model or from scratch",
                       "srwcx", 1, 1, run_qat};
