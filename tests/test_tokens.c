/* Texts: windows of bytes and what follows them, vectors for bytes, convolutions that see no later byte, the scores of a
 * network that predicts, in floats, as integers, in the model file and in C. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "deploy/safetensors/export_safetensors.h"
#include "graph/engine.h"
#include "graph/graph_check.h"
#include "graph/graph_read.h"
#include "layers/model.h"
#include "tasks/task.h"
#include "tests/support/embedding_graph.h"
#include "tests/support/fixture.h"
#include "tests/support/gradcheck.h"
#include "tests/support/json_values.h"
#include "tests/support/naive_interpreter.h"
#include "tests/support/program.h"
#include "tests/support/small_model.h"
#include "tests/support/suite.h"
#include "datasets/dataset.h"

static const char config[] =
    "{\"task\":{\"type\":\"next_token\"},\"data\":{\"dataset\":\"tokens\",\"dir\":\".\",\"validation\":0.1},"
    "\"model\":{\"input\":[16,1,1],\"layers\":[{\"type\":\"embedding\",\"name\":\"embed\",\"dim\":8},"
    "{\"type\":\"conv2d\",\"name\":\"a\",\"filters\":8,\"kernel\":[3,1],\"padding\":\"causal\",\"activation\":\"relu\"}"
    ","
    "{\"type\":\"conv2d\",\"name\":\"b\",\"filters\":8,\"kernel\":[3,1],\"dilation\":[2,1],\"padding\":\"causal\"},"
    "{\"type\":\"add\",\"name\":\"sum\",\"inputs\":[\"a\",\"b\"]},"
    "{\"type\":\"conv2d\",\"name\":\"scores\",\"filters\":256,\"kernel\":1},{\"type\":\"flatten\",\"name\":\"row\"}]},"
    "\"train\":{\"epochs\":8,\"batch\":8,\"optimizer\":{\"type\":\"adamw\",\"lr\":0.01}},\"qat\":{\"epochs\":1}}";

static const char pictures[] =
    "{\"data\":{\"dataset\":\"synthetic\",\"synthetic_train\":20,\"synthetic_test\":5,\"classes\":3},\"model\":{"
    "\"input\":[4,1,1],\"layers\":[{\"type\":\"dense\",\"units\":3}]},\"train\":{\"epochs\":1}}";

/* A text with a rule: each letter is followed by the next one of the alphabet, at the end by a space, then a letter. */
static void put_alphabet(void)
{
    char text[4000];
    unsigned state = 7;
    for (size_t i = 0; i + 1 < sizeof text; i++) {
        state = state * 1664525u + 1013904223u;
        const char before = i == 0 ? ' ' : text[i - 1];
        text[i] = (char)(before == ' ' ? 'a' + (int)(state >> 24) % 26 : before == 'z' ? ' ' : before + 1);
    }
    text[sizeof text - 1] = '\0';
    put_text(folder, "text.txt", text);
}

/* ---- the data ---------------------------------------------------------------------------------------------------- */

static Status load(const char *dir, const int hwc[3], DataSplits *data)
{
    static double zero = 0.0, one = 1.0;
    DataConfig cfg = {.dataset = "tokens",
                      .dir = dir,
                      .text = "text.txt",
                      .target = TARGET_TOKENS,
                      .normalize = {.mean = {1, &zero}, .std = {1, &one}}};
    return dataset_load(&cfg, hwc, 3, arena, data);
}

START_TEST(windows_and_what_follows)
{
    begin();
    put_alphabet();
    DataSplits data;
    must(load(folder, (const int[]){16, 1, 1}, &data));
    const char *text = text_of("text.txt");
    ck_assert_int_eq(data.train.n + data.test.n, 3998 / 16);
    ck_assert_int_eq(data.test.n, 3998 / 16 / 10);
    const struct {
        const Dataset *set;
        int first;
    } parts[] = {{&data.train, 0}, {&data.test, data.train.n}};
    for (int p = 0; p < 2; p++)
        for (int i = 0; i < parts[p].set->n; i++)
            for (int k = 0; k < 16; k++) {
                const int at = 16 * (parts[p].first + i) + k;
                ck_assert_int_eq(parts[p].set->source->bytes[16 * i + k], text[at]);
                ck_assert_int_eq((int)parts[p].set->targets.value[16 * i + k], text[at + 1]);
            }
    refused(load(folder, (const int[]){16, 2, 1}, &data), "of a text it must be [bytes, 1, 1]");
    refused(load(folder, (const int[]){400, 1, 1}, &data), "3999 bytes; at least 4001 are required");
    refused(load("nowhere", (const int[]){16, 1, 1}, &data), "data.text names");
    end();
}
END_TEST

/* ---- the operation ----------------------------------------------------------------------------------------------- */

static Tensor *embed(Tape *t, Tensor *const *in, void *context) { return op_embedding(t, in[0], context); }

START_TEST(rows_by_byte)
{
    begin();
    Bench b = bench_make();
    float bytes[6];
    static const int byte[6] = {0, 255, 65, 65, 128, 7};
    for (int i = 0; i < 6; i++) bytes[i] = (float)byte[i] / 255.0f;
    float *w = random_values(arena, 256 * 3L, 5);
    Tensor *x = tape_leaf(b.tape, "x", shape_4(1, 6, 1, 1), bytes, NULL);
    float *dw = ARENA_ARRAY(arena, float, 256 * 3);
    Tensor *table = tape_leaf(b.tape, "w", shape_2(256, 3), w, dw);
    const Tensor *y = op_embedding(b.tape, table, x);
    ck_assert(shape_equal(y->shape, shape_4(1, 6, 1, 3)));
    for (int i = 0; i < 6; i++) ck_assert_mem_eq(y->x + 3 * i, w + 3 * byte[i], 3 * sizeof *w);
    ck_assert_int_eq(embedding_token(-1.0f), 0);
    ck_assert_int_eq(embedding_token(2.0f), 255);
    GradCheck check = {
        .name = "embedding", .inputs = 1, .shape = {shape_2(256, 3)}, .x = {w}, .graph = embed, .context = x};
    ck_assert_int_eq(gradcheck(&check), 0);
    bench_end(&b);
    end();
}
END_TEST

/* ---- the layers -------------------------------------------------------------------------------------------------- */

static const char model_text[] =
    "{\"input\":[16,1,1],\"layers\":[{\"type\":\"embedding\",\"name\":\"embed\",\"dim\":5},"
    "{\"type\":\"conv2d\",\"name\":\"a\",\"filters\":6,\"kernel\":[3,1],\"padding\":\"causal\",\"activation\":\"relu\"}"
    ","
    "{\"type\":\"depthwise_conv2d\",\"name\":\"b\",\"kernel\":[2,1],\"dilation\":[4,1],\"padding\":\"causal\"},"
    "{\"type\":\"conv2d\",\"name\":\"scores\",\"filters\":4,\"kernel\":1},{\"type\":\"flatten\",\"name\":\"row\"}]}";

/* A byte changes the outputs at its place and after it, and at its place it does. */
START_TEST(no_output_sees_a_later_byte)
{
    static const char *const quant[] = {NULL, "{}", "{\"weights\":{\"bits\":4,\"scheme\":\"affine\"}}"};
    for (int q = 0; q < 3; q++)
        for (int at = 0; at < 16; at += 5) {
            begin();
            Bench b = bench_make();
            Model *m = small_model(arena, model_text, quant[q], 3);
            const ForwardMode mode = {.arithmetic = q == 0 ? ARITHMETIC_FLOAT : ARITHMETIC_INT};
            uint8_t pixels[16];
            float z[2][64];
            for (int i = 0; i < 16; i++) pixels[i] = (uint8_t)(37 * i + 11);
            for (int k = 0; k < 2; k++) {
                tape_reset(b.tape, false);
                const Tensor *y = model_forward(m, b.tape, &mode, pixels, 1);
                ck_assert_msg(y != NULL, "%s", b.tape->message);
                memcpy(z[k], tensor_values(b.tape, y), sizeof z[k]);
                pixels[at] = (uint8_t)(pixels[at] + 99);
            }
            ck_assert_mem_eq(z[0], z[1], sizeof(float) * 4 * (size_t)at);
            ck_assert_mem_ne(z[0] + 4 * at, z[1] + 4 * at, sizeof(float) * 4);
            bench_end(&b);
            end();
        }
}
END_TEST

static Status build(const char *layers, const char *quant)
{
    Model *m;
    return small_model_build(arena, arena_printf(arena, "{\"input\":[8,1,1],\"layers\":[%s]}", layers), quant, &m);
}

START_TEST(what_an_embedding_refuses)
{
    begin();
    static const char ends[] = ",{\"type\":\"dense\",\"name\":\"d\",\"units\":3}";
    const char *one = arena_printf(arena, "{\"type\":\"embedding\",\"name\":\"e\",\"dim\":4}%s", ends);
    must(build(one, NULL));
    must(build(one, "{\"activations\":{\"format\":\"float32\"}}"));
    must(build(one, "{\"weights\":{\"bits\":8,\"scheme\":\"affine\"},\"activations\":{\"format\":\"float32\"}}"));
    refused(build(one, "{\"overrides\":[{\"layers\":\"e\",\"format\":\"float32\"}]}"),
            "layer \"e\": weights in format \"float32\"; a table (embedding) has weights of 2 to 8 bits");
    refused(build(one, "{\"weights\":{\"bits\":1,\"quantizer\":\"xnor\"},\"first_last_bits\":0}"),
            "quantizer \"xnor\" for a table (embedding)");
    refused(build(arena_printf(arena, "{\"type\":\"conv2d\",\"filters\":1,\"kernel\":1},%s", one), NULL),
            "an embedding of a layer's output of 1 channels; it must read the image");
    end();
}
END_TEST

/* ---- the graph --------------------------------------------------------------------------------------------------- */

START_TEST(engine_equals_the_naive_interpreter)
{
    for (int d = ROUNDING_XNNPACK; d < ROUNDINGS; d++) {
        begin_model();
        must(export_safetensors(arena, embedding_graph(arena, (Rounding)d, (uint64_t)d), model_path));
        Graph *g;
        must(graph_read(arena, model_path, &g));
        must(graph_check(g));
        NaiveModel *naive = naive_open(model_path);
        Engine *engine;
        must(engine_create(arena, g, 1, &engine));
        for (int i = 0; i < 50; i++) {
            int8_t in[6], out[18];
            for (int k = 0; k < 6; k++) in[k] = (int8_t)((i * 97 + k * k * 31) % 256 - 128);
            engine_run(engine, in, 1, out);
            naive_run(naive, in);
            for (int t = 0; t < g->tensors; t++)
                for (long k = 0; k < graph_tensor_elements(&g->tensor[t]); k++)
                    ck_assert_int_eq(engine_tensor(engine, t)[k], naive_codes(naive, t)[k]);
        }
        naive_close(naive);
        end_model();
    }
}
END_TEST

START_TEST(graphs_that_are_refused)
{
    begin();
    Graph *g = embedding_graph(arena, ROUNDING_XNNPACK, 1);
    must(graph_check(g));
    ((int8_t *)g->node[0].table)[77] = 32;
    refused(graph_check(g), "table[77] is 32; must be -31 to 31");
    g = embedding_graph(arena, ROUNDING_XNNPACK, 1);
    g->node[0].table = NULL;
    refused(graph_check(g), "no table; must have one");
    g = embedding_graph(arena, ROUNDING_XNNPACK, 1);
    g->tensor[0].h = 3, g->tensor[0].w = 2;
    refused(graph_check(g), "must be rows and columns of an input with 1 channel");
    end();
}
END_TEST

/* ---- the task ---------------------------------------------------------------------------------------------------- */

START_TEST(scores_by_hand)
{
    begin();
    enum { T = 2, N = 3 };
    const TaskConfig of = {.type = name_find(task_names, "next_token")};
    const Task task = task_make(&of, 0.0f, T * 256, NULL, (TargetScale){0});
    float *z = ARENA_ARRAY(arena, float, N *T * 256), next[N * T] = {1, 2, 3, 4, 5, 6};
    double loss = 0;
    for (int i = 0; i < N * T; i++) {
        z[i * 256 + (int)next[i]] = (float)i;
        loss += log(255.0 + exp(i)) - i;
    }
    Score score = score_begin(arena, &task, N);
    score_add(&score, z, targets_values(T, next), 1);
    score_add(&score, z + T * 256, targets_values(T, next + T), N - 1);
    ck_assert_double_eq_tol(score_loss(&score), loss / 6, 1e-9);
    ck_assert_double_eq_tol(score_value(&score, &metric_perplexity), exp(loss / 6), 1e-6);
    ck_assert_double_eq_tol(score_value(&score, &metric_bits_per_byte), loss / 6 / log(2), 1e-9);
    ck_assert_double_eq_tol(score_value(&score, &metric_token_accuracy), 5.0 / 6, 1e-12); /* byte 0 wins a tie */
    for (int k = 0; task.type->metrics[k] != NULL; k++) {
        double part[N], sum = 0;
        task.type->parts(&score, task.type->metrics[k], part);
        for (int i = 0; i < N; i++) sum += part[i] / N;
        ck_assert_double_eq_tol(sum, score_value(&score, task.type->metrics[k]), 1e-6);
    }
    Bench b = bench_make();
    double running = 0;
    float *dz = ARENA_ARRAY(arena, float, N *T * 256);
    Tensor *leaf = tape_leaf(b.tape, "z", shape_2(N, T * 256), z, dz);
    Tensor *l = task.loss->run(b.tape, &task, leaf, targets_values(T, next), &running);
    ck_assert_double_eq_tol((double)l->x[0], loss / 6, 1e-5);
    ck_assert_double_eq_tol(running, 2.5, 1e-9);
    must(tape_backward(b.tape, l));
    ck_assert_double_eq_tol((double)dz[1], (1.0 / 256 - 1) / 6, 1e-6);
    bench_end(&b);
    end();
}
END_TEST

/* ---- all of it --------------------------------------------------------------------------------------------------- */

static double perplexity_of(const char *command)
{
    cJSON *json = program_json(arena, folder, command);
    const double p = number(json, "perplexity");
    ck_assert_double_eq_tol(log(p) / log(2), number(json, "bits_per_byte"), 1e-9);
    ck_assert_double_eq_tol(log(p), number(json, "loss"), 1e-9);
    ck_assert(json_get(json, "confusion") == NULL);
    cJSON_Delete(json);
    return p;
}

START_TEST(from_a_text_to_exports)
{
    begin();
    put_alphabet();
    put_text(folder, "text.json", config);
    has(program_must(arena, folder, "train text.json --out f --quiet"), "test perplexity ");
    program_must(arena, folder, "ptq f/last.safetensors --out p --quiet");
    program_must(arena, folder, "qat f/last.safetensors --out q --quiet");
    const double f = perplexity_of("eval f/last.safetensors --quiet"), p = perplexity_of("eval p --quiet");
    ck_assert(f < 2.0 && p < 1.05 * f); /* 26 letters, each certain but the first of 26 or so */
    ck_assert_double_eq(perplexity_of("eval p --quiet --engine sim"), p);
    has(program_must(arena, folder, "verify p"), " 0 different");
    has(program_must(arena, folder, "verify q"), " 0 different");
    program_must(arena, folder,
                 "ptq f/last.safetensors --out w --quiet --set quant.activations.format=float32 "
                 "--set quant.weights.bits=4 --set quant.weights.scheme=affine");
    has(program_must(arena, folder, "verify w"), " 0 different");
    put_text(folder, "config.json", text_of("p/config.json"));
    program_must(arena, folder, "export p -o m.safetensors --quiet");
    ck_assert_double_eq(perplexity_of("eval m.safetensors --quiet --set data.dir=."), p);
    program_must(arena, folder, "export p -o m.c --quiet --set quant.target=c");
    has(text_of("m.c"), "    embedding(");
    has(text_of("m.h"), "for each byte of the input, in order, 256 codes");
    ck_assert_ptr_null(strstr(text_of("m.c"), "_names["));
    program_must(arena, folder, "export p -o m.onnx --quiet");
    program_refuses(arena, folder, "export p -o m.tflite", "layer \"embed\": a node of type embedding");
    program_refuses(arena, folder, "export f -o f.onnx --float", "embed");
    program_refuses(arena, folder, "train text.json --out g --set data.augment.flip=true", "data.augment: given");
    program_refuses(arena, folder, "train text.json --out g --set data.normalize.mean=0.5", "data.normalize: given");
    program_refuses(arena, folder, "train text.json --out g --set task.type=classification",
                    "\"tokens\" has the bytes of a text; task.type must be next_token");
    end();
}
END_TEST

/* A network that learned the alphabet goes on with it, also past its window; draws depend on the seed alone. */
START_TEST(text_that_is_generated)
{
    begin();
    put_alphabet();
    put_text(folder, "text.json", config);
    program_must(arena, folder, "train text.json --out f --quiet");
    program_must(arena, folder, "ptq f/last.safetensors --out p --quiet");
    static const char *const models[] = {"f/last.safetensors", "p/model.safetensors"};
    for (int k = 0; k < 2; k++) {
        const char *greedy = arena_printf(arena, "generate %s --quiet --prompt mno --bytes 11", models[k]);
        ck_assert_str_eq(program_must(arena, folder, greedy), "mnopqrstuvwxyz\n");
        const char *drawn =
            arena_printf(arena, "generate %s --quiet --prompt ab --bytes 300 --temperature 3", models[k]);
        const char *one = program_must(arena, folder, drawn), *again = program_must(arena, folder, drawn);
        ck_assert_str_eq(one, again);
        ck_assert_str_ne(one, program_must(arena, folder, arena_printf(arena, "%s --seed 9", drawn)));
    }
    cJSON *json = program_json(arena, folder, "generate p --quiet --prompt mno --bytes 2");
    ck_assert_str_eq(json_get(json, "text")->valuestring, "mnopq");
    ck_assert_int_eq(cJSON_GetArrayItem(json_get(json, "bytes"), 1)->valueint, 'q');
    cJSON_Delete(json);
    const Where where = {.folder = folder};
    Outcome o = program_run(arena, &where, "generate p");
    ck_assert_int_eq(o.code, 2);
    has(o.err, "--prompt: not given; a text of one byte or more is required");
    o = program_run(arena, &where, "generate p --prompt a --temperature -1");
    ck_assert_int_eq(o.code, 2);
    has(o.err, "must be a number from 0 to 100");
    put_text(folder, "zoo.json", pictures);
    program_must(arena, folder, "train zoo.json --out z --quiet");
    program_refuses(arena, folder, "generate z --prompt a", "a model of the task classification; one of next_token");
    end();
}
END_TEST

TEST_MAIN("tokens", windows_and_what_follows, rows_by_byte, no_output_sees_a_later_byte, what_an_embedding_refuses,
          engine_equals_the_naive_interpreter, graphs_that_are_refused, scores_by_hand, from_a_text_to_exports,
          text_that_is_generated)
