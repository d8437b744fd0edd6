/* Widths learned while the weights are trained: the budget is met, the weights move, and the same bytes come of any number
 * of threads and of a search that was cut short. */
#include <math.h>
#include <signal.h>
#include <string.h>
#include <time.h>

#include "base/file.h"
#include "base/json.h"
#include "search/weight_mix.h"
#include "tests/support/fixture.h"
#include "tests/support/json_values.h"
#include "tests/support/program.h"
#include "tests/support/suite.h"
#include "train/batch_gradient.h"
#include "train/model_task.h"

static const char net[] =
    "{\"seed\": 3, \"data\": {\"dataset\": \"synthetic\", \"synthetic_train\": 400, \"synthetic_test\": 60, "
    "\"classes\": 4, \"validation\": 0.3, \"augment\": {\"flip\": true}},"
    "\"model\": {\"input\": [8, 8, 2], \"layers\": ["
    "{\"type\": \"conv2d\", \"name\": \"c1\", \"filters\": 8, \"kernel\": 3, \"batch_norm\": true, \"activation\": "
    "\"relu\"},"
    "{\"type\": \"depthwise_conv2d\", \"name\": \"c2\", \"kernel\": 3, \"batch_norm\": true, \"activation\": \"relu\"},"
    "{\"type\": \"conv2d\", \"name\": \"c3\", \"filters\": 8, \"kernel\": 1, \"activation\": \"relu\"},"
    "{\"type\": \"maxpool\", \"kernel\": 2}, {\"type\": \"flatten\"},"
    "{\"type\": \"dense\", \"name\": \"logits\", \"units\": 4}]},"
    "\"train\": {\"epochs\": 3, \"batch\": 20, \"optimizer\": {\"lr\": 0.05}}, \"qat\": {\"epochs\": 4}}";

static const char search[] = "search f --images 120 --method learned --flash 620 --quiet --json";

static void begin_trained(const char *sets)
{
    begin();
    put_text(folder, "net.json", net);
    program_must(arena, folder, arena_printf(arena, "train net.json --out f --quiet%s", sets));
}

static void folders_are_equal(void)
{
    const char *const files[] = {"config.json", "model.safetensors", "pareto.csv", "search.json", "learned.json"};
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        unsigned char *a, *b;
        size_t n, m;
        must(file_read(arena, inside(arena_printf(arena, "a/%s", files[i])), 1 << 24, &a, &n));
        must(file_read(arena, inside(arena_printf(arena, "b/%s", files[i])), 1 << 24, &b, &m));
        ck_assert_msg(n == m && memcmp(a, b, n) == 0, "%s", files[i]);
    }
}

static cJSON *learned(const char *path)
{
    cJSON *json;
    must(json_read(arena, inside(path), &json));
    return json;
}

static void learns_within_the_budget(const char *sets)
{
    begin_trained(sets);
    cJSON *found = program_json(arena, folder, arena_printf(arena, "%s --out a", search));
    ck_assert_double_le(number(found, "flash_bytes"), 620);
    cJSON *held_out = program_json(arena, folder, "eval a --split validation --quiet");
    ck_assert_double_eq_tol(number(held_out, "accuracy"), number(found, "accuracy"), 1e-9);

    cJSON *json = learned("a/learned.json");
    const cJSON *stages = json_get(json, "stages"), *stage;
    double price = 0.0, moved = 0.0;
    ck_assert_int_gt(cJSON_GetArraySize(stages), 3);
    cJSON_ArrayForEach(stage, stages)
    {
        ck_assert_double_gt(number(json_get(stage, "price"), "flash"), price);
        price = number(json_get(stage, "price"), "flash");
        moved = number(stage, "moved");
    }
    ck_assert_double_gt(moved, 0.02); /* of the length of the weights */
    const cJSON *first = cJSON_GetArrayItem(stages, 0),
                *last = cJSON_GetArrayItem(stages, cJSON_GetArraySize(stages) - 1);
    ck_assert_str_eq(cJSON_GetArrayItem(json_get(first, "formats"), 0)->valuestring, "int8");
    int narrow = 0;
    for (int u = 0; u < 3; u++) /* c1, c2, c3 */
        narrow += strcmp(cJSON_GetArrayItem(json_get(last, "formats"), u)->valuestring, "int8") != 0;
    ck_assert_int_gt(narrow, 0);
    ck_assert(!file_exists(inside("a/learned-0.safetensors")) && !file_exists(inside("a/learned-1.safetensors")));
    cJSON_Delete(json);
    cJSON_Delete(held_out);
    cJSON_Delete(found);
    end();
}

START_TEST(the_budget_is_met_and_the_weights_move)
{
    learns_within_the_budget("");
    learns_within_the_budget(" --set quant.weights.granularity=per_tensor");
}
END_TEST

START_TEST(threads_do_not_show)
{
    begin_trained("");
    program_must(arena, folder, arena_printf(arena, "%s --threads 1 --out a", search));
    program_must(arena, folder, arena_printf(arena, "%s --threads 2 --out b", search));
    folders_are_equal();
    end();
}
END_TEST

static void wait_for(const char *name)
{
    for (int ms = 0; ms < 60000 && !file_exists(inside(name)); ms++) nanosleep(&(struct timespec){0, 1000000}, NULL);
    ck_assert_msg(file_exists(inside(name)), "%s", name);
}

START_TEST(it_goes_on_where_it_was_cut_short)
{
    begin_trained(" --set qat.epochs=40");
    program_must(arena, folder, arena_printf(arena, "%s --out a", search));
    const Where where = {.folder = folder};
    const Running running = program_start(arena, &where, arena_printf(arena, "%s --out b", search));
    wait_for("b/learned.json");
    kill(running.id, SIGINT);
    const Outcome o = program_wait(arena, running);
    if (o.code != 0) { /* it was not done before the signal came */
        ck_assert_msg(o.code == 128 + SIGINT && !o.signalled, "exit %d: %s", o.code, o.err);
        has(o.err, "the same command with --resume goes on");
        cJSON *part = learned("b/learned.json"), *whole = learned("a/learned.json");
        ck_assert_int_lt(cJSON_GetArraySize(json_get(part, "stages")), cJSON_GetArraySize(json_get(whole, "stages")));
        cJSON_Delete(part);
        cJSON_Delete(whole);
    }
    program_must(arena, folder, arena_printf(arena, "%s --out b --resume", search));
    folders_are_equal();
    end();
}
END_TEST

/* Without the checkpoint that training would go on from, the stages that were kept are trained again, at their prices. */
START_TEST(what_training_went_on_from_may_be_lost)
{
    begin_trained("");
    program_must(arena, folder, arena_printf(arena, "%s --out a", search));
    program_must(arena, folder, arena_printf(arena, "%s --out b", search));
    cJSON *json = learned("b/learned.json");
    cJSON *stages = cJSON_GetObjectItem(json, "stages");
    while (cJSON_GetArraySize(stages) > 3) cJSON_DeleteItemFromArray(stages, 3);
    put_text(folder, "b/learned.json", json_print(arena, json));
    cJSON_Delete(json);
    ck_assert_int_eq(remove(inside("b/search.json")), 0);
    program_must(arena, folder, arena_printf(arena, "%s --out b --resume", search));
    folders_are_equal();

    /* Of another training nothing is kept. */
    program_must(arena, folder, arena_printf(arena, "%s --out b --resume --set qat.lr=0.001", search));
    cJSON *before = learned("a/learned.json"), *after = learned("b/learned.json");
    ck_assert_str_ne(text(before, "digest"), text(after, "digest"));
    cJSON_Delete(before);
    cJSON_Delete(after);
    end();
}
END_TEST

typedef struct {
    Judge judge;
    Sensitivity s;
    SearchSpace space;
    Sample sample;
    Task task;
    WeightMix mix;
    Tape *tape;
} Mixed;

static int formats[] = {7, 3, 1}; /* int8, int4, int2 */

static Mixed *mixed_network(void)
{
    Mixed *m = ARENA_ARRAY(arena, Mixed, 1);
    Config *config;
    put_text(folder, "net.json", net);
    must(config_read(arena, inside("net.json"), NULL, &config));
    DataSplits *data = ARENA_ARRAY(arena, DataSplits, 1);
    must(experiment_data(arena, config, data));
    Model *model, *quantized;
    must(experiment_model(arena, config, NULL, data, &model));
    model_init(model, 5);
    const QuantConfig quant = ptq_quant_config(arena, &config->quant);
    must(experiment_model(arena, config, &quant, data, &quantized));
    m->s.groups = format_groups(arena, quantized);
    m->space = (SearchSpace){.s = &m->s, .formats = {.n = 3, .at = formats}, .units = m->s.groups.layers};
    m->space.loss = ARENA_ARRAY(arena, double, 3 * m->space.units);
    m->judge = (Judge){.config = config, .data = data};
    must(sample_draw(arena, &data->train, 40, 1, &m->sample));
    m->task = model_task(config, model);
    must(weight_mix_begin(arena, &m->judge, &m->space, model, &m->mix));
    m->tape = tape_create(arena, arena_create());
    return m;
}

static double mixed_loss(Mixed *m)
{
    const ForwardMode mode = {.arithmetic = ARITHMETIC_FLOAT};
    const Batch batch = sample_batch(&m->sample, 0);
    BatchLoss loss;
    must(weight_mix_apply(&m->mix));
    must(batch_gradient(m->tape, m->mix.model, &mode, &batch, &m->task, &loss));
    weight_mix_undo(&m->mix);
    return loss.loss;
}

/* The slope in a share is the derivative of the loss; a share of 1 is the format itself; the weights stay. */
START_TEST(slopes_are_derivatives)
{
    begin();
    Mixed *m = mixed_network();
    WeightMix *mix = &m->mix;
    const size_t bytes = sizeof(float) * mix->model->params.count;
    const float *before = memcpy(arena_alloc(arena, bytes), mix->model->params.x, bytes);
    for (int k = 0; k < mix->layers * 3; k++) mix->share[k] = mix->as[k] == NULL ? 0.0 : 0.2 + 0.2 * (k % 3);
    double slope[3 * 8] = {0}, largest = 0.0;
    ck_assert_int_le(mix->layers, 8);
    mixed_loss(m);
    for (int k = 0; k < mix->layers * 3; k++)
        if (mix->as[k] != NULL) largest = fmax(largest, fabs(slope[k] = weight_mix_slope(mix, k / 3, k % 3)));
    ck_assert_double_gt(largest, 1e-3);
    int compared = 0;
    for (int k = 0; k < mix->layers * 3; k++) {
        if (mix->as[k] == NULL) continue;
        const double h = 0.002, share = mix->share[k];
        mix->share[k] = share + h;
        const double above = mixed_loss(m);
        mix->share[k] = share - h;
        const double below = mixed_loss(m);
        mix->share[k] = share;
        ck_assert_double_eq_tol((above - below) / (2.0 * h), slope[k], 0.02 * largest);
        compared++;
    }
    ck_assert_int_eq(compared, 4 * 3); /* layers with weights, formats */
    ck_assert_int_eq(memcmp(before, mix->model->params.x, bytes), 0);
    weight_mix_end(mix);
    arena_destroy(m->tape->arena);
    end();
}
END_TEST

TEST_MAIN("search, learned", slopes_are_derivatives, the_budget_is_met_and_the_weights_move, threads_do_not_show,
          it_goes_on_where_it_was_cut_short, what_training_went_on_from_may_be_lost)
