/* Checkpoints: what is written is read, and no damage or mistake goes unseen. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/safetensors.h"
#include "tests/support/data_files.h"
#include "tests/support/fixture.h"
#include "tests/support/small_model.h"
#include "tests/support/suite.h"
#include "train/checkpoint.h"

static const char net[] =
    "{\"input\":[8,8,2],\"layers\":[{\"type\":\"conv2d\",\"name\":\"c\",\"filters\":3,\"kernel\":3,"
    "\"batch_norm\":true,\"activation\":\"relu\"},{\"type\":\"global_avgpool\",\"name\":\"p\"},"
    "{\"type\":\"dense\",\"name\":\"d\",\"units\":3}]}";
static const char wider[] =
    "{\"input\":[8,8,2],\"layers\":[{\"type\":\"conv2d\",\"name\":\"c\",\"filters\":4,\"kernel\":3,"
    "\"batch_norm\":true,\"activation\":\"relu\"},{\"type\":\"global_avgpool\",\"name\":\"p\"},"
    "{\"type\":\"dense\",\"name\":\"d\",\"units\":3}]}";
static const char narrow[] = "{\"weights\":{\"bits\":3},\"activations\":{\"bits\":4},\"first_last_bits\":0}";

static const TrainState some_state = {.kind = MODEL_QAT,
                                      .seed = 12345678901234,
                                      .step = 7,
                                      .steps = 90,
                                      .epoch = {1.25, 3, 9},
                                      .window = {0.5, 1, 4},
                                      .best = 0.75};

static Model *make(const char *model, const char *quant, uint64_t seed)
{
    Model *m = small_model(arena, model, quant, seed);
    static const char *names[] = {"one", "two \"quoted\"", "drei \xc3\xa4"};
    m->class_names = names;
    return m;
}

static Optimizer optimizer_of(Model *m, int type)
{
    Optimizer o;
    must(optimizer_make(
        arena,
        &(OptimizerConfig){.type = type, .lr = 0.1, .momentum = 0.9, .beta1 = 0.9, .beta2 = 0.99, .epsilon = 1e-8},
        &m->params, &o));
    for (int k = 0; k < o.type->slots; k++)
        for (size_t i = 0; i < m->params.count; i++) o.slot[k][i] = (float)(k + 1) * 0.25f + (float)i;
    return o;
}

static unsigned char *content(size_t *bytes)
{
    unsigned char *data;
    must(file_read(arena, model_path, 1 << 24, &data, bytes));
    return data;
}

START_TEST(what_is_written_is_read)
{
    begin_model();
    for (int type = 0; optimizer_names[type] != NULL; type++) {
        Model *m = make(net, narrow, 1), *n = make(net, narrow, 2);
        Optimizer o = optimizer_of(m, type), p = optimizer_of(n, type);
        for (int k = 0; k < p.type->slots; k++) memset(p.slot[k], 0, sizeof(float) * n->params.count);
        must(checkpoint_write(model_path, m, &o, &some_state));
        size_t bytes, again;
        const unsigned char *first = content(&bytes);
        TrainState state = {0};
        must(checkpoint_read(model_path, n, &p, &state));
        ck_assert_mem_eq(n->params.x, m->params.x, sizeof(float) * m->params.count);
        for (int i = 0; i < m->params.n; i++)
            for (int k = 0; k < o.type->slots; k++) {
                const Param *v = m->params.param[i];
                ck_assert_mem_eq(p.slot[k] + v->offset, o.slot[k] + v->offset, sizeof(float) * (size_t)v->count);
            }
        ck_assert(state.kind == MODEL_QAT && state.seed == some_state.seed && state.step == 7 && state.steps == 90);
        ck_assert(state.epoch.loss == 1.25 && state.window.seen == 4.0 && state.best == 0.75);
        for (int i = 0; i < m->quantizers; i++) {
            const Quantizer *a = m->quantizer[i], *b = n->quantizer[i];
            ck_assert_mem_eq(a->qp.scale, b->qp.scale, sizeof(float) * (size_t)a->qp.n);
            ck_assert(a->qp.zero_point == b->qp.zero_point && a->ready == b->ready);
            ck_assert(a->observer.min == b->observer.min && a->observer.batches == b->observer.batches);
        }
        must(checkpoint_write(model_path, n, &p, &state));
        ck_assert_mem_eq(content(&again), first, bytes);
        ck_assert_uint_eq(again, bytes);
        SafeFile file;
        must(safe_read(arena, model_path, true, &file));
        ck_assert_str_eq(safe_metadata(&file, "classes"), "[\"one\",\"two \\\"quoted\\\"\",\"drei \xc3\xa4\"]");
    }
    end();
}
END_TEST

/* Each bit in turn of a byte in every 13, each length in every 29. */
START_TEST(no_damage_goes_unseen)
{
    begin_model();
    Model *m = make(net, narrow, 1), *n = make(net, narrow, 2);
    must(checkpoint_write(model_path, m, NULL, &some_state));
    size_t bytes;
    const unsigned char *good = content(&bytes);
    float *before = arena_alloc(arena, sizeof(float) * n->params.count);
    memcpy(before, n->params.x, sizeof(float) * n->params.count);
    TrainState state = {0};
    for (size_t i = 0; i < bytes; i += 13) {
        poke_file(folder, "m.safetensors", (long)i, good[i] ^ (unsigned char)(1 << (i % 8)));
        ck_assert_msg(checkpoint_read(model_path, n, NULL, &state) == STATUS_FORMAT,
                      "a flipped bit of byte %zu is accepted", i);
        ck_assert_ptr_nonnull(strstr(status_message(), model_path));
        poke_file(folder, "m.safetensors", (long)i, good[i]);
    }
    for (size_t n_bytes = 0; n_bytes < bytes; n_bytes += 29) {
        put_bytes(folder, "m.safetensors", good, n_bytes);
        ck_assert_msg(checkpoint_read(model_path, n, NULL, &state) == STATUS_FORMAT, "cut to %zu bytes, accepted",
                      n_bytes);
    }
    ck_assert_mem_eq(before, n->params.x, sizeof(float) * n->params.count);
    put_bytes(folder, "m.safetensors", good, bytes);
    must(checkpoint_read(model_path, n, NULL, &state));
    end();
}
END_TEST

/* Everything is answered from what was read, also when the file is gone. */
START_TEST(is_read_once)
{
    begin_model();
    Model *m = make(net, narrow, 1), *n = make(net, narrow, 2);
    Optimizer sgd = optimizer_of(m, 0), other = optimizer_of(n, 0);
    const Provenance p = {"{}", "some data", "fma", "other data"};
    TrainState wrote = some_state, state = {0};
    wrote.provenance = &p;
    must(checkpoint_write(model_path, m, &sgd, &wrote));
    Checkpoint c;
    must(checkpoint_open(arena, model_path, &c));
    ck_assert_int_eq(unlink(model_path), 0);
    ck_assert_int_eq(c.kind, some_state.kind);
    long done, all;
    must(checkpoint_steps(&c, &done, &all));
    ck_assert(done == some_state.step && all == some_state.steps);
    StringList classes;
    must(checkpoint_classes(&c, &classes));
    ck_assert_int_eq(classes.n, m->classes);
    ck_assert_str_eq(checkpoint_provenance(&c).data, "some data");
    ck_assert_str_eq(checkpoint_provenance(&c).changed, "other data");
    for (int i = 0; i < 2; i++) { /* as often as it is asked for */
        memset(n->params.x, 0, sizeof(float) * n->params.count);
        must(checkpoint_load(&c, n, i == 0 ? NULL : &other, &state));
        ck_assert_mem_eq(m->params.x, n->params.x, sizeof(float) * m->params.count);
    }
    end();
}
END_TEST

static void refused_as(Status status, Status want, const char *words)
{
    ck_assert_msg(status == want, "status %d: %s", status, status == STATUS_OK ? "accepted" : status_message());
    refused(status, words);
    ck_assert_ptr_nonnull(strstr(status_message(), model_path));
}

START_TEST(another_model_is_refused)
{
    begin_model();
    Model *m = make(net, narrow, 1), *f = make(net, NULL, 1), *w = make(wider, narrow, 1);
    Optimizer sgd = optimizer_of(m, 0), adam = optimizer_of(m, 1);
    TrainState state = {0};
    must(checkpoint_write(model_path, m, &sgd, &some_state));
    refused_as(checkpoint_read(model_path, f, NULL, &state), STATUS_STATE, "a qat model; a float model is required");
    refused_as(checkpoint_read(model_path, w, NULL, &state), STATUS_STATE,
               "\"c.weight\": F32 [3,3,3,2]; must be F32 [4,3,3,2]");
    refused_as(checkpoint_read(model_path, m, &adam, &state), STATUS_STATE, "another model");
    must(checkpoint_write(model_path, f, NULL, &(TrainState){.kind = MODEL_FLOAT}));
    refused_as(checkpoint_read(model_path, m, NULL, &state), STATUS_STATE, "a quantized one is required");
    Checkpoint c;
    must(checkpoint_open(arena, model_path, &c));
    ck_assert_int_eq(c.kind, MODEL_FLOAT);
    end();
}
END_TEST

/* The file again, with a right CRC, but one thing of it changed. */
static void rewrite(const char *tensor, int32_t value, const char *key, const char *text)
{
    SafeFile file;
    must(safe_read(arena, model_path, true, &file));
    SafeWriter *w = safe_writer(arena);
    for (int i = 0; i < file.n_metadata; i++) {
        if (strcmp(file.key[i], "crc32") == 0) continue;
        const bool changed = key != NULL && strcmp(file.key[i], key) == 0;
        if (!changed || text != NULL) safe_add_metadata(w, file.key[i], changed ? text : file.value[i]);
    }
    for (int i = 0; i < file.n; i++) {
        const SafeTensor *t = &file.tensor[i];
        const bool changed = tensor != NULL && strcmp(t->name, tensor) == 0;
        safe_add(w, t->name, t->type, t->rank, t->dim, changed ? &value : t->data);
    }
    if (tensor != NULL && safe_find(&file, tensor) == NULL)
        safe_add(w, tensor, ST_I32, 1, (const int64_t[]){1}, &value);
    must(safe_write(w, model_path));
}

START_TEST(lies_with_a_right_crc_are_refused)
{
    static const struct {
        const char *tensor;
        int32_t value;
        const char *key, *text, *words;
    } lies[] = {
        {"quant.c.out.zero_point", 1000, NULL, NULL, "quant.c.out.zero_point: 1000; must be"},
        {"quant.c.weight.zero_point", 1, NULL, NULL, "quant.c.weight.zero_point: 1; must be 0 to 0"},
        {NULL, 0, "format", "other", "format \"other\""},
        {NULL, 0, "version", "2", "version \"2\""},
        {NULL, 0, "kind", NULL, "kind \"\""},
        {NULL, 0, "step", "-1", "step: \"-1\"; must be a number"},
        {NULL, 0, "step", "7x", "step: \"7x\"; must be a number"},
        {NULL, 0, "steps", NULL, "steps: \"\"; must be a number"},
        {NULL, 0, "seed", "99999999999999999999", "seed: \"99999999999999999999\"; must be a number"},
    };
    begin_model();
    Model *m = make(net, narrow, 1);
    Optimizer o = optimizer_of(m, 0);
    TrainState state = {0};
    for (size_t i = 0; i < sizeof lies / sizeof lies[0]; i++) {
        must(checkpoint_write(model_path, m, &o, &some_state));
        rewrite(lies[i].tensor, lies[i].value, lies[i].key, lies[i].text);
        refused_as(checkpoint_read(model_path, m, &o, &state), STATUS_FORMAT, lies[i].words);
    }
    must(checkpoint_write(model_path, m, &o, &some_state));
    rewrite("stowaway", 1, NULL, NULL);
    refused_as(checkpoint_read(model_path, m, &o, &state), STATUS_STATE, "1 tensors beside the");
    end();
}
END_TEST

TEST_MAIN("checkpoint", what_is_written_is_read, no_damage_goes_unseen, is_read_once, another_model_is_refused,
          lies_with_a_right_crc_are_refused)
