/* What a step needs is what is alive at one time: buffers with owners, shared gradients, release behind the passes. */
#include <stdint.h>
#include <string.h>

#include "base/poison.h"
#include "base/rng.h"
#include "tests/support/gradcheck.h"
#include "tests/support/small_model.h"
#include "tests/support/suite.h"

static bool poisoned(const void *p)
{
#ifdef POISON_WATCHED
    return __asan_address_is_poisoned(p) != 0;
#else
    (void)p;
    return true;
#endif
}

/* ---- buffers ----------------------------------------------------------------------------------------------------- */

START_TEST(what_is_released_serves_the_next)
{
    Arena *arena = arena_create();
    enum { BYTES = 100000 };
    void *a = arena_buffer(arena, BYTES), *b = arena_buffer(arena, BYTES), *c = arena_buffer(arena, BYTES);
    void *end = arena_buffer(arena, 1);
    ck_assert((uintptr_t)a % 64 == 0 && (uintptr_t)b % 64 == 0 && (uintptr_t)end % 64 == 0);
    ck_assert(a < b && b < c && c < end);
    memset(b, 1, BYTES);
    const size_t full = arena_used_bytes(arena);
    arena_release(arena, NULL);
    arena_release(arena, b);
    ck_assert_uint_le(arena_used_bytes(arena), full - BYTES);
    ck_assert(poisoned(b) && poisoned((char *)b + BYTES - 1));
    ck_assert_ptr_eq(arena_buffer(arena, BYTES - 64), b); /* the hole that fits */
    ck_assert_uint_eq(arena_used_bytes(arena), full);
    /* Neighbours join whichever goes last, and the smaller hole is taken first. */
    arena_release(arena, a), arena_release(arena, c), arena_release(arena, b);
    ck_assert_ptr_eq(arena_buffer(arena, 3 * BYTES), a);
    arena_release(arena, a);
    void *small = arena_buffer(arena, 1000), *wall = arena_buffer(arena, 64);
    arena_release(arena, small);
    ck_assert_ptr_eq(arena_buffer(arena, 1000), small);
    arena_release(arena, wall);
    /* One owner more keeps it. */
    arena_share(arena, small);
    ck_assert_int_eq(arena_owners(arena, small), 2);
    arena_release(arena, small);
    memset(small, 2, 1000);
    ck_assert_ptr_ne(arena_buffer(arena, 1000), small);
    ck_assert_int_eq(arena_owners(arena, small), 1);
    arena_destroy(arena);
}
END_TEST

/* Random takes, shares and releases: no two live buffers overlap, and after a reset the same calls give the same
 * addresses without a word to the system. */
START_TEST(random_sequences_repeat)
{
    enum { SLOTS = 40, CALLS = 4000 };
    Arena *arena = arena_create();
    static void *given[CALLS];
    size_t calls = 0, peak = 0;
    for (int round = 0; round < 3; round++) {
        Rng r = rng_make(9, RNG_TEST, 0);
        unsigned char *at[SLOTS] = {NULL};
        size_t bytes[SLOTS] = {0}, wrong = 0, moved = 0;
        for (int i = 0; i < CALLS; i++) {
            const uint32_t s = rng_below(&r, SLOTS);
            if (at[s] == NULL) {
                bytes[s] = rng_below(&r, 3) == 0 ? rng_below(&r, 100000) : rng_below(&r, 500);
                at[s] = arena_buffer(arena, bytes[s]);
                if (round == 0) given[i] = at[s];
                moved += given[i] != at[s];
                memset(at[s], (int)s, bytes[s]);
                continue;
            }
            for (size_t k = 0; k < bytes[s]; k++) wrong += at[s][k] != (unsigned char)s;
            if (rng_below(&r, 4) == 0) {
                arena_share(arena, at[s]);
                arena_release(arena, at[s]);
            } else {
                arena_release(arena, at[s]);
                at[s] = NULL;
            }
        }
        ck_assert(wrong == 0 && moved == 0);
        for (int s = 0; s < SLOTS; s++) arena_release(arena, at[s]);
        ck_assert_uint_eq(arena_used_bytes(arena), 0);
        if (round > 0) ck_assert(arena_system_calls(arena) == calls && arena_peak_bytes(arena) == peak);
        calls = arena_system_calls(arena), peak = arena_peak_bytes(arena);
        arena_reset(arena);
    }
    arena_destroy(arena);
}
END_TEST

/* ---- the live set of a step -------------------------------------------------------------------------------------- */

enum { SIDE = 64, CHANNELS = 64 }; /* 1 MiB: all headers of a step together are far below one of these */
static const size_t MAP_BYTES = sizeof(float) * SIDE * SIDE * CHANNELS;
static Shape map_shape(void) { return shape_4(1, SIDE, SIDE, CHANNELS); }

/* y = 2 x; backward reads nothing but dy. */
static void twice_backward(Tape *t, TapeNode *node)
{
    bool fresh;
    float *dx = tensor_grad_fresh(t, node->in[0], &fresh);
    const float *dy = node->out->dx;
    for (long i = 0; i < tensor_elements(node->out); i++) dx[i] = (fresh ? 0.0f : dx[i]) + 2 * dy[i];
}

static const OpType twice_type = {"twice", "x[...] -> y[...]", twice_backward};

static Tensor *twice(Tape *t, Tensor *x)
{
    Tensor *y = tape_tensor(t, "twice", x->shape);
    for (long i = 0; i < tensor_elements(x); i++) y->x[i] = 2 * x->x[i];
    tape_record(t, &twice_type, 1, &x, y);
    return y;
}

static void check_maps(size_t bytes, double maps)
{
    const double got = (double)bytes / (double)MAP_BYTES;
    ck_assert_msg(got >= maps && got < maps + 0.2, "%.2f maps; must be %.0f and a little", got, maps);
}

typedef struct {
    Bench b;
    long n;
    float *x, *dx, *r;
    Tensor *leaf;
} Step;

static Step step_make(void)
{
    Step s = {.b = bench_make(), .n = shape_elements(map_shape())};
    s.x = random_values(s.b.owner, s.n, 3);
    s.dx = ARENA_ARRAY(s.b.owner, float, s.n);
    s.r = random_values(s.b.owner, s.n, 4);
    s.leaf = tape_leaf(s.b.tape, "x", map_shape(), s.x, s.dx);
    return s;
}

/* Runs backward from y, checks d leaf = factor * r and that all that was large is gone. */
static void check_backward(Step *s, Tensor *y, float factor)
{
    ck_assert_int_eq(tape_backward(s->b.tape, weighted_sum(s->b.tape, y, s->r)), STATUS_OK);
    long wrong = 0;
    for (long i = 0; i < s->n; i++) wrong += s->dx[i] != factor * s->r[i];
    ck_assert_int_eq(wrong, 0);
    check_maps(arena_used_bytes(s->b.step), 0);
}

START_TEST(chain_holds_outputs_and_two_gradients)
{
    Step s = step_make();
    Tensor *y = s.leaf;
    for (int i = 0; i < 5; i++) y = twice(s.b.tape, y);
    check_maps(arena_used_bytes(s.b.step), 5);
    check_backward(&s, y, 32);
    check_maps(arena_peak_bytes(s.b.step), 5 + 2);
    bench_end(&s.b);
}
END_TEST

/* a = 2 x, b = 2 a, y = a + b.  Backward: dy serves a and b as it is, while y is gone; b's consumer makes a's own. */
START_TEST(residual_block_shares_the_gradient)
{
    Step s = step_make();
    Tensor *a = twice(s.b.tape, s.leaf), *b = twice(s.b.tape, a), *y = op_add(s.b.tape, a, b);
    check_maps(arena_used_bytes(s.b.step), 3);
    check_backward(&s, y, 6);
    check_maps(arena_peak_bytes(s.b.step), 3 + 1);
    bench_end(&s.b);
}
END_TEST

/* y = x + x counts twice; a reshape costs nothing in either direction. */
START_TEST(the_same_tensor_twice_and_an_alias)
{
    Step s = step_make();
    Tensor *a = twice(s.b.tape, s.leaf), *y = op_add(s.b.tape, a, a);
    Tensor *flat = op_reshape(s.b.tape, y, shape_2(SIDE, SIDE * CHANNELS));
    ck_assert_ptr_eq(flat->x, y->x);
    Tensor *back = op_reshape(s.b.tape, flat, map_shape());
    check_maps(arena_used_bytes(s.b.step), 2);
    check_backward(&s, back, 4);
    check_maps(arena_peak_bytes(s.b.step), 2 + 2); /* dy, and the sum that does not fit over it */
    bench_end(&s.b);
}
END_TEST

START_TEST(writing_to_a_shared_gradient_copies_it)
{
    Step s = step_make();
    Tape *t = s.b.tape;
    Tensor *a = twice(t, s.leaf), *b = twice(t, s.leaf), *y = op_add(t, a, b);
    float *dy = tensor_grad(t, y);
    float sum = 0.0f;
    for (long i = 0; i < s.n; i++) sum += dy[i] * dy[i], dy[i] = s.r[i];
    ck_assert(sum == 0.0f);
    tensor_grad_pass(t, a, y), tensor_grad_pass(t, b, y);
    ck_assert(a->dx == dy && b->dx == dy);
    tensor_grad(t, a)[7] = 100;
    ck_assert(a->dx != dy && b->dx == dy && dy[7] == s.r[7] && a->dx[8] == s.r[8]);
    tensor_grad_pass(t, b, y); /* adds: in memory of its own */
    ck_assert(b->dx != dy && b->dx[9] == 2 * s.r[9] && dy[9] == s.r[9]);
    float *own = b->dx;
    tensor_grad_pass(t, b, y); /* and then in place */
    ck_assert(b->dx == own && b->dx[9] == 2 * s.r[9] + s.r[9]);
    tensor_grad_pass(t, s.leaf, y); /* a parameter's block is never exchanged */
    ck_assert(s.leaf->dx == s.dx && s.dx[9] == s.r[9]);
    bool fresh = true;
    ck_assert(tensor_grad_fresh(t, y, &fresh) == dy && !fresh);
    ck_assert(tensor_grad_fresh(t, tape_leaf(t, "c", map_shape(), s.x, NULL), &fresh) == NULL && !fresh);
    bench_end(&s.b);
}
END_TEST

static void keep_backward(Tape *t, TapeNode *node)
{
    ck_assert(((const char *)node->saved)[5] == 5);
    twice_backward(t, node);
}
static const OpType keep_type = {"keep", "x[...] -> y[...]", keep_backward};

START_TEST(a_node_keeps_until_its_backward)
{
    Step s = step_make();
    Tape *t = s.b.tape;
    Tensor *y = tape_tensor(t, "y", map_shape());
    memset(y->x, 0, MAP_BYTES);
    char *kept = tape_buffer(t, MAP_BYTES);
    kept[5] = 5;
    TapeNode *node = tape_record(t, &keep_type, 1, &s.leaf, y);
    node->saved = kept;
    node_keep(t, node, kept), node_keep(t, node, NULL);
    check_maps(arena_used_bytes(s.b.step), 2);
    void *unkept = tape_buffer(t, MAP_BYTES);
    node_keep(t, NULL, unkept);
    ck_assert_ptr_eq(tape_buffer(t, MAP_BYTES), unkept);
    tape_release(t, unkept);
    check_backward(&s, y, 2);
    bench_end(&s.b);
}
END_TEST

/* ---- a pass that is not recorded --------------------------------------------------------------------------------- */

/* Six maps of one size in a row, the third read by the fifth as well. */
static const char *const pools =
    "{\"input\":[64,64,16],\"layers\":[{\"type\":\"maxpool\",\"kernel\":1},{\"type\":\"maxpool\",\"kernel\":1},"
    "{\"type\":\"maxpool\",\"kernel\":1,\"name\":\"c\"},{\"type\":\"maxpool\",\"kernel\":1,\"name\":\"d\"},"
    "{\"type\":\"add\",\"inputs\":[\"c\",\"d\"]},{\"type\":\"maxpool\",\"kernel\":1},"
    "{\"type\":\"global_avgpool\"},{\"type\":\"dense\",\"units\":3}]}";

static void check_evaluation(bool keep, double maps)
{
    Arena *arena = arena_create();
    Bench b = bench_make();
    Model *m = small_model(arena, pools, NULL, 1);
    const uint8_t *pixels = small_pixels(arena, m, 2);
    for (int round = 0; round < 2; round++) {
        tape_reset(b.tape, false);
        const ForwardMode mode = {.arithmetic = ARITHMETIC_FLOAT, .keep_outputs = keep};
        ck_assert(model_forward(m, b.tape, &mode, pixels, 4) != NULL); /* 4 images: one map */
    }
    for (int i = 0; i < m->layers - 1; i++) ck_assert((m->out[i]->x != NULL) == keep);
    check_maps(arena_peak_bytes(b.step), maps);
    bench_end(&b);
    arena_destroy(arena);
}

START_TEST(evaluation_releases_behind_itself)
{
    check_evaluation(true, 7);
    check_evaluation(false, 3);
}
END_TEST

TEST_MAIN("tape_memory", what_is_released_serves_the_next, random_sequences_repeat,
          chain_holds_outputs_and_two_gradients, residual_block_shares_the_gradient, the_same_tensor_twice_and_an_alias,
          writing_to_a_shared_gradient_copies_it, a_node_keeps_until_its_backward, evaluation_releases_behind_itself)
