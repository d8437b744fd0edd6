/* Rows of a table as patches of its config: compare.rows, compare.grid, what is wrong with them, and --resume. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "report/compare_rows.h"
#include "tests/support/fixture.h"
#include "tests/support/json_values.h"
#include "tests/support/program.h"
#include "tests/support/suite.h"

static Outcome run(const char *command) { return program_run(arena, &(Where){.folder = folder}, command); }

/* zoo.json with these keys of compare in place of its own. */
static void put_config(const char *name, const char *compare)
{
    const char *at = strstr(zoo_config, "\"compare\": {");
    ck_assert_ptr_nonnull(at);
    put_text(folder, name,
             arena_printf(arena, "%.*s\"compare\": {%s}}\n", (int)(at - zoo_config), zoo_config, compare));
}

static const cJSON *row_named(const cJSON *json, const char *name)
{
    const cJSON *row;
    cJSON_ArrayForEach(row, json_get(json, "rows")) if (strcmp(text(row, "name"), name) == 0) return row;
    ck_abort_msg("no row \"%s\"", name);
}

static const char *names_of(const cJSON *json)
{
    const char *names = "";
    const cJSON *row;
    cJSON_ArrayForEach(row, json_get(json, "rows")) names =
        arena_printf(arena, "%s%s%s", names, names[0] == '\0' ? "" : ", ", text(row, "name"));
    return names;
}

static const char few[] =
    "\"rows\": [{\"name\": \"stem 8/all\", \"kind\": \"qat\", \"quant\": {\"weights\": {\"bits\": 4}}, "
    "\"quant.activations.bits\": 5, \"quant.overrides\": [{\"layers\": \"stem\", \"weight_bits\": 6}]}, "
    "{\"name\": \"mse\", \"kind\": \"ptq\", \"quant.activations.observer\": \"mse\"}]";

START_TEST(rows_are_patches)
{
    begin_zoo();
    put_config("rows.json", few);
    cJSON *json = program_json(arena, folder, "compare rows.json --quiet --out t");
    ck_assert_str_eq(names_of(json), "float, stem 8/all, mse"); /* and not those that are there without rows */
    const cJSON *row = row_named(json, "stem 8/all");
    ck_assert_str_eq(text(row, "kind"), "qat");
    ck_assert(number(row, "weight_bits") == 6 && number(row, "act_bits") == 5);
    ck_assert_str_eq(text(row_named(json, "mse"), "observer"), "mse");
    cJSON_Delete(json);
    ck_assert(file_exists(inside("t/stem-8-all-seed3/last.safetensors")));
    ck_assert(file_exists(inside("t/mse-seed3/model.safetensors")));
    const char *config = text_of("t/stem-8-all-seed3/config.json");
    ck_assert_msg(strstr(config, "\"weight_bits\": 6") != NULL, "%s", config);
    ck_assert_ptr_nonnull(strstr(text_of("t/compare.csv"), "\r\nstem 8/all,qat,6,5,"));
    ck_assert_ptr_nonnull(strstr(text_of("t/report.html"), "stem 8/all"));
    ck_assert_ptr_nonnull(strstr(text_of("t/run.json"), "\"stem 8/all\""));
    /* The table's config is one again, and gives the same table. */
    program_must(arena, folder, "compare t/config.json --quiet --out again");
    ck_assert_str_eq(text_of("t/compare.csv"), text_of("again/compare.csv"));
    end();
}
END_TEST

START_TEST(a_grid_is_a_product)
{
    begin_zoo();
    put_config("grid.json",
               "\"grid\": [[{\"name\": \"ptq\", \"kind\": \"ptq\"}, {\"name\": \"qat\", \"kind\": \"qat\"}], "
               "[{\"name\": \"W8\"}, {\"name\": \"W4\", \"quant.weights.bits\": 4, \"qat.epochs\": 1}], "
               "[{\"quant\": {\"activations\": {\"bits\": 8}}}]], \"ptq_bits\": []");
    cJSON *json = program_json(arena, folder, "compare grid.json --quiet --out t");
    ck_assert_str_eq(names_of(json), "float, ptq W8, ptq W4, qat W8, qat W4");
    ck_assert(number(row_named(json, "ptq W4"), "weight_bits") == 4);
    cJSON_Delete(json);
    ck_assert_ptr_nonnull(strstr(text_of("t/qat-W4-seed3/config.json"), "\"epochs\": 1"));
    end();
}
END_TEST

/* The short keys stand for patches: the same row written out is the same model and has the same numbers. */
START_TEST(short_keys_are_patches)
{
    begin_zoo();
    program_must(arena, folder, "compare zoo.json --quiet --out short --set compare.granularities=per_tensor");
    put_config("long.json",
               "\"rows\": [{\"name\": \"ptq W8A8 per_tensor minmax\", \"kind\": \"ptq\", "
               "\"quant.weights.granularity\": \"per_tensor\", \"quant.activations.observer\": \"minmax\"}, "
               "{\"name\": \"qat W4A4 ends 8\", \"kind\": \"qat\", \"quant.weights.bits\": 4, "
               "\"quant.activations.bits\": 4}]");
    program_must(arena, folder, "compare long.json --quiet --out long");
    ck_assert_str_eq(text_of("short/compare.csv"), text_of("long/compare.csv"));
    static const char *const files[] = {"qat-W4A4-ends-8-seed3/last.safetensors",
                                        "ptq-W8A8-per_tensor-minmax-seed3/model.safetensors",
                                        "float-seed3/last.safetensors"};
    for (int i = 0; i < 3; i++) {
        unsigned char *a, *b;
        size_t n, m;
        must(file_read(arena, inside(arena_printf(arena, "short/%s", files[i])), 1 << 24, &a, &n));
        must(file_read(arena, inside(arena_printf(arena, "long/%s", files[i])), 1 << 24, &b, &m));
        ck_assert_msg(n == m && memcmp(a, b, n) == 0, "%s", files[i]);
    }
    end();
}
END_TEST

/* A row whose float network is another one has a float row of its own. */
START_TEST(another_float_network_is_trained)
{
    begin_zoo();
    put_config("c.json",
               "\"rows\": [{\"name\": \"s\", \"kind\": \"ptq\", \"train.label_smoothing\": 0.1}, {\"name\": \"s4\", "
               "\"kind\": \"qat\", \"train.label_smoothing\": 0.1, \"quant.weights.bits\": 4}, {\"name\": \"p\", "
               "\"kind\": \"ptq\"}]");
    cJSON *json = program_json(arena, folder, "compare c.json --quiet --out t");
    ck_assert_str_eq(names_of(json), "float, float of s, s, s4, p");
    cJSON_Delete(json);
    ck_assert_ptr_nonnull(strstr(text_of("t/float-of-s-seed3/config.json"), "\"label_smoothing\": 0.1"));
    ck_assert_ptr_null(strstr(text_of("t/float-seed3/config.json"), "\"label_smoothing\": 0.1"));
    end();
}
END_TEST

static const struct {
    const char *compare;
    const char *words[3];
} bad[] = {
    {"\"rows\": [{\"name\": \"a\", \"kind\": \"qat\", \"quant\": {\"weights\": {\"bitz\": 4}}}]",
     {"compare.rows[0] (\"a\"): ", "quant.weights", "did you mean \"bits\"?"}},
    {"\"rows\": [{\"name\": \"a\", \"kind\": \"qat\", \"qunat.weights.bits\": 4}]",
     {"compare.rows[0] (\"a\"): ", "\"qunat\"", "did you mean \"quant\"?"}},
    {"\"rows\": [{\"name\": \"a\", \"kind\": \"ptq\"}, {\"name\": \"b\", \"kind\": \"qat\", \"quant.weights.bits\": "
     "9}]",
     {"compare.rows[1] (\"b\"): quant.weights.bits: 9; must be"}},
    {"\"rows\": [{\"name\": \"a\", \"kind\": \"ptq\"}, {\"name\": \"a\", \"kind\": \"qat\"}]",
     {"compare.rows[1] (\"a\"): name: another row has it"}},
    {"\"rows\": [{\"name\": \"float\", \"kind\": \"ptq\"}]", {"compare.rows[0] (\"float\"): name: another row has it"}},
    {"\"rows\": [{\"name\": \"qat W4A4 ends 8\", \"kind\": \"ptq\"}], \"qat_bits\": 4", {"name: another row has it"}},
    {"\"rows\": [{\"name\": \"a\", \"kind\": \"ptq\", \"qat.epochs\": 4}]",
     {"compare.rows[0] (\"a\"): qat.epochs: has no effect on a row of kind ptq"}},
    {"\"rows\": [{\"name\": \"a\", \"kind\": \"float\", \"quant\": {\"weights\": {\"bits\": 4}}}]",
     {"compare.rows[0] (\"a\"): quant.weights.bits: has no effect on a row of kind float"}},
    {"\"rows\": [{\"name\": \"a\", \"kind\": \"qat\", \"quant.weights.bits\": 8}]",
     {"compare.rows[0] (\"a\"): quant.weights.bits: is 8 without the patch, too"}},
    {"\"rows\": [{\"name\": \"a\", \"kind\": \"ptq\"}, {\"name\": \"b\", \"kind\": \"ptq\"}]",
     {"compare.rows[1] (\"b\"): its patch has no effect: \"a\" is the same row"}},
    {"\"rows\": [{\"name\": \"a\", \"kind\": \"float\"}]", {"compare.rows[0] (\"a\"): ", "\"float\" is the same row"}},
    {"\"rows\": [{\"name\": \"a\", \"kind\": \"ptq\", \"data\": {\"dir\": \"x\"}}]",
     {"compare.rows[0] (\"a\"): data.dir: all rows share the data"}},
    {"\"rows\": [{\"name\": \"a\", \"kind\": \"ptq\", \"seed\": 4}]", {"(\"a\"): seed: is the table's"}},
    {"\"rows\": [{\"name\": \"a\"}]", {"compare.rows[0] (\"a\"): kind: missing; must be one of: float, ptq, qat"}},
    {"\"rows\": [{\"name\": \"a\", \"kind\": \"qta\"}]", {"kind: \"qta\"; must be one of", "did you mean \"qat\"?"}},
    {"\"rows\": [{\"kind\": \"qat\"}]", {"compare.rows[0].name: missing; must be a string of 1 to 100 bytes"}},
    {"\"rows\": {}", {"compare.rows: {}; must be a list of objects"}},
    {"\"grid\": [[{\"name\": \"a\", \"kind\": \"qat\"}], []]", {"compare.grid[1]: []; must have a patch"}},
    {"\"grid\": [[{\"kind\": \"qat\"}]]", {"compare.grid: row 1 of the product has no name"}},
    {"\"grid\": [[{\"name\": \"a\", \"kind\": \"ptq\"}], [{\"name\": \"b\"}, {\"name\": \"c\", \"qat.epochs\": 7}]]",
     {"compare.grid (\"a c\"): qat.epochs: has no effect on this or any other row"}},
    {"\"rows\": [{\"name\": \"a\", \"kind\": \"qat\", \"quant.overrides\": [{\"layers\": \"stm\", \"weight_bits\": "
     "4}]}]",
     {"compare.rows[0] (\"a\"): ", "quant.overrides[0]", "did you mean \"stem\"?"}},
};

START_TEST(what_is_wrong_is_named_by_row_and_key)
{
    begin_zoo();
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        put_config("c.json", bad[i].compare);
        const Outcome o = run("compare c.json --quiet --out t");
        ck_assert_msg(o.code == 1 && line_count(o.err) == 1, "%s: exit %d: %s", bad[i].compare, o.code, o.err);
        ck_assert_ptr_nonnull(strstr(o.err, "c.json: "));
        for (int k = 0; k < 3 && bad[i].words[k] != NULL; k++)
            ck_assert_msg(strstr(o.err, bad[i].words[k]) != NULL, "%s: \"%s\" lacks \"%s\"", bad[i].compare, o.err,
                          bad[i].words[k]);
        ck_assert_msg(!file_exists(inside("t")), "%s: leaves a folder", bad[i].compare);
    }
    end();
}
END_TEST

START_TEST(folders_are_safe_and_distinct)
{
    begin_zoo();
    ck_assert_str_eq(row_file_name(arena, "../a b\\c:\"d\"*"), "-.-a-b-c--d--");
    ck_assert_str_eq(row_file_name(arena, "W4A4+x_1.5"), "W4A4+x_1.5");
    put_config("c.json", "\"rows\": [{\"name\": \"a b\", \"kind\": \"ptq\"}, {\"name\": \"A/B\", \"kind\": \"ptq\", "
                         "\"ptq.images\": 16}, {\"name\": \"a-b\", \"kind\": \"ptq\", \"ptq.images\": 17}]");
    program_must(arena, folder, "compare c.json --quiet --out t");
    ck_assert(file_exists(inside("t/a-b-seed3/model.safetensors")));
    ck_assert(file_exists(inside("t/A-B-2-seed3/model.safetensors")));
    ck_assert(file_exists(inside("t/a-b-3-seed3/model.safetensors")));
    end();
}
END_TEST

static const char *listing(const char *row) { return folder_listing(arena, inside(row), NULL); }

/* The line of its checkpoint in a row's listing. */
static const char *checkpoint(const char *row)
{
    const char *line = strstr(listing(row), "last.safetensors ");
    ck_assert_ptr_nonnull(line);
    return arena_printf(arena, "%.*s", (int)strcspn(line, "\n"), line);
}

START_TEST(resume_makes_what_changed)
{
    begin_zoo();
    put_config("c.json", few);
    program_must(arena, folder, "compare c.json --quiet --out t");
    const char *float_was = listing("t/float-seed3"), *qat = listing("t/stem-8-all-seed3"),
               *ptq = listing("t/mse-seed3");
    /* Another observer in one of the rows: its calibration is made again, nothing else. */
    const char *at = strstr(few, "\"mse\"}]");
    put_config("c.json", arena_printf(arena, "%.*s\"entropy\"}]", (int)(at - few), few));
    Outcome o = run("compare c.json --out t --resume");
    ck_assert_msg(o.code == 0, "%s", o.err);
    ck_assert_msg(strstr(o.err, "note: mse: made again: other config: quant.activations.observer is \"entropy\", was "
                                "\"mse\"") != NULL,
                  "%s", o.err);
    ck_assert_ptr_null(strstr(o.err, "stem 8/all: made again"));
    ck_assert_str_ne(ptq, listing("t/mse-seed3"));
    program_must(arena, folder, "compare c.json --quiet --out fresh");
    ck_assert_str_eq(text_of("t/compare.csv"), text_of("fresh/compare.csv"));
    /* Everything hangs on the float network. */
    o = run("compare c.json --out t --resume --set train.label_smoothing=0.05");
    ck_assert_msg(o.code == 0, "%s", o.err);
    static const char *const words[] = {"note: float: made again: other config: train.label_smoothing is 0.05, was 0",
                                        "note: mse: made again: the row it starts from is another one",
                                        "note: stem 8/all: made again"};
    for (int i = 0; i < 3; i++) ck_assert_msg(strstr(o.err, words[i]) != NULL, "\"%s\" is not in: %s", words[i], o.err);
    ck_assert_str_ne(float_was, listing("t/float-seed3"));
    ck_assert_str_ne(qat, listing("t/stem-8-all-seed3"));
    end();
}
END_TEST

/* Not a byte of what was trained and calibrated; with the digests, and without, as earlier versions left tables. */
START_TEST(resume_keeps_what_did_not_change)
{
    begin_zoo();
    put_config("c.json", few);
    program_must(arena, folder, "compare c.json --quiet --out t");
    static const char *const rows[] = {"float-seed3", "stem-8-all-seed3", "mse-seed3"};
    static const char *const files[] = {"last.safetensors", "last.safetensors", "model.safetensors"};
    struct stat before[3], after;
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(stat(inside(arena_printf(arena, "t/%s/%s", rows[i], files[i])), &before[i]), 0);
    for (int pass = 0; pass < 2; pass++) {
        const Outcome o = run("compare c.json --out t --resume");
        ck_assert_msg(o.code == 0 && strstr(o.err, "made again") == NULL && strstr(o.err, "epoch 1/") == NULL,
                      "exit %d: %s", o.code, o.err);
        for (int i = 0; i < 3; i++) {
            ck_assert_int_eq(stat(inside(arena_printf(arena, "t/%s/%s", rows[i], files[i])), &after), 0);
            ck_assert_msg(after.st_ino == before[i].st_ino && after.st_mtim.tv_nsec == before[i].st_mtim.tv_nsec, "%s",
                          rows[i]);
            if (pass == 0) ck_assert_int_eq(unlink(inside(arena_printf(arena, "t/%s/row.json", rows[i]))), 0);
        }
    }
    end();
}
END_TEST

/* One row runs away: the others are there, the table says why it is not, and --resume makes it alone. */
START_TEST(a_row_that_fails_is_not_the_end)
{
    begin_zoo();
    static const char rows[] = "\"rows\": [{\"name\": \"wild\", \"kind\": \"qat\", \"qat.lr\": %s, "
                               "\"qat.schedule.warmup\": 0}, {\"name\": \"calm\", \"kind\": \"qat\", "
                               "\"quant.weights.bits\": 4}, {\"name\": \"p\", \"kind\": \"ptq\"}]";
    const char *at = strstr(rows, "%s");
    put_config("c.json", arena_printf(arena, "%.*s1e25%s", (int)(at - rows), rows, at + 2));
    Outcome o = run("compare c.json --quiet --out t");
    ck_assert_msg(o.code == 1 && strstr(o.err, "wild: training: step ") != NULL, "exit %d: %s", o.code, o.err);
    ck_assert_ptr_nonnull(strstr(o.out, "\nwild "));
    ck_assert_ptr_nonnull(strstr(o.out, "  failed: training: step "));
    ck_assert_ptr_nonnull(strstr(o.out, "\ncalm "));
    const char *csv = text_of("t/compare.csv");
    ck_assert_ptr_nonnull(strstr(csv, "p_value,error\r\n"));
    ck_assert_ptr_nonnull(strstr(csv, "\r\ncalm,qat,4,8,"));
    ck_assert_ptr_nonnull(strstr(csv, "training: step "));
    const char *page = text_of("t/report.html");
    ck_assert_ptr_nonnull(strstr(page, "<li><b>wild</b>: training: step "));
    ck_assert(!file_exists(inside("t/wild-seed3/model.safetensors")));
    o = run("compare c.json --quiet --json --out t --resume");
    ck_assert_int_eq(o.code, 1);
    ck_assert_ptr_nonnull(strstr(o.out, "\"error\""));
    const char *calm = checkpoint("t/calm-seed3");
    put_config("c.json", arena_printf(arena, "%.*s0.01%s", (int)(at - rows), rows, at + 2));
    program_must(arena, folder, "compare c.json --quiet --out t --resume");
    ck_assert_str_eq(calm, checkpoint("t/calm-seed3"));
    ck_assert_ptr_null(strstr(text_of("t/compare.csv"), "error"));
    ck_assert(file_exists(inside("t/wild-seed3/last.safetensors")));
    end();
}
END_TEST

/* Without its float network a row is not made; the table says so of each. */
START_TEST(a_float_row_that_fails)
{
    begin_zoo();
    put_config("c.json", "\"rows\": [{\"name\": \"p\", \"kind\": \"ptq\"}, {\"name\": \"other\", \"kind\": \"ptq\", "
                         "\"train.optimizer.lr\": 0.01}]");
    const Outcome o = run("compare c.json --quiet --json --out t --set train.optimizer.lr=1e25 --set "
                          "train.schedule.warmup=0");
    ck_assert_msg(o.code == 1 && strstr(o.err, "float: training: step ") != NULL, "exit %d: %s", o.code, o.err);
    ck_assert_ptr_nonnull(strstr(o.err, "(and 1 row more)"));
    cJSON *json = NULL;
    must(json_parse(o.out, strlen(o.out), "stdout", &json));
    ck_assert_ptr_nonnull(strstr(text(row_named(json, "p"), "error"), "\"float\", which it starts from, failed"));
    ck_assert(number(row_named(json, "other"), "accuracy") > 0.0);
    cJSON_Delete(json);
    ck_assert(file_exists(inside("t/compare.csv")) && !file_exists(inside("t/report.html")));
    end();
}
END_TEST

/* Each width begins with the network of the one before, and is made again where that is. */
START_TEST(progressive_rows_begin_with_the_one_before)
{
    begin_zoo();
    put_config("c.json", "\"progressive\": [8, 4, 2]");
    cJSON *json = program_json(arena, folder, "compare c.json --quiet --out t");
    ck_assert_str_eq(names_of(json), "float, progressive W8A8, progressive W4A4 ends 8, progressive W2A2 ends 8");
    cJSON_Delete(json);
    /* The second row by hand, from the first one's model. */
    program_must(arena, folder,
                 "qat t/progressive-W8A8-seed3/last.safetensors --quiet --out hand --set quant.weights.bits=4 --set "
                 "quant.activations.bits=4");
    ck_assert_str_eq(text_of("hand/metrics.jsonl"), text_of("t/progressive-W4A4-ends-8-seed3/metrics.jsonl"));
    const char *table = arena_strdup(arena, text_of("t/compare.csv"));
    ck_assert_int_eq(rename(inside("t/progressive-W2A2-ends-8-seed3"), inside("gone")), 0);
    program_must(arena, folder, "compare c.json --quiet --out t --resume");
    ck_assert_str_eq(text_of("t/compare.csv"), table);
    ck_assert_str_eq(text_of("gone/metrics.jsonl"), text_of("t/progressive-W2A2-ends-8-seed3/metrics.jsonl"));
    Outcome o = run("compare c.json --out t --resume --set compare.progressive=[8,2]");
    ck_assert_int_eq(o.code, 0);
    has(o.err, "note: progressive W2A2 ends 8: made again: the row it starts from is another one");
    end();
}
END_TEST

START_TEST(progressive_widths_must_fall)
{
    begin_zoo();
    static const char *const lists[] = {"[4, 8]", "[8, 4, 4]", "[9, 4]", "[4, 0]"};
    static const char *const words[] = {
        "compare.progressive[1]: 8 bits after 4; each width must be less than the one before",
        "compare.progressive[2]: 4 bits after 4", "compare.progressive[0]: 9", "compare.progressive[1]: 0"};
    for (int i = 0; i < 4; i++) {
        put_config("c.json", arena_printf(arena, "\"progressive\": %s", lists[i]));
        program_refuses(arena, folder, "compare c.json --quiet --out t", words[i]);
        ck_assert(!file_exists(inside("t")));
    }
    end();
}
END_TEST

TEST_MAIN("compare rows", rows_are_patches, a_grid_is_a_product, short_keys_are_patches,
          another_float_network_is_trained, what_is_wrong_is_named_by_row_and_key, folders_are_safe_and_distinct,
          resume_makes_what_changed, resume_keeps_what_did_not_change, a_row_that_fails_is_not_the_end,
          a_float_row_that_fails, progressive_rows_begin_with_the_one_before, progressive_widths_must_fall)
