#include "tests/support/gradcheck.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/rng.h"
#include "tests/support/oracle.h"

Bench bench_make(void)
{
    Bench b = {arena_create(), arena_create(), NULL};
    b.tape = tape_create(b.owner, b.step);
    tape_reset(b.tape, true);
    return b;
}

void bench_end(Bench *b)
{
    arena_destroy(b->step);
    arena_destroy(b->owner);
}

static void weighted_sum_backward(Tape *t, TapeNode *node)
{
    const float *r = node->saved, dloss = node->out->dx[0];
    float *dy = tensor_grad(t, node->in[0]);
    for (long i = 0; i < tensor_elements(node->in[0]); i++) dy[i] += dloss * r[i];
}

static const OpType weighted_sum_type = {"weighted_sum", "y[...] -> loss[A]", weighted_sum_backward};

double weighted_sum_value(Tape *t, const Tensor *y, const float *r)
{
    const float *v = tensor_values(t, y);
    double sum = 0;
    for (long i = 0; i < tensor_elements(y); i++) sum += (double)r[i] * (double)v[i];
    return sum;
}

Tensor *weighted_sum(Tape *t, Tensor *y, const float *r)
{
    if (!tape_contract(t, &weighted_sum_type, 1, &y)) return NULL;
    Tensor *loss = tape_tensor(t, "loss", shape_1(1));
    loss->x[0] = (float)weighted_sum_value(t, y, r);
    TapeNode *node = tape_record(t, &weighted_sum_type, 1, &y, loss);
    if (node != NULL) node->saved = (void *)r;
    return loss;
}

Tensor *held(Tape *t, const Tensor *y) { return y == NULL ? NULL : tape_alias(t, "held", y->shape, y); }

Tensor *leaf_codes(Tape *t, Shape shape, int8_t *codes, const QuantParams *qp, bool needs_grad)
{
    Tensor *x = arena_zalloc(t->arena, sizeof *x);
    *x = (Tensor){.name = "x", .shape = shape, .codes = codes, .qp = qp, .needs_grad = needs_grad};
    return x;
}

float *random_values(Arena *arena, long n, uint64_t seed)
{
    float *x = ARENA_ARRAY(arena, float, n);
    oracle_fill((size_t)n, seed, x);
    return x;
}

float *values_off_kinks(Arena *arena, long n, uint64_t seed, float reach, float kink, float margin)
{
    float *x = random_values(arena, n, seed);
    for (long i = 0; i < n; i++) {
        x[i] *= reach;
        const float nearest = kink * rintf(x[i] / kink);
        if (fabsf(x[i] - nearest) < margin) x[i] = nearest + (x[i] < nearest ? -margin : margin);
    }
    return x;
}

float *distinct_values(Arena *arena, long n, uint64_t seed, float gap)
{
    uint32_t *order = ARENA_ARRAY(arena, uint32_t, n);
    Rng r = rng_make(seed, RNG_TEST, 2);
    rng_permutation(&r, (uint32_t)n, order);
    float *x = ARENA_ARRAY(arena, float, n);
    for (long i = 0; i < n; i++) x[i] = gap * ((float)order[i] - 0.5f * (float)n);
    return x;
}

/* One forward pass on a tape of its own memory. */
static Tensor *run(const GradCheck *c, Tape *t, bool grad, float *const dx[], Tensor **in)
{
    tape_reset(t, grad);
    for (int i = 0; i < c->inputs; i++)
        in[i] = tape_leaf(t, "input", c->shape[i], c->x[i], grad && !c->constant[i] ? dx[i] : NULL);
    return c->graph(t, in, c->context);
}

static double loss_at(const GradCheck *c, Tape *t, float *at, float value, const float *r)
{
    Tensor *in[GRADCHECK_INPUTS];
    const float before = *at;
    *at = value;
    const Tensor *y = run(c, t, false, NULL, in);
    const double loss = y == NULL ? (double)NAN : weighted_sum_value(t, y, r);
    *at = before; /* not before the sum: y may share x's memory */
    return loss;
}

/* The steps that were taken in float32, whatever h was asked for. */
static double difference(const GradCheck *c, Tape *t, float *at, const float *r)
{
    const float h = c->h > 0.0f ? c->h : 0x1p-5f, x = *at;
    const float far = x + 2 * h, near = x + h, back = x - h, beyond = x - 2 * h;
    const double f1 = loss_at(c, t, at, near, r) - loss_at(c, t, at, back, r);
    const double f2 = loss_at(c, t, at, far, r) - loss_at(c, t, at, beyond, r);
    const double d1 = f1 / ((double)near - (double)back), d2 = f2 / ((double)far - (double)beyond);
    return (4 * d1 - d2) / 3;
}

static int check_input(const GradCheck *c, Tape *t, int input, const float *dx, const float *r)
{
    const long n = shape_elements(c->shape[input]);
    const long samples = c->samples > 0 && c->samples < n ? c->samples : n;
    double largest = 0;
    for (long i = 0; i < n; i++) largest = fmax(largest, fabs((double)dx[i]));
    int wrong = 0;
    for (long k = 0; k < samples; k++) {
        const long i = samples == n ? k : (k * n / samples + k * 7 % (n / samples));
        const double want = difference(c, t, &c->x[input][i], r);
        largest = fmax(largest, fabs(want));
        const double allowed = (c->tolerance > 0 ? c->tolerance : 1e-3) * largest + 1e-5;
        if (fabs(want - (double)dx[i]) <= allowed) continue;
        if (wrong++ == 0)
            fprintf(stderr, "%s: gradient of input %d, element %ld of %ld: %.7g; the difference quotient is %.7g\n",
                    c->name, input, i, n, (double)dx[i], want);
    }
    return wrong;
}

int gradcheck(const GradCheck *c)
{
    Bench b = bench_make();
    float *dx[GRADCHECK_INPUTS] = {NULL};
    for (int i = 0; i < c->inputs; i++) dx[i] = ARENA_ARRAY(b.owner, float, shape_elements(c->shape[i]));
    Tensor *in[GRADCHECK_INPUTS];
    Tensor *y = run(c, b.tape, true, dx, in);
    int wrong = 0;
    if (y == NULL) {
        fprintf(stderr, "%s: %s\n", c->name, b.tape->message);
        wrong = 1;
    } else {
        const float *r = random_values(b.owner, tensor_elements(y), 77);
        if (tape_backward(b.tape, weighted_sum(b.tape, y, r)) != STATUS_OK) wrong = 1;
        for (int i = 0; i < c->inputs; i++)
            wrong += c->constant[i] ? in[i]->dx != NULL : check_input(c, b.tape, i, dx[i], r);
    }
    bench_end(&b);
    return wrong;
}

float *copied_values(Arena *arena, const float *x, long n)
{
    return memcpy(ARENA_ARRAY(arena, float, n), x, sizeof *x * (size_t)n);
}
