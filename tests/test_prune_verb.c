/* The verb prune: budgets are kept, and what is left is a model as any. */
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "tests/support/fixture.h"
#include "tests/support/json_values.h"
#include "tests/support/program.h"
#include "tests/support/suite.h"

static void begin_trained(void)
{
    begin_zoo();
    program_must(arena, folder, "train zoo.json --quiet --out f");
}

static double of(const cJSON *json, const char *part, const char *key) { return number(json_get(json, part), key); }

START_TEST(budgets_are_kept)
{
    begin_trained();
    cJSON *json = program_json(arena, folder, "prune f --quiet --macs 0.5 --out half");
    const double whole = of(json, "before", "macs"), half = of(json, "after", "macs");
    ck_assert(half <= 0.5 * whole && half > 0.35 * whole);
    const double flash = of(json, "before", "flash_bytes"), ram = of(json, "before", "ram_bytes");
    ck_assert_double_eq(of(json, "pruned", "accuracy"), of(json, "after", "accuracy"));
    cJSON_Delete(json);
    json = program_json(arena, folder, "inspect half");
    double inspected = 0;
    const cJSON *layer;
    cJSON_ArrayForEach(layer, json_get(json, "layers")) inspected += number(layer, "macs");
    ck_assert_double_eq(inspected, half);
    cJSON_Delete(json);
    static const char *const scores[] = {"taylor", "l1"};
    for (int i = 0; i < 2; i++) {
        json = program_json(arena, folder,
                            arena_printf(arena, "prune f --quiet --flash %.0f --ram %.0f --score %s --out b%d",
                                         0.7 * flash, 0.8 * ram, scores[i], i));
        ck_assert(of(json, "after", "flash_bytes") <= 0.7 * flash && of(json, "after", "ram_bytes") <= 0.8 * ram);
        ck_assert_str_eq(cJSON_GetStringValue(json_get(json, "score")), scores[i]);
        cJSON_Delete(json);
    }
    json = program_json(arena, folder, "prune f --quiet --cycles 0.7 --out c");
    ck_assert(of(json, "after", "cycles") <= 0.7 * of(json, "before", "cycles"));
    cJSON_Delete(json);
    end();
}
END_TEST

/* The result is a run directory as any: it is trained, quantized, verified, exported, compared. */
START_TEST(what_is_left_is_an_ordinary_model)
{
    begin_trained();
    has(program_must(arena, folder, "prune f --quiet --macs 0.6 --steps 2 --epochs 2 --out p"), "test accuracy");
    ck_assert(file_exists(inside("p/step1/last.safetensors")) && file_exists(inside("p/metrics.jsonl")));
    program_must(arena, folder, "train p --quiet --resume --set train.epochs=3");
    program_must(arena, folder, "ptq p --quiet --out q");
    has(program_must(arena, folder, "verify q"), " 0 different");
    program_must(arena, folder, "qat p --quiet --out r --set qat.teacher=f");
    has(program_must(arena, folder, "verify r"), " 0 different");
    program_must(arena, folder, "export r -o m.c --quiet");
    program_must(arena, folder, "prune f --quiet --macs 0.6 --epochs 1 --threads 1 --out a --set train.teacher=f");
    program_must(arena, folder, "prune f --quiet --macs 0.6 --epochs 1 --threads 3 --out b --set train.teacher=f");
    unsigned char *x, *y;
    size_t n, k;
    must(file_read(arena, inside("a/last.safetensors"), 1 << 24, &x, &n));
    must(file_read(arena, inside("b/last.safetensors"), 1 << 24, &y, &k));
    ck_assert(n == k && memcmp(x, y, n) == 0);
    has(text_of("a/run.json"), "model with CRC-32");
    program_must(arena, folder, "prune f --quiet --overwrite --macs 0.8 --out p");
    ck_assert(!file_exists(inside("p/step1")));
    end();
}
END_TEST

START_TEST(what_cannot_be_pruned_is_refused)
{
    begin_trained();
    program_must(arena, folder, "ptq f --quiet --out q");
    static const char *const bad[][2] = {
        {"prune f --out x", "no budget; --macs, --flash, --ram or --cycles is required"},
        {"prune zoo.json --macs 0.5 --out x", "a config; pruning starts from a model that is trained"},
        {"prune q --macs 0.5 --out x", "pruning starts from a float model"},
        {"prune f --macs none --out x", "--macs: \"none\"; must be a share between 0 and 1"},
        {"prune f --macs 0.5 --score best --out x", "--score: \"best\"; must be taylor, l1 or gamma"},
        {"prune f --macs 0.5 --score gamma --out x", "layer \"side\": no batch norm"},
        {"prune f --macs 0.0001 --out x", "layer \"logits\": its outputs are the network's"},
        {"prune f --macs 900M --out x", "is within the budgets as it is"},
        {"prune f --flash 1 --out x", "the smallest network that is left takes flash"},
        {"prune f --macs 0.5 --out x --set model.layers.fc.units=7",
         "must be the network and the classes of the model"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        program_refuses(arena, folder, bad[i][0], bad[i][1]);
        ck_assert(!file_exists(inside("x")));
    }
    end();
}
END_TEST

TEST_MAIN("prune_verb", budgets_are_kept, what_is_left_is_an_ordinary_model, what_cannot_be_pruned_is_refused)
