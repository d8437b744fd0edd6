/* Many weights put on their nearest level at once; post-training quantization of weights on sets of levels. */
#include <math.h>
#include <string.h>

#include "base/file.h"
#include "base/safetensors.h"
#include "quant/level_set.h"
#include "tests/support/fixture.h"
#include "tests/support/json_values.h"
#include "tests/support/program.h"
#include "tests/support/suite.h"

static const SafeTensor *tensor_of(const char *path, const char *name)
{
    SafeFile *file = ARENA_ARRAY(arena, SafeFile, 1);
    must(safe_read(arena, inside(path), true, file));
    for (int i = 0; i < file->n; i++)
        if (strcmp(file->tensor[i].name, name) == 0) return &file->tensor[i];
    ck_abort_msg("%s: no %s", path, name);
}

/* How many codes a tensor has. */
static int codes_in(const SafeTensor *t)
{
    bool seen[256] = {false};
    int n = 0;
    for (size_t i = 0; i < t->bytes; i++) seen[((const uint8_t *)t->data)[i]] = true;
    for (int i = 0; i < 256; i++) n += seen[i];
    return n;
}

START_TEST(many_at_once)
{
    int8_t level[] = {-64, -32, -3, 0, 1, 2, 100};
    const QuantParams qp = {.levels = 7, .level = level};
    /* Every quarter of a step, both sides of it, and what is no number. */
    float x[LEVEL_BLOCK] = {0}, v[LEVEL_BLOCK];
    int index[LEVEL_BLOCK];
    for (int base = -800; base < 800; base += 64) {
        for (int i = 0; i < 64; i++) {
            const float at = (float)(base + i) / 4;
            x[3 * i] = at, x[3 * i + 1] = nextafterf(at, -INFINITY), x[3 * i + 2] = nextafterf(at, INFINITY);
        }
        x[200] = NAN, x[201] = INFINITY, x[202] = -INFINITY;
        level_nearest_block(&qp, 1.0f, LEVEL_BLOCK, x, v, index);
        for (int i = 0; i < LEVEL_BLOCK; i++)
            ck_assert_msg(index[i] == level_nearest(&qp, x[i]), "%g: %d", (double)x[i], index[i]);
    }
}
END_TEST

/* Weights are on the set, at the scale of least squared error; what is deployed is what the layers compute. */
START_TEST(weights_are_put_on_the_set)
{
    static const struct {
        const char *quantizer;
        int bits, most;
    } cases[] = {{"pot", 3, 7}, {"apot", 4, 15}, {"codebook", 2, 4}, {"twn", 2, 3}, {"xnor", 1, 2}};
    begin_zoo();
    program_must(arena, folder, "train zoo.json --quiet --out f");
    for (int i = 0; i < 5; i++) {
        const char *sets = arena_printf(arena, "--set quant.weights.quantizer=%s --set quant.weights.bits=%d",
                                        cases[i].quantizer, cases[i].bits);
        const char *out = arena_printf(arena, "%s", cases[i].quantizer);
        program_must(arena, folder, arena_printf(arena, "ptq f --quiet --out %s %s", out, sets));
        cJSON *json = program_json(arena, folder, arena_printf(arena, "verify %s --quiet", out));
        ck_assert(number(json, "different") == 0);
        cJSON_Delete(json);
        program_must(arena, folder, arena_printf(arena, "export %s --to safetensors -o %s.safetensors", out, out));
        const char *file = arena_printf(arena, "%s.safetensors", out);
        ck_assert_int_le(codes_in(tensor_of(file, "fc.weight")), cases[i].most);
        ck_assert_int_gt(codes_in(tensor_of(file, "logits.weight")), 20); /* the last layer has 8 bits, observed */
    }
    const SafeTensor *alpha = tensor_of("pot/model.safetensors", "fc.weight.alpha");
    const SafeTensor *w = tensor_of("pot/model.safetensors", "fc.weight");
    const long n = (long)(w->bytes / sizeof(float)) / 16;
    double least = HUGE_VAL, is = 0;
    for (int k = 0; k <= 64; k++) { /* 0: the alpha that it has */
        double largest = 0, sum = 0;
        float a;
        memcpy(&a, alpha->data, sizeof a);
        for (long j = 0; j < n; j++) largest = fmax(largest, fabs((double)((const float *)w->data)[j]));
        const double of = k == 0 ? (double)a : largest * k / 64;
        for (long j = 0; j < n; j++) {
            const double x = (double)((const float *)w->data)[j];
            double best = x * x;
            for (int m = 0; m < 3; m++)
                for (int s = -1; s < 2; s += 2) best = fmin(best, pow(x - s * of / (1 << m), 2));
            sum += best;
        }
        if (k == 0)
            is = sum;
        else
            least = fmin(least, sum);
    }
    ck_assert_msg(is <= least * (1 + 1e-6), "%g, but %g can be had", is, least);
    end();
}
END_TEST

START_TEST(steps_leave_what_they_cannot_round)
{
    begin_zoo();
    program_must(arena, folder, "train zoo.json --quiet --out f");
    const char *levels = "--set quant.weights.quantizer=apot --set quant.weights.bits=4";
    const Outcome o = program_run(arena, &(Where){.folder = folder},
                                  arena_printf(arena,
                                               "ptq f --out a %s --set ptq.steps=[\"calibrate\",\"adaround\"] "
                                               "--set ptq.adaround.iterations=20",
                                               levels));
    ck_assert_msg(o.code == 0, "%s", o.err);
    has(o.err, "\"fc\" is left: its weights are on a set of levels");
    ck_assert_ptr_null(strstr(o.err, "\"logits\" is left"));
    program_refuses(arena, folder,
                    "ptq f --quiet --out no --set quant.weights.quantizer=pot --set quant.weights.bits=6",
                    "layer \"dw\"");
    /* An override's set, and weights that are observed where the section has one. */
    program_must(arena, folder,
                 arena_printf(arena,
                              "ptq f --quiet --out o %s --set "
                              "quant.overrides=[{\"layers\":\"fc\",\"weight_quantizer\":\"observed\"},"
                              "{\"layers\":\"pw\",\"weight_bits\":7}]",
                              levels));
    program_must(arena, folder, "export o --to safetensors -o o.safetensors");
    ck_assert_int_gt(codes_in(tensor_of("o.safetensors", "pw.weight")), 15);
    program_must(arena, folder, "verify o --quiet");
    end();
}
END_TEST

/* A network whose outputs and weights are signs: inspected before training, a row after it, with a whole table. */
START_TEST(outputs_stay_signs)
{
    static const char net[] =
        "{\"seed\": 1, \"name\": \"signs\", \"data\": {\"dataset\": \"synthetic\", \"synthetic_train\": 120, "
        "\"synthetic_test\": 30, \"classes\": 3}, \"model\": {\"input\": [8, 8, 2], \"layers\": ["
        "{\"type\": \"conv2d\", \"name\": \"c0\", \"filters\": 6, \"kernel\": 3, \"batch_norm\": true}, "
        "{\"type\": \"conv2d\", \"name\": \"c1\", \"filters\": 6, \"kernel\": 3, \"batch_norm\": true}, "
        "{\"type\": \"global_avgpool\"}, {\"type\": \"dense\", \"name\": \"logits\", \"units\": 3}]}, "
        "\"train\": {\"epochs\": 1, \"batch\": 20}, \"qat\": {\"epochs\": 1}, \"quant\": {\"overrides\": ["
        "{\"layers\": \"c0\", \"activation_bits\": 1, \"activation_quantizer\": \"bireal\"}, "
        "{\"layers\": \"c1\", \"weight_bits\": 1, \"weight_quantizer\": \"bireal\"}]}, "
        "\"compare\": {\"rows\": [{\"name\": \"q\", \"kind\": \"qat\"}, {\"name\": \"p\", \"kind\": \"ptq\"}]}}";
    begin();
    put_text(folder, "signs.json", net);
    cJSON_Delete(program_json(arena, folder, "inspect signs.json"));
    program_must(arena, folder, "compare signs.json --quiet --out t");
    ck_assert(file_exists(inside("t/report.html")));
    for (int i = 0; i < 2; i++) {
        const char *row = i == 0 ? "p-seed1" : "q-seed1";
        cJSON *of = program_json(arena, folder, arena_printf(arena, "inspect t/%s", row));
        const cJSON *layers = json_get(of, "layers");
        ck_assert_double_eq(number(cJSON_GetArrayItem(layers, 0), "act_bits"), 1);
        ck_assert_double_eq(number(cJSON_GetArrayItem(layers, 1), "weight_bits"), 1);
        cJSON_Delete(of);
        program_must(arena, folder, arena_printf(arena, "verify t/%s --quiet", row));
    }
    end();
}
END_TEST

TEST_MAIN("ptq levels", many_at_once, weights_are_put_on_the_set, steps_leave_what_they_cannot_round,
          outputs_stay_signs)
