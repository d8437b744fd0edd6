#include <string.h>

#include "base/json.h"
#include "deploy/tflite/export_tflite.h"
#include "graph/graph_text.h"

/* At most: what a node's operators read, write and pass on; an input in another form and that form's shape; the ends. */
enum { PER_NODE = 10, PER_INPUT = 2, ENDS = 4 };

static int32_t *words(Arena *arena, int n, const int32_t *from)
{
    return memcpy(ARENA_ARRAY(arena, int32_t, n), from, sizeof *from * (size_t)n);
}

/* One scale and zero point. */
static void set_grid(TfliteBuild *b, TfliteTensor *t, const GraphTensor *grid)
{
    float *scale = ARENA_ARRAY(b->arena, float, 1);
    int64_t *zero_point = ARENA_ARRAY(b->arena, int64_t, 1);
    *scale = grid->scale, *zero_point = grid->zero_point;
    t->scales = t->zero_points = 1;
    t->scale = scale, t->zero_point = zero_point;
}

static TfliteTensor *add_tensor(TfliteBuild *b, const char *name, TfliteType type, int rank, const int32_t *shape)
{
    ASSERT(b->m->tensors < b->most);
    TfliteTensor *t = &b->m->tensor[b->m->tensors++];
    *t = (TfliteTensor){.name = name, .type = type, .rank = rank, .shape = words(b->arena, rank, shape)};
    return t;
}

/* Computed for each image: the number of images is left open. */
static TfliteTensor *add_computed(TfliteBuild *b, const char *name, TfliteType type, int rank, const int32_t *shape)
{
    TfliteTensor *t = add_tensor(b, name, type, rank, shape);
    int32_t *signature = words(b->arena, rank, shape);
    signature[0] = -1;
    t->signature_rank = rank, t->signature = signature;
    return t;
}

int tflite_add_activation(TfliteBuild *b, const char *name, int rank, const int32_t *shape, int like)
{
    set_grid(b, add_computed(b, name, TFLITE_INT8, rank, shape), &b->g->tensor[like]);
    return b->m->tensors - 1;
}

int tflite_add_integers(TfliteBuild *b, const char *name, int like)
{
    const TfliteTensor *t = &b->m->tensor[like];
    add_computed(b, name, TFLITE_INT32, t->rank, t->shape);
    return b->m->tensors - 1;
}

void tflite_add_reshape(TfliteBuild *b, int x, int y)
{
    const TfliteTensor *t = &b->m->tensor[y];
    const int32_t input[2] = {x, b->m->tensors};
    tflite_add_constant(b, arena_printf(b->arena, "%s/shape", t->name), TFLITE_INT32, 1, (const int32_t[]){t->rank},
                        t->signature);
    tflite_add_operator(b, TFLITE_RESHAPE, 2, input, y);
}

TfliteTensor *tflite_add_constant(TfliteBuild *b, const char *name, TfliteType type, int rank, const int32_t *shape,
                                  const void *data)
{
    TfliteTensor *t = add_tensor(b, name, type, rank, shape);
    t->data = data, t->data_bytes = tflite_type_bytes(type);
    for (int i = 0; i < rank; i++) t->data_bytes *= (size_t)shape[i];
    return t;
}

TfliteOperator *tflite_add_operator(TfliteBuild *b, TfliteOpIndex op, int inputs, const int32_t *input, int output)
{
    ASSERT(b->m->operators < b->most);
    TfliteOperator *o = &b->m->node[b->m->operators++];
    *o = (TfliteOperator){.op = &tflite_ops[op],
                          .version = tflite_ops[op].version,
                          .inputs = inputs,
                          .input = words(b->arena, inputs, input),
                          .outputs = 1,
                          .output = words(b->arena, 1, (const int32_t[]){output})};
    for (int i = 0; i < TFLITE_MAX_OPTIONS; i++) o->option[i] = o->op->option[i].absent;
    return o;
}

int tflite_form(TfliteBuild *b, int t, int form)
{
    if (b->form[t][form] >= 0) return b->form[t][form];
    const GraphTensor *x = &b->g->tensor[t];
    const int32_t image[4] = {1, x->h, x->w, x->c}, flat[2] = {1, (int32_t)graph_tensor_elements(x)};
    const int rank = form == FORM_FLAT ? 2 : 4;
    const int32_t *shape = form == FORM_FLAT ? flat : image;
    const char *name = arena_printf(b->arena, "%s/%s", x->name, form == FORM_FLAT ? "flat" : "image");
    const int y = tflite_add_activation(b, name, rank, shape, t);
    tflite_add_reshape(b, b->form[t][1 - form], y);
    return b->form[t][form] = y;
}

/* ---- what surrounds the nodes ------------------------------------------------------------------------------------- */

static int add_float(TfliteBuild *b, const char *name, const TfliteTensor *like)
{
    add_computed(b, name, TFLITE_FLOAT32, like->rank, like->shape);
    return b->m->tensors - 1;
}

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
        input = add_float(b, x->name, &b->m->tensor[codes]);
        tflite_add_operator(b, TFLITE_QUANTIZE, 1, &input, codes);
    }
    b->m->inputs = 1, b->m->input = words(b->arena, 1, &input);
    return STATUS_OK;
}

static void add_output(TfliteBuild *b, bool is_float)
{
    const int *form = b->form[b->g->output];
    int32_t output = form[FORM_FLAT] >= 0 ? form[FORM_FLAT] : form[FORM_IMAGE];
    if (is_float) {
        TfliteTensor *codes = &b->m->tensor[output];
        const int32_t input = output;
        output = add_float(b, codes->name, codes);
        codes->name = arena_printf(b->arena, "%s/codes", codes->name);
        tflite_add_operator(b, TFLITE_DEQUANTIZE, 1, &input, output);
    }
    b->m->outputs = 1, b->m->output = words(b->arena, 1, &output);
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
    m->description = arena_printf(arena, TFLITE_MARK ", dialect %s: %s", rounding_names[g->rounding], g->model_name);
    m->signature_key = "serving_default";
    m->input_names = m->output_names = 1;
    m->input_name = one_name(arena, g->tensor[0].name, m->input[0]);
    m->output_name = one_name(arena, g->tensor[g->output].name, m->output[0]);
    add_metadata(&b);
    *model = m;
    return STATUS_OK;
}
