/* op_maxpool and op_avgpool, on floats and on codes, over the ragged geometries. */
#include "tests/support/gradcheck.h"

#include <math.h>

#include "tests/support/kernel_cases.h"
#include "tests/support/oracle.h"
#include "tests/support/suite.h"

/* The geometry of a case as a pool's: every channel by itself. */
typedef struct {
    ConvGeom g;
    bool max;
    long nx, ny;
    Shape shape;
} Pool;

static Pool make(const KernelCase *kase, bool max)
{
    Pool p = {.g = kase->g, .max = max};
    p.g.o = p.g.groups = p.g.c;
    p.g.n = kase->images;
    p.g = oracle_geom(p.g);
    p.shape = shape_4(p.g.n, p.g.h, p.g.w, p.g.c);
    p.nx = shape_elements(p.shape);
    p.ny = (long)oracle_output_count(&p.g, p.g.n);
    return p;
}

static Tensor *pool_graph(Tape *t, Tensor *const *in, void *context)
{
    const Pool *p = context;
    const ConvGeom g = {.kh = p->g.kh,
                        .kw = p->g.kw,
                        .sh = p->g.sh,
                        .sw = p->g.sw,
                        .dh = p->g.dh,
                        .dw = p->g.dw,
                        .pt = p->g.pt,
                        .pb = p->g.pb,
                        .pl = p->g.pl,
                        .pr = p->g.pr};
    return p->max ? op_maxpool(t, in[0], &g) : op_avgpool(t, in[0], &g, ROUNDING_XNNPACK);
}

START_TEST(pool_floats)
{
    for (int k = 0; k < 2 * kernel_case_count; k++) {
        const KernelCase *kase = &kernel_cases[k / 2];
        Pool p = make(kase, k % 2 == 0);
        Bench b = bench_make();
        /* Distinct values far enough apart that a difference step cannot change which one is the largest. */
        float *x = p.max ? distinct_values(b.owner, p.nx, 5, 0.25f) : random_values(b.owner, p.nx, 5);
        Tensor *leaf = tape_leaf(b.tape, "x", p.shape, x, NULL), *y = pool_graph(b.tape, &leaf, &p);
        ck_assert_msg(y != NULL, "%s: %s", kase->name, b.tape->message);
        double *want = ARENA_ARRAY(b.owner, double, p.ny);
        int32_t *extra = ARENA_ARRAY(b.owner, int32_t, p.ny);
        if (p.max)
            oracle_maxpool(&p.g, p.g.n, x, want, extra);
        else
            oracle_avgpool(&p.g, p.g.n, x, want, extra);
        for (long i = 0; i < p.ny; i++)
            ck_assert_msg(fabs((double)y->x[i] - want[i]) <= (p.max ? 0 : 1e-6), "%s: %g; must be %g", kase->name,
                          (double)y->x[i], want[i]);
        const GradCheck c = {.name = kase->name,
                             .inputs = 1,
                             .shape = {p.shape},
                             .x = {x},
                             .graph = pool_graph,
                             .context = &p,
                             .samples = 8,
                             .tolerance = 2e-3};
        ck_assert_int_eq(gradcheck(&c), 0);
        bench_end(&b);
    }
}
END_TEST

/* Codes stay codes of the input's grid: the maximum exactly, the average rounded half away from zero; the gradient is
 * the exact pool's. */
START_TEST(pool_codes)
{
    for (int k = 0; k < 2 * kernel_case_count; k++) {
        const KernelCase *kase = &kernel_cases[k / 2];
        Pool p = make(kase, k % 2 == 0);
        Bench b = bench_make();
        int8_t *codes = ARENA_ARRAY(b.owner, int8_t, p.nx);
        float *x = ARENA_ARRAY(b.owner, float, p.nx), scale = 0.1f;
        oracle_fill_codes((size_t)p.nx, (uint64_t)k, codes);
        for (long i = 0; i < p.nx; i++) x[i] = (float)codes[i];
        const QuantParams qp = {
            .bits = 8, .qmin = -128, .qmax = 127, .axis = -1, .n = 1, .scale = &scale, .zero_point = 7};
        Tensor *leaf = leaf_codes(b.tape, p.shape, codes, &qp, true), *y = pool_graph(b.tape, &leaf, &p);
        ck_assert(y->qp == &qp && y->codes != NULL && y->x == NULL);
        double *want = ARENA_ARRAY(b.owner, double, p.ny), *dx = ARENA_ARRAY(b.owner, double, p.nx);
        int32_t *extra = ARENA_ARRAY(b.owner, int32_t, p.ny);
        if (p.max)
            oracle_maxpool(&p.g, p.g.n, x, want, extra);
        else
            oracle_avgpool(&p.g, p.g.n, x, want, extra);
        for (long i = 0; i < p.ny; i++) /* round is half away from zero */
            ck_assert_msg(y->codes[i] == (int)round(want[i]), "%s: %d; must be %g", kase->name, y->codes[i], want[i]);
        const float *r = random_values(b.owner, p.ny, 3);
        ck_assert_int_eq(tape_backward(b.tape, weighted_sum(b.tape, y, r)), STATUS_OK);
        const long image_x = p.nx / p.g.n, image_y = p.ny / p.g.n;
        if (p.max) {
            for (long i = 0; i < p.ny; i++)
                if (extra[i] >= 0) dx[i / image_y * image_x + extra[i]] += (double)r[i];
            for (long i = 0; i < p.nx; i++) ck_assert_double_eq_tol((double)leaf->dx[i], dx[i], 1e-5);
        } else { /* the same op on floats has been checked by differences */
            Bench other = bench_make();
            Tensor *real = tape_leaf(other.tape, "x", p.shape, x, NULL);
            real->needs_grad = true;
            Tensor *z = pool_graph(other.tape, &real, &p);
            ck_assert_int_eq(tape_backward(other.tape, weighted_sum(other.tape, z, r)), STATUS_OK);
            ck_assert_mem_eq(real->dx, leaf->dx, sizeof(float) * (size_t)p.nx);
            bench_end(&other);
        }
        bench_end(&b);
    }
}
END_TEST

TEST_MAIN("autograd_pool", pool_floats, pool_codes)
