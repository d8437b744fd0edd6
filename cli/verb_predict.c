/* predict: what a model says of pictures; --dump writes each layer's codes, to find where a device disagrees. */
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/names.h"
#include "base/npy.h"
#include "cli/cli.h"
#include "datasets/decoder.h"
#include "deploy/c/c_cost.h"
#include "layers/model_finite.h"
#include "train/model_task.h"
#include "graph/engine.h"

static Status write_npy(Arena *arena, const char *path, const GraphTensor *t, const int8_t *codes)
{
    const char *descr = graph_tensor_is_float(t)  ? "<f4"
                        : graph_tensor_is_sums(t) ? "<i4"
                        : graph_tensor_is_wide(t) ? "<i2"
                                                  : "|i1";
    return npy_write(arena, path, descr, 3, (const int64_t[]){t->h, t->w, t->c}, codes, graph_tensor_bytes(t));
}

static Status write_c_floats(FileWriter *w, Arena *arena, const GraphTensor *t, const char *identifier, const float *x)
{
    fprintf(w->stream, "/* %s: rows %d, columns %d, channels %d; %s */\nstatic const float %s[%ld] = {",
            c_comment(arena, t->name), t->h, t->w, t->c, format_names[t->format], identifier, graph_tensor_elements(t));
    for (long i = 0; i < graph_tensor_elements(t); i++)
        fprintf(w->stream, "%s%.9gf,", i % 8 == 0 ? "\n    " : " ", (double)x[i]);
    fprintf(w->stream, "\n};\n");
    return file_commit(w);
}

static Status write_c(Arena *arena, const char *path, const GraphTensor *t, const char *identifier, const int8_t *codes)
{
    FileWriter w;
    TRY(file_begin(arena, path, &w));
    if (graph_tensor_is_float(t)) return write_c_floats(&w, arena, t, identifier, (const void *)codes);
    fprintf(w.stream,
            "/* %s: rows %d, columns %d, channels %d; real = %.9g * (code - %d) */\nstatic const %s %s[%ld] = {",
            c_comment(arena, t->name), t->h, t->w, t->c, (double)t->scale, t->zero_point,
            graph_tensor_is_sums(t)   ? "int"
            : graph_tensor_is_wide(t) ? "short"
                                      : "signed char",
            identifier, graph_tensor_elements(t));
    for (long i = 0; i < graph_tensor_elements(t); i++)
        fprintf(w.stream, "%s%d,", i % 16 == 0 ? "\n    " : " ",
                graph_tensor_is_sums(t)   ? ((const int32_t *)(const void *)codes)[i]
                : graph_tensor_is_wide(t) ? ((const int16_t *)(const void *)codes)[i]
                                          : codes[i]);
    fprintf(w.stream, "\n};\n");
    return file_commit(&w);
}

static Status dump(Arena *arena, const char *folder, const Graph *g, const Engine *engine)
{
    TRY(file_make_dir(folder));
    const char **names = ARENA_ARRAY(arena, const char *, g->tensors);
    for (int i = 0; i < g->tensors; i++) names[i] = g->tensor[i].name;
    char **files = names_of_files(arena, g->tensors, names), **identifiers = names_in_c(arena, g->tensors, names);
    for (int i = 0; i < g->tensors; i++) {
        const GraphTensor *t = &g->tensor[i];
        const char *path = file_join(arena, folder, files[i]);
        TRY(write_npy(arena, arena_printf(arena, "%s.npy", path), t, engine_tensor(engine, i)));
        TRY(write_c(arena, arena_printf(arena, "%s.c", path), t, identifiers[i], engine_tensor(engine, i)));
    }
    return STATUS_OK;
}

static Status run_predict(Arena *arena, const Options *o, int *exit_code)
{
    (void)exit_code;
    OpenModel open;
    Graph *graph;
    TRY(any_open(arena, o->argument[0], o->sets, &open, &graph));
    Model *m = open.model;
    const Task task = model_task(open.config, m);
    Engine *engine = NULL;
    if (graph != NULL) {
        TRY(engine_create(arena, graph, 1, &engine));
    } else if (o->dump != NULL) {
        return status_fail(STATUS_STATE,
                           "%s: a float model has no codes to dump; quantize it first (bitfold ptq or bitfold qat)",
                           o->argument[0]);
    } else {
        TRY(model_check_finite(m));
    }
    const int hwc[3] = {m->input.h, m->input.w, m->input.c};
    const bool crop = open.config->data.resize != NULL && strcmp(open.config->data.resize, "crop") == 0;
    Arena *memory = arena_create();
    Tape *t = tape_create(arena, memory);
    cJSON *list = cJSON_CreateArray();
    if (o->dump != NULL && o->arguments > 2)
        cli_warn(arena_printf(arena, "--dump: the codes of the first image only, %s", o->argument[1]));
    Status status = STATUS_OK;
    for (int i = 1; i < o->arguments && status == STATUS_OK; i++) {
        uint8_t *pixels;
        status = picture_read(arena, o->argument[i], hwc, crop, &pixels);
        if (status != STATUS_OK) break;
        tape_reset(t, false);
        float *z = arena_alloc(memory, sizeof(float) * (size_t)m->classes);
        if (engine != NULL) {
            engine_run_pixels(engine, memory, pixels, 1, z);
            if (o->dump != NULL && i == 1) status = dump(arena, o->dump, graph, engine);
        } else {
            const ForwardMode mode = {.arithmetic = ARITHMETIC_FLOAT};
            const Tensor *y = model_forward(m, t, &mode, pixels, 1);
            if (y == NULL) status = status_fail(t->status, "%s", t->message);
            if (y != NULL) status = model_check_logits(m, t, pixels, 1, y);
            if (status == STATUS_OK) memcpy(z, y->x, sizeof(float) * (size_t)m->classes);
        }
        if (status != STATUS_OK) break;
        cJSON *item = cJSON_CreateObject();
        cJSON_AddStringToObject(item, "image", o->argument[i]);
        const char *answer = task.type->answer(memory, &task, z, item);
        if (!o->json) cli_print("%s: %s\n", o->argument[i], answer);
        cJSON_AddItemToArray(list, item);
    }
    if (status == STATUS_OK && o->json) {
        cJSON *json = cJSON_CreateObject();
        cJSON_AddItemToObject(json, "predictions", list);
        cli_print_json(arena, json);
    } else {
        cJSON_Delete(list);
    }
    arena_destroy(memory);
    return status;
}

const Verb verb_predict = {
    "predict", "MODEL IMAGE...", "What a model says of PNG and JPEG pictures: their class, or the values", "sd", 2,
    -1,        run_predict};
