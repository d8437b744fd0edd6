/* export: a finished model as a file of another kind. */
#include <stdio.h>

#include "base/json.h"
#include "cli/cli.h"
#include "train/export.h"
#include "graph/plan.h"

/* The network before quantization; of a quantized model, too. */
static Status export_float(Arena *arena, const Options *o, const ExporterType *type, const cJSON *options)
{
    OpenModel open;
    TRY(model_open(arena, o->argument[0], o->sets, &open));
    TRY(exporter_write_float(type, arena, open.model, o->output, options));
    if (o->json) {
        cJSON *json = cJSON_CreateObject();
        cJSON_AddStringToObject(json, "file", o->output);
        cJSON_AddNumberToObject(json, "parameters", (double)model_parameters(open.model));
        cli_print_json(arena, json);
    } else {
        cli_print("%s: %ld parameters in float32\n", o->output, model_parameters(open.model));
    }
    return STATUS_OK;
}

static cJSON *change_json(Arena *arena, const ExportModel *m, const RoundingChange *r)
{
    cJSON *json = cJSON_CreateObject();
    cJSON_AddStringToObject(json, "from", rounding_names[m->trained->rounding]);
    cJSON_AddStringToObject(json, "to", rounding_names[m->graph->rounding]);
    cJSON_AddNumberToObject(json, "images", r->images);
    if (r->images == 0) return json;
    cJSON_AddNumberToObject(json, "logits", (double)r->logits);
    cJSON_AddNumberToObject(json, "different", (double)r->different);
    cJSON_AddNumberToObject(json, "largest", r->largest);
    if (r->answers >= 0) cJSON_AddNumberToObject(json, "answers_changed", r->answers);
    cJSON_AddNumberToObject(json, arena_printf(arena, "%s_before", r->metric->name), r->before);
    cJSON_AddNumberToObject(json, arena_printf(arena, "%s_after", r->metric->name), r->after);
    return json;
}

/* What the user should know of the file: another rounding, and what the exporter says.  The number of notes. */
static Status notes_on(Arena *arena, const ExportModel *m, const char *exporter_says, const char *note[2],
                       RoundingChange *change, int *notes)
{
    *notes = 0;
    if (m->trained != NULL) {
        TRY(export_measure(arena, m, change));
        note[(*notes)++] = export_change_text(arena, m, change);
    } else if (m->graph->rounding != m->wanted) {
        note[(*notes)++] = arena_printf(
            arena,
            "the rounding %s of quant.target was not heeded: runtimes of %s files round as %s, as the model does",
            rounding_names[m->wanted], m->file_suffix, rounding_names[m->graph->rounding]);
    }
    if (exporter_says != NULL) note[(*notes)++] = exporter_says;
    return STATUS_OK;
}

static Status export_integers(Arena *arena, const Options *o, const ExporterType *type, const cJSON *options)
{
    ExportModel m;
    RoundingChange change;
    const char *note[2];
    int notes;
    const Status status = export_open(arena, o->argument[0], o->sets, type, &m);
    if (status == STATUS_STATE && m.open.model != NULL && m.open.kind == MODEL_FLOAT)
        return status_fail(status,
                           "%s: a float model; quantize it first (bitfold ptq or bitfold qat), or --float "
                           "writes the float network to formats that take it",
                           o->argument[0]);
    TRY(status);
    const Graph *graph = m.graph;
    TRY(exporter_write(type, arena, graph, o->output, options));
    const char *beside = exporter_companion(type, arena, o->output);
    TRY(notes_on(arena, &m, exporter_note(type, arena, graph, options), note, &change, &notes));
    size_t flash = graph_flash_bytes(graph), ram = graph_arena_bytes(graph);
    if (type->cost != NULL) type->cost(arena, graph, &flash, &ram);
    if (o->json) {
        cJSON *json = cJSON_CreateObject();
        cJSON_AddStringToObject(json, "file", o->output);
        if (beside != NULL) cJSON_AddStringToObject(json, "beside", beside);
        cJSON_AddStringToObject(json, "rounding", rounding_names[graph->rounding]);
        cJSON_AddNumberToObject(json, "flash_bytes", (double)flash);
        cJSON_AddNumberToObject(json, "arena_bytes", (double)ram);
        if (m.trained != NULL) cJSON_AddItemToObject(json, "rounding_change", change_json(arena, &m, &change));
        if (notes > 0) cJSON_AddItemToObject(json, "notes", cJSON_CreateStringArray(note, notes));
        cli_print_json(arena, json);
    } else {
        cli_print("%s: rounding %s, %zu bytes of weights, biases and scales, %zu bytes of activations\n", o->output,
                  rounding_names[graph->rounding], flash, ram);
        if (beside != NULL) cli_print("%s: beside it\n", beside);
        for (int i = 0; i < notes; i++) cli_print("note: %s\n", note[i]);
    }
    return STATUS_OK;
}

/* What --to says, else what the file's extension says. */
static Status choose_type(Arena *arena, const Options *o, const ExporterType **type)
{
    if (o->to != NULL) TRY(exporter_named(arena, "--to", o->to, type));
    if (o->output == NULL) return status_fail(STATUS_INVALID, "export: no -o FILE; it is required");
    if (o->to != NULL) return STATUS_OK;
    *type = exporter_of(o->output);
    if (*type != NULL) return STATUS_OK;
    const char *known = exporters[0]->extension;
    for (int i = 1; exporters[i] != NULL; i++) known = arena_printf(arena, "%s, %s", known, exporters[i]->extension);
    return status_fail(STATUS_INVALID, "%s: the name of an export; must end in one of: %s", o->output, known);
}

static Status run_export(Arena *arena, const Options *o, int *exit_code)
{
    (void)exit_code;
    const ExporterType *type = NULL;
    TRY(choose_type(arena, o, &type));
    cJSON *options = cJSON_CreateObject();
    Status status = STATUS_OK;
    for (int i = 0; o->options[i] != NULL && status == STATUS_OK; i++)
        status = json_set(options, "--option", o->options[i]);
    if (status == STATUS_OK)
        status = o->floats ? export_float(arena, o, type, options) : export_integers(arena, o, type, options);
    cJSON_Delete(options);
    return status;
}

const Verb verb_export = {"export", "MODEL -o FILE", "Writes the model as a file of another kind", "stoOF", 1,
                          1,        run_export};
