/* Configs as wholes: what is resolved reads back as the same, every shipped one builds, assignments and rules. */
#include <dirent.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "tests/support/fixture.h"
#include "tests/support/program.h"
#include "tests/support/suite.h"
#include "train/experiment.h"

static Config *zoo(const char *const *sets)
{
    Config *c;
    must(config_read(arena, inside("zoo.json"), sets, &c));
    return c;
}

/* The resolved text, written into folder/`run` and read from there, resolves to itself. */
static void resolves_to_itself(const Config *c, const char *run)
{
    must(file_make_dir(inside(run)));
    char *text, *resolved;
    must(config_text(arena, c, inside(run), &text));
    put_text(inside(run), "config.json", text);
    Config *again;
    must(config_read(arena, file_join(arena, inside(run), "config.json"), NULL, &again));
    must(config_text(arena, again, inside(run), &resolved));
    size_t at = 0;
    while (text[at] != 0 && text[at] == resolved[at]) at++;
    ck_assert_msg(text[at] == resolved[at], "%s: differs from byte %zu on: %.60s / %.60s", run, at, text + at,
                  resolved + at);
    ck_assert_str_eq(again->name, c->name);
    ck_assert_uint_eq(again->seed, c->seed);
}

START_TEST(every_shipped_config_builds_and_resolves)
{
    begin_zoo();
    DIR *dir = opendir("configs");
    ck_assert_ptr_nonnull(dir);
    int seen = 0;
    for (const struct dirent *e; (e = readdir(dir)) != NULL;) {
        const size_t n = strlen(e->d_name);
        if (n < 5 || strcmp(e->d_name + n - 5, ".json") != 0 || strcmp(e->d_name, "schema.json") == 0) continue;
        Config *c;
        must(config_read(arena, file_join(arena, "configs", e->d_name), NULL, &c));
        Model *m;
        must(experiment_model(arena, c, NULL, NULL, &m));
        const int outputs[] = {[TARGET_CLASS] = c->data.classes > 0 ? c->data.classes : 10,
                               [TARGET_VALUES] = 2,
                               [TARGET_TOKENS] = 256 * m->input.h,
                               [TARGET_POINTS] = 24};
        ck_assert_int_eq(m->classes, outputs[c->data.target]);
        must(experiment_model(arena, c, &c->quant, NULL, &m));
        ck_assert_msg(m->exact_pixels, "%s: the image's codes are not the pixels", e->d_name);
        resolves_to_itself(c, e->d_name);
        seen++;
    }
    closedir(dir);
    ck_assert_int_ge(seen, 8);
    end();
}
END_TEST

START_TEST(defaults_and_names)
{
    begin_zoo();
    put_text(folder, "a.b.json", "{\"data\":{\"dataset\":\"synthetic\"},\"model\":{\"input\":[4,4,1],\"layers\":[]}}");
    Config *c;
    must(config_read(arena, inside("a.b.json"), NULL, &c));
    ck_assert_str_eq(c->name, "a.b");
    ck_assert_uint_eq(c->seed, 1);
    ck_assert_int_eq(c->train.epochs, 5);
    ck_assert_int_eq(c->quant.weights.bits, 8);
    ck_assert_int_eq(c->quant.first_last_bits, 8);
    ck_assert_double_eq(c->quant.freeze_bn_at, 0.4);
    ck_assert_double_eq(c->quant.freeze_observers_at, 0.5);
    ck_assert_str_eq(rounding_names[c->quant.rounding], "xnnpack");
    ck_assert_str_eq(config_bits_text(arena, &c->quant), "W8A8");
    const PixelScale p = config_pixels(c);
    ck_assert(p.n == 1 && p.mean[0] == 0.0 && p.std[0] == 1.0);
    end();
}
END_TEST

START_TEST(assignments_reach_every_place)
{
    begin_zoo();
    static const char *const sets[] = {"seed=9007199254740992",
                                       "train.optimizer.type=adamw",
                                       "model.layers.fc.units=7",
                                       "model.layers[0].filters=9",
                                       "quant.weights.bits=4",
                                       "compare.seeds=[3,4]",
                                       "data.normalize.mean=[0.25]",
                                       "name=other",
                                       NULL};
    const Config *c = zoo(sets);
    ck_assert_uint_eq(c->seed, 9007199254740992u);
    ck_assert_str_eq(optimizer_names[c->train.optimizer.type], "adamw");
    ck_assert_int_eq(c->quant.weights.bits, 4);
    ck_assert(c->compare.seeds.n == 2 && c->compare.seeds.at[1] == 4);
    ck_assert_double_eq(c->data.normalize.mean.at[0], 0.25);
    ck_assert_str_eq(c->name, "other");
    const cJSON *first = cJSON_GetArrayItem(c->model.layers, 0), *fc = cJSON_GetArrayItem(c->model.layers, 9);
    ck_assert_int_eq(json_get(first, "filters")->valueint, 9);
    ck_assert_int_eq(json_get(fc, "units")->valueint, 7);
    resolves_to_itself(c, "run");
    end();
}
END_TEST

/* data.dir of a run directory's config leads to the same place, from wherever the program was started. */
START_TEST(data_is_found_from_the_run_directory)
{
    begin_zoo();
    must(file_make_dir(inside("data/set")));
    must(file_make_dir(inside("runs/one")));
    const char *at = strstr(zoo_config, "\"dataset\"");
    put_text(folder, "zoo.json", /* as its file says it: relative to that file */
             arena_printf(arena, "%.*s\"dir\": \"data/set\", %s", (int)(at - zoo_config), zoo_config, at));
    const char *const absolute[] = {arena_printf(arena, "data.dir=%s/data/set", folder), NULL};
    const char *const *both[] = {NULL, absolute};
    for (int i = 0; i < 2; i++) {
        const Config *c = zoo(both[i]);
        ck_assert_str_eq(c->data.path, inside("data/set"));
        char *text;
        must(config_text(arena, c, inside("runs/one"), &text));
        put_text(folder, "runs/one/config.json", text);
        Config *again;
        must(config_read(arena, inside("runs/one/config.json"), NULL, &again));
        ck_assert_str_eq(again->data.dir, "../../data/set");
        put_text(again->data.path, "found", "");
        ck_assert(file_exists(inside("data/set/found")));
        ck_assert_int_eq(remove(inside("data/set/found")), 0);
    }
    end();
}
END_TEST

START_TEST(rules_across_keys)
{
    static const struct {
        const char *set, *words;
    } refusals[] = {
        {"data.normalize={\"mean\":[0.1,0.2],\"std\":[1,1,1]}", "data.normalize: 2 means and 3 stds"},
        {"data.normalize.std=0", "data.normalize.std"},
        {"quant.first_last_bits=1", "quant.first_last_bits: 1; must be 0, or 2 to 8"},
        {"compare.first_last_bits=[8,1]", "compare.first_last_bits: 1; must be 0, or 2 to 8"},
        {"name=a/b", "name: \"a/b\"; must be a file name"},
        {"name=.hidden", "name: \".hidden\"; must be a file name"},
        {"compare.seeds=[-1]", "compare.seeds"},
        {"compare.ptq_bits=9", "compare.ptq_bits: 9; must be"},
        {"compare.observers=minmex", "compare.observers"},
        {"quant.dialect=tflite",
         "quant.dialect: \"tflite\"; must be one of: xnnpack, tflite-single, tflite-double, onnxruntime"},
        {"quant.weights.bits=0", "quant.weights.bits: 0; must be an integer, 1 to 8"},
        {"model.input=[12,12]", "model.input"},
        {"data.validation=0.6", "data.validation: 0.6; must be a number, 0 to 0.5"},
        {"train=null", "train"},
    };
    begin_zoo();
    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++) {
        const char *const sets[] = {refusals[i].set, NULL};
        Config *c;
        const Status status = config_read(arena, inside("zoo.json"), sets, &c);
        ck_assert_msg(status != STATUS_OK, "%s is accepted", refusals[i].set);
        ck_assert_msg(strstr(status_message(), refusals[i].words) != NULL, "%s: says: %s", refusals[i].set,
                      status_message());
        ck_assert_ptr_null(strchr(status_message(), '\n'));
    }
    end();
}
END_TEST

static void is_current(const char *path, const char *command)
{
    unsigned char *kept;
    size_t bytes;
    must(file_read(arena, path, 1 << 24, &kept, &bytes));
    ck_assert_msg(strcmp((char *)kept, program_must(arena, NULL, command)) == 0,
                  "%s is not what `bitfold %s` says; `make "
                  "docs` writes it again",
                  path, command);
}

START_TEST(generated_pages_are_current)
{
    begin_zoo();
    is_current("configs/schema.json", "describe --schema");
    is_current("docs/config.md", "describe --markdown");
    end();
}
END_TEST

TEST_MAIN("config", every_shipped_config_builds_and_resolves, defaults_and_names, assignments_reach_every_place,
          data_is_found_from_the_run_directory, rules_across_keys, generated_pages_are_current)
