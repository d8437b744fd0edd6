/* The model as ONNX: the integers in QDQ form (onnx_qdq.h), or the network in floats (onnx_float.h). */
#include <cjson/cJSON.h>

#include "base/json.h"
#include "deploy/exporter.h"
#include "graph/graph_text.h"
#include "graph/node.h"
#include "deploy/onnx/onnx_dynamic.h"
#include "deploy/onnx/onnx_float.h"
#include "deploy/onnx/onnx_qdq.h"
#include "deploy/runtime_limits.h"

typedef struct {
    int layout, activations, weights, input, clip, batch_norm;
} OnnxOptions;

static const char *const layouts[] = {"nchw", "nhwc", NULL};
static const char *const activation_types[] = {"int8", "uint8", NULL};
static const char *const weight_types[] = {"auto", "int8", "uint8", NULL};
static const char *const inputs[] = {"values", "codes", NULL};
static const char *const clips[] = {"auto", "codes", "values", NULL};
static const char *const batch_norms[] = {"fold", "keep", NULL};

static const Field fields[] = {
    {"layout", FIELD_ENUM, offsetof(OnnxOptions, layout), .names = layouts, .def = "\"nchw\"",
     .doc = "order of the input's axes: nchw, ONNX's own; nhwc: a Transpose comes first"},
    {"activations", FIELD_ENUM, offsetof(OnnxOptions, activations), .names = activation_types, .def = "\"uint8\"",
     .doc = "type of the activations' codes; uint8: codes and zero points + 128, the same values, which ONNX Runtime "
            "fuses and runs faster on x86; int8: the codes as they are"},
    {"weights", FIELD_ENUM, offsetof(OnnxOptions, weights), .names = weight_types, .def = "\"auto\"",
     .doc =
         "type of the weights' codes; auto: uint8 (codes and zero points + 128) for the layers whose products by int8 "
         "ONNX Runtime would saturate on x86 CPUs without VNNI, else int8; int8 activations have int8 weights; int8: "
         "faster on CPUs with VNNI, on others in need of the session option session.x64quantprecision=1; uint8: all"},
    {"input", FIELD_ENUM, offsetof(OnnxOptions, input), .names = inputs, .def = "\"values\"",
     .doc = "what the model reads: values, (pixel / 255 - mean) / std in float; codes, of the type of the activations"},
    {"clip", FIELD_ENUM, offsetof(OnnxOptions, clip), .names = clips, .def = "\"auto\"",
     .doc =
         "where codes below 8 bits are clipped: codes, between QuantizeLinear and DequantizeLinear; values, in float "
         "behind both, and quantized again; auto: codes, but values for a ReLU in int8, which ONNX Runtime then fuses"},
    {"batch_norm", FIELD_ENUM, offsetof(OnnxOptions, batch_norm), .names = batch_norms, .def = "\"keep\"",
     .doc = "of a float model: keep, as BatchNormalization nodes, the network bit for bit; fold, into the weights"},
    FIELD_END};

/* ---- what the file says of itself -------------------------------------------------------------------------------- */

static const char *json_text(Arena *arena, cJSON *json)
{
    const char *text = json_print_compact(arena, json);
    cJSON_Delete(json);
    return text;
}

typedef struct {
    const char *model;
    int channels, classes;
    const float *mean, *std;
    const char *const *class_names;
    const char *task;
    TargetScale scale;
} About;

static void describe(OnnxBuilder *b, const OnnxOptions *o, const About *about)
{
    Arena *arena = onnx_arena(b);
    onnx_property(b, "model", about->model);
    onnx_property(b, "layout", layouts[o->layout]);
    onnx_property(b, "mean", json_text(arena, cJSON_CreateFloatArray(about->mean, about->channels)));
    onnx_property(b, "std", json_text(arena, cJSON_CreateFloatArray(about->std, about->channels)));
    onnx_property(b, "classes",
                  json_text(arena, about->class_names == NULL
                                       ? cJSON_CreateArray()
                                       : cJSON_CreateStringArray(about->class_names, about->classes)));
    if (about->scale.mean == NULL) return;
    onnx_property(b, "task", about->task); /* output k stands for target_mean[k] + target_std[k] * output */
    onnx_property(b, "target_mean", json_text(arena, cJSON_CreateFloatArray(about->scale.mean, about->classes)));
    onnx_property(b, "target_std", json_text(arena, cJSON_CreateFloatArray(about->scale.std, about->classes)));
}

static Status finish(OnnxBuilder *b, const char *path)
{
    const Onnx__ModelProto *model = NULL;
    TRY(onnx_finish(b, &model));
    return onnx_write(onnx_arena(b), model, path);
}

/* ---- writing ----------------------------------------------------------------------------------------------------- */

/* ONNX Runtime's session option without which some layers saturate on some CPUs. */
#define SESSION_OPTION "session.x64quantprecision=1"

static OnnxForm form_of(const OnnxOptions *o)
{
    return (OnnxForm){.input_codes = o->input == 1,
                      .nhwc = o->layout == 1,
                      .uint8 = o->activations == 1,
                      .clip = (OnnxClip)o->clip,
                      .weights = (OnnxWeights)o->weights};
}

/* How many layers that is, and the first. */
static int saturating_layers(const OnnxForm *form, const Graph *g, const char **first)
{
    int layers = 0;
    for (int i = 0; i < g->nodes; i++) {
        const Node *n = &g->node[i];
        if (!node_has_weights(n) || onnx_weights_uint8(form, g, n) || !node_products_saturate(g, n)) continue;
        if (layers++ == 0) *first = n->name;
    }
    return layers;
}

static Status write_integers(Arena *arena, const Graph *g, const char *path, const void *options)
{
    const OnnxOptions *o = options;
    const OnnxForm form = form_of(o);
    const char *first = NULL;
    TRY(graph_check_runtime(g));
    OnnxBuilder *b = onnx_builder(arena, g->model_name);
    if (onnx_first_dynamic(g) != NULL) onnx_single_image(b);
    TRY(onnx_qdq(b, g, &form));
    describe(b, o,
             &(About){g->model_name, g->channels, g->classes, g->mean, g->std, g->class_names, g->task, g->scale});
    onnx_property(b, "dialect", rounding_names[g->rounding]);
    onnx_property(b, "input", inputs[o->input]);
    if (saturating_layers(&form, g, &first) > 0)
        onnx_property(b, "onnxruntime", "on x86 CPUs without VNNI needs the session option " SESSION_OPTION);
    return finish(b, path);
}

static Status write_float(Arena *arena, Model *m, const char *path, const void *options)
{
    const OnnxOptions *o = options;
    OnnxBuilder *b = onnx_builder(arena, m->name);
    TRY(onnx_float_net(b, m, o->layout == 1, o->batch_norm == 1));
    describe(b, o, &(About){m->name, m->input.c, m->classes, m->mean, m->std, m->class_names, m->task, m->scale});
    return finish(b, path);
}

#define INT16_NOTE                                                                                                     \
    "layer \"%s\": ONNX Runtime makes its int16 codes of float32, and where that is near the middle between two, a "   \
    "code may be another by 1"

#define DYNAMIC_NOTE                                                                                                   \
    "layer \"%s\" finds the grid of its input at run time, ONNX's DynamicQuantizeLinear one for the whole batch: the " \
    "model takes one image at a time"

static const char *note(Arena *arena, const Graph *g, const void *options)
{
    const OnnxForm form = form_of(options);
    const char *first = NULL;
    const int layers = saturating_layers(&form, g, &first);
    const Node *dynamic = onnx_first_dynamic(g);
    if (dynamic != NULL) return arena_printf(arena, DYNAMIC_NOTE, dynamic->name);
    if (layers == 0 && graph_tensor_is_wide(&g->tensor[g->output]))
        return arena_printf(arena, INT16_NOTE, g->tensor[g->output].name);
    if (layers == 0) return NULL;
    return arena_printf(arena,
                        "%d layers, \"%s\" the first, multiply by int8, which ONNX Runtime saturates on x86 CPUs "
                        "without VNNI: most logits "
                        "then change, and answers with them.  There set the session option " SESSION_OPTION
                        ", or export with activations=uint8 and weights=auto, the defaults",
                        layers, first);
}

static const Rounding roundings[] = {ROUNDING_ONNXRUNTIME, (Rounding)ROUNDINGS};

const ExporterType exporter_onnx = {
    .name = "onnx",
    .doc = "ONNX, int8 in QDQ form, or the float network",
    .extension = ".onnx",
    .signature = "\x12\x07"
                 "bitfold\x1a", /* fields 2 and 3 of ModelProto: the producer's name, the tag of its version */
    .fields = fields,
    .options_bytes = sizeof(OnnxOptions),
    .roundings = roundings,
    .carries = onnx_carries,
    .floats = true,
    .dynamic = true,
    .wide_output = true,
    .runtime = "ONNX",
    .write = write_integers,
    .write_float = write_float,
    .note = note,
};
