#include "bench/cycles/nets.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "bench/cycles/sketch.h"
#include "deploy/exporter.h"
#include "deploy/lower.h"
#include "train/experiment.h"
#include "train/recipe.h"

/* Of each family, networks number `first`, first + every, ... */
typedef struct {
    const char *name, *quant;
    Rounding rounding;
    int first, every;
    const char *family; /* of this one alone; NULL: of all */
    bool in_training;   /* by the quantizers of training, not those after it */
} NetFormat;
#define WEIGHTS(b) "\"first_last_bits\":0,\"weights\":{\"bits\":" #b "}"
#define INT16(b) WEIGHTS(b) ",\"activations\":{\"bits\":16}"
#define CODES(b) WEIGHTS(b) ",\"activations\":{\"format\":\"float32\"}"
#define ALL(f) "\"weights\":{\"format\":\"" f "\"},\"activations\":{\"format\":\"" f "\"}"
#define SOME(f) WEIGHTS(8) ",\"overrides\":[{\"layers\":\"f?\",\"format\":\"" f "\"}"
static const NetFormat formats[] = {
    {"W8", WEIGHTS(8), ROUNDING_TFLITE_SINGLE, 0, 1, NULL, false},
    {"W4", WEIGHTS(4), ROUNDING_TFLITE_SINGLE, 0, 1, NULL, false},
    {"W2", WEIGHTS(2), ROUNDING_TFLITE_SINGLE, 0, 1, NULL, false},
    {"W8_double", WEIGHTS(8), ROUNDING_TFLITE_DOUBLE, 1, 3, NULL, false},
    {"W8A16", INT16(8), ROUNDING_TFLITE_SINGLE, 0, 2, NULL, false},
    {"W4A16", INT16(4), ROUNDING_TFLITE_SINGLE, 1, 4, NULL, false},
    {"W2A16", INT16(2), ROUNDING_TFLITE_SINGLE, 3, 4, NULL, false},
    {"W8A16_double", INT16(8), ROUNDING_TFLITE_DOUBLE, 2, 4, NULL, false},
    {"float32", ALL("float32"), ROUNDING_TFLITE_SINGLE, 1, 2, NULL, false},
    {"float16", ALL("float16"), ROUNDING_TFLITE_SINGLE, 0, 4, NULL, false},
    {"bfloat16", ALL("bfloat16"), ROUNDING_TFLITE_SINGLE, 2, 6, NULL, false},
    {"float8_e4m3", ALL("float8_e4m3"), ROUNDING_TFLITE_SINGLE, 5, 6, NULL, false},
    {"W8_float32", CODES(8), ROUNDING_TFLITE_SINGLE, 0, 5, NULL, false},
    {"W4_float32", CODES(4), ROUNDING_TFLITE_SINGLE, 2, 5, NULL, false},
    {"W2_float32", CODES(2), ROUNDING_TFLITE_SINGLE, 3, 5, NULL, false},
    {"some_float32", SOME("float32") "]", ROUNDING_TFLITE_SINGLE, 0, 1, "add", false},
    {"some_int16", SOME("int16") "]", ROUNDING_TFLITE_SINGLE, 0, 1, "add", false},
    {"float32_int16", SOME("float32") ",{\"layers\":\"i?\",\"format\":\"int16\"}]", ROUNDING_TFLITE_SINGLE, 0, 1, "add",
     false},
    {"W1A1",
     WEIGHTS(1) ",\"activations\":{\"bits\":1,\"quantizer\":\"xnor\"},\"overrides\":[{\"layers\":\"stem\",\"weight_"
                "bits\":8}]",
     ROUNDING_TFLITE_SINGLE, 0, 1, "binary", true},
};
const int cycle_formats = sizeof formats / sizeof formats[0];

int cycle_nets(void)
{
    int nets = 0;
    for (int i = 0; i < SKETCH_FAMILIES; i++) nets += sketch_families[i].networks;
    return nets;
}

static _Noreturn void give_up(const char *name)
{
    fprintf(stderr, "%s: %s\n", name, status_message());
    exit(1);
}

static const Config *configure(Arena *arena, const char *name, const char *model, const char *quant)
{
    const char *text = arena_printf(
        arena,
        "{\"data\":{\"dataset\":\"synthetic\",\"classes\":10,\"synthetic_train\":64,\"synthetic_test\":16,"
        "\"normalize\":"
        "{\"mean\":0.5019607843137255,\"std\":0.25}},\"model\":{%s},\"quant\":{%s},\"train\":{\"batch\":16}}",
        model, quant);
    cJSON *json;
    Config *config;
    if (json_parse(text, strlen(text), name, &json) != STATUS_OK ||
        config_from_json(arena, json, name, NULL, &config) != STATUS_OK)
        give_up(name);
    return config;
}

static const Graph *make_graph(Arena *arena, const char *name, const char *model, const NetFormat *format)
{
    const Config *config = configure(arena, name, model, format->quant);
    DataSplits data;
    Model *drawn, *quantized;
    Graph *graph;
    if (experiment_data(arena, config, &data) != STATUS_OK ||
        experiment_model(arena, config, NULL, &data, &drawn) != STATUS_OK)
        give_up(name);
    model_init(drawn, config->seed);
    const QuantConfig quant = format->in_training ? config->quant : ptq_quant_config(arena, &config->quant);
    Status status = quantize_from(arena, config, &quant, drawn, &data, &quantized);
    if (status == STATUS_OK) status = model_lower(arena, quantized, format->rounding, &graph);
    if (status == STATUS_UNSUPPORTED || status == STATUS_CONFIG) return NULL; /* a curve in floats */
    if (status != STATUS_OK) give_up(name);
    return graph;
}

/* Its family, and which of it. */
static const SketchFamily *family_of(int net, int *number)
{
    const SketchFamily *family = sketch_families;
    for (*number = net; *number >= family->networks; family++) *number -= family->networks;
    return family;
}

bool cycle_net_wanted(int net, int format)
{
    int number;
    const SketchFamily *family = family_of(net, &number);
    const NetFormat *f = &formats[format];
    const bool of_one = strcmp(family->name, "binary") == 0; /* whose layers have no other format */
    return number % f->every == f->first % f->every &&
           (f->family == NULL ? !of_one : strcmp(f->family, family->name) == 0);
}

CycleNet cycle_net(Arena *arena, int net, int format)
{
    int number;
    const SketchFamily *family = family_of(net, &number);
    const NetFormat *f = &formats[format];
    const char *name = arena_printf(arena, "%s-%d,%s", family->name, number, f->name);
    return (CycleNet){name, make_graph(arena, name, sketch_network(arena, family, number), f)};
}
