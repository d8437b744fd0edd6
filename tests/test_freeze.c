/* Layers that training leaves as they are, and training that starts from another model. */
#include <string.h>

#include "tests/support/fixture.h"
#include "tests/support/program.h"
#include "tests/support/conformance.h"
#include "tests/support/small_model.h"
#include "tests/support/suite.h"
#include "train/experiment.h"

static StringList patterns(const char *const *at)
{
    StringList list = {0, (const char **)at};
    while (at[list.n] != NULL) list.n++;
    return list;
}
#define PATTERNS(...) patterns((const char *const[]){__VA_ARGS__, NULL})

/* With running statistics everywhere a frozen layer changes nothing but what is learned of itself: the other gradients
 * are the same bits, its own are not there. */
static void other_gradients_stay(const LayerType *type, const char *example, const char *model)
{
    (void)type;
    Arena *own = arena_create(), *step = arena_create();
    Model *free_one = small_model(own, model, NULL, 5), *frozen = small_model(own, model, NULL, 5);
    const StringList names = PATTERNS("a", "teste?");
    const Status status = model_freeze(frozen, &names, "c.json");
    const bool has_params = frozen->layer[small_layer(frozen, "tested")].weight != NULL;
    ck_assert_msg((status == STATUS_OK) == has_params, "%s: %s", example, status_message());
    const uint8_t *pixels = small_pixels(own, frozen, 6);
    const ForwardMode mode = {.arithmetic = ARITHMETIC_FLOAT};
    Tape *t = tape_create(own, step);
    small_step(free_one, t, &mode, pixels);
    small_step(frozen, t, &mode, pixels);
    for (int i = 0; i < frozen->params.n; i++) {
        const Param *p = frozen->params.param[i], *q = free_one->params.param[i];
        const bool ours = strncmp(p->name, "a.", 2) == 0 || strncmp(p->name, "tested.", 7) == 0;
        ck_assert_int_eq(p->frozen, ours);
        for (long k = 0; k < p->count; k++)
            ck_assert_msg(p->dx[k] == (ours ? 0.0f : q->dx[k]), "%s: gradient of %s[%ld]", example, p->name, k);
    }
    arena_destroy(step);
    arena_destroy(own);
}

START_TEST(only_gradients_of_frozen_layers_go) { for_each_layer_example(other_gradients_stay); }
END_TEST

typedef struct {
    Config *config;
    DataSplits data;
    Model *model;
} Setup;

static Setup setup(const char *const *sets)
{
    Setup s;
    must(config_read(arena, inside("zoo.json"), sets, &s.config));
    must(experiment_data(arena, s.config, &s.data));
    must(experiment_model(arena, s.config, NULL, &s.data, &s.model));
    model_init(s.model, s.config->seed);
    for (int i = 0; i < s.model->layers; i++)
        for (long c = 0; s.model->layer[i].norm != NULL && c < s.model->layer[i].gamma->count; c++)
            s.model->layer[i].norm->mean[c] = 0.01f * (float)c;
    return s;
}

static Status train(Setup *s)
{
    const TrainJob job = {.config = s->config, .data = &s->data, .model = s->model, .kind = MODEL_FLOAT};
    TrainResult result;
    return train_run(arena, &job, &result);
}

/* Neither decay, nor momentum, nor a batch moves them; every other layer learns. */
START_TEST(frozen_layers_stay_to_the_bit)
{
    static const char *const optimizers[] = {"train.optimizer.type=sgd", "train.optimizer.type=adamw"};
    for (int o = 0; o < 2; o++) {
        begin_zoo();
        const char *const sets[] = {optimizers[o],
                                    "train.freeze=[\"stem\",\"?w\"]",
                                    "train.optimizer.weight_decay=0.1",
                                    "train.optimizer.decay_norm=true",
                                    "train.optimizer.decay_bias=true",
                                    "train.optimizer.clip_norm=1",
                                    NULL};
        Setup before = setup(sets), after = setup(sets);
        must(train(&after));
        int stayed = 0, moved = 0;
        for (int i = 0; i < after.model->layers; i++) {
            const Layer *l = &after.model->layer[i], *k = &before.model->layer[i];
            if (l->weight == NULL) continue;
            const bool frozen =
                strcmp(l->name, "stem") == 0 || strcmp(l->name, "dw") == 0 || strcmp(l->name, "pw") == 0;
            ck_assert_int_eq(l->frozen, frozen);
            const bool same = memcmp(l->weight->x, k->weight->x, sizeof(float) * (size_t)l->weight->count) == 0;
            ck_assert_msg(same == frozen, "%s", l->name);
            *(same ? &stayed : &moved) += 1;
            if (l->norm == NULL) continue;
            const size_t bytes = sizeof(float) * (size_t)l->gamma->count;
            ck_assert_mem_eq(l->norm->mean, k->norm->mean, bytes);
            ck_assert_mem_eq(l->norm->var, k->norm->var, bytes);
            ck_assert_mem_eq(l->gamma->x, k->gamma->x, bytes);
            ck_assert_mem_eq(l->beta->x, k->beta->x, bytes);
        }
        ck_assert_int_eq(stayed, 3);
        ck_assert_int_eq(moved, 3);
        end();
    }
}
END_TEST

START_TEST(patterns_must_match)
{
    begin_zoo();
    static const struct {
        const char *set, *words;
    } cases[] = {
        {"train.freeze=steam",
         "--set train.freeze=steam: train.freeze[0]: \"steam\"; must match the name of a layer with parameters, of: "
         "stem, dw, pw, side, fc, logits"},
        {"train.freeze=[\"stem\",\"pool*\"]", "train.freeze[1]: \"pool*\"; must match"},
        {"train.freeze=*", "train.freeze: all layers; at least one must be left to train"},
        {"train.freeze=\"\"", "train.freeze: \"\"; must be"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const Where where = {.folder = folder};
        const Outcome o =
            program_run(arena, &where, arena_printf(arena, "train zoo.json --out r --set %s", cases[i].set));
        ck_assert_int_eq(o.code, 1);
        ck_assert_msg(strstr(o.err, cases[i].words) != NULL, "%s: %s", cases[i].set, o.err);
        ck_assert_str_eq(folder_listing(arena, folder, "zoo.json"), "");
    }
    end();
}
END_TEST

TEST_MAIN("freeze", only_gradients_of_frozen_layers_go, frozen_layers_stay_to_the_bit, patterns_must_match)
