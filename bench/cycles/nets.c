#include "bench/cycles/nets.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "deploy/exporter.h"
#include "deploy/lower.h"
#include "train/experiment.h"
#include "train/recipe.h"

/* Every kernel is called twice or more: one that is called once is compiled into its caller. */
#define LAYER(type, more) "{\"type\":\"" type "\"" more "}"
#define NAMED(name, type, more) "{\"type\":\"" type "\",\"name\":\"" name "\"" more "}"
#define FILTERS(n) ",\"filters\":" #n
#define KERNEL(k) ",\"kernel\":" #k
#define KERNEL2(a, b) ",\"kernel\":[" #a "," #b "]"
#define STRIDE(s) ",\"stride\":" #s
#define RELU ",\"activation\":\"relu\""
#define RELU6 ",\"activation\":\"relu6\""
#define VALID ",\"padding\":\"valid\""
#define SAME ",\"padding\":\"same\""
#define OF(a, b) ",\"inputs\":[\"" a "\",\"" b "\"]"
#define GROUPS(n) ",\"groups\":" #n
#define DILATION(n) ",\"dilation\":" #n
#define CONV(more) LAYER("conv2d", more)
#define DEPTHWISE(more) LAYER("depthwise_conv2d", more)
#define DENSE(n, more) LAYER("dense", ",\"units\":" #n more)
#define HEAD LAYER("flatten", "") "," DENSE(10, "")
#define MEAN LAYER("global_avgpool", "") "," DENSE(10, "")

typedef struct {
    const char *name, *input, *layers;
} Net;
static const Net nets[] = {
    {"conv3", "12,12,8", CONV(FILTERS(16) KERNEL(3) RELU) "," CONV(FILTERS(16) KERNEL(3)) "," MEAN},
    {"conv_few", "16,16,3", CONV(FILTERS(8) KERNEL(3) RELU) "," CONV(FILTERS(5) KERNEL(3) VALID) "," MEAN},
    {"conv1", "8,8,16", CONV(FILTERS(32) KERNEL(1) RELU) "," CONV(FILTERS(24) KERNEL(1)) "," MEAN},
    {"conv1_odd", "7,7,13", CONV(FILTERS(11) KERNEL(1) RELU) "," CONV(FILTERS(15) KERNEL(1)) "," MEAN},
    {"stride", "17,16,8",
     CONV(FILTERS(16) KERNEL(3) STRIDE(2) RELU) "," CONV(FILTERS(16) KERNEL(3) STRIDE(2)) "," MEAN},
    {"stride1", "17,16,8", CONV(FILTERS(20) KERNEL(1) STRIDE(2) RELU) "," CONV(FILTERS(16) KERNEL(3)) "," MEAN},
    {"odd", "9,9,6", CONV(FILTERS(7) KERNEL(3) RELU) "," CONV(FILTERS(9) KERNEL(5)) "," MEAN},
    {"groups", "8,8,16", CONV(FILTERS(16) KERNEL(3) GROUPS(4)) "," CONV(FILTERS(16) KERNEL(1) GROUPS(2)) "," MEAN},
    {"dilated", "12,12,8",
     CONV(FILTERS(8) KERNEL(3) DILATION(2)) "," CONV(FILTERS(8) KERNEL(3) ",\"dilation\":[2,1]") "," MEAN},
    {"deep", "6,6,64", CONV(FILTERS(32) KERNEL(3) RELU) "," CONV(FILTERS(64) KERNEL(1)) "," MEAN},
    {"plane", "20,20,1", CONV(FILTERS(4) KERNEL(5) RELU) "," CONV(FILTERS(4) KERNEL(2)) "," MEAN},
    {"long", "24,10,1", CONV(FILTERS(16) KERNEL2(10, 4) STRIDE(2) RELU) "," CONV(FILTERS(6) KERNEL2(1, 3)) "," MEAN},
    {"valid", "14,14,8", CONV(FILTERS(9) KERNEL(3) VALID RELU) "," CONV(FILTERS(12) KERNEL2(1, 3) VALID) "," MEAN},
    {"residual", "12,12,8",
     NAMED("a", "conv2d", FILTERS(8) KERNEL(3) RELU) "," CONV(FILTERS(8) KERNEL(3) RELU) "," NAMED(
         "b", "conv2d",
         FILTERS(8) KERNEL(
             3)) "," NAMED("c", "add",
                           OF("a", "b")
                               RELU) "," CONV(FILTERS(8) KERNEL(3)
                                                  RELU) "," NAMED("d", "conv2d",
                                                                  FILTERS(8) KERNEL(
                                                                      1)) "," LAYER("add", OF("c", "d")) "," MEAN},
    {"dense", "8,8,4", LAYER("flatten", "") "," DENSE(64, RELU) "," DENSE(32, RELU) "," DENSE(10, "")},
    {"dense_odd", "5,5,3", LAYER("flatten", "") "," DENSE(33, RELU) "," DENSE(99, RELU) "," DENSE(10, "")},
    {"dense_long", "16,16,8", LAYER("flatten", "") "," DENSE(12, RELU) "," DENSE(255, RELU) "," DENSE(10, "")},
    {"depthwise", "12,12,8", DEPTHWISE(KERNEL(3) RELU) "," DEPTHWISE(KERNEL(3) STRIDE(2)) "," MEAN},
    {"depthwise5", "10,10,6", DEPTHWISE(KERNEL(5) RELU) "," DEPTHWISE(KERNEL(3) VALID) "," MEAN},
    {"depthwise_many", "8,8,4", DEPTHWISE(KERNEL(3) ",\"multiplier\":3") "," DEPTHWISE(KERNEL2(1, 5)) "," MEAN},
    {"depthwise_wide", "9,9,32", DEPTHWISE(KERNEL2(5, 1) RELU) "," DEPTHWISE(KERNEL(3) DILATION(2)) "," MEAN},
    {"depthwise_cell", "16,16,16", DEPTHWISE(KERNEL(1) RELU) "," DEPTHWISE(KERNEL(2) STRIDE(2)) "," MEAN},
    {"separable", "12,12,8",
     DEPTHWISE(KERNEL(3) RELU) "," CONV(FILTERS(16) KERNEL(1) RELU) "," DEPTHWISE(KERNEL(3) RELU) "," CONV(
         FILTERS(16) KERNEL(1)) "," MEAN},
    {"steep", "12,12,2",
     DEPTHWISE(KERNEL(1) ",\"batch_norm\":true,\"bn_gamma\":10" RELU6) "," DEPTHWISE(KERNEL(
         1) ",\"batch_norm\":true,"
            "\"bn_gamma\":10" RELU6) "," CONV(FILTERS(16)
                                                  KERNEL(
                                                      1) ",\"batch_norm\":true,\"bn_gamma\":10" RELU6) "," CONV(FILTERS(24)
                                                                                                                    KERNEL(
                                                                                                                        1) ",\"batch_norm\":true,\"bn_"
                                                                                                                           "gamma\":10" RELU6) "," MEAN},
    {"maxpool", "24,24,8", LAYER("maxpool", KERNEL(2)) "," LAYER("maxpool", KERNEL(3) STRIDE(1) SAME) "," HEAD},
    {"maxpool_wide", "20,20,16",
     LAYER("maxpool", KERNEL(3) STRIDE(2) SAME) "," LAYER("maxpool", KERNEL2(5, 1) STRIDE(1) SAME) "," HEAD},
    {"maxpool_thin", "24,24,1", LAYER("maxpool", KERNEL2(1, 2)) "," LAYER("maxpool", KERNEL(4) STRIDE(2)) "," HEAD},
    {"avgpool", "24,24,8", LAYER("avgpool", KERNEL(2)) "," LAYER("avgpool", KERNEL(3) STRIDE(1) SAME) "," HEAD},
    {"avgpool_wide", "20,20,16",
     LAYER("avgpool", KERNEL(3) STRIDE(2) SAME) "," LAYER("avgpool", KERNEL2(5, 1) STRIDE(1) SAME) "," HEAD},
    {"avgpool_thin", "24,24,1", LAYER("avgpool", KERNEL2(1, 2)) "," LAYER("avgpool", KERNEL(4) STRIDE(2)) "," HEAD},
    {"add", "16,16,8",
     NAMED("a", "maxpool", KERNEL(2)) "," NAMED("b", "avgpool", KERNEL(2) ",\"inputs\":\"input\"") "," NAMED(
         "c", "add", OF("a", "b")) "," NAMED("d", "add", OF("c", "b") RELU) "," LAYER("add", OF("d", "a")) "," HEAD},
    {"multiply", "16,16,8",
     NAMED("a", "maxpool", KERNEL(2)) "," NAMED("b", "avgpool", KERNEL(2) ",\"inputs\":\"input\"") "," NAMED(
         "c", "multiply", OF("a", "b")) "," NAMED("g", "global_avgpool",
                                                  "") "," NAMED("d", "multiply",
                                                                OF("c", "g")) "," LAYER("multiply",
                                                                                        OF("d", "a")) "," HEAD},
    {"concat", "16,16,8",
     NAMED("a", "maxpool", KERNEL(2)) "," NAMED("b", "avgpool", KERNEL(2) ",\"inputs\":\"input\"") "," NAMED(
         "c", "concat",
         OF("a", "b")) "," NAMED("d", "add",
                                 OF("a", "b")) "," NAMED("e", "multiply",
                                                         OF("d", "a")) "," NAMED("f", "concat",
                                                                                 OF("d",
                                                                                    "e")) "," LAYER("concat",
                                                                                                    OF("c",
                                                                                                       "f")) "," HEAD},
    {"activate", "24,24,4",
     LAYER("activation", ",\"function\":\"relu\"") "," LAYER("avgpool", KERNEL(2)) "," LAYER(
         "activation", ",\"function\":\"relu6\"") "," HEAD},
    {"tables", "24,24,4",
     LAYER("activation", ",\"function\":\"tanh\"") "," LAYER("activation", ",\"function\":\"hard_swish\"") "," LAYER(
         "avgpool", KERNEL(2)) "," LAYER("activation", ",\"function\":\"sigmoid\"") "," HEAD},
    {"curves", "20,20,4",
     LAYER("activation", ",\"function\":\"hard_sigmoid\"") "," LAYER(
         "activation",
         ",\"function\":\"hard_swish\"") "," LAYER("avgpool", KERNEL(2)) "," LAYER("activation",
                                                                                   ",\"function\":\"silu\"") "," HEAD},
    {"curves_exp", "24,24,4",
     LAYER("activation", ",\"function\":\"sigmoid\"") "," LAYER("activation", ",\"function\":\"tanh\"") "," LAYER(
         "avgpool", KERNEL(2)) "," LAYER("activation", ",\"function\":\"hard_swish\"") "," HEAD},
    {"formats", "16,16,8",
     NAMED("a", "maxpool", KERNEL(2)) "," NAMED("b", "avgpool", KERNEL(2) ",\"inputs\":\"input\"") "," NAMED(
         "f1", "add",
         OF("a", "b")) "," NAMED("i1", "add",
                                 OF("a", "f1")) "," NAMED("f2", "add",
                                                          OF("i1", "f1")) "," NAMED("i2", "add",
                                                                                    OF("i1", "f2")) "," HEAD},
};
const int cycle_nets = sizeof nets / sizeof nets[0];

typedef struct {
    const char *name, *quant;
    Rounding rounding;
    const char *net; /* for this one alone; NULL: for all */
} NetFormat;
#define WEIGHTS(b) "\"first_last_bits\":0,\"weights\":{\"bits\":" #b "}"
#define MIXED(f) ",\"overrides\":[{\"layers\":\"f?\",\"format\":\"" f "\"}]"
static const NetFormat formats[] = {
    {"W8", WEIGHTS(8), ROUNDING_TFLITE_SINGLE, NULL},
    {"W4", WEIGHTS(4), ROUNDING_TFLITE_SINGLE, NULL},
    {"W2", WEIGHTS(2), ROUNDING_TFLITE_SINGLE, NULL},
    {"W8_double", WEIGHTS(8), ROUNDING_TFLITE_DOUBLE, NULL},
    {"W8A16", WEIGHTS(8) ",\"activations\":{\"bits\":16}", ROUNDING_TFLITE_SINGLE, NULL},
    {"W4A16", WEIGHTS(4) ",\"activations\":{\"bits\":16}", ROUNDING_TFLITE_SINGLE, NULL},
    {"W2A16", WEIGHTS(2) ",\"activations\":{\"bits\":16}", ROUNDING_TFLITE_SINGLE, NULL},
    {"float32", "\"weights\":{\"format\":\"float32\"},\"activations\":{\"format\":\"float32\"}", ROUNDING_TFLITE_SINGLE,
     NULL},
    {"float16", "\"weights\":{\"format\":\"float16\"},\"activations\":{\"format\":\"float16\"}", ROUNDING_TFLITE_SINGLE,
     NULL},
    {"W8_float32", WEIGHTS(8) ",\"activations\":{\"format\":\"float32\"}", ROUNDING_TFLITE_SINGLE, NULL},
    {"W4_float32", WEIGHTS(4) ",\"activations\":{\"format\":\"float32\"}", ROUNDING_TFLITE_SINGLE, NULL},
    {"W2_float32", WEIGHTS(2) ",\"activations\":{\"format\":\"float32\"}", ROUNDING_TFLITE_SINGLE, NULL},
    {"some_float32", WEIGHTS(8) MIXED("float32"), ROUNDING_TFLITE_SINGLE, "formats"},
    {"some_int16", WEIGHTS(8) MIXED("int16"), ROUNDING_TFLITE_SINGLE, "formats"},
};
const int cycle_formats = sizeof formats / sizeof formats[0];

const char *cycle_net_name(int net) { return nets[net].name; }
const char *cycle_format_name(int format) { return formats[format].name; }

static _Noreturn void give_up(int net, int format)
{
    fprintf(stderr, "%s, %s: %s\n", nets[net].name, formats[format].name, status_message());
    exit(1);
}

static const Config *configure(Arena *arena, int net, int format)
{
    const char *text = arena_printf(
        arena,
        "{\"data\":{\"dataset\":\"synthetic\",\"classes\":10,\"synthetic_train\":64,\"synthetic_test\":16,"
        "\"normalize\":"
        "{\"mean\":0.5019607843137255,\"std\":0.25}},\"model\":{\"input\":[%s],\"layers\":[%s]},\"quant\":{%s},"
        "\"train\":{\"batch\":16}}",
        nets[net].input, nets[net].layers, formats[format].quant);
    cJSON *json;
    Config *config;
    if (json_parse(text, strlen(text), nets[net].name, &json) != STATUS_OK ||
        config_from_json(arena, json, nets[net].name, NULL, &config) != STATUS_OK)
        give_up(net, format);
    return config;
}

/* Curves are tables of codes in integers, which take the same for all; in floats they are of two kinds, and an image of
 * zeros must not stay 0 in them. */
static bool has_curves_for(int net, int format)
{
    const bool floats = strstr(formats[format].quant, "float") != NULL;
    if (strcmp(nets[net].name, "tables") == 0) return !floats;
    return floats || strncmp(nets[net].name, "curves", strlen("curves")) != 0;
}

const Graph *cycle_net_graph(Arena *arena, int net, int format)
{
    if (!has_curves_for(net, format)) return NULL;
    if (formats[format].net != NULL && strcmp(formats[format].net, nets[net].name) != 0) return NULL;
    const Config *config = configure(arena, net, format);
    DataSplits data;
    Model *drawn, *model;
    Graph *graph;
    if (experiment_data(arena, config, &data) != STATUS_OK ||
        experiment_model(arena, config, NULL, &data, &drawn) != STATUS_OK)
        give_up(net, format);
    model_init(drawn, config->seed);
    const QuantConfig quant = ptq_quant_config(arena, &config->quant);
    Status status = quantize_from(arena, config, &quant, drawn, &data, &model);
    if (status == STATUS_OK) status = model_lower(arena, model, formats[format].rounding, &graph);
    if (status == STATUS_UNSUPPORTED || status == STATUS_CONFIG) return NULL;
    if (status != STATUS_OK) give_up(net, format);
    return graph;
}
