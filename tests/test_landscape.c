/* landscape: the line ends at what codes stand for, directions are as long as the filters and the same for models of
 * equal weights, and the weights stay what they are. */
#include <math.h>
#include <string.h>

#include "base/file.h"
#include "compress/weight_grid.h"
#include "search/landscape.h"
#include "tests/support/fixture.h"
#include "tests/support/json_values.h"
#include "tests/support/program.h"
#include "tests/support/suite.h"
#include "train/experiment.h"
#include "train/model_data.h"
#include "train/model_task.h"

static const char net[] =
    "{\"seed\": 5, \"name\": \"net\", \"data\": {\"dataset\": \"synthetic\", \"synthetic_train\": 200, "
    "\"synthetic_test\": 40, \"classes\": 3, \"validation\": 0.2},"
    "\"model\": {\"input\": [8, 8, 2], \"layers\": ["
    "{\"type\": \"conv2d\", \"name\": \"c1\", \"filters\": 6, \"kernel\": 3, \"batch_norm\": true, \"activation\": "
    "\"relu\"},"
    "{\"type\": \"depthwise_conv2d\", \"name\": \"d1\", \"kernel\": 3, \"batch_norm\": true, \"activation\": \"relu\"},"
    "{\"type\": \"global_avgpool\"}, {\"type\": \"dense\", \"name\": \"logits\", \"units\": 3}]},"
    "\"train\": {\"epochs\": 3, \"batch\": 20}, \"qat\": {\"epochs\": 1}, "
    "\"quant\": {\"weights\": {\"bits\": 3}, \"first_last_bits\": 0}}";

static void begin_models(void)
{
    begin();
    put_text(folder, "net.json", net);
    program_must(arena, folder, "train net.json --out f --quiet");
    program_must(arena, folder, "ptq f --out p --quiet");
    program_must(arena, folder, "qat f --out q --quiet");
}

typedef struct {
    OpenModel open;
    Task task;
    Sample sample;
    Landscape l;
    LandscapeModel m;
} Look;

static void look(Look *at, const char *name, int points)
{
    DataSplits data;
    *at = (Look){.l = {.points = points, .radius = 0.5}};
    must(model_open(arena, inside(name), NULL, &at->open));
    must(experiment_data(arena, at->open.config, &data));
    must(sample_draw(arena, &data.validation, 30, 1, &at->sample));
    at->task = model_task(at->open.config, at->open.model);
    at->m.quantized = at->open.kind != MODEL_FLOAT;
    const ParamSet *p = &at->open.model->params;
    float *before = memcpy(arena_alloc(arena, sizeof(float) * p->count), p->x, sizeof(float) * p->count);
    const LandscapeJob job = {.model = at->open.model, .task = &at->task, .sample = &at->sample, .seed = 7};
    must(landscape_make(arena, &job, &at->l, &at->m));
    ck_assert_mem_eq(p->x, before, sizeof(float) * p->count);
}

static double loss_now(Look *at)
{
    ModelLoss loss;
    double value;
    model_loss_begin(&loss, at->open.model, &at->task, &at->sample, NULL);
    must(loss.surface.value(loss.surface.context, &value));
    model_loss_end(&loss);
    return value;
}

START_TEST(the_line_leads_to_the_codes)
{
    Look at;
    begin_models();
    look(&at, "q/last.safetensors", 3);
    ck_assert_double_eq(landscape_t(LANDSCAPE_AT_CODES), 1.0);
    ck_assert_double_eq(at.m.loss, loss_now(&at));
    ck_assert_double_eq_tol(at.m.line[10], at.m.loss, 1e-12); /* t = 0 */
    Model *m = at.open.model;
    for (int i = 0; i < m->layers; i++) {
        Layer *l = &m->layer[i];
        if (l->weight_q == NULL) continue;
        const WeightGrid grid = weight_grid(arena, l);
        float *q = arena_alloc(arena, sizeof(float) * (size_t)grid.by.n);
        weight_grid_nearest(&grid, l, q);
        memcpy(l->weight->x, q, sizeof(float) * (size_t)grid.by.n);
    }
    ck_assert_double_eq_tol(at.m.line[LANDSCAPE_AT_CODES], loss_now(&at), 1e-6);
    ck_assert_double_gt(fabs(at.m.line[LANDSCAPE_AT_CODES] - at.m.loss), 1e-4);
    end();
}
END_TEST

/* Calibration leaves the weights alone, so that both maps are of the same function in the same directions. */
START_TEST(equal_weights_give_equal_maps)
{
    Look f, p, q;
    begin_models();
    look(&f, "f/last.safetensors", 5);
    look(&p, "p/model.safetensors", 5);
    look(&q, "q/last.safetensors", 5);
    ck_assert_mem_eq(f.m.plane, p.m.plane, sizeof(double) * 25);
    ck_assert(memcmp(f.m.plane, q.m.plane, sizeof(double) * 25) != 0);
    ck_assert_double_eq(f.m.plane[12], f.m.loss);
    ck_assert_ptr_null(f.m.line);
    double sum = 0; /* the four points at 0.25 along an axis, and the diagonal ones at 0.354 within half a step */
    for (int i = 1; i <= 3; i++)
        for (int k = 1; k <= 3; k++)
            if (i != 2 || k != 2) sum += f.m.plane[i * 5 + k] - f.m.loss;
    ck_assert_double_eq_tol(landscape_rise(&f.l, &f.m, 0.25), sum / 8, 1e-12);
    end();
}
END_TEST

/* A network of one dense layer of two filters, one of them 0: it stays 0, so only the other's logit moves. */
START_TEST(directions_are_as_long_as_filters)
{
    static const char one[] =
        "{\"name\": \"one\", \"data\": {\"dataset\": \"synthetic\", \"synthetic_train\": 60, \"synthetic_test\": 20, "
        "\"classes\": 2, \"validation\": 0.5}, \"model\": {\"input\": [1, 1, 2], \"layers\": [{\"type\": \"flatten\"}, "
        "{\"type\": \"dense\", \"name\": \"logits\", \"units\": 2}]}, \"train\": {\"epochs\": 1, \"batch\": 10}}";
    Config *config;
    DataSplits data;
    Model *m;
    begin();
    put_text(folder, "one.json", one);
    must(config_read(arena, inside("one.json"), NULL, &config));
    must(experiment_data(arena, config, &data));
    must(experiment_model(arena, config, NULL, &data, &m));
    model_init(m, 3);
    float *w = m->layer[m->layers - 1].weight->x;
    w[0] = 3, w[1] = 4, w[2] = 0, w[3] = 0;
    Sample sample;
    must(sample_draw(arena, &data.train, 1, 1, &sample));
    const Task task = model_task(config, m);
    /* The loss is log(1 + exp(-+ w' x)) as the other logit is 0 : from it the logit, as w moves by 1 along d. */
    const Landscape l = {.points = 3, .radius = 1};
    LandscapeModel at = {0};
    must(landscape_make(arena, &(LandscapeJob){.model = m, .task = &task, .sample = &sample, .seed = 1}, &l, &at));
    const double sign = sample.targets.label[0] == 0 ? 1 : -1;
    double x[2], moved[2];
    for (int c = 0; c < 2; c++) x[c] = (double)m->pixel_value[c * 256 + sample.pixels[c]];
    const double length = hypot(x[0], x[1]);
    for (int k = 0; k < 2; k++) {
        const double loss = at.plane[k == 0 ? 5 : 7]; /* (1, 0) and (0, 1) */
        moved[k] = -sign * log(expm1(loss)) - (3 * x[0] + 4 * x[1]);
        ck_assert_double_le(fabs(moved[k]), 5 * length + 1e-3); /* |d' x| <= |d| |x|, |d| = 5 */
        ck_assert_double_gt(fabs(moved[k]), 1e-3);
    }
    ck_assert_double_gt(fabs(moved[0] - moved[1]), 1e-3);
    end();
}
END_TEST

START_TEST(the_verb)
{
    begin_models();
    cJSON *json = program_json(arena, folder, "landscape f p q --points 5 --images 20 --out l --quiet");
    const cJSON *models = cJSON_GetObjectItem(json, "models");
    ck_assert_int_eq(cJSON_GetArraySize(models), 3);
    ck_assert_str_eq(text(cJSON_GetArrayItem(models, 1), "kind"), "ptq");
    ck_assert_double_eq(number(cJSON_GetArrayItem(models, 0), "loss"), number(cJSON_GetArrayItem(models, 1), "loss"));
    ck_assert_ptr_null(cJSON_GetObjectItem(cJSON_GetArrayItem(models, 0), "loss_at_codes"));
    ck_assert_int_eq(line_count(text_of("l/landscape.csv")), 1 + 3 * 25 + 2 * LANDSCAPE_LINE);
    has(text_of("l/report.html"), "The loss around the weights");
    cJSON_Delete(json);
    const char *first = text_of("l/landscape.csv");
    program_must(arena, folder, "landscape f p q --points 5 --images 20 --out l2 --quiet --threads 1");
    ck_assert_str_eq(first, text_of("l2/landscape.csv"));
    put_text(folder, "other.json", text_with(arena, net, "\"filters\": 6", "\"filters\": 5"));
    program_must(arena, folder, "train other.json --out o --quiet");
    program_refuses(arena, folder, "landscape f o --out l3", "must be models of one network");
    ck_assert(!file_exists(inside("l3")));
    program_refuses(arena, folder, "landscape f --out l", "l: ");
    const Outcome even = program_run(arena, &(Where){.folder = folder}, "landscape f --points 4 --out l3");
    ck_assert_int_eq(even.code, 2);
    has(even.err, "must be odd");
    end();
}
END_TEST

TEST_MAIN("landscape", the_line_leads_to_the_codes, equal_weights_give_equal_maps, directions_are_as_long_as_filters,
          the_verb)
