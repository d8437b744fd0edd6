/* Hostile model files: what is damaged or lies is refused by name, what is accepted can be run. */
#include <stdio.h>
#include <string.h>
#include <zlib.h>

#include "deploy/safetensors/export_safetensors.h"
#include "base/file.h"
#include "base/parallel.h"
#include "base/rng.h"
#include "base/safetensors.h"
#include "graph/graph.h"
#include "graph/engine.h"
#include "graph/graph_read.h"
#include "tests/support/fixture.h"
#include "tests/support/program.h"
#include "tests/support/suite.h"
#include "tests/support/zoo_graph.h"

static void read_back(const char *path, unsigned char **data, size_t *bytes)
{
    must(file_read(arena, path, 1 << 24, data, bytes));
}

static void put(const unsigned char *data, size_t bytes)
{
    FILE *f = fopen(model_path, "wb");
    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fwrite(data, 1, bytes, f), bytes);
    ck_assert_int_eq(fclose(f), 0);
}

START_TEST(damage_is_noticed)
{
    begin_model();
    unsigned char *data;
    size_t bytes;
    Graph *g;
    must(export_safetensors(arena, zoo_graph(arena), model_path));
    read_back(model_path, &data, &bytes);
    Arena *model_arena = arena;
    for (size_t n = 0; n < bytes; n += 13) {
        put(data, n);
        arena = arena_create();
        refused(graph_read(arena, model_path, &g), model_path);
        arena_destroy(arena);
    }
    for (size_t n = 0; n < bytes; n += 3) {
        data[n] ^= (unsigned char)(1u << n % 8);
        put(data, bytes);
        data[n] ^= (unsigned char)(1u << n % 8);
        arena = arena_create();
        refused(graph_read(arena, model_path, &g), model_path);
        arena_destroy(arena);
    }
    arena = model_arena;
    end_model();
}
END_TEST

/* Writes the zoo with one text replaced in one metadata value, and one tensor dropped, renamed or reshaped; the CRC is
 * right. */
typedef struct {
    const char *key, *from, *to, *words;
} Lie;

static void write_lie(const SafeFile *file, const Lie *lie)
{
    SafeWriter *writer = safe_writer(arena);
    for (int i = 0; i < file->n_metadata; i++) {
        if (strcmp(file->key[i], "crc32") == 0) continue;
        const bool hit = strcmp(file->key[i], lie->key) == 0;
        if (hit && lie->to == NULL) continue;
        safe_add_metadata(writer, file->key[i],
                          hit ? text_with(arena, file->value[i], lie->from, lie->to) : file->value[i]);
    }
    for (int i = 0; i < file->n; i++) {
        SafeTensor t = file->tensor[i];
        if (strcmp(t.name, lie->key) == 0) {
            if (lie->to == NULL) continue;
            if (strcmp(lie->from, "type") == 0)
                t.type = ST_U8, t.dim[t.rank - 1] *= (int64_t)safe_type_bytes(file->tensor[i].type);
            else if (strcmp(lie->from, "flat") == 0)
                t.dim[0] = (int64_t)(t.bytes / safe_type_bytes(t.type)), t.rank = 1;
            else
                t.name = lie->to;
        }
        safe_add(writer, t.name, t.type, t.rank, t.dim, t.data);
    }
    must(safe_write(writer, model_path));
}

static const Lie lies[] = {
    {"format", "bitfold-int8", "bitfold-int9", "format \"bitfold-int9\"; must be \"bitfold-int8\""},
    {"format", NULL, NULL, "no metadata \"format\""},
    {"version", "1", "4", "version \"4\"; this program reads versions 1 to 3"},
    {"dialect", "tflite-single", "tflite",
     "dialect \"tflite\"; must be one of: xnnpack, tflite-single, tflite-double, onnxruntime"},
    {"model", NULL, NULL, "no metadata \"model\""},
    {"classes", NULL, NULL, "no metadata \"classes\""},
    {"classes", "\"cat\",", "", "classes; must be a list of 3 names"},
    {"classes", "\"cat\"", "7", "classes[0]; must be a string"},
    {"classes", "[", "{", "metadata \"classes\""},
    {"graph", NULL, NULL, "no metadata \"graph\""},
    {"graph", "{", "[", "metadata \"graph\""},
    {"graph", "\"output\":\"sum\"", "\"output\":\"summ\"", "output \"summ\"; must be the name of a tensor"},
    {"graph", "\"output\":\"sum\"", "\"output\":3", "must be an object of \"output\", \"tensors\" and \"nodes\""},
    {"graph", "\"output\":\"sum\"", "\"output\":\"conv\"", "classes; must be a list of 64 names"},
    {"graph", "\"tensors\":[", "\"tensors\":[7,", "graph of 14 nodes and 16 tensors"},
    {"graph", "{\"name\":\"dw\",\"shape\":[2,2,4]", "{\"name\":\"dw\",\"shape\":[2,2]", "tensor \"dw\".shape"},
    {"graph", "{\"name\":\"dw\",\"shape\":[2,2,4]", "{\"name\":\"dw\",\"shape\":[2,2,1e9]", "tensor \"dw\".shape"},
    {"graph", "{\"name\":\"dw\",\"shape\":[2,2,4]", "{\"name\":\"dw\",\"shape\":[2,2,-4]", "tensor \"dw\".shape"},
    {"graph", "{\"name\":\"dw\",\"shape\":[2,2,4]", "{\"name\":\"dw\",\"shape\":[2,2,8]", "dw.weight"},
    {"graph", "{\"name\":\"flat\",\"shape\":[1,1,16]", "{\"name\":\"flat\",\"shape\":[65536,65536,65536]",
     "fcb.weight"},
    {"graph", "{\"name\":\"max\",\"shape\":[2,2,4]", "{\"name\":\"max\",\"shape\":[65536,65536,4]",
     "tensor \"max\": shape [65536,65536,4]; at most"},
    {"graph", "{\"name\":\"sum\",\"shape\":[1,1,3]", "{\"name\":\"sum\",\"shape\":[65536,65536,3]",
     "output \"sum\" of"},
    {"graph", "\"bits\":4", "\"bits\":3.5", "tensor \"dw\".bits"},
    {"graph", "\"bits\":4", "\"bitz\":4", "tensor \"dw\": unknown key \"bitz\"; did you mean \"bits\"?"},
    {"graph", "\"qmin\":112", "\"qmin\":-128", "tensor \"dw\": codes -128 to 127; must be at most 2^4"},
    {"graph", "\"op\":\"conv2d\"", "\"op\":\"conv3d\"",
     "node \"conv\": op \"conv3d\"; must be conv2d, depthwise_conv2d"},
    {"graph", "\"op\":\"conv2d\"", "\"op\":7", "node \"conv\": op 7; must be conv2d"},
    {"graph", "\"op\":\"conv2d\",", "", "node \"conv\": op missing; must be conv2d"},
    {"graph", "\"op\":\"conv2d\"", "\"op\":\"dense\"", "node \"conv\": unknown key \"kernel\""},
    {"graph", "\"op\":\"lut\"", "\"op\":\"reshape\"", "17 tensors; its graph needs 16"},
    {"graph", "\"name\":\"dw\",\"inputs\":[\"conv\"]", "\"name\":\"dw\",\"inputs\":[\"sum\"]",
     "node \"dw\": input 0 is tensor 14; must be the image or the output of an earlier node"},
    {"graph", "\"name\":\"dw\",\"inputs\":[\"conv\"]", "\"name\":\"dw\",\"inputs\":[\"cnv\"]",
     "node \"dw\": input \"cnv\"; must be the name of a tensor"},
    {"graph", "\"name\":\"dw\",\"inputs\":[\"conv\"]", "\"name\":\"dw\",\"inputs\":[]", "node \"dw\".inputs"},
    {"graph", "\"name\":\"dw\",\"inputs\":[\"conv\"]", "\"name\":\"dv\",\"inputs\":[\"conv\"]",
     "node \"dv\": its output; must be a tensor of the node's name"},
    {"graph", "\"name\":\"dw\",\"inputs\":[\"conv\"]", "\"name\":\"conv\",\"inputs\":[\"input\"]", "conv"},
    {"graph", "\"name\":\"dw\",\"shape\"", "\"name\":\"conv\",\"shape\"", "node \"dw\": its output"},
    {"graph", "\"kernel\":[3,3]", "\"kernel\":[3]", "node \"conv\".kernel"},
    {"graph", "\"kernel\":[3,3]", "\"kernel\":[4097,3]", "node \"conv\".kernel"},
    {"graph", "\"kernel\":[3,3]", "\"kernel\":[3,4]", "conv.weight"},
    {"graph", "\"stride\":[1,1]", "\"stride\":[0,1]", "node \"conv\".stride"},
    {"graph", "\"dilation\":[1,1]", "\"dilation\":[1,1,1]", "node \"conv\".dilation"},
    {"graph", "\"padding\":[1,1,1,1]", "\"padding\":[1,-1,1,1]", "node \"conv\".padding"},
    {"graph", "\"padding\":[1,1,1,1]", "\"padding\":[1,2,1,1]", "node \"conv\": rows: output size 4; must be 5"},
    {"graph", "\"groups\":1", "\"groups\":0", "node \"conv\".groups"},
    {"graph", "\"groups\":1", "\"groups\":2", "conv.weight"},
    {"graph", "\"groups\":4", "\"groups\":1", "node \"dw\": 1 groups of 4 channels"},
    {"graph", "\"weight_bits\":4", "\"weight_bits\":2", "node \"conv\": channel 0: weight -16"},
    {"graph", "\"weight_shift\":2", "\"weight_shift\":3", "node \"conv\": channel 0: weight -12"},
    {"graph", "\"clamp\":[-128,127]", "\"clamp\":[127,-128]", "node \"conv\": clamp 127 to -128"},
    {"graph", "\"clamp\":[-128,127]", "\"clamp\":[-40000,127]", "node \"conv\": clamp -40000 to 127"},
    {"tensor.scale", "", NULL, "tensor.scale"},
    {"tensor.scale", "type", "", "tensor.scale"},
    {"input.mean", "", NULL, "input.mean"},
    {"conv.weight", "", NULL, "conv.weight"},
    {"conv.weight", "flat", "", "conv.weight"},
    {"conv.weight", "type", "", "conv.weight"},
    {"conv.bias", "", "conv.bais", "conv.bias"},
    {"dw.weight_scale", "", NULL, "dw.weight_scale"},
    {"lut.table", "", NULL, "lut.table"},
};

START_TEST(lies_are_refused_by_name)
{
    begin_model();
    must(export_safetensors(arena, zoo_graph(arena), model_path));
    SafeFile file;
    must(safe_read(arena, model_path, true, &file));
    for (size_t i = 0; i < sizeof lies / sizeof lies[0]; i++) {
        Graph *g;
        write_lie(&file, &lies[i]);
        refused(graph_read(arena, model_path, &g), lies[i].words);
        refused(STATUS_FORMAT, model_path);
    }
    end_model();
}
END_TEST

/* Random damage with a CRC made right again: whatever is still accepted can be run. */
START_TEST(accepted_means_runnable)
{
    begin_model();
    unsigned char *data;
    size_t bytes;
    must(export_safetensors(arena, zoo_graph(arena), model_path));
    read_back(model_path, &data, &bytes);
    char *digits = strstr((char *)data + 8, "\"crc32\":\"");
    ck_assert_ptr_nonnull(digits);
    digits += strlen("\"crc32\":\"");
    parallel_set_threads(1);
    Arena *model_arena = arena;
    unsigned char *copy = arena_alloc(arena, bytes);
    int accepted = 0, refusals = 0;
    for (int i = 0; i < 3000; i++) {
        Rng rng = rng_make(9, RNG_TEST, (uint64_t)i);
        memcpy(copy, data, bytes);
        for (int k = 0; k < 1 + i % 3; k++) {
            unsigned char *at = copy + (i % 2 ? rng_below(&rng, (uint32_t)bytes) : bytes - 1 - rng_below(&rng, 700));
            *at = *at >= '0' && *at <= '9' ? (unsigned char)('0' + rng_below(&rng, 10)) : (unsigned char)rng_u32(&rng);
        }
        char *crc = (char *)copy + (digits - (char *)data);
        memset(crc, '0', 8);
        char hex[9];
        snprintf(hex, sizeof hex, "%08lx", crc32(0, copy, (uInt)bytes));
        memcpy(crc, hex, 8);
        put(copy, bytes);
        arena = arena_create();
        Graph *g;
        Engine *engine;
        if (graph_read(arena, model_path, &g) != STATUS_OK) {
            refusals++;
        } else if (engine_create_planned(arena, g, &engine) == STATUS_OK) {
            int8_t *image = arena_alloc(arena, (size_t)graph_tensor_elements(&g->tensor[0]));
            memset(image, g->tensor[0].zero_point, (size_t)graph_tensor_elements(&g->tensor[0]));
            engine_run(engine, image, 1, arena_alloc(arena, (size_t)g->classes));
            accepted++;
        }
        arena_destroy(arena);
    }
    arena = model_arena;
    ck_assert_int_gt(accepted, 100);
    ck_assert_int_gt(refusals, 100);
    end_model();
}
END_TEST

TEST_MAIN("import", damage_is_noticed, lies_are_refused_by_name, accepted_means_runnable)
