/* A block of MobileNetV3 in every way its curves and means are written, by exporters and by hand: each file imports as the
 * same network.  What looks like a curve and is none computes what it says. */
#include <math.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/rng.h"
#include "deploy/onnx/onnx_build.h"
#include "tests/support/fixture.h"
#include "tests/support/onnx_case.h"
#include "tests/support/onnx_run.h"
#include "tests/support/program.h"
#include "tests/support/suite.h"

typedef enum {
    OPERATOR,          /* HardSwish, HardSigmoid: torch.onnx.export from operator set 14 on */
    GATED,             /* x HardSigmoid(x): before */
    DIVIDED_LAST,      /* (x relu6(x + 3)) / 6 */
    DIVIDED_FIRST,     /* x (relu6(3 + x) / 6) */
    MULTIPLIED,        /* relu6(x + 3) 1/6 x, the limits of Clip as attributes: operator set 9 */
    UNTOUCHED,         /* relu6(x + 3): no curve */
    PRODUCT_UNTOUCHED, /* x relu6(x + 3): 6 times one */
    OTHER_FACTOR,      /* x relu6(x + 3) / 5: 6 / 5 times one */
    RAISED_TWICE,      /* relu6(x + 3) by itself: no value's own gate */
    FORMS
} Form;
typedef enum { POOL, AXES_ATTRIBUTE, AXES_INPUT, AXES_FROM_THE_END, MEANS } Mean;

static OnnxBuilder *b;
static int made; /* names */

static const char *made_name(void) { return arena_printf(arena, "v%d", made++); }

static const char *node(const char *op, int inputs, const char *const *input)
{
    const char *name = made_name();
    return onnx_node(b, op, arena_printf(arena, "node_%s", name), inputs, input, name);
}
static const char *unary(const char *op, const char *x) { return node(op, 1, &x); }
static const char *binary(const char *op, const char *x, const char *y) { return node(op, 2, (const char *[]){x, y}); }

static const char *number(float x)
{
    float *kept = arena_alloc(arena, sizeof x);
    *kept = x;
    return onnx_scalar(b, made_name(), ONNX_FLOAT, kept);
}

static const char *random_constant(int rank, const int64_t *dim, uint64_t seed)
{
    int64_t count = 1;
    for (int i = 0; i < rank; i++) count *= dim[i];
    Rng rng = rng_make(seed, RNG_TEST, 5);
    float *x = ARENA_ARRAY(arena, float, count);
    for (int64_t i = 0; i < count; i++) x[i] = 0.8f * rng_normal(&rng);
    return onnx_constant(b, made_name(), ONNX_FLOAT, rank, dim, x);
}

static const char *conv(const char *name, const char *x, int64_t from, int64_t to, int k)
{
    const int64_t weight[4] = {to, from, k, k};
    const char *const input[3] = {x, random_constant(4, weight, (uint64_t)name[0]),
                                  random_constant(1, &to, 99 + (uint64_t)name[0])};
    onnx_node(b, "Conv", name, 3, input, arena_printf(arena, "%s_out", name));
    onnx_ints(b, "kernel_shape", 2, (const int[]){k, k});
    onnx_ints(b, "strides", 2, (const int[]){1, 1});
    onnx_ints(b, "dilations", 2, (const int[]){1, 1});
    onnx_ints(b, "pads", 4, (const int[]){0, 0, 0, 0});
    onnx_int(b, "group", 1);
    return arena_printf(arena, "%s_out", name);
}

static const char *relu6_of_raised(const char *x, Form form)
{
    const char *sum = form == DIVIDED_FIRST ? binary("Add", number(3), x) : binary("Add", x, number(3));
    if (form != MULTIPLIED) return node("Clip", 3, (const char *[]){sum, number(0), number(6)});
    const char *y = unary("Clip", sum);
    onnx_float(b, "min", 0);
    onnx_float(b, "max", 6);
    return y;
}

static const char *hard_sigmoid(const char *x, Form form)
{
    if (form > GATED && form < UNTOUCHED) {
        const char *y = relu6_of_raised(x, form);
        return form == MULTIPLIED ? binary("Mul", number(1.0f / 6), y) : binary("Div", y, number(6));
    }
    const char *y = unary("HardSigmoid", x);
    onnx_float(b, "alpha", 1.0f / 6);
    return y;
}

static const char *hard_swish(const char *x, Form form)
{
    const char *r =
        form < DIVIDED_LAST || form == DIVIDED_FIRST || form == MULTIPLIED ? NULL : relu6_of_raised(x, form);
    switch (form) {
    case OPERATOR:
        return unary("HardSwish", x);
    case GATED:
    case DIVIDED_FIRST:
    case MULTIPLIED:
        return binary("Mul", hard_sigmoid(x, form), x);
    case DIVIDED_LAST:
        return binary("Div", binary("Mul", x, r), number(6));
    case UNTOUCHED:
        return r;
    case PRODUCT_UNTOUCHED:
        return binary("Mul", r, x);
    case OTHER_FACTOR:
        return binary("Mul", binary("Mul", r, x), number(0.2f));
    case RAISED_TWICE:
        return binary("Mul", r, r);
    case FORMS:
        break;
    }
    ck_abort();
}

static const char *mean(const char *x, Mean form)
{
    static const int64_t axes[2] = {2, 3}, two = 2;
    if (form == POOL) return unary("GlobalAveragePool", x);
    if (form == AXES_INPUT) return binary("ReduceMean", x, onnx_constant(b, made_name(), ONNX_INT64, 1, &two, axes));
    const char *y = unary("ReduceMean", x);
    onnx_ints(b, "axes", 2, form == AXES_ATTRIBUTE ? (const int[]){2, 3} : (const int[]){-1, -2});
    onnx_int(b, "keepdims", 1);
    return y;
}

/* Stem, squeeze and excitation, SiLU, Tanh; 6 x 6 x 3 to 5 logits. */
static const Onnx__ModelProto *block(Form form, Mean means)
{
    const int image[4] = {1, 3, 6, 6}, row[2] = {1, 5};
    b = onnx_builder(arena, "block");
    made = 0;
    onnx_input(b, "image", ONNX_FLOAT, 4, image);
    const char *x = hard_swish(conv("stem", "image", 3, 4, 3), form);
    const char *y = unary("Relu", conv("reduce", mean(x, means), 4, 2, 1));
    y = binary("Mul", hard_sigmoid(conv("excite", y, 2, 4, 1), form), x);
    y = conv("project", y, 4, 6, 1);
    y = conv("mix", binary("Mul", y, unary("Sigmoid", y)), 6, 6, 1);
    y = unary("Flatten", mean(unary("Tanh", y), means));
    onnx_int(b, "axis", 1);
    const int64_t weights[2] = {5, 6}, outputs = 5;
    const char *const input[3] = {y, random_constant(2, weights, 1), random_constant(1, &outputs, 2)};
    onnx_node(b, "Gemm", "logits", 3, input, "out");
    onnx_int(b, "transB", 1);
    onnx_output(b, "out", ONNX_FLOAT, 2, row);
    const Onnx__ModelProto *m;
    must(onnx_finish(b, &m));
    m->opset_import[0]->version = means == AXES_INPUT ? 18 : form == OPERATOR ? 14 : form == MULTIPLIED ? 9 : 13;
    return m;
}

static void *packed(const Onnx__ModelProto *m, size_t *bytes)
{
    *bytes = onnx__model_proto__get_packed_size(m);
    uint8_t *file = arena_alloc(arena, *bytes);
    onnx__model_proto__pack(m, file);
    return file;
}

static ImportedModel imported(const Onnx__ModelProto *m)
{
    ImportedModel out;
    size_t bytes;
    const void *file = packed(m, &bytes);
    must(import_onnx_bytes(arena, file, bytes, "block.onnx", &out));
    return out;
}

START_TEST(every_form_is_the_same_network)
{
    begin();
    ImportedModel want = imported(block(OPERATOR, POOL));
    const char *text = json_print_compact(arena, want.model);
    ck_assert_msg(strstr(text, "hard_swish") != NULL && strstr(text, "hard_sigmoid") != NULL, "%s", text);
    for (Form form = OPERATOR; form < UNTOUCHED; form++)
        for (Mean means = POOL; means < MEANS; means++) {
            ImportedModel got = imported(block(form, means));
            ck_assert_int_eq(got.notes, want.notes);
            ck_assert_int_eq(got.arrays, want.arrays);
            for (int i = 0; i < got.arrays; i++) {
                ck_assert_str_eq(got.array[i].name, want.array[i].name);
                ck_assert_mem_eq(got.array[i].values, want.array[i].values,
                                 sizeof *got.array[i].values * (size_t)got.array[i].count);
            }
            const cJSON *a = json_get(want.model, "layers"), *c = json_get(got.model, "layers");
            for (int i = 0; i < cJSON_GetArraySize(a); i++) { /* a mean has its node's name */
                cJSON_DeleteItemFromObject(cJSON_GetArrayItem(c, i), "name");
                cJSON_DeleteItemFromObject(cJSON_GetArrayItem(c, i), "inputs");
                if (form != OPERATOR || means != POOL) continue;
                cJSON_DeleteItemFromObject(cJSON_GetArrayItem(a, i), "name");
                cJSON_DeleteItemFromObject(cJSON_GetArrayItem(a, i), "inputs");
            }
            ck_assert_str_eq(json_print_compact(arena, got.model), json_print_compact(arena, want.model));
            cJSON_Delete(got.model);
        }
    cJSON_Delete(want.model);
    end();
}
END_TEST

START_TEST(other_forms_compute_what_they_say)
{
    begin();
    const uint8_t *pixels = onnx_case_pixels(arena, (const int[]){6, 6, 3});
    double image[ONNX_CASE_IMAGES * 3 * 6 * 6];
    for (int n = 0; n < ONNX_CASE_IMAGES; n++)
        for (int i = 0; i < 36; i++)
            for (int c = 0; c < 3; c++) image[(n * 3 + c) * 36 + i] = pixels[(n * 36 + i) * 3 + c] / 255.0;
    for (Form form = OPERATOR; form < FORMS; form++) {
        if (form < UNTOUCHED && form != GATED) continue; /* operators that onnx_run does not know */
        const Onnx__ModelProto *proto = block(form, POOL);
        ImportedModel m = imported(proto);
        Model *model = onnx_case_model(arena, &m);
        cJSON_Delete(m.model);
        const float *got = onnx_case_logits(arena, model, pixels);
        const OnnxArray want = onnx_run(arena, proto, ONNX_CASE_IMAGES, image, "out");
        for (int i = 0; i < ONNX_CASE_IMAGES * 5; i++)
            ck_assert_msg(fabs((double)got[i] - want.x[i]) < 1e-4 * (1 + fabs(want.x[i])), "form %d: %g, must be %g",
                          form, (double)got[i], want.x[i]);
    }
    end();
}
END_TEST

START_TEST(integers_are_the_layers_own)
{
    begin();
    size_t bytes;
    const void *file = packed(block(DIVIDED_LAST, AXES_ATTRIBUTE), &bytes);
    must(file_write(arena, inside("block.onnx"), file, bytes));
    program_must(arena, folder,
                 "import block.onnx -o m --set data.dataset=synthetic --set data.synthetic_train=96 --set "
                 "data.synthetic_test=40");
    program_must(arena, folder, "ptq m/last.safetensors --out ptq --set ptq.images=48");
    const char *said = program_must(arena, folder, "verify ptq/model.safetensors");
    ck_assert_msg(strstr(said, " codes compared, 0 different") != NULL, "%s", said);
    end();
}
END_TEST

TEST_MAIN("import_curves", every_form_is_the_same_network, other_forms_compute_what_they_say,
          integers_are_the_layers_own)
