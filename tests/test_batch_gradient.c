/* The loss of one batch and its gradient, called alone: what sensitivity, Hessian products and distillation build on. */
#include <math.h>
#include <string.h>

#include "tests/support/fixture.h"
#include "tests/support/small_model.h"
#include "tests/support/suite.h"
#include "train/batch_gradient.h"

static const char network[] = "{\"input\": [6, 6, 1], \"layers\": ["
                              "{\"type\": \"conv2d\", \"name\": \"stem\", \"filters\": 4, \"kernel\": 3, "
                              "\"batch_norm\": true, \"activation\": \"none\"},"
                              "{\"type\": \"flatten\"}, {\"type\": \"dense\", \"name\": \"logits\", \"units\": 3}]}";
static const char quant[] = "{\"weights\": {\"bits\": 4}, \"activations\": {\"bits\": 4}}";
static const int32_t labels[SMALL_IMAGES] = {0, 2, 1, 2, 0};

typedef struct {
    Arena *arena, *step;
    Model *model;
    Tape *tape;
    Batch batch;
} Case;

static Case begin_case(const char *grids)
{
    Case c = {.arena = arena_create(), .step = arena_create()};
    c.model = small_model(c.arena, network, grids, 3);
    c.tape = tape_create(c.arena, c.step);
    c.batch = (Batch){SMALL_IMAGES, small_pixels(c.arena, c.model, 4), targets_classes(labels)};
    return c;
}

static void end_case(const Case *c)
{
    arena_destroy(c->step);
    arena_destroy(c->arena);
}

static Task classification(const Case *c, float label_smoothing)
{
    static const TaskConfig config;
    return task_make(&config, label_smoothing, c->model->classes, NULL, (TargetScale){NULL, NULL});
}

static double loss_of(const Case *c, const ForwardMode *mode)
{
    BatchLoss loss;
    const Task task = classification(c, 0.1f);
    must(batch_gradient(c->tape, c->model, mode, &c->batch, &task, &loss));
    return loss.loss;
}

/* The fourth-order central difference of the loss in one parameter. */
static double difference(const Case *c, const ForwardMode *mode, float *x, float h)
{
    const float at = *x;
    double f[5];
    for (int i = -2; i <= 2; i++) {
        *x = at + (float)i * h;
        f[i + 2] = loss_of(c, mode);
    }
    *x = at;
    return (8.0 * (f[3] - f[1]) - (f[4] - f[0])) / (12.0 * (double)h);
}

/* The network has no kinks, so every parameter is checked. */
START_TEST(is_the_derivative_of_the_loss)
{
    const ForwardMode modes[] = {{.arithmetic = ARITHMETIC_FLOAT},
                                 {.arithmetic = ARITHMETIC_FLOAT, .batch_statistics = true}};
    for (int i = 0; i < 2; i++) {
        const Case c = begin_case(NULL);
        const ParamSet *p = &c.model->params;
        ck_assert_double_gt(loss_of(&c, &modes[i]), 0.1);
        float *dx = ARENA_ARRAY(c.arena, float, p->count);
        memcpy(dx, p->dx, sizeof(float) * p->count);
        double largest = 0;
        for (size_t k = 0; k < p->count; k++) largest = fmax(largest, fabs((double)dx[k]));
        for (size_t k = 0; k < p->count; k++) {
            const double want = difference(&c, &modes[i], &p->x[k], 0.0625f);
            ck_assert_msg(fabs(want - (double)dx[k]) < 2e-3 * largest, "value %zu: %g, the difference says %g", k,
                          (double)dx[k], want);
        }
        end_case(&c);
    }
}
END_TEST

/* A second call on the same tape gives the same bytes: nothing of the first is left, no parameter has moved. */
START_TEST(repeats_to_the_bit_and_changes_no_parameter)
{
    const ForwardMode modes[] = {
        {.arithmetic = ARITHMETIC_FLOAT}, {.arithmetic = ARITHMETIC_FAKE}, {.arithmetic = ARITHMETIC_INT}};
    for (int i = 0; i < 3; i++) {
        const Case c = begin_case(i == 0 ? NULL : quant);
        const ParamSet *p = &c.model->params;
        const size_t bytes = sizeof(float) * p->count;
        loss_of(&c, &modes[i]); /* the first step gives quantizers their first scale */
        float *x = arena_alloc(c.arena, bytes), *dx = arena_alloc(c.arena, bytes);
        memcpy(x, p->x, bytes);
        const double first = loss_of(&c, &modes[i]);
        memcpy(dx, p->dx, bytes);
        ck_assert_double_eq(loss_of(&c, &modes[i]), first);
        ck_assert(memcmp(x, p->x, bytes) == 0);
        ck_assert(memcmp(dx, p->dx, bytes) == 0);
        bool moves = false;
        for (size_t k = 0; k < p->count; k++) moves |= dx[k] != 0.0f;
        ck_assert(moves);
        end_case(&c);
    }
}
END_TEST

START_TEST(counts_right_answers)
{
    const Case c = begin_case(NULL);
    const ForwardMode mode = {.arithmetic = ARITHMETIC_FLOAT};
    const Layer *l = &c.model->layer[small_layer(c.model, "logits")];
    for (long k = 0; k < l->weight->count; k++) l->weight->x[k] = 0.0f;
    for (long k = 0; k < l->bias->count; k++) l->bias->x[k] = k == 2 ? 5.0f : 0.0f; /* always class 2 */
    BatchLoss loss;
    const Task task = classification(&c, 0.0f);
    must(batch_gradient(c.tape, c.model, &mode, &c.batch, &task, &loss));
    ck_assert_double_eq(loss.running, 2);
    end_case(&c);
}
END_TEST

/* The layer where it began is named, and nobody steps along what is left of a gradient. */
START_TEST(a_loss_that_is_not_finite_leaves_no_gradient)
{
    const Case c = begin_case(NULL);
    const ForwardMode mode = {.arithmetic = ARITHMETIC_FLOAT};
    loss_of(&c, &mode);
    c.model->layer[small_layer(c.model, "logits")].weight->x[1] = INFINITY;
    BatchLoss loss;
    const Task task = classification(&c, 0.1f);
    ck_assert_int_eq(batch_gradient(c.tape, c.model, &mode, &c.batch, &task, &loss), STATUS_NUMERIC);
    ck_assert_msg(strstr(status_message(), "it began in layer \"logits\"") != NULL, "%s", status_message());
    for (size_t k = 0; k < c.model->params.count; k++) ck_assert(c.model->params.dx[k] == 0.0f);
    ck_assert_int_eq(batch_not_finite(c.tape, c.model, &mode, &c.batch, "probe is not finite"), STATUS_NUMERIC);
    ck_assert_msg(strstr(status_message(), "the probe is not finite; it began in layer \"logits\"") != NULL, "%s",
                  status_message());
    end_case(&c);
}
END_TEST

TEST_MAIN("batch gradient", is_the_derivative_of_the_loss, repeats_to_the_bit_and_changes_no_parameter,
          counts_right_answers, a_loss_that_is_not_finite_leaves_no_gradient)
