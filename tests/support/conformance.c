#include "tests/support/conformance.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/json.h"
#include "tests/support/suite.h"

/* ---- which example failed ---------------------------------------------------------------------------------------- */

/* An assertion that fails jumps out of the test, so the example under way is told by whoever comes next: the next test,
 * the end of the program, or the signal that ends it. */
static char under_way[1024];

static void tell(void)
{
    static const char words[] = "the layer example that failed: ";
    if (under_way[0] == '\0') return;
    (void)!write(STDERR_FILENO, words, sizeof words - 1);
    (void)!write(STDERR_FILENO, under_way, strlen(under_way));
    under_way[0] = '\0';
}

static void tell_and_die(int number)
{
    tell();
    signal(number, SIG_DFL);
    raise(number);
}

static void watch(void)
{
    static bool watching;
    static const int deadly[] = {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL};
    tell();
    if (watching) return;
    watching = true;
    atexit(tell);
    for (size_t i = 0; i < sizeof deadly / sizeof deadly[0]; i++) {
        struct sigaction now;
        if (sigaction(deadly[i], NULL, &now) == 0 && now.sa_handler == SIG_DFL) signal(deadly[i], tell_and_die);
    }
}

/* Whether outputs can be -1 and 1: the network's are not, nor those of a curve or what one is made of. */
static bool can_be_signs(const Model *m, int i)
{
    const Layer *l = &m->layer[i];
    if (!l->type->gives_signs || i + 1 == m->layers) return false;
    return l->out_q->qp.is_signed && l->type->real(l).curve == NULL && m->layer[i + 1].curve_of != l->name;
}

/* An override for each layer whose output is never below 0, or for each whose outputs can be signs. */
static const char *some_overrides(Arena *arena, const char *model, const char *quantizer, bool signs)
{
    Model *m;
    ck_assert_msg(small_model_build(arena, model, "{}", &m) == STATUS_OK, "%s", status_message());
    const char *all = "";
    for (int i = 0; i < m->layers; i++) {
        const Layer *l = &m->layer[i];
        if (l->out_q == NULL || (signs ? !can_be_signs(m, i) : l->out_q->qp.is_signed)) continue;
        all = arena_printf(arena, "%s%s{\"layers\":\"%s\",\"activation_quantizer\":\"%s\"%s}", all,
                           all[0] == '\0' ? "" : ",", l->name, quantizer, signs ? ",\"activation_bits\":1" : "");
    }
    return all;
}

int conformance_turn(const QuantizerType *type)
{
    int sum = 0;
    for (const char *c = type->name; *c != '\0'; c++) sum += *c;
    return sum;
}

int conformance_bits(const QuantizerType *type, int bits)
{
    if (type->most_bits > 0 && bits > type->most_bits) return type->most_bits;
    return type->least_bits > 0 && bits < type->least_bits ? type->least_bits : bits;
}

const char *conformance_quant(Arena *arena, const char *model, const QuantizerType *type, int bits, bool per_tensor)
{
    const unsigned outputs = QUANTIZES_SIGNED | QUANTIZES_UNSIGNED;
    const bool everywhere = (type->uses & outputs) == outputs;
    const bool some = !everywhere && (type->uses & outputs) != 0, signs = (type->uses & QUANTIZES_SIGNED) != 0;
    return arena_printf(arena,
                        "{\"weights\":{\"bits\":%d,\"quantizer\":\"%s\",\"granularity\":\"%s\"},\"activations\":{"
                        "\"bits\":%d,\"quantizer\":\"%s\",\"observer\":\"minmax\",\"symmetric\":%s},"
                        "\"first_last_bits\":0,\"avgpool_input_bits\":0,\"overrides\":[%s]}",
                        (type->uses & QUANTIZES_WEIGHTS) != 0 ? conformance_bits(type, bits) : bits,
                        (type->uses & QUANTIZES_WEIGHTS) != 0 ? type->name : "observed",
                        per_tensor ? "per_tensor" : "per_channel", bits, everywhere ? type->name : "observed",
                        per_tensor ? "true" : "false", some ? some_overrides(arena, model, type->name, signs) : "");
}

const char *conformance_split_quant(Arena *arena, int number)
{
    static const char *const weights[] = {
        "\"bits\":4,\"scheme\":\"affine\"", "\"bits\":3,\"granularity\":\"per_group\",\"group_size\":8",
        "\"bits\":5,\"scheme\":\"affine\",\"granularity\":\"per_group\",\"group_size\":3",
        "\"bits\":6,\"scheme\":\"affine\",\"granularity\":\"per_tensor\""};
    return arena_printf(arena,
                        "{\"weights\":{%s},\"activations\":{\"bits\":8,\"quantizer\":\"observed\",\"observer\":"
                        "\"minmax\"},\"first_last_bits\":0,\"avgpool_input_bits\":0}",
                        weights[number % 4]);
}

/* ---- the graph --------------------------------------------------------------------------------------------------- */

static void visit_on(Arena *arena, const LayerType *type, cJSON *layer, const char *input, LayerVisitor *visit)
{
    if (input != NULL) cJSON_AddStringToObject(layer, "inputs", input);
    cJSON *named = cJSON_Duplicate(layer, true);
    cJSON_AddStringToObject(named, "name", "tested");
    const char *example = json_print_compact(arena, layer);
    const char *model = arena_printf(
        arena,
        "{\"input\":[8,8,4],\"layers\":["
        "{\"type\":\"conv2d\",\"name\":\"a\",\"inputs\":\"input\",\"filters\":4,\"kernel\":1,\"activation\":\"relu\"},"
        "{\"type\":\"conv2d\",\"name\":\"b\",\"inputs\":\"input\",\"filters\":4,\"kernel\":1},"
        "{\"type\":\"dense\",\"name\":\"c\",\"inputs\":\"input\",\"units\":4},%s,"
        "{\"type\":\"dense\",\"name\":\"d\",\"inputs\":\"tested\",\"units\":6},"
        "{\"type\":\"dense\",\"name\":\"e\",\"inputs\":\"a\",\"units\":3},"
        "{\"type\":\"dense\",\"name\":\"f\",\"inputs\":\"b\",\"units\":3},"
        "{\"type\":\"concat\",\"name\":\"g\",\"inputs\":[\"d\",\"e\",\"f\",\"c\"]},"
        "{\"type\":\"dense\",\"name\":\"logits\",\"units\":5}]}",
        json_print_compact(arena, named));
    snprintf(under_way, sizeof under_way, "%s\n", example);
    visit(type, example, model);
    under_way[0] = '\0';
    cJSON_Delete(named);
    if (input != NULL) cJSON_DeleteItemFromObject(layer, "inputs");
}

static void visit_all(const LayerType *type, LayerVisitor *visit)
{
    if (type->looks_up) return; /* it reads the image alone: test_tokens */
    watch();
    ck_assert_msg(type->examples != NULL && type->examples[0] != NULL, "%s: no example", type->name);
    Arena *arena = arena_create();
    for (const char *const *example = type->examples; *example != NULL; example++) {
        cJSON *layer;
        ck_assert_msg(json_parse(*example, strlen(*example), type->name, &layer) == STATUS_OK, "%s", status_message());
        if (json_get(layer, "inputs") != NULL) {
            visit_on(arena, type, layer, NULL, visit);
        } else {
            visit_on(arena, type, layer, "a", visit);
            visit_on(arena, type, layer, "b", visit);
        }
        cJSON_Delete(layer);
    }
    arena_destroy(arena);
}

void for_each_layer_example(LayerVisitor *visit)
{
    for (int k = 0; layer_types[k] != NULL; k++) visit_all(layer_types[k], visit);
}
