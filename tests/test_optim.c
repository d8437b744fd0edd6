/* Optimizers. */
#include <math.h>
#include <stdint.h>
#include <string.h>

#include "base/parallel.h"
#include "optim/optimizer.h"
#include "tests/support/check_fields.h"
#include "tests/support/suite.h"

static void check_near(float value, float want, float tolerance)
{
    ck_assert_double_eq_tol((double)value, (double)want, (double)tolerance);
}

static OptimizerConfig config_of(const char *name)
{
    OptimizerConfig c = {.type = -1, .lr = 0.05, .beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8};
    for (int i = 0; optimizer_names[i] != NULL; i++)
        if (strcmp(optimizer_names[i], name) == 0) c.type = i;
    ck_assert_int_ge(c.type, 0);
    return c;
}

/* Values in [-1, 1), the same for the same `index`. */
static void randomize(float *x, long n, uint64_t index)
{
    Rng rng = rng_make(7, RNG_TEST, index);
    for (long i = 0; i < n; i++) x[i] = 2.0f * rng_uniform(&rng) - 1.0f;
}

static Param *add(ParamSet *set, Arena *arena, const char *name, ParamKind kind, Shape shape)
{
    Param *p = param_add(set, arena, name, kind, shape);
    ck_assert_ptr_nonnull(p);
    return p;
}

/* Textbook forms in double, one scalar at a time. */
typedef struct {
    double x, m, v;
} Oracle;

static void oracle_sgd(const OptimizerConfig *c, Oracle *o, double dx, double lr, int t)
{
    const double g = dx + c->weight_decay * o->x;
    o->m = t == 1 ? g : c->momentum * o->m + g;
    o->x -= lr * (c->nesterov ? g + c->momentum * o->m : o->m);
}

static void oracle_adamw(const OptimizerConfig *c, Oracle *o, double dx, double lr, int t)
{
    o->x -= lr * c->weight_decay * o->x;
    o->m = c->beta1 * o->m + (1 - c->beta1) * dx;
    o->v = c->beta2 * o->v + (1 - c->beta2) * dx * dx;
    const double m_hat = o->m / (1 - pow(c->beta1, t)), v_hat = o->v / (1 - pow(c->beta2, t));
    o->x -= lr * m_hat / (sqrt(v_hat) + c->epsilon);
}

typedef void OracleFn(const OptimizerConfig *c, Oracle *o, double dx, double lr, int t);

static void follow_oracle(const OptimizerConfig *c, OracleFn *oracle)
{
    enum { N = 67, STEPS = 300 };
    Arena *arena = arena_create();
    ParamSet set = {0};
    Param *p = add(&set, arena, "w", PARAM_WEIGHT, shape_1(N));
    Optimizer o;
    ck_assert_int_eq(param_set_place(&set, arena), STATUS_OK);
    ck_assert_int_eq(optimizer_make(arena, c, &set, &o), STATUS_OK);
    randomize(p->x, N, 0);
    Oracle want[N] = {{0}};
    for (int i = 0; i < N; i++) want[i].x = (double)p->x[i];
    for (int t = 1; t <= STEPS; t++) {
        const float lr = 0.02f * (float)(1 + t % 5);
        randomize(p->dx, N, (uint64_t)t);
        p->dx[3] = 0.0f; /* an element without a gradient */
        p->dx[4] *= 1e-6f;
        for (int i = 0; i < N; i++) oracle(c, &want[i], (double)p->dx[i], (double)lr, t);
        ck_assert(optimizer_step(&o, lr, t) == 0.0f);
        for (int i = 0; i < N; i++)
            ck_assert_double_eq_tol((double)p->x[i], want[i].x, 2e-7 * (t + 10) * fmax(1.0, fabs(want[i].x)));
    }
    for (size_t i = N; i < set.count; i++) ck_assert(set.x[i] == 0.0f && set.dx[i] == 0.0f);
    arena_destroy(arena);
}

START_TEST(sgd_follows_its_formula)
{
    for (int variant = 0; variant < 8; variant++) {
        OptimizerConfig c = config_of("sgd");
        c.momentum = variant & 1 ? 0.9 : 0.0;
        c.nesterov = variant & 2;
        c.weight_decay = variant & 4 ? 0.01 : 0.0;
        follow_oracle(&c, oracle_sgd);
    }
}
END_TEST

START_TEST(adamw_follows_its_formula)
{
    for (int variant = 0; variant < 4; variant++) {
        OptimizerConfig c = config_of("adamw");
        if (variant & 1) c.beta1 = 0.5, c.beta2 = 0.95, c.epsilon = 1e-4;
        c.weight_decay = variant & 2 ? 0.05 : 0.0;
        follow_oracle(&c, oracle_adamw);
    }
}
END_TEST

START_TEST(first_steps_by_hand)
{
    Arena *arena = arena_create();
    ParamSet set = {0};
    Param *p = add(&set, arena, "w", PARAM_WEIGHT, shape_1(1));
    ck_assert_int_eq(param_set_place(&set, arena), STATUS_OK);
    Optimizer o;
    OptimizerConfig c = config_of("sgd");
    c.momentum = 0.9, c.nesterov = true;
    ck_assert_int_eq(optimizer_make(arena, &c, &set, &o), STATUS_OK);
    p->x[0] = 1.0f, p->dx[0] = 1.0f;
    optimizer_step(&o, 0.1f, 1); /* m 1,   direction 1 + 0.9 * 1   */
    check_near(p->x[0], 0.81f, 1e-6f);
    optimizer_step(&o, 0.1f, 2); /* m 1.9, direction 1 + 0.9 * 1.9 */
    check_near(p->x[0], 0.539f, 1e-6f);

    c = config_of("adamw");
    c.weight_decay = 0.01;
    ck_assert_int_eq(optimizer_make(arena, &c, &set, &o), STATUS_OK);
    p->x[0] = 1.0f, p->dx[0] = -0.003f;
    optimizer_step(&o, 0.1f, 1); /* 1 - 0.1 * 0.01, then lr against the sign, whatever the gradient's size */
    check_near(p->x[0], 1.099f, 1e-5f);
    arena_destroy(arena);
}
END_TEST

/* loss = sum c (x - a)^2 / 2 with curvatures from 0.1 to 10. */
START_TEST(every_optimizer_finds_the_bottom_of_a_bowl)
{
    enum { N = 100, STEPS = 2000 };
    const ScheduleConfig schedule = {.type = 2, .warmup = 0.05};
    ck_assert_str_eq(schedule_names[schedule.type], "cosine");
    for (int type = 0; optimizer_types[type] != NULL; type++) {
        Arena *arena = arena_create();
        ParamSet set = {0};
        Param *p = add(&set, arena, "w", PARAM_WEIGHT, shape_1(N));
        OptimizerConfig c = config_of(optimizer_names[type]);
        c.momentum = 0.9, c.nesterov = true;
        Optimizer o;
        float a[N];
        randomize(a, N, 5);
        ck_assert_int_eq(param_set_place(&set, arena), STATUS_OK);
        ck_assert_int_eq(optimizer_make(arena, &c, &set, &o), STATUS_OK);
        for (int step = 0; step < STEPS; step++) {
            for (int i = 0; i < N; i++) p->dx[i] = 0.1f * powf(100.0f, (float)i / (N - 1)) * (p->x[i] - a[i]);
            optimizer_step(&o, (float)(c.lr * schedule_factor(&schedule, step, STEPS)), step + 1);
        }
        for (int i = 0; i < N; i++) check_near(p->x[i], a[i], 2e-3f);
        arena_destroy(arena);
    }
}
END_TEST

/* Parameters that start, end and run on across the borders of tasks. */
static size_t train_with_threads(Arena *arena, int type, int threads, const float **x, const float **slots,
                                 float *norms)
{
    enum { STEPS = 6 };
    ParamSet set = {0};
    static const int counts[] = {5, 40001, 1, 16384, 77777, 100, 16367};
    static const ParamKind kinds[] = {PARAM_BIAS,   PARAM_WEIGHT, PARAM_QUANTIZER, PARAM_NORM,
                                      PARAM_WEIGHT, PARAM_BIAS,   PARAM_NORM};
    char name[] = "p0";
    for (int i = 0; i < 7; i++, name[1]++)
        add(&set, arena, name, kinds[i], shape_1(counts[i]))->rule = (ParamRule){0.1, 0.5, 1e-8f};
    ck_assert_int_eq(param_set_place(&set, arena), STATUS_OK);
    OptimizerConfig c = config_of(optimizer_names[type]);
    c.momentum = 0.9, c.nesterov = true, c.weight_decay = 0.01, c.decay_norm = true, c.clip_norm = 150.0;
    Optimizer o;
    ck_assert_int_eq(optimizer_make(arena, &c, &set, &o), STATUS_OK);
    for (int i = 0; i < set.n; i++) param_init(set.param[i], INIT_HE, 3, 3, 1);
    parallel_set_threads(threads);
    for (int t = 1; t <= STEPS; t++) {
        for (int i = 0; i < set.n; i++) randomize(set.param[i]->dx, counts[i], (uint64_t)(10 * t + i));
        if (t % 2 == 0) param_set_zero_grad(&set);
        norms[t - 1] = optimizer_step(&o, 0.01f, t);
    }
    for (int i = 0; i < set.n; i++) {
        const size_t end = set.param[i]->offset + (size_t)counts[i];
        for (size_t k = end; k % 16 != 0; k++) ck_assert(set.x[k] == 0.0f && set.dx[k] == 0.0f && o.slot[0][k] == 0.0f);
    }
    *x = set.x, *slots = o.slot[o.type->slots - 1];
    return set.count;
}

START_TEST(threads_do_not_change_a_bit)
{
    const int before = parallel_threads();
    for (int type = 0; optimizer_types[type] != NULL; type++) {
        Arena *arena = arena_create();
        const float *x1, *slots1;
        float norms1[6];
        const size_t count = train_with_threads(arena, type, 1, &x1, &slots1, norms1);
        ck_assert(norms1[0] > 200.0f); /* sqrt(150635 / 3) = 224: clipping was at work */
        for (int i = 0; i < 2; i++) {
            const float *x, *slots;
            float norms[6];
            train_with_threads(arena, type, i == 0 ? 2 : 5, &x, &slots, norms);
            ck_assert_mem_eq(x, x1, count * sizeof(float));
            ck_assert_mem_eq(slots, slots1, count * sizeof(float));
            ck_assert_mem_eq(norms, norms1, sizeof norms);
        }
        arena_destroy(arena);
    }
    parallel_set_threads(before);
}
END_TEST

START_TEST(clipping_bounds_the_norm_of_all_gradients)
{
    enum { N = 50000 };
    Arena *arena = arena_create();
    ParamSet set = {0};
    Param *w = add(&set, arena, "w", PARAM_WEIGHT, shape_1(N));
    Param *b = add(&set, arena, "b", PARAM_BIAS, shape_1(3));
    ck_assert_int_eq(param_set_place(&set, arena), STATUS_OK);
    OptimizerConfig c = config_of("sgd");
    c.clip_norm = 2.0;
    Optimizer o;
    ck_assert_int_eq(optimizer_make(arena, &c, &set, &o), STATUS_OK);

    randomize(w->dx, N, 1);
    randomize(b->dx, 3, 2);
    double squares = 0;
    float keep = w->dx[123];
    for (int i = 0; i < N; i++) squares += (double)w->dx[i] * (double)w->dx[i];
    for (int i = 0; i < 3; i++) squares += (double)b->dx[i] * (double)b->dx[i];
    const float norm = optimizer_step(&o, 1.0f, 1);
    ck_assert_double_eq_tol((double)norm, sqrt(squares), 1e-6 * sqrt(squares));
    ck_assert_double_eq_tol((double)w->x[123], -(double)keep * 2.0 / sqrt(squares), 1e-6);
    double moved = 0;
    for (size_t i = 0; i < set.count; i++) moved += (double)set.x[i] * (double)set.x[i];
    ck_assert_double_eq_tol(sqrt(moved), 2.0, 1e-5);

    /* Below the bound and at it nothing is scaled. */
    param_set_zero_grad(&set);
    w->dx[0] = 1.2f, b->dx[2] = 1.6f;
    float x0 = w->x[0], x2 = b->x[2];
    check_near(optimizer_step(&o, 1.0f, 2), 2.0f, 1e-6f);
    check_near(w->x[0], x0 - 1.2f, 1e-6f);
    check_near(b->x[2], x2 - 1.6f, 1e-6f);
    param_set_zero_grad(&set);
    x0 = w->x[0];
    ck_assert(optimizer_step(&o, 1.0f, 3) == 0.0f);
    ck_assert(w->x[0] == x0);

    /* Squares past the range of float, and gradients that are no numbers. */
    w->dx[0] = 3e30f, w->dx[N - 1] = 4e30f;
    check_near(optimizer_step(&o, 1.0f, 4), 5e30f, 1e24f);
    check_near(w->x[0], x0 - 1.2f, 1e-5f);
    static const float bad[] = {INFINITY, NAN};
    for (int i = 0; i < 2; i++) {
        x0 = w->x[0], x2 = b->x[2];
        const float m0 = o.slot[0][0];
        w->dx[0] = 1.0f, b->dx[2] = bad[i];
        ck_assert(!isfinite(optimizer_step(&o, 1.0f, 5)));
        ck_assert(w->x[0] == x0 && b->x[2] == x2 && o.slot[0][0] == m0);
    }
    arena_destroy(arena);
}
END_TEST

START_TEST(decay_reaches_what_it_should)
{
    static const ParamKind kinds[] = {PARAM_WEIGHT, PARAM_BIAS, PARAM_NORM, PARAM_QUANTIZER};
    static const char *const names[] = {"w", "b", "n", "s"};
    for (int type = 0; optimizer_types[type] != NULL; type++) {
        for (int flags = 0; flags < 4; flags++) {
            Arena *arena = arena_create();
            ParamSet set = {0};
            for (int i = 0; i < 4; i++) add(&set, arena, names[i], kinds[i], shape_1(3))->rule = (ParamRule){0, 1, 0};
            add(&set, arena, "c", PARAM_QUANTIZER, shape_1(3))->rule = (ParamRule){.decay = 1, .lr_factor = 0.25};
            OptimizerConfig c = config_of(optimizer_names[type]);
            c.weight_decay = 0.5, c.decay_bias = flags & 1, c.decay_norm = flags & 2;
            Optimizer o;
            ck_assert_int_eq(param_set_place(&set, arena), STATUS_OK);
            ck_assert_int_eq(optimizer_make(arena, &c, &set, &o), STATUS_OK);
            for (int i = 0; i < 5; i++) param_fill(set.param[i], 2.0f);
            optimizer_step(&o, 0.1f, 1); /* zero gradients: 2 * (1 - 0.1 * 0.5) where it decays */
            const bool decays[] = {true, c.decay_bias, c.decay_norm, false};
            for (int i = 0; i < 4; i++) {
                if (decays[i])
                    check_near(set.param[i]->x[2], 1.9f, 1e-6f);
                else
                    ck_assert(set.param[i]->x[2] == 2.0f);
            }
            check_near(set.param[4]->x[2], 2.0f * (1.0f - 0.25f * 0.1f), 1e-6f); /* by a rule of its own */
            arena_destroy(arena);
        }
    }
}
END_TEST

START_TEST(step_sizes_stay_positive)
{
    for (int type = 0; optimizer_types[type] != NULL; type++) {
        Arena *arena = arena_create();
        ParamSet set = {0};
        Param *w = add(&set, arena, "w", PARAM_WEIGHT, shape_1(2));
        Param *s = add(&set, arena, "s", PARAM_QUANTIZER, shape_1(2));
        s->rule = (ParamRule){.lr_factor = 1, .least = 1e-8f};
        const OptimizerConfig c = config_of(optimizer_names[type]);
        Optimizer o;
        ck_assert_int_eq(param_set_place(&set, arena), STATUS_OK);
        ck_assert_int_eq(optimizer_make(arena, &c, &set, &o), STATUS_OK);
        param_fill(w, 0.5f);
        param_fill(s, 0.5f);
        w->dx[0] = s->dx[0] = 100.0f;
        optimizer_step(&o, 1.0f, 1);
        ck_assert(w->x[0] < 0.0f);
        ck_assert(s->x[0] == 1e-8f && s->x[1] == 0.5f);
        s->dx[1] = NAN;
        optimizer_step(&o, 1.0f, 2);
        ck_assert(isnan(s->x[1])); /* not hidden behind the bound */
        arena_destroy(arena);
    }
}
END_TEST

START_TEST(optimizers_refuse)
{
    Arena *arena = arena_create();
    ParamSet set = {0};
    ck_assert_int_eq(param_set_place(&set, arena), STATUS_OK); /* a model without parameters is one */
    OptimizerConfig c = config_of("adamw");
    c.clip_norm = 1.0;
    Optimizer o;
    ck_assert_int_eq(optimizer_make(arena, &c, &set, &o), STATUS_OK);
    ck_assert(optimizer_step(&o, 0.1f, 1) == 0.0f);
    c.type = 2;
    ck_assert_int_eq(optimizer_make(arena, &c, &set, &o), STATUS_CONFIG);
    ck_assert_str_eq(status_message(), "optimizer.type: 2; must be 0 to 1");
    c.type = -1;
    ck_assert_int_eq(optimizer_make(arena, &c, &set, &o), STATUS_CONFIG);
    arena_destroy(arena);
}
END_TEST

START_TEST(the_table_is_complete)
{
    check_fields(optimizer_fields, sizeof(OptimizerConfig));
    int n = 0;
    for (; optimizer_types[n] != NULL; n++) {
        const OptimizerType *type = optimizer_types[n];
        ck_assert_str_eq(type->name, optimizer_names[n]);
        ck_assert(type->doc[0] != '\0' && type->slots <= OPTIMIZER_MAX_SLOTS);
        for (int i = 0; i < type->slots; i++) ck_assert(type->slot_names[i][0] != '\0');
    }
    ck_assert(n == 2 && optimizer_names[n] == NULL);
}
END_TEST

TEST_MAIN("optim", sgd_follows_its_formula, adamw_follows_its_formula, first_steps_by_hand,
          every_optimizer_finds_the_bottom_of_a_bowl, threads_do_not_change_a_bit,
          clipping_bounds_the_norm_of_all_gradients, decay_reaches_what_it_should, step_sizes_stay_positive,
          optimizers_refuse, the_table_is_complete)
