/* The verb search: what it delivers keeps its promise, its costs are those of the export, it goes on where it was cut
 * short, what it is not given right it refuses. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/file.h"
#include "base/json.h"
#include "tests/support/fixture.h"
#include "tests/support/json_values.h"
#include "tests/support/program.h"
#include "tests/support/suite.h"

static const char net[] =
    "{\"seed\": 3, \"data\": {\"dataset\": \"synthetic\", \"synthetic_train\": 400, \"synthetic_test\": 60, "
    "\"classes\": 4, \"validation\": 0.3},"
    "\"model\": {\"input\": [8, 8, 2], \"layers\": ["
    "{\"type\": \"conv2d\", \"name\": \"c1\", \"filters\": 8, \"kernel\": 3, \"batch_norm\": true, \"activation\": "
    "\"relu\"},"
    "{\"type\": \"conv2d\", \"name\": \"c2\", \"filters\": 8, \"kernel\": 3, \"activation\": \"relu\"},"
    "{\"type\": \"add\", \"name\": \"a\", \"inputs\": [\"c1\", \"c2\"]},"
    "{\"type\": \"maxpool\", \"kernel\": 2}, {\"type\": \"flatten\"},"
    "{\"type\": \"dense\", \"name\": \"logits\", \"units\": 4}]},"
    "\"train\": {\"epochs\": 3, \"batch\": 20, \"optimizer\": {\"lr\": 0.05}}, \"qat\": {\"epochs\": 1}}";

static void begin_trained(void)
{
    begin();
    put_text(folder, "net.json", net);
    program_must(arena, folder, "train net.json --out f --quiet");
}

/* What `inspect --target c` says of the model is what the search said. */
static void costs_are_the_exports(const cJSON *found, const char *run)
{
    cJSON *c = program_json(arena, folder, arena_printf(arena, "inspect %s --target c --quiet", run));
    ck_assert_double_eq(number(c, "flash_bytes"), number(found, "flash_bytes"));
    ck_assert_double_eq(number(c, "arena_bytes"), number(found, "ram_bytes"));
    ck_assert_double_eq_tol(number(c, "cycles"), number(found, "cycles"), 1); /* each rounded */
    cJSON_Delete(c);
}

START_TEST(a_tolerance_is_kept)
{
    begin_trained();
    static const char *const methods[] = {"exact", "lagrange", "greedy", "binary", "pareto", "learned"};
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++) {
        cJSON *json = program_json(
            arena, folder,
            arena_printf(arena, "search f --out s --overwrite --tolerance 1.7 --images 120 --quiet --method %s",
                         methods[i]));
        ck_assert_msg(cJSON_IsTrue(json_get(json, "within")), "%s", methods[i]);
        ck_assert_double_le(number(json, "drop"), 1.7);
        cJSON *held_out = program_json(arena, folder, "eval s --split validation --quiet");
        ck_assert_double_eq_tol(number(held_out, "accuracy"), number(json, "accuracy"), 1e-9); /* all 120 of them */
        cJSON_Delete(held_out);
        costs_are_the_exports(json, "s");
        cJSON *test = program_json(arena, folder, "eval s --quiet");
        ck_assert_double_eq(number(test, "accuracy"), number(json_get(json, "test"), "accuracy"));
        cJSON_Delete(test);
        cJSON_Delete(json);
    }
    program_must(arena, folder, "verify s --quiet");
    end();
}
END_TEST

START_TEST(the_config_says_what_was_found)
{
    begin_trained();
    cJSON *json = program_json(arena, folder, "search f --out s --flash 700 --images 120 --quiet --formats 8,4,2");
    ck_assert_double_le(number(json, "flash_bytes"), 700);
    costs_are_the_exports(json, "s");
    const cJSON *formats = json_get(json, "formats"), *override;
    ck_assert_int_eq(cJSON_GetArraySize(formats), 4); /* c1, c2, a, logits */
    cJSON *config;
    must(json_read(arena, inside("s/config.json"), &config));
    cJSON_ArrayForEach(override, json_get(json_get(config, "quant"), "overrides"))
    {
        const cJSON *weights = json_get(override, "weight_format");
        if (strcmp(weights->valuestring, "auto") == 0) continue; /* a, which has none */
        ck_assert_str_eq(weights->valuestring,
                         json_get(formats, json_get(override, "layers")->valuestring)->valuestring);
    }
    cJSON_Delete(config);
    cJSON_Delete(json);
    has(text_of("s/why.txt"), "weights of c1: int");
    has(text_of("s/pareto.csv"),
        "flash_bytes,ram_bytes,cycles,bops,accuracy,loss,kl,drop,predicted,front,chosen,weights c1");

    /* What was found trains, and a second run of the config gives a network of that size. */
    json = program_json(arena, folder, "search f --out t --flash 700 --images 120 --quiet --qat");
    ck_assert(cJSON_IsNumber(json_get(json_get(json_get(json, "qat"), "test"), "accuracy")));
    cJSON_Delete(json);
    program_must(arena, folder, "verify t/qat --quiet");
    cJSON *c = program_json(arena, folder, "inspect t/qat --target c --quiet");
    ck_assert_double_le(number(c, "flash_bytes"), 700);
    cJSON_Delete(c);
    end();
}
END_TEST

static void folders_are_equal(void)
{
    const char *const files[] = {"config.json", "model.safetensors", "pareto.csv",
                                 "search.json", "sensitivity.json",  "why.txt"};
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        unsigned char *a, *b;
        size_t n, m;
        must(file_read(arena, inside(arena_printf(arena, "a/%s", files[i])), 1 << 24, &a, &n));
        must(file_read(arena, inside(arena_printf(arena, "b/%s", files[i])), 1 << 24, &b, &m));
        ck_assert_msg(n == m && memcmp(a, b, n) == 0, "%s", files[i]);
    }
}

START_TEST(it_goes_on_where_it_was_cut_short)
{
    begin_trained();
    program_must(arena, folder, "search f --out a --tolerance 1 --images 60 --method greedy --quiet");
    program_must(arena, folder, "search f --out b --tolerance 1 --images 60 --method greedy --quiet");
    /* As after the third network: the rest is made again. */
    cJSON *json;
    must(json_read(arena, inside("b/search.json"), &json));
    cJSON *networks = cJSON_GetObjectItem(json, "networks");
    ck_assert_int_gt(cJSON_GetArraySize(networks), 4);
    while (cJSON_GetArraySize(networks) > 3) cJSON_DeleteItemFromArray(networks, 3);
    put_text(folder, "b/search.json", json_print(arena, json));
    cJSON_Delete(json);
    ck_assert_int_eq(remove(inside("b/pareto.csv")), 0);
    ck_assert_int_eq(remove(inside("b/model.safetensors")), 0);
    program_must(arena, folder, "search f --out b --tolerance 1 --images 60 --method greedy --quiet --resume");
    folders_are_equal();
    end();
}
END_TEST

static void wait_for(const char *name)
{
    for (int ms = 0; ms < 60000 && !file_exists(inside(name)); ms++) nanosleep(&(struct timespec){0, 1000000}, NULL);
    ck_assert_msg(file_exists(inside(name)), "%s", name);
}

/* Stopped after its first row, or after its first network: what there is stays, and it ends in the same bytes. */
START_TEST(a_signal_stops_it)
{
    begin_trained();
    const char *const run = "search f --images 120 --tolerance 1 --method greedy --quiet --out";
    program_must(arena, folder, arena_printf(arena, "%s a", run));
    const Where where = {.folder = folder};
    static const char *const seen[] = {"b/sensitivity.json", "b/search.json"};
    for (int i = 0; i < 2; i++) {
        const char *command = arena_printf(arena, "%s b%s", run, i == 0 ? "" : " --resume");
        const Running running = program_start(arena, &where, command);
        wait_for(seen[i]);
        kill(running.id, i == 0 ? SIGINT : SIGTERM);
        const Outcome o = program_wait(arena, running);
        if (o.code == 0) continue; /* it was done before the signal came */
        ck_assert_msg(o.code == 128 + (i == 0 ? SIGINT : SIGTERM) && !o.signalled, "exit %d: %s", o.code, o.err);
        has(o.err, "the same command with --resume goes on");
        ck_assert(file_exists(inside("b/config.json")) && file_exists(inside(seen[i])));
    }
    program_must(arena, folder, arena_printf(arena, "%s b --resume", run));
    folders_are_equal();

    /* Another search in its place says so. */
    const Outcome o = program_run(arena, &where, "search f --images 120 --flash 700 --out b --resume");
    ck_assert_int_eq(o.code, 0);
    has(o.err, "note: b has the result of a search for something else, which is replaced");
    end();
}
END_TEST

/* Of times nothing is asserted but that there are some: they are kept, add up, and lead to the same network again. */
START_TEST(latency_of_this_machine_is_a_cost)
{
    begin_trained();
    const char *const run = "search f --tolerance 5 --minimize latency --formats float32,int8,int4 --images 60 --quiet";
    cJSON *json = program_json(arena, folder, arena_printf(arena, "%s --out a", run));
    const cJSON *latency = json_get(json, "latency");
    ck_assert_double_gt(number(latency, "layers_us"), 0);
    ck_assert_double_gt(number(latency, "whole_us"), 0);
    ck_assert_double_eq(number(latency, "layers_us"), number(json, "latency_us"));
    ck_assert_str_ne(text(latency, "machine"), "");
    cJSON *times;
    must(json_read(arena, inside("a/latency.json"), &times));
    double sum = number(times, "rest_us"), all = 0;
    const cJSON *layer, *us;
    cJSON_ArrayForEach(layer, json_get(times, "layers"))
    {
        us = json_get(layer, "us");
        ck_assert_int_eq(cJSON_GetArraySize(us), 9);
        /* pairs of formats: int4 is computed as int8 is, float32 is not */
        ck_assert_double_eq(cJSON_GetArrayItem(us, 4)->valuedouble, cJSON_GetArrayItem(us, 8)->valuedouble);
        ck_assert_double_eq(cJSON_GetArrayItem(us, 4)->valuedouble, cJSON_GetArrayItem(us, 5)->valuedouble);
        all += cJSON_GetArrayItem(us, 4)->valuedouble;
        sum += cJSON_GetArrayItem(us, 0)->valuedouble;
    }
    ck_assert_double_gt(all, 0);
    has(text_of("a/pareto.csv"), "flash_bytes,ram_bytes,cycles,bops,latency_us,accuracy,");
    /* the first network that is tried is float32 throughout: the sum over its layers */
    cJSON *networks;
    must(json_read(arena, inside("a/search.json"), &networks));
    ck_assert_double_eq_tol(number(json_get(networks, "networks")->child, "latency_us"), sum, 1e-9 * sum);
    cJSON_Delete(networks);
    cJSON_Delete(json);

    /* Gone on from the times that were measured, in another folder: the same bytes. */
    program_must(arena, folder, arena_printf(arena, "%s --out b", run));
    put_text(folder, "b/latency.json", text_of("a/latency.json"));
    ck_assert_int_eq(remove(inside("b/search.json")), 0);
    program_must(arena, folder, arena_printf(arena, "%s --out b --resume", run));
    folders_are_equal();
    cJSON_Delete(times);

    program_refuses(arena, folder, "search f --out c --latency 1e-3us --images 60 --quiet --formats 8,4",
                    "--latency: 0.001 us; in these formats the network takes at least ");
    program_refuses(arena, folder, "search f --out d --tolerance 1 --set quant.activations.scheme=dynamic",
                    "search chooses among grids that are known before: must be \"static\"");
    program_refuses(arena, folder, "partial f --out d --tolerance 1 --set quant.weights.scheme=affine",
                    "partial tries weights of 8 bits, which have no zero points: must be \"symmetric\"");
    ck_assert(!file_exists(inside("d")));
    program_refuses(arena, folder, "search f --latency 5", "--latency: \"5\"; must be a time above 0, as 500us");
    cJSON *within = program_json(arena, folder, "search f --out d --latency 10s --flash 700 --images 60 --quiet");
    ck_assert_double_le(number(within, "flash_bytes"), 700);
    cJSON_Delete(within);
    end();
}
END_TEST

START_TEST(what_cannot_be_is_refused)
{
    begin_trained();
    program_refuses(arena, folder, "search f --out s --flash 100 --images 60 --quiet",
                    "--flash: 100 bytes; in these formats the network takes at least ");
    program_refuses(arena, folder, "search f --out s --ram 100 --images 60 --quiet --overwrite",
                    "--ram: 100 bytes; in these formats the network takes at least ");
    program_refuses(arena, folder, "search f --out s --tolerance 0 --formats 3,2 --images 120 --quiet --overwrite",
                    "no network is within 0 of float: the best of ");
    ck_assert(file_exists(inside("s/model.safetensors"))); /* the best there was */

    program_refuses(arena, folder, "search f",
                    "--tolerance, --flash, --ram, --cycles, --bops or --latency: one at least is required");
    program_refuses(arena, folder, "search f --flash 32X", "--flash: \"32X\"; must be a number above 0");
    program_refuses(arena, folder, "search f --tolerance 1 --formats 8",
                    "--formats: \"8\"; must be two formats or more");
    program_refuses(arena, folder, "search f --tolerance 1 --method best",
                    "--method: \"best\"; must be one of exact, ");
    program_refuses(arena, folder, "search f --flash 1K --minimize bops", "--minimize: \"bops\" without --tolerance");
    program_refuses(arena, folder, "search f --tolerance 1 --minimize ram", "--minimize: \"ram\"; must be flash, ");
    program_refuses(arena, folder, "search f --tolerance 1 --order best",
                    "--order: \"best\"; must be one of kl, loss, ");
    end();
}
END_TEST

TEST_MAIN("search", a_tolerance_is_kept, the_config_says_what_was_found, it_goes_on_where_it_was_cut_short,
          a_signal_stops_it, latency_of_this_machine_is_a_cost, what_cannot_be_is_refused)
