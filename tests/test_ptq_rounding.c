/* Steps of post-training quantization that choose the codes of weights, and what they are made of. */
#include <math.h>
#include <string.h>

#include "base/parallel.h"
#include "base/safetensors.h"
#include "compress/reconstruction.h"
#include "compress/soft_rounding.h"
#include "compress/unit_data.h"
#include "quant/quant_drop.h"
#include "tests/support/fixture.h"
#include "tests/support/gradcheck.h"
#include "tests/support/program.h"
#include "tests/support/ptq_net.h"
#include "tests/support/suite.h"

/* ---- dropped grids ----------------------------------------------------------------------------------------------- */

static const QuantParams grid = {.bits = 4, .qmin = -8, .qmax = 7, .zero_point = -2, .n = 1};

/* y with the rounding residual of (x, s0) frozen. */
static double surrogate(double x, double s, double s0)
{
    const double lo = grid.qmin - grid.zero_point, hi = grid.qmax - grid.zero_point;
    const double v0 = fmin(fmax(x / s0, lo), hi), residual = rint(v0) - v0;
    return s * (fmin(fmax(x / s, lo), hi) + residual);
}

START_TEST(dropped_grids)
{
    enum { N = 999 };
    for (int half = 0; half < 2; half++) {
        Bench b = bench_make();
        float *x = values_off_kinks(b.owner, N, 4, 5.0f, 0.31f * 0.5f, 0.01f), dx[N] = {0}, s[1] = {0.31f}, ds[1] = {0};
        float weight[N];
        Rng rng = rng_make(2, RNG_TEST, 0);
        for (int i = 0; i < N; i++) weight[i] = rng_normal(&rng);
        const QuantDrop drop = {0.5 * half, 9, 4};
        Tensor *y = op_quant_drop(b.tape, tape_leaf(b.tape, "x", shape_1(N), x, dx),
                                  tape_leaf(b.tape, "s", shape_1(1), s, ds), &grid, &drop);
        int stayed = 0;
        double dstep = 0.0;
        bool stays[N];
        for (int i = 0; i < N; i++) {
            const double x0 = (double)x[i], s0 = (double)s[0], e = 1e-6;
            stays[i] = half == 1 && y->x[i] == x[i];
            stayed += stays[i];
            if (!stays[i]) ck_assert(fabs((double)y->x[i] - surrogate(x0, s0, s0)) < 1e-5);
            const double slope = (surrogate(x0, s0 + e, s0) - surrogate(x0, s0 - e, s0)) / (2 * e);
            dstep += stays[i] ? 0.0 : (double)weight[i] * slope;
        }
        tape_backward(b.tape, weighted_sum(b.tape, y, weight));
        for (int i = 0; i < N; i++) {
            const bool inside = x[i] / s[0] > -6.0f && x[i] / s[0] < 9.0f;
            ck_assert_msg(dx[i] == (stays[i] || inside ? weight[i] : 0.0f), "x %g: %g", (double)x[i], (double)dx[i]);
        }
        ck_assert_msg(fabs((double)ds[0] - dstep) < 1e-3 * fabs(dstep), "%g, not %g", (double)ds[0], dstep);
        ck_assert_msg(half == 0 ? stayed == 0 : stayed > 400 && stayed < 600, "%d of %d stayed", stayed, N);
        bench_end(&b);
    }
}
END_TEST

/* ---- soft rounding ----------------------------------------------------------------------------------------------- */

/* Codes are the weights' neighbours; at the start W is the weight, gradients are those of sum(c W) + penalty. */
START_TEST(soft_rounding)
{
    begin();
    PtqNet net = ptq_net(NULL);
    Layer *l = ptq_net_layer(net.m, "pw");
    for (long c = 0; c < l->gamma->count; c += 3) l->gamma->x[c] *= -1.0f;
    const long n = l->weight->count;
    float *real = memcpy(arena_alloc(arena, sizeof(float) * (size_t)n), l->weight->x, sizeof(float) * (size_t)n);
    ParamSet *set = ARENA_ARRAY(arena, ParamSet, 1);
    SoftRounding *r = soft_rounding_make(arena, set, l);
    must(param_set_place(set, arena));
    soft_rounding_start(r);
    soft_rounding_put(r);
    for (long i = 0; i < n; i++) ck_assert(fabsf(l->weight->x[i] - real[i]) < 1e-5f);
    Rng rng = rng_make(6, RNG_TEST, 0);
    for (long i = 0; i < n; i++) r->v->x[i] += 0.3f * rng_normal(&rng), l->weight->dx[i] = rng_normal(&rng);
    const float lambda = 0.2f, beta = 3.0f;
    soft_rounding_put(r);
    param_set_zero_grad(set);
    soft_rounding_gradient(r, 2.0f, lambda, beta);
    int checked = 0;
    for (long i = 0; i < n; i += 7) {
        const float v = r->v->x[i], e = 1e-2f;
        double value[2];
        for (int k = 0; k < 2; k++) {
            r->v->x[i] = k == 0 ? v - e : v + e;
            soft_rounding_put(r);
            value[k] = 2.0 * (double)(l->weight->dx[i] * l->weight->x[i]) -
                       (double)lambda * pow(fabs(2.0 * (double)r->h[i] - 1.0), (double)beta);
        }
        r->v->x[i] = v;
        const double slope = (value[1] - value[0]) / (2.0 * (double)e);
        if (r->h[i] < 0.02f || r->h[i] > 0.98f) continue; /* near a kink */
        checked++;
        ck_assert_msg(fabs(slope - (double)r->v->dx[i]) < 2e-2 * (1.0 + fabs(slope)), "%g, not %g", (double)r->v->dx[i],
                      slope);
    }
    ck_assert_int_gt(checked, 5);
    soft_rounding_finish(r);
    for (long i = 0; i < n; i++) {
        const float step = weight_grid_step(&r->grid, i), code = l->weight->x[i] / step;
        ck_assert(fabsf(code - rintf(code)) < 1e-4f && fabsf(l->weight->x[i] - real[i]) <= fabsf(step));
    }
    end();
}
END_TEST

/* ---- units ------------------------------------------------------------------------------------------------------- */

START_TEST(units_are_blocks)
{
    begin_zoo();
    Config *config;
    DataSplits data;
    Model *m;
    must(config_read(arena, inside("zoo.json"), NULL, &config));
    must(experiment_data(arena, config, &data));
    must(experiment_model(arena, config, NULL, &data, &m));
    /* stem pool1 | dw pw sum side cat | pool2 flat fc logits, one by one; pool1 is read by dw, sum and side */
    static const char *const ends[] = {"stem", "pool1", "cat", "pool2", "flat", "fc", "logits", NULL};
    int first = 0, k = 0;
    for (; first < m->layers; k++) {
        const int last = unit_block_end(m, first);
        ck_assert_ptr_nonnull(ends[k]);
        ck_assert_str_eq(m->layer[last].name, ends[k]);
        Unit unit;
        ck_assert(unit_of(m, first, last, &unit) && unit.inputs == 1 && unit.input[0] == first - 1);
        first = last + 1;
    }
    ck_assert_ptr_null(ends[k]);
    end();
}
END_TEST

/* ---- the steps --------------------------------------------------------------------------------------------------- */

static const char *const narrow[] = {"quant.weights.bits=3", "quant.activations.bits=4", NULL};

static void runs(const char *step, const ReconstructionKeys *keys, double gain)
{
    begin();
    PtqNet net = ptq_net(narrow);
    const RealNetwork *real = real_network_take(arena, net.m);
    int n;
    const float *outputs = ptq_net_outputs(&net, net.m, &n);
    Model *again = ptq_net_again(&net, net.m);
    ptq_net_step(&net, net.m, "calibrate", real, NULL);
    ptq_net_step(&net, again, "calibrate", real, NULL);
    const double before = ptq_net_measure(&net, net.m, outputs).sqnr;
    const int threads = parallel_threads();
    ptq_net_step(&net, net.m, step, real, keys);
    const double after = ptq_net_measure(&net, net.m, outputs).sqnr;
    ck_assert_msg(after > before + gain, "%s: %.2f dB, before %.2f dB", step, after, before);
    parallel_set_threads(threads == 1 ? 2 : 1);
    ptq_net_step(&net, again, step, real, keys);
    parallel_set_threads(threads);
    ck_assert_mem_eq(net.m->params.x, again->params.x, sizeof(float) * net.m->params.count);
    for (int i = 0; i < net.m->quantizers; i++) {
        const Quantizer *q = net.m->quantizer[i];
        ck_assert(q->qp.scale[0] == again->quantizer[i]->qp.scale[0]);
        ck_assert(q->fixed == q->is_weight);
    }
    end();
}

START_TEST(adaround)
{
    const ReconstructionKeys keys = {.iterations = 60, .batch = 32, .lr = 0.08, .lambda = 0.01, .warmup = 0.2};
    runs("adaround", &keys, 1.5);
}
END_TEST

START_TEST(reconstruct)
{
    const ReconstructionKeys keys = {.iterations = 60,
                                     .batch = 32,
                                     .lr = 0.08,
                                     .lambda = 0.01,
                                     .warmup = 0.2,
                                     .drop = 0.5,
                                     .range_lr = 1e-3,
                                     .bias_lr = 1e-4};
    runs("reconstruct", &keys, 2.0);
}
END_TEST

/* What was chosen is what is written, read again and deployed. */
START_TEST(chosen_codes_are_deployed)
{
    begin_zoo();
    program_must(arena, folder, "train zoo.json --quiet --out f --set train.epochs=1");
    static const char *const granularities[] = {"per_channel", "per_tensor"};
    for (int k = 0; k < 2; k++) {
        program_must(arena, folder,
                     arena_printf(arena,
                                  "ptq f --quiet --overwrite --out p --set ptq.steps=[\"calibrate\",\"reconstruct\"] "
                                  "--set quant.weights.bits=3 --set quant.weights.granularity=%s "
                                  "--set ptq.reconstruct.iterations=20",
                                  granularities[k]));
        has(program_must(arena, folder, "verify p"), " 0 different");
        OpenModel open;
        must(model_open(arena, inside("p/model.safetensors"), NULL, &open));
        for (int i = 0; i < open.model->layers; i++) {
            const Layer *l = &open.model->layer[i];
            if (l->weight_q == NULL) continue;
            ck_assert(l->weight_q->fixed && l->weight_q->ready);
            for (long w = 0; w < l->weight->count && k == 0; w++) {
                const ChannelView by = channel_view(l->weight->shape, l->weight_q->qp.axis == 0);
                const float code = l->weight->x[w] / l->weight_q->qp.scale[channel_at(&by, w)];
                ck_assert_msg(fabsf(code - rintf(code)) < 1e-4f, "%s: code %g", l->name, (double)code);
            }
        }
    }
    end();
}
END_TEST

/* The scales of chosen codes come from the file alone. */
START_TEST(broken_scales_are_refused)
{
    begin_zoo();
    program_must(arena, folder, "train zoo.json --quiet --out f --set train.epochs=1");
    program_must(arena, folder,
                 "ptq f --quiet --out p --set ptq.steps=[\"calibrate\",\"adaround\"] --set ptq.adaround.iterations=2");
    OpenModel open;
    must(model_open(arena, inside("p/model.safetensors"), NULL, &open));
    const char *path = inside("p/model.safetensors");
    const QuantParams *qp = &open.model->layer[0].weight_q->qp;
    static const float bad[] = {0.0f, -1.0f, NAN, INFINITY};
    for (int k = 0; k < 4; k++) {
        SafeFile file;
        must(safe_read(arena, path, true, &file));
        SafeWriter *w = safe_writer(arena);
        for (int i = 0; i < file.n_metadata; i++)
            if (strcmp(file.key[i], "crc32") != 0) safe_add_metadata(w, file.key[i], file.value[i]);
        qp->scale[3] = bad[k];
        for (int i = 0; i < file.n; i++) {
            const SafeTensor *t = &file.tensor[i];
            const bool changed = strcmp(t->name, "quant.stem.weight.scale") == 0;
            safe_add(w, t->name, t->type, t->rank, t->dim, changed ? qp->scale : t->data);
        }
        must(safe_write(w, path));
        OpenModel again;
        refused(model_open(arena, path, NULL, &again), "quant.stem.weight.scale: ");
    }
    end();
}
END_TEST

TEST_MAIN("ptq_rounding", broken_scales_are_refused, dropped_grids, soft_rounding, units_are_blocks, adaround,
          reconstruct, chosen_codes_are_deployed)
