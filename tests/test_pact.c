/* PACT: its gradients by hand, its keys, and where it is refused. */
#include <math.h>
#include <string.h>

#include "quant/fake_quant.h"
#include "quant/override_check.h"
#include "tests/support/gradcheck.h"
#include "tests/support/small_model.h"
#include "tests/support/suite.h"

static Quantizer *pact(Arena *arena, ParamSet *params, int bits)
{
    const QuantizerSpec spec = {
        .bits = bits, .type = quantizer_type("pact"), .observer = observer_type("max"), .momentum = 1};
    Quantizer *q = quantizer_create(arena, params, "q", &spec, (QuantizedTensor){.is_signed = false});
    ck_assert_int_eq(param_set_place(params, arena), STATUS_OK);
    quantizer_start(q, 0.0f, 1.5f);
    return q;
}

/* alpha = 1.5 and 2 bits: steps of 0.5.  dy/dalpha is 1 above alpha, and is not scaled. */
START_TEST(by_hand)
{
    static const Activation relu = {true, INFINITY}, relu_1 = {true, 1.0f};
    Bench b = bench_make();
    ParamSet params = {0};
    Quantizer *q = pact(b.owner, &params, 2);
    float x[] = {-1, 0.2f, 0.6f, 1.4f, 1.6f, 9}, dx[6] = {0}, dy[] = {1, 2, 4, 8, 16, 32};
    Tensor *y = op_fake_quant(b.tape, tape_leaf(b.tape, "x", shape_2(1, 6), x, dx), q, relu, false);
    static const int8_t codes[] = {124, 124, 125, 127, 127, 127};
    static const float inside[] = {0, 2, 4, 8, 0, 0};
    ck_assert_mem_eq(y->codes, codes, 6);
    ck_assert(y->qp->scale[0] == 0.5f);
    ck_assert_int_eq(tape_backward(b.tape, weighted_sum(b.tape, y, dy)), STATUS_OK);
    ck_assert_mem_eq(dx, inside, sizeof dx);
    ck_assert(q->param[0]->dx[0] == 16 + 32);
    /* Where the activation clips first, alpha moves nothing. */
    tape_reset(b.tape, true);
    y = op_fake_quant(b.tape, tape_leaf(b.tape, "x", shape_2(1, 6), x, dx), q, relu_1, false);
    ck_assert_int_eq(tape_backward(b.tape, weighted_sum(b.tape, y, dy)), STATUS_OK);
    ck_assert(q->param[0]->dx[0] == 16 + 32);
    ck_assert_double_eq(q->param[0]->rule.decay, 0.0002);
    bench_end(&b);
}
END_TEST

static const char model[] = "{\"input\":[8,8,1],\"layers\":["
                            "{\"type\":\"conv2d\",\"name\":\"a\",\"filters\":2,\"kernel\":3,\"activation\":\"relu\"},"
                            "{\"type\":\"dense\",\"name\":\"logits\",\"units\":3}]}";

START_TEST(keys_and_overrides)
{
    Arena *arena = arena_create();
    Model *m = small_model(arena, model,
                           "{\"weights\":{\"quantizer\":\"lsq\"},\"activations\":{\"quantizer\":\"pact\",\"pact\":{"
                           "\"alpha\":4,\"decay\":0.01}},\"overrides\":[{\"layers\":\"logits\","
                           "\"weight_quantizer\":\"observed\",\"activation_quantizer\":\"observed\"}]}",
                           1);
    const Layer *a = &m->layer[0], *logits = &m->layer[1];
    ck_assert_str_eq(a->weight_q->type->name, "lsq");
    ck_assert_str_eq(a->out_q->type->name, "pact");
    ck_assert_str_eq(a->out_q->param[0]->name, "a.out.alpha");
    ck_assert(a->out_q->param[0]->x[0] == 4.0f && a->out_q->qp.scale[0] == 4.0f / 255.0f);
    ck_assert_double_eq(a->out_q->param[0]->rule.decay, 0.01);
    ck_assert_str_eq(logits->weight_q->type->name, "observed");
    ck_assert_str_eq(logits->out_q->type->name, "observed");
    m = small_model(arena, model,
                    "{\"activations\":{\"pact\":{\"alpha\":4,\"decay\":0.01}},\"overrides\":[{\"layers\":\"a\","
                    "\"activation_quantizer\":\"pact\",\"pact\":{\"alpha\":2}}]}",
                    1);
    a = &m->layer[0];
    ck_assert_str_eq(a->out_q->type->name, "pact");
    ck_assert(a->out_q->param[0]->x[0] == 2.0f && a->out_q->qp.scale[0] == 2.0f / 255.0f);
    ck_assert_double_eq(a->out_q->param[0]->rule.decay, 0.01);
    arena_destroy(arena);
}
END_TEST

/* What an override says of a quantizer is said of one that its layers have, in that one's keys. */
START_TEST(keys_of_overrides)
{
    static const char *const cases[][2] = {
        {"{\"layers\":\"a\",\"pact\":{\"alpha\":2}}", "overrides[0].pact: {\"alpha\":2}; these layers have another"},
        {"{\"layers\":\"a\",\"weight_quantizer\":\"lsq\",\"pact\":{}}",
         "overrides[0].pact: {}; these layers have another"},
        {"{\"layers\":\"a\",\"activation_quantizer\":\"pact\",\"pact\":{\"alfa\":2}}",
         "overrides[0].pact: unknown key \"alfa\"; did you mean \"alpha\"?"},
        {"{\"layers\":\"a\",\"activation_quantizer\":\"pact\",\"pact\":{\"alpha\":-2}}",
         "overrides[0].pact: alpha: -2"},
        {"{\"layers\":\"a\",\"activation_quantizer\":\"pact\",\"pact\":4}", "overrides[0].pact: 4; must be an object"}};
    const OverriddenLayer layer = {.name = "a", .has_weights = true, .has_grid = true};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        Arena *arena = arena_create();
        QuantConfig quant;
        cJSON *json = cJSON_Parse(arena_printf(arena, "{\"overrides\":[%s]}", cases[i][0]));
        ck_assert_int_eq(field_parse(quant_fields, json, "c", &quant, arena), STATUS_OK);
        cJSON_Delete(json);
        ck_assert_int_eq(quant_check_overrides(arena, &quant, 1, &layer), STATUS_CONFIG);
        ck_assert_msg(strstr(status_message(), cases[i][1]) != NULL, "%s", status_message());
        arena_destroy(arena);
    }
}
END_TEST

START_TEST(refused_elsewhere)
{
    static const char *const cases[][2] = {
        {"{\"weights\":{\"quantizer\":\"pact\"}}", "layer \"a\": quantizer \"pact\" for its weights; it is for the "},
        {"{\"activations\":{\"quantizer\":\"pact\"}}",
         "layer \"logits\": quantizer \"pact\" for its output, which may be below 0; it is for the outputs of a ReLU"}};
    for (int i = 0; i < 2; i++) {
        Arena *arena = arena_create();
        Model *m;
        ck_assert_int_eq(small_model_build(arena, model, cases[i][0], &m), STATUS_CONFIG);
        ck_assert_msg(strstr(status_message(), cases[i][1]) != NULL, "%s", status_message());
        arena_destroy(arena);
    }
}
END_TEST

TEST_MAIN("pact", by_hand, keys_and_overrides, keys_of_overrides, refused_elsewhere)
