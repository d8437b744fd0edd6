/* Sensitivity: groups of formats, the judge, predictors, rows that are kept, and the verb. */
#include <math.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "search/sensitivity_state.h"
#include "tests/support/fixture.h"
#include "tests/support/html.h"
#include "tests/support/json_values.h"
#include "tests/support/program.h"
#include "tests/support/small_model.h"
#include "tests/support/suite.h"
#include "train/experiment.h"

/* A residual network: stem and c2 meet in the add; c2 has neither batch norm nor activation. */
static const char net[] =
    "{\"seed\": 3, \"data\": {\"dataset\": \"synthetic\", \"synthetic_train\": 300, \"synthetic_test\": 60, "
    "\"classes\": 4,"
    " \"validation\": 0.3},"
    "\"model\": {\"input\": [8, 8, 2], \"layers\": ["
    "{\"type\": \"conv2d\", \"name\": \"stem\", \"filters\": 6, \"kernel\": 3, \"batch_norm\": true, \"activation\": "
    "\"relu\"},"
    "{\"type\": \"conv2d\", \"name\": \"c1\", \"filters\": 6, \"kernel\": 3, \"activation\": \"relu\"},"
    "{\"type\": \"conv2d\", \"name\": \"c2\", \"filters\": 6, \"kernel\": 3},"
    "{\"type\": \"add\", \"name\": \"sum\", \"inputs\": [\"c2\", \"stem\"], \"activation\": \"relu\"},"
    "{\"type\": \"maxpool\", \"name\": \"pool\", \"kernel\": 2},"
    "{\"type\": \"flatten\"}, {\"type\": \"dense\", \"name\": \"logits\", \"units\": 4}]},"
    "\"train\": {\"epochs\": 2, \"batch\": 30, \"optimizer\": {\"lr\": 0.02}},"
    "\"quant\": {\"overrides\": [{\"layers\": \"c*\", \"weight_bits\": 6, \"granularity\": \"per_tensor\"}]}}";

typedef struct {
    Config *config;
    DataSplits data;
    Model *model, *quantized;
    FormatGroups groups;
    Sample sample;
    Judge judge;
} Setup;

static void setup(Setup *s, const char *const *sets)
{
    begin();
    put_text(folder, "net.json", net);
    must(config_read(arena, inside("net.json"), sets, &s->config));
    must(experiment_data(arena, s->config, &s->data));
    must(experiment_model(arena, s->config, NULL, &s->data, &s->model));
    model_init(s->model, 7);
    QuantConfig *quant = ARENA_ARRAY(arena, QuantConfig, 1);
    *quant = ptq_quant_config(arena, &s->config->quant);
    must(experiment_model(arena, s->config, quant, &s->data, &s->quantized));
    s->groups = format_groups(arena, s->quantized);
    must(sample_draw(arena, &s->data.validation, 70, 1, &s->sample));
    must(judge_begin(arena, s->config, s->model, &s->data, &s->sample, &s->judge));
}

static int choice_named(const char *name)
{
    int i = 0;
    while (strcmp(format_choices[i], name) != 0) i++;
    return i;
}

static int layer_named(const FormatGroups *g, const char *name)
{
    int i = 0;
    while (strcmp(g->layer[i].name, name) != 0) i++;
    return i;
}

START_TEST(what_meets_shares_a_format)
{
    Setup s;
    setup(&s, (const char *[]){"model.layers.c1.activation=hard_swish", NULL});
    const char *groups = "";
    for (int i = 0; i < s.groups.groups; i++) {
        const FormatGroup *g = &s.groups.group[i];
        groups =
            arena_printf(arena, "%s%s%s%s ", groups, g->name, g->has_weights ? " w" : "", g->fixed ? " fixed" : "");
    }
    ck_assert_str_eq(groups, "stem+c2 w c1 w sum logits w fixed ");
    ck_assert_int_eq(s.groups.layers, 7);
    const FormatLayer *c1 = &s.groups.layer[layer_named(&s.groups, "c1")];
    ck_assert_int_eq(c1->last, c1->first + 1); /* its curve is a layer of its own in the model */
    ck_assert_int_eq(s.groups.layer[layer_named(&s.groups, "pool")].group, -1);
    end();
}
END_TEST

START_TEST(a_choice_is_a_config_with_an_override_for_each_layer)
{
    Setup s;
    setup(&s, NULL);
    FormatChoice c = format_choice(arena, &s.groups, choice_named("int4"), choice_named("float32"));
    c.weights[layer_named(&s.groups, "c1")] = choice_named("float16");
    c.activations[s.groups.layer[layer_named(&s.groups, "sum")].group] = choice_named("int3");
    Config *chosen;
    must(format_choice_config(arena, s.config, &s.groups, &c, &chosen));
    Model *m;
    must(experiment_model(arena, chosen, &chosen->quant, &s.data, &m));
    const Layer *stem = &m->layer[small_layer(m, "stem")], *c2 = &m->layer[small_layer(m, "c2")];
    ck_assert_int_eq(stem->weight_q->qp.bits, 4);
    ck_assert_int_eq(stem->weight_q->qp.n, 6);
    ck_assert_int_eq(c2->weight_q->qp.n, 1); /* the granularity of the config's own override */
    ck_assert_int_eq(c2->weight_q->qp.bits, 4);
    ck_assert_int_eq(stem->out_format, FORMAT_FLOAT32);
    ck_assert_int_eq(m->layer[s.groups.layer[layer_named(&s.groups, "c1")].first].weight_format, FORMAT_FLOAT16);
    ck_assert_int_eq(m->layer[small_layer(m, "sum")].out_q->qp.bits, 3);
    end();
}
END_TEST

static Graph *graph_of(Setup *s, const char *weights, const char *activations)
{
    const FormatChoice c = format_choice(arena, &s->groups, choice_named(weights), choice_named(activations));
    Candidate candidate;
    must(judge_make(&s->judge, arena, &s->groups, &c, &candidate));
    return candidate.graph;
}

static void check_judge(const char *const *sets)
{
    Setup s;
    setup(&s, sets);
    ck_assert_double_eq(s.judge.floats.kl, 0.0);
    ck_assert_double_gt(s.judge.floats.loss, 0.1);
    Measurement m, worse;
    must(judge_graph(&s.judge, graph_of(&s, "float32", "float32"), 0, NULL, NULL, &m));
    ck_assert_double_lt(m.kl, 1e-9);
    ck_assert_double_eq_tol(m.loss, s.judge.floats.loss, 1e-5);
    ck_assert_double_eq(m.value, s.judge.floats.value);
    must(judge_graph(&s.judge, graph_of(&s, "int2", "int2"), 0, NULL, NULL, &worse));
    ck_assert_double_gt(worse.kl, 1e-3);
    end();
}

static const char *const with_curves[] = {"model.layers.c1.activation=silu", "model.layers.sum.activation=hard_swish",
                                          "model.layers.stem.activation=tanh", NULL};

START_TEST(the_judge_finds_nothing_wrong_with_floats)
{
    check_judge(NULL);
    check_judge(with_curves);
}
END_TEST

/* Of a layer without normalization and activation the gradients of its outputs add up to the bias's. */
START_TEST(gradients_of_outputs_are_those_of_each_image)
{
    Setup s;
    setup(&s, NULL);
    const int layer = small_layer(s.model, "c2");
    OutputSample out;
    must(output_sample(arena, s.model, &s.judge.task, &s.sample, 50, &layer, 1, &out));
    ck_assert_int_eq(out.images, 50);
    const Sample first = sample_first(&s.sample, 50);
    ModelLoss loss;
    model_loss_begin(&loss, s.model, &s.judge.task, &first, NULL);
    double *g = ARENA_ARRAY(arena, double, loss.surface.n);
    must(loss.surface.gradient(loss.surface.context, g));
    const Param *bias = s.model->layer[layer].bias;
    double largest = 0.0;
    for (long c = 0; c < bias->count; c++) {
        double sum = 0.0;
        for (long i = c; i < 50 * out.elements[0]; i += bias->count) sum += (double)out.g[0][i] / 50;
        ck_assert_double_eq_tol(sum, g[bias->offset + (size_t)c], 1e-6);
        largest = fmax(largest, fabs(sum));
    }
    ck_assert_double_gt(largest, 1e-4);
    model_loss_end(&loss);
    end();
}
END_TEST

START_TEST(changes_of_weights_are_below_half_a_step)
{
    Setup s;
    setup(&s, NULL);
    const Graph *floats = graph_of(&s, "float32", "float32");
    const char *const formats[] = {"int8", "int4", "float16"};
    double before = 0.0;
    for (int f = 0; f < 3; f++) {
        const FormatChoice c = format_choice(arena, &s.groups, choice_named(formats[f]), choice_named("float32"));
        Candidate candidate;
        must(judge_make(&s.judge, arena, &s.groups, &c, &candidate));
        const Layer *l = &s.model->layer[small_layer(s.model, "stem")];
        const Quantizer *q = candidate.model->layer[small_layer(s.model, "stem")].weight_q;
        double *d = ARENA_ARRAY(arena, double, l->weight->count), sum = 0.0;
        must(weight_change(l, floats, candidate.graph, d));
        const long each = l->weight->count / 6;
        for (long i = 0; i < l->weight->count; i++) {
            if (q != NULL) ck_assert_double_le(fabs(d[i]), 0.5001 * (double)q->qp.scale[i / each]);
            sum += fabs(d[i]);
        }
        ck_assert_double_gt(sum, 0.0);
        if (f == 1) ck_assert_double_gt(sum, 8 * before);
        if (f == 2) ck_assert_double_lt(sum, before / 50);
        before = sum;
    }
    end();
}
END_TEST

START_TEST(ranks_are_compared)
{
    begin();
    const double a[] = {1, 2, 3, 4, 5}, same[] = {10, 20, 21, 400, 5000}, back[] = {5, 4, 3, 2, -100};
    const double ties[] = {1, 2, 2, 4, 0}, flat[] = {3, 3, 3, 3, 3};
    ck_assert_double_eq_tol(rank_correlation(arena, a, same, 5), 1.0, 1e-12);
    ck_assert_double_eq_tol(rank_correlation(arena, a, back, 5), -1.0, 1e-12);
    /* ranks 1, 2.5, 2.5, 4, 0 against 0 to 4 */
    ck_assert_double_eq_tol(rank_correlation(arena, a, ties, 5), -0.5 / sqrt(9.5 * 10), 1e-12);
    ck_assert(isnan(rank_correlation(arena, a, flat, 5)));
    ck_assert(isnan(rank_correlation(arena, a, same, 2)));
    end();
}
END_TEST

/* ---- the verb ------------------------------------------------------------------------------------------------------- */

static void begin_trained(void)
{
    begin();
    put_text(folder, "net.json", net);
    program_must(arena, folder, "train net.json --out f --quiet");
}

static const cJSON *row_of(const cJSON *json, const char *layer, const char *part, const char *format)
{
    const cJSON *row;
    cJSON_ArrayForEach(row, json_get(json, "rows"))
    {
        if (strcmp(json_get(row, "layer")->valuestring, layer) == 0 &&
            strcmp(json_get(row, "part")->valuestring, part) == 0 &&
            strcmp(json_get(row, "format")->valuestring, format) == 0)
            return row;
    }
    ck_abort_msg("no row %s %s %s", layer, part, format);
    return NULL;
}

START_TEST(rows_say_what_was_measured)
{
    begin_trained();
    cJSON *json = program_json(arena, folder, "sensitivity f --out s --images 60 --formats 8,int2,float16");
    /* weights of 4 layers, outputs of 4 groups (the logits not in 2 bits), both of 3 groups with weights */
    ck_assert_int_eq(cJSON_GetArraySize(json_get(json, "rows")), 3 * 4 + 3 * 4 - 1 + 3 * 3);
    ck_assert_int_eq(json_get(json, "images")->valueint, 60);
    const cJSON *two = row_of(json, "c1", "weights", "int2"), *eight = row_of(json, "c1", "weights", "int8");
    const char *const numbers[] = {"accuracy",    "loss",   "kl",           "local_sqnr", "cumulative_sqnr",
                                   "first_order", "fisher", "second_order", "trace",      "eigenvalue"};
    for (int i = 0; i < 10; i++) ck_assert_msg(cJSON_IsNumber(json_get(two, numbers[i])), "%s", numbers[i]);
    ck_assert_double_gt(json_get(two, "kl")->valuedouble, 10 * json_get(eight, "kl")->valuedouble);
    ck_assert_double_gt(json_get(eight, "local_sqnr")->valuedouble, json_get(two, "local_sqnr")->valuedouble + 20);
    ck_assert_double_gt(json_get(two, "fisher")->valuedouble, 100 * json_get(eight, "fisher")->valuedouble);
    const cJSON *half = row_of(json, "stem+c2", "activations", "float16");
    ck_assert(cJSON_IsNull(json_get(half, "trace")) && cJSON_IsNull(json_get(half, "trace_error")));
    ck_assert_double_gt(json_get(two, "trace_error")->valuedouble, 0);
    ck_assert_double_lt(json_get(two, "trace_error")->valuedouble, fabs(json_get(two, "trace")->valuedouble));
    ck_assert_double_gt(json_get(half, "local_sqnr")->valuedouble, 60);
    ck_assert(cJSON_IsObject(json_get(half, "leave_out")));
    ck_assert_str_eq(json_get(json, "folder")->valuestring, "s");
    ck_assert(cJSON_IsNumber(json_get(json_get(json, "seconds"), "measured")));
    for (int k = 0; k < PREDICTORS; k++) { /* every one by its name, in rows and beside them */
        const cJSON *rho = json_get(json_get(json, "correlation"), predictors[k].name);
        ck_assert_msg(cJSON_IsNumber(rho) && fabs(rho->valuedouble) <= 1, "%s", predictors[k].name);
        ck_assert(json_get(json_get(json, "seconds"), predictors[k].name)->valuedouble > 0);
        const cJSON *each;
        cJSON_ArrayForEach(each, json_get(json, "rows")) ck_assert_ptr_nonnull(json_get(each, predictors[k].name));
    }
    cJSON_Delete(json);
    ck_assert_int_eq(line_count(text_of("s/sensitivity.csv")), 1 + 12 + 11 + 9);
    const char *page = text_of("s/report.html");
    ck_assert_int_eq(count(page, "<table class=\"bars\">"), 9);
    ck_assert(strstr(page, "<title>net: sensitivity to quantization</title>") != NULL);
    ck_assert(strstr(page, "bitfold sensitivity f --out s --images 60") != NULL);
    ck_assert(strstr(page, "<th scope=\"row\">stem+c2</th>") != NULL);

    json = program_json(arena, folder, "sensitivity f --out wide --images 60 --formats int16,int8 --quiet");
    const cJSON *wide = row_of(json, "c1", "activations", "int16"), *narrow = row_of(json, "c1", "activations", "int8");
    ck_assert_double_gt(json_get(wide, "local_sqnr")->valuedouble, json_get(narrow, "local_sqnr")->valuedouble + 30);
    ck_assert(cJSON_IsNumber(json_get(row_of(json, "c1", "both", "int16"), "kl"))); /* weights in 8 bits */
    const cJSON *row;
    cJSON_ArrayForEach(row, json_get(json, "rows"))
        ck_assert(strcmp(json_get(row, "part")->valuestring, "weights") != 0 ||
                  strcmp(json_get(row, "format")->valuestring, "int8") == 0);
    cJSON_Delete(json);
    end();
}
END_TEST

/* Also of a network that is trained with label smoothing, which the loss that is measured has not. */
START_TEST(predictors_are_of_the_loss_that_is_measured)
{
    begin_trained();
    const char *const run = "sensitivity f --images 60 --formats 2 --parts weights --quiet --out";
    cJSON *plain = program_json(arena, folder, arena_printf(arena, "%s a", run));
    cJSON *smooth = program_json(arena, folder, arena_printf(arena, "%s b --set train.label_smoothing=0.5", run));
    const cJSON *p = row_of(plain, "c1", "weights", "int2"), *q = row_of(smooth, "c1", "weights", "int2");
    const char *const same[] = {"loss", "first_order", "second_order", "trace"};
    for (int i = 0; i < 4; i++) ck_assert_double_eq(number(p, same[i]), number(q, same[i]));
    cJSON_Delete(plain);
    cJSON_Delete(smooth);
    must(json_read(arena, inside("a/run.json"), &plain));
    ck_assert_str_eq(cJSON_GetArrayItem(json_get(plain, "command"), 1)->valuestring, "sensitivity");
    ck_assert_double_gt(number(plain, "seconds"), 0);
    cJSON_Delete(plain);
    end();
}
END_TEST

/* A curve has the format of its layer's outputs. */
START_TEST(curves_are_judged_as_others)
{
    begin();
    put_text(folder, "net.json", net);
    program_must(arena, folder,
                 arena_printf(arena, "train net.json --out f --quiet --set %s --set %s --set %s", with_curves[0],
                              with_curves[1], with_curves[2]));
    cJSON *json = program_json(arena, folder, "sensitivity f --out s --images 60 --formats float32,2");
    const cJSON *same = row_of(json, "c1", "both", "float32"), *two = row_of(json, "c1", "both", "int2");
    ck_assert_double_lt(json_get(same, "kl")->valuedouble, 1e-9);
    ck_assert_double_gt(json_get(two, "kl")->valuedouble, 1e-4);
    ck_assert(cJSON_IsNumber(json_get(two, "eigenvalue")));
    cJSON_Delete(json);
    program_refuses(arena, folder, "sensitivity f --out w --images 60 --formats int16",
                    "format \"int16\" with the curve tanh, which is a table of 256 codes");
    end();
}
END_TEST

/* Equal bytes whatever the threads, and when what was cut short goes on. */
START_TEST(rows_are_kept)
{
    begin_trained();
    const char *command = "sensitivity f --images 40 --formats 4 --parts weights --quiet --out";
    program_must(arena, folder, arena_printf(arena, "%s whole", command));
    program_must(arena, folder, arena_printf(arena, "%s again --threads 1", command));
    const char *whole = text_of("whole/sensitivity.json");
    ck_assert_str_eq(text_of("again/sensitivity.json"), whole);

    cJSON *json;
    must(json_read(arena, inside("again/sensitivity.json"), &json));
    cJSON *rows = cJSON_GetObjectItemCaseSensitive(json, "rows");
    cJSON_DeleteItemFromArray(rows, 3);
    cJSON_DeleteItemFromArray(rows, 2);
    put_text(folder, "again/sensitivity.json", json_print(arena, json));
    cJSON_Delete(json);
    program_must(arena, folder, arena_printf(arena, "%s again --resume", command));
    ck_assert_str_eq(text_of("again/sensitivity.json"), whole);

    /* with --overwrite nothing of what was there is taken over */
    must(json_read(arena, inside("again/sensitivity.json"), &json));
    cJSON *loss = cJSON_GetObjectItemCaseSensitive(cJSON_GetArrayItem(json_get(json, "rows"), 0), "loss");
    cJSON_SetNumberHelper(loss, 77);
    put_text(folder, "again/sensitivity.json", json_print(arena, json));
    cJSON_Delete(json);
    program_must(arena, folder, arena_printf(arena, "%s again --overwrite", command));
    ck_assert_str_eq(text_of("again/sensitivity.json"), whole);
    end();
}
END_TEST

/* Lines when piped: what comes first, each row as it is made, the time that is left. */
START_TEST(progress_is_told)
{
    begin_trained();
    const Where where = {.folder = folder};
    const Outcome o = program_run(arena, &where, "sensitivity f --images 40 --formats 4 --parts weights --out s");
    ck_assert_int_eq(o.code, 0);
    const char *first = strstr(o.err, "predictors: "), *row = strstr(o.err, "row 1/4  stem weights in int4  loss ");
    ck_assert_msg(first != NULL && row != NULL && first < row, "%s", o.err);
    ck_assert_ptr_nonnull(strstr(row, " %  0:"));
    ck_assert_msg(strstr(o.err, "row 4/4  logits weights in int4") != NULL, "%s", o.err);
    ck_assert_msg(strstr(strstr(o.err, "row 4/4"), "  0:00 left\n") != NULL, "%s", o.err);
    ck_assert_ptr_null(strchr(o.err, '\r'));
    end();
}
END_TEST

START_TEST(bad_requests_are_refused)
{
    begin_trained();
    program_must(arena, folder, "ptq f --out p --quiet");
    program_refuses(arena, folder, "sensitivity f --formats int9", "--formats: \"int9\"");
    program_refuses(arena, folder, "sensitivity f --formats 4,int4", "\"int4\" stands twice");
    program_refuses(arena, folder, "sensitivity f --parts weight",
                    "--parts: \"weight\"; must be weights, activations or both");
    program_refuses(arena, folder, "sensitivity p", "sensitivity starts from a float model");
    ck_assert(!file_exists(inside("runs")));
    end();
}
END_TEST

TEST_MAIN("sensitivity", what_meets_shares_a_format, a_choice_is_a_config_with_an_override_for_each_layer,
          the_judge_finds_nothing_wrong_with_floats, gradients_of_outputs_are_those_of_each_image,
          changes_of_weights_are_below_half_a_step, ranks_are_compared, rows_say_what_was_measured,
          predictors_are_of_the_loss_that_is_measured, curves_are_judged_as_others, rows_are_kept, progress_is_told,
          bad_requests_are_refused)
