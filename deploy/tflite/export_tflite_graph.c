/* A graph whole, node by node, and what surrounds the nodes. */
#include <string.h>

#include "base/json.h"
#include "deploy/tflite/export_tflite.h"
#include "graph/graph_text.h"

/* At most: what a node's operators read, write and pass on; an input in another form and that form's shape; the ends. */
enum { PER_NODE = 10, PER_INPUT = 2, ENDS = 4 };

/* The image; after a QUANTIZE if it is to be float. */
static Status add_input(TfliteBuild *b, bool is_float)
{
    const GraphTensor *x = &b->g->tensor[0];
    const int32_t shape[4] = {1, x->h, x->w, x->c};
    const int codes = tflite_add_activation(b, is_float ? "input/codes" : x->name, 4, shape, 0);
    b->form[0][FORM_IMAGE] = codes;
    int32_t input = codes;
    if (is_float) {
        if (x->qmin != INT8_MIN || x->qmax != INT8_MAX)
            return status_fail(STATUS_UNSUPPORTED,
                               "input: codes %d to %d with a float input; must be -128 to 127, to which QUANTIZE clips",
                               x->qmin, x->qmax);
        input = tflite_add_plain(b, x->name, TFLITE_FLOAT32, codes);
        tflite_add_operator(b, TFLITE_QUANTIZE, 1, &input, codes);
    }
    b->m->inputs = 1, b->m->input = tflite_words(b->arena, 1, &input);
    return STATUS_OK;
}

static void add_output(TfliteBuild *b, bool is_float)
{
    const int *form = b->form[b->g->output];
    int32_t output = form[FORM_FLAT] >= 0 ? form[FORM_FLAT] : form[FORM_IMAGE];
    if (is_float && !graph_tensor_is_float(&b->g->tensor[b->g->output])) {
        TfliteTensor *codes = &b->m->tensor[output];
        const int32_t input = output;
        output = tflite_add_plain(b, codes->name, TFLITE_FLOAT32, input);
        codes->name = arena_printf(b->arena, "%s/codes", codes->name);
        tflite_add_operator(b, TFLITE_DEQUANTIZE, 1, &input, output);
    }
    b->m->outputs = 1, b->m->output = tflite_words(b->arena, 1, &output);
}

static TfliteName *one_name(Arena *arena, const char *name, int32_t tensor)
{
    TfliteName *n = ARENA_ARRAY(arena, TfliteName, 1);
    *n = (TfliteName){name, tensor};
    return n;
}

/* What a user of the file wants to know and the format has no place for. */
static void add_metadata(TfliteBuild *b)
{
    const Graph *g = b->g;
    cJSON *json = cJSON_CreateObject();
    cJSON_AddStringToObject(json, "model", g->model_name);
    cJSON_AddStringToObject(json, "dialect", rounding_names[g->rounding]);
    cJSON_AddItemToObject(json, "mean", cJSON_CreateFloatArray(g->mean, g->channels));
    cJSON_AddItemToObject(json, "std", cJSON_CreateFloatArray(g->std, g->channels));
    cJSON_AddItemToObject(json, "classes", graph_classes_json(g));
    if (g->scale.mean != NULL) { /* output k stands for target_mean[k] + target_std[k] * output */
        cJSON_AddStringToObject(json, "task", g->task);
        cJSON_AddItemToObject(json, "target_mean", cJSON_CreateFloatArray(g->scale.mean, g->classes));
        cJSON_AddItemToObject(json, "target_std", cJSON_CreateFloatArray(g->scale.std, g->classes));
    }
    const char *text = json_print_compact(b->arena, json);
    cJSON_Delete(json);
    b->m->metadata_name = "bitfold";
    b->m->metadata = text, b->m->metadata_bytes = strlen(text);
}

Status tflite_build(Arena *arena, const Graph *g, const TfliteOptions *options, TfliteModel **model)
{
    int most = ENDS;
    for (int i = 0; i < g->nodes; i++) most += PER_NODE + PER_INPUT * g->node[i].inputs;
    TfliteModel *m = ARENA_ARRAY(arena, TfliteModel, 1);
    m->tensor = ARENA_ARRAY(arena, TfliteTensor, most);
    m->node = ARENA_ARRAY(arena, TfliteOperator, most);
    TfliteBuild b = {
        .arena = arena, .g = g, .m = m, .most = most, .form = arena_alloc(arena, sizeof *b.form * (size_t)g->tensors)};
    for (int t = 0; t < g->tensors; t++) b.form[t][FORM_IMAGE] = b.form[t][FORM_FLAT] = -1;

    const bool is_float = options->io == TFLITE_IO_FLOAT;
    TRY(add_input(&b, is_float));
    for (int i = 0; i < g->nodes; i++) TRY(tflite_add_node(&b, &g->node[i]));
    add_output(&b, is_float);
    m->description =
        arena_printf(arena, TFLITE_SIGNATURE ", dialect %s: %s", rounding_names[g->rounding], g->model_name);
    m->signature_key = "serving_default";
    m->input_names = m->output_names = 1;
    m->input_name = one_name(arena, g->tensor[0].name, m->input[0]);
    m->output_name = one_name(arena, g->tensor[g->output].name, m->output[0]);
    add_metadata(&b);
    *model = m;
    return STATUS_OK;
}
