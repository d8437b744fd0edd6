/* import: an ONNX file becomes a model folder. */
#include <stdio.h>

#include "cli/cli.h"
#include "train/import.h"

static cJSON *import_json(const ImportOutcome *out)
{
    const ImportedModel *m = &out->imported;
    cJSON *json = cJSON_CreateObject();
    cJSON_AddStringToObject(json, "model", out->model_path);
    cJSON_AddStringToObject(json, "kind", m->graph != NULL ? "int8" : "float");
    cJSON_AddItemToObject(json, "input", cJSON_CreateIntArray(m->input, 3));
    cJSON_AddNumberToObject(json, "classes", m->classes);
    if (m->graph != NULL)
        cJSON_AddStringToObject(json, "rounding", rounding_names[m->graph->rounding]);
    else
        cJSON_AddNumberToObject(json, "parameters", (double)model_parameters(out->model));
    cJSON_AddItemToObject(json, "notes", cJSON_CreateStringArray(m->note, m->notes));
    return json;
}

static Status run(Arena *arena, const Options *o, int *exit_code)
{
    (void)exit_code;
    if (o->output == NULL) return status_fail(STATUS_INVALID, "import: no -o FOLDER; it is required");
    const ImportRequest request = {.path = o->argument[0],
                                   .sets = o->sets,
                                   .out = o->output,
                                   .overwrite = o->overwrite,
                                   .argc = o->argc,
                                   .argv = o->argv};
    ImportOutcome out;
    TRY(run_import(arena, &request, &out));
    const ImportedModel *m = &out.imported;
    for (int i = 0; i < m->notes; i++) cli_note("note: %s\n", m->note[i]);
    if (o->json) {
        cli_print_json(arena, import_json(&out));
        return STATUS_OK;
    }
    cli_print("%s: image %d x %d x %d, %d classes, ", out.model_path, m->input[0], m->input[1], m->input[2],
              m->classes);
    if (m->graph != NULL)
        cli_print("int8 in %d nodes, rounding %s\n", m->graph->nodes, rounding_names[m->graph->rounding]);
    else
        cli_print("%ld parameters in %d layers\n", model_parameters(out.model), out.model->layers);
    return STATUS_OK;
}

const Verb verb_import = {
    "import", "MODEL.onnx -o FOLDER", "Makes an ONNX network a model: float, or int8 with its scales", "swo", 1, 1,
    run};
