/* json: what is refused and in which words, what is read, how it is printed, --set. */
#include <float.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "base/rng.h"
#include "tests/support/suite.h"

static cJSON *parsed(const char *text)
{
    cJSON *json;
    const Status status = json_parse(text, strlen(text), "t", &json);
    ck_assert_msg(status == STATUS_OK, "%s: %s", text, status_message());
    return json;
}

static void check_prints(const char *text, const char *compact)
{
    Arena *a = arena_create();
    cJSON *json = parsed(text);
    ck_assert_str_eq(json_print_compact(a, json), compact);
    cJSON_Delete(json);
    arena_destroy(a);
}

static const struct {
    const char *text, *words;
} refused[] = {
    {"", "t:1:1: nothing; a JSON value is required"},
    {" \n ", "t:2:2: nothing"},
    {"\xef\xbb\xbf{}", "t:1:1: a byte order mark"},
    {"{} {}", "t:1:4: unexpected '{'; the end of the text is required"},
    {"{\"a\": 1}x", "t:1:9: unexpected 'x'"},
    {"1 2", "t:1:3: unexpected '2'"},
    {"{\"a\": 1,\n \"b\": 2,\n  \"a\": 3}", "t:3:3: duplicate key \"a\""},
    {"{\"a\": 1, \"\\u0061\": 2}", "t:1:10: duplicate key \"\\u0061\""},
    {"{\"\xc3\xa4\": 1, \"\\u00e4\": 2}", "t:1:10: duplicate key"},
    {"{\"\xf0\x9f\x98\x80\": 1, \"\\ud83d\\ude00\": 2}", "duplicate key"},
    {"{\"a\\n\": {\"z\": 0, \"a\\n\": 0}, \"a\\u000A\": 2}", "t:1:29: duplicate key"},
    {"{\"a\": 01}", "t:1:7: number with a leading zero"},
    {"-01", "t:1:1: number with a leading zero"},
    {"{\"a\": +1}", "unexpected '+'"},
    {"[.5]", "unexpected '.'"},
    {"[5.]", "t:1:4: unexpected ']'; a digit behind the decimal point is required"},
    {"[1e]", "a digit of the exponent"},
    {"[1e+]", "a digit of the exponent"},
    {"[-]", "unexpected ']'; a digit is required"},
    {"-", "the text ends; a digit is required"},
    {"[0x10]", "unexpected 'x'; ',' or ']' is required"},
    {"[1e999]", "t:1:2: 1e999; must be within the range of a double"},
    {"[-1e309]", "within the range of a double"},
    {"[9007199254740993]", "t:1:2: 9007199254740993; an integer must be one that a double holds exactly"},
    {"[-100000000000000000001]", "-100000000000000000001; an integer must be"},
    {"[NaN]", "t:1:2: unexpected 'NaN'; a JSON value is required"},
    {"[Infinity]", "unexpected 'Infinity'"},
    {"[-Infinity]", "unexpected 'Infinity'; a digit is required"},
    {"[True]", "unexpected 'True'"},
    {"[truth]", "unexpected 'truth'"},
    {"[nullx]", "t:1:6: unexpected 'x'"},
    {"[0.00000000000000000000000000000000000000000000000000000000000001]",
     "number of 64 characters; must be at most 63"},
    {"[1,]", "t:1:4: unexpected ']'; a JSON value is required"},
    {"[,1]", "unexpected ','"},
    {"[1 2]", "t:1:4: unexpected '2'; ',' or ']' is required"},
    {"[1", "t:1:3: the text ends; ',' or ']' is required"},
    {"[", "the text ends; a JSON value is required"},
    {"]", "unexpected ']'"},
    {"{", "the text ends; a key in double quotes is required"},
    {"{\"a\":1,}", "unexpected '}'; a key in double quotes is required"},
    {"{a: 1}", "t:1:2: unexpected 'a'; a key in double quotes"},
    {"{'a': 1}", "unexpected '''"},
    {"{\"a\" 1}", "t:1:6: unexpected '1'; ':' behind the key is required"},
    {"{\"a\": }", "unexpected '}'; a JSON value"},
    {"{\"a\": 1]", "unexpected ']'; ',' or '}' is required"},
    {"[1] // x", "unexpected '/'"},
    {"[\"a]", "t:1:2: string without an end"},
    {"[\"a\\", "unknown escape"},
    {"[\"a\\x\"]", "t:1:4: unknown escape"},
    {"[\"\\u12g4\"]", "t:1:3: \\u without four hex digits"},
    {"[\"\\u12", "\\u without four hex digits"},
    {"[\"a\\u0000b\"]", "t:1:4: \\u0000 in a string"},
    {"[\"\\ud800\"]", "t:1:3: lone surrogate \\ud800"},
    {"[\"\\udc00\\ud800\"]", "lone surrogate \\udc00"},
    {"[\"\\ud800\\u0041\"]", "lone surrogate \\ud800"},
    {"[\"a\nb\"]", "t:1:4: control byte 0x0a in a string"},
    {"[\"\xc3\xa4\x1f\"]", "t:1:4: control byte 0x1f in a string"},
    {"[\"\x80\"]", "t:1:3: byte 0x80 in a string is not UTF-8"},
    {"[\"\xc0\x80\"]", "byte 0xc0 in a string is not UTF-8"},
    {"[\"\xc3\"]", "byte 0xc3"},
    {"[\"\xe0\x80\x80\"]", "byte 0xe0"},
    {"[\"\xed\xa0\x80\"]", "byte 0xed"},
    {"[\"\xf4\x90\x80\x80\"]", "byte 0xf4"},
    {"[\"\xf5\x80\x80\x80\"]", "byte 0xf5"},
    {"[\xff]", "t:1:2: byte 0xff; a JSON value is required"},
    {"[\x01]", "byte 0x01; a JSON value"},
};

START_TEST(json_refuses)
{
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        /* In a block of exactly that size, so that ASan sees a read past the end. */
        const size_t n = strlen(refused[i].text);
        Arena *a = arena_create();
        char *text = memcpy(arena_alloc(a, n), refused[i].text, n);
        cJSON *json;
        const Status status = json_parse(text, n, "t", &json);
        ck_assert_msg(status == STATUS_FORMAT, "accepted: %s", refused[i].text);
        ck_assert_ptr_null(json);
        ck_assert_msg(strstr(status_message(), refused[i].words) != NULL, "%s: \"%s\" lacks \"%s\"", refused[i].text,
                      status_message(), refused[i].words);
        arena_destroy(a);
    }
    cJSON *json;
    ck_assert_int_eq(json_parse("[\0]", 3, "t", &json), STATUS_FORMAT);
    ck_assert_str_eq(status_message(), "t:1:2: byte 0x00; a JSON value is required");
    ck_assert_int_eq(json_parse("1\0", 2, "t", &json), STATUS_FORMAT);
}
END_TEST

START_TEST(json_limits_the_depth)
{
    char text[2 * 70 + 1] = "";
    cJSON *json;
    for (int depth = 63; depth <= 66; depth++) {
        for (int i = 0; i < depth; i++) {
            text[i] = '[';
            text[2 * depth - 1 - i] = ']';
        }
        const Status status = json_parse(text, 2 * (size_t)depth, "t", &json);
        ck_assert_int_eq(status, depth <= 64 ? STATUS_OK : STATUS_FORMAT);
        cJSON_Delete(json);
    }
    ck_assert_str_eq(status_message(), "t:1:65: nested deeper than 64 levels; must be at most 64");
    char *open = malloc(1000000);
    memset(open, '[', 1000000);
    ck_assert_int_eq(json_parse(open, 1000000, "t", &json), STATUS_FORMAT);
    free(open);
}
END_TEST

START_TEST(json_every_truncation_is_refused)
{
    static const char text[] =
        "{\"a\": [1.5e-3, -0, \"x\\n\\ud83d\\ude00\xc3\xa4\", null], \"b\": {\"c\": true, \"d\": false}}";
    cJSON *json;
    ck_assert_int_eq(json_parse(text, sizeof text - 1, "t", &json), STATUS_OK);
    cJSON_Delete(json);
    for (size_t n = 0; n < sizeof text - 1; n++) {
        ck_assert_msg(json_parse(text, n, "t", &json) == STATUS_FORMAT, "%zu bytes were accepted", n);
    }
}
END_TEST

/* Equal keys far apart among many: found, and in a time that does not grow with the square. */
START_TEST(json_many_keys)
{
    enum { N = 200000 };
    char *text = malloc(N * 16 + 64);
    size_t n = (size_t)sprintf(text, "{");
    for (int i = 0; i < N; i++) n += (size_t)sprintf(text + n, "\"key%d\":0,", i * 7 % N);
    const size_t last = n;
    n += (size_t)sprintf(text + n, "\"other\":1}");
    cJSON *json;
    ck_assert_int_eq(json_parse(text, n, "t", &json), STATUS_OK);
    cJSON_Delete(json);
    n = last + (size_t)sprintf(text + last, "\"key77777\":1}");
    ck_assert_int_eq(json_parse(text, n, "t", &json), STATUS_FORMAT);
    ck_assert_ptr_nonnull(strstr(status_message(), "duplicate key \"key77777\""));
    free(text);
}
END_TEST

START_TEST(json_reads_and_prints)
{
    check_prints(" {\"b\" : [ 1 , 2.50 , -0 , 1E2 , 1e-7 ] ,\r\n\t\"a\":null,\"A\":true} ",
                 "{\"b\":[1,2.5,-0,100,1e-07],\"a\":null,\"A\":true}");
    check_prints("\"\\u00e4\\ud83d\\ude00 \\/ \\\" \\\\ \\b\\f\\n\\r\\t \\u0001\\u007f\"",
                 "\"\xc3\xa4\xf0\x9f\x98\x80 / \\\" \\\\ \\b\\f\\n\\r\\t \\u0001\\u007f\"");
    check_prints("[9007199254740992, 9007199254740991, 1e20, 0.1, 0.10000000149011612, 5e-324]",
                 "[9007199254740992,9007199254740991,1e+20,0.1,0.10000000149011612,4.94065645841247e-324]");
    check_prints("{\"a\":{},\"b\":[],\"\":\"\"}", "{\"a\":{},\"b\":[],\"\":\"\"}");
    check_prints("{\"\\u00e4\":1,\"a\":2,\"aa\":3,\"\\\"\":4}", "{\"\xc3\xa4\":1,\"a\":2,\"aa\":3,\"\\\"\":4}");

    cJSON *json = parsed("{\"Key\": 1, \"list\": [3]}");
    ck_assert_ptr_null(json_get(json, "key"));
    ck_assert_ptr_null(json_get(json_get(json, "list"), "Key"));
    ck_assert_ptr_null(json_get(NULL, "Key"));
    ck_assert_int_eq(json_get(json, "Key")->valueint, 1);
    cJSON_Delete(json);
}
END_TEST

START_TEST(json_pretty_has_this_form)
{
    static const char want[] = "{\n"
                               "  \"model\": {\n"
                               "    \"input\": [28, 28, 1],\n"
                               "    \"layers\": [\n"
                               "      {\n"
                               "        \"units\": 10,\n"
                               "        \"inputs\": [\"a\", \"b\"]\n"
                               "      }\n"
                               "    ]\n"
                               "  },\n"
                               "  \"empty\": {},\n"
                               "  \"rate\": 0.001\n"
                               "}\n";
    Arena *a = arena_create();
    cJSON *json = parsed(want);
    ck_assert_str_eq(json_print(a, json), want);
    cJSON_Delete(json);
    json = cJSON_CreateArray();
    for (int i = 0; i < 40; i++) cJSON_AddItemToArray(json, cJSON_CreateNumber(1000 + i));
    ck_assert_ptr_nonnull(strstr(json_print(a, json), "[\n  1000,\n  1001,\n"));
    cJSON_Delete(json);
    json = cJSON_CreateArray();
    cJSON_AddItemToArray(json, cJSON_CreateNumber((double)NAN));
    cJSON_AddItemToArray(json, cJSON_CreateString("a\xff\xc3z"));
    ck_assert_str_eq(json_print_compact(a, json), "[null,\"a\\ufffd\\ufffdz\"]");
    cJSON_Delete(json);
    ck_assert_str_eq(json_quote(a, "a\x1b[2J\"b"), "\"a\\u001b[2J\\\"b\"");
    const char *brief = json_quote(a, "0123456789012345678901234567890123456789012345678901234567\xc3\xa4zzz");
    ck_assert_str_eq(brief, "\"0123456789012345678901234567890123456789012345678901234567...");
    arena_destroy(a);
}
END_TEST

START_TEST(json_numbers_round_trip)
{
    Arena *a = arena_create();
    Rng r = rng_make(1, RNG_TEST, 0);
    static const double fixed[] = {0.0,        -0.0,    1.0 / 3, DBL_MAX,    DBL_MIN, 5e-324,    0x1p53,
                                   0x1p53 + 2, -0x1p63, 0x1p64,  123456.789, 1e15,    0.1 + 0.2, 4503599627370497.5};
    for (int i = 0; i < 3000; i++) {
        union {
            uint64_t bits;
            double value;
        } u = {.bits = (uint64_t)rng_u32(&r) << 32 | rng_u32(&r)};
        if (i < (int)(sizeof fixed / sizeof fixed[0])) u.value = fixed[i];
        if (!isfinite(u.value)) continue;
        cJSON *json = cJSON_CreateNumber(u.value);
        const char *text = json_print(a, json);
        cJSON_Delete(json);
        json = parsed(text);
        ck_assert_msg(memcmp(&json->valuedouble, &u.value, sizeof u.value) == 0, "%.17g printed as %s", u.value, text);
        cJSON_Delete(json);
    }
    arena_destroy(a);
}
END_TEST

static const struct {
    const char *root, *assignment, *want; /* want: the result, or "!" and words of the message */
} sets[] = {
    {"{\"a\":1}", "a=2", "{\"a\":2}"},
    {"{\"a\":1,\"b\":2}", "a=x", "{\"a\":\"x\",\"b\":2}"},
    {"{}", "a=\"2\"", "{\"a\":\"2\"}"},
    {"{}", "a=", "{\"a\":\"\"}"},
    {"{}", "a=01", "{\"a\":\"01\"}"},
    {"{}", "a=b=c", "{\"a\":\"b=c\"}"},
    {"{}", "a=[1,{\"b\":null}]", "{\"a\":[1,{\"b\":null}]}"},
    {"{}", "a.b.c=true", "{\"a\":{\"b\":{\"c\":true}}}"},
    {"{\"a\":null}", "a.b=1", "{\"a\":{\"b\":1}}"},
    {"{\"a\":{\"z\":0}}", "a.b=1", "{\"a\":{\"z\":0,\"b\":1}}"},
    {"{\"a\":{\"z\":0},\"q\":1}", "a=null", "{\"a\":null,\"q\":1}"},
    {"{\"A\":1}", "a=2", "{\"A\":1,\"a\":2}"},
    {"{\"l\":[{\"u\":1},{\"u\":2}]}", "l[1].u=7", "{\"l\":[{\"u\":1},{\"u\":7}]}"},
    {"{\"l\":[1,2,3]}", "l[0]=7", "{\"l\":[7,2,3]}"},
    {"{\"l\":[1,2,3]}", "l[2]=7", "{\"l\":[1,2,7]}"},
    {"{\"l\":[[1],[2,3]]}", "l[1][0]=x", "{\"l\":[[1],[\"x\",3]]}"},
    {"{\"l\":[{\"name\":\"c1\"},{\"name\":\"c1.b\"}]}", "l.c1.u=1",
     "{\"l\":[{\"name\":\"c1\",\"u\":1},{\"name\":\"c1.b\"}]}"},
    {"{\"l\":[{\"name\":\"c1\"},{\"name\":\"c1.b\"}]}", "l.c1.b.u=1",
     "{\"l\":[{\"name\":\"c1\"},{\"name\":\"c1.b\",\"u\":1}]}"},
    {"{\"l\":[{\"name\":\"c1\",\"k\":[1,2]}]}", "l.c1.k[1]=5", "{\"l\":[{\"name\":\"c1\",\"k\":[1,5]}]}"},
    {"{\"l\":[{\"name\":\"c1\"}]}", "l.c1=5", "{\"l\":[5]}"},
    {"{\"a\":1}", "a", "!--set a: no path or no '='; must be path=value"},
    {"{\"a\":1}", "=1", "!must be path=value"},
    {"{\"a\":1}", "a.b=1", "!--set a.b: a is a number; must be an object or an array"},
    {"{\"a\":{\"b\":\"s\"}}", "a.b.c=1", "!a.b is a string"},
    {"{\"a\":true}", "a[0]=1", "!a is true or false"},
    {"{\"a\":{}}", "a[0]=1", "!a is an object; the name of a member must follow"},
    {"{\"a\":{}}", "a..b=1", "!a is an object; the name of a member must follow"},
    {"{\"a\":{}}", "a.=1", "!a is an object; the name of a member must follow"},
    {"{}", "a..b=1", "!a must be followed by the name of a member"},
    {"{}", "a.b[0]=1", "!a.b is missing; an array must be there"},
    {"{}", ".a=1", "!the config is an object; the name of a member must follow"},
    {"{\"l\":[1,2]}", "l[2]=1", "!--set l[2]: l has 2 items; the index must be less than that"},
    {"{\"l\":[1,2]}", "l[-1]=7", "{\"l\":[1,7]}"},
    {"{\"l\":[1,2]}", "l[-2]=7", "{\"l\":[7,2]}"},
    {"{\"l\":[1,2]}", "l[-3]=1", "!l has 2 items"},
    {"{\"l\":[1,2]}", "l[-0]=1", "!l has 2 items"},
    {"{\"l\":[]}", "l[-1]=1", "!l has 0 items"},
    {"{\"l\":[1,2]}", "l[--1]=1", "!l is an array; its items are written [0], [1], ... or from its end [-1]"},
    {"{\"l\":[{\"type\":\"a\"},{\"type\":\"b\"},{\"type\":\"b\",\"name\":\"x\"}]}", "l.b_1.u=3",
     "{\"l\":[{\"type\":\"a\"},{\"type\":\"b\",\"u\":3},{\"type\":\"b\",\"name\":\"x\"}]}"},
    {"{\"l\":[{\"type\":\"b\",\"name\":\"x\"}]}", "l.b_0.u=3", "!l has no item \"b_0\"; must be one of: x"},
    {"{\"l\":[1,2]}", "l[0=1", "!its items are written [0], [1]"},
    {"{\"l\":[1,2]}", "l[0]x=1", "!its items are written [0], [1]"},
    {"{\"l\":[1,2]}", "l[99999999999999999999]=1", "!l has 2 items"},
    {"{\"l\":[{\"name\":\"a\"}]}", "l.b.u=1", "!l has no item \"b\"; must be one of: a"},
    {"{\"l\":[{\"v\":1}]}", "l.b.u=1", "!l is an array; must be followed by [index] or by the \"name\" of an item"},
    {"{}", "a=\xff", "!byte 0xff is not UTF-8"},
};

START_TEST(json_set_does)
{
    for (size_t i = 0; i < sizeof sets / sizeof sets[0]; i++) {
        Arena *a = arena_create();
        cJSON *root = parsed(sets[i].root);
        const Status status = json_set(root, "--set", sets[i].assignment);
        const char *text = json_print_compact(a, root);
        if (sets[i].want[0] == '!') {
            ck_assert_int_eq(status, STATUS_CONFIG);
            ck_assert_msg(strstr(status_message(), sets[i].want + 1) != NULL, "%s: \"%s\" lacks \"%s\"",
                          sets[i].assignment, status_message(), sets[i].want + 1);
            ck_assert_str_eq(text, sets[i].root);
        } else {
            ck_assert_int_eq(status, STATUS_OK);
            ck_assert_str_eq(text, sets[i].want);
        }
        cJSON_Delete(root);
        arena_destroy(a);
    }
}
END_TEST

START_TEST(json_read_names_the_file)
{
    char path[] = "/tmp/bitfold_json_XXXXXX";
    close(mkstemp(path));
    Arena *a = arena_create();
    cJSON *json;
    ck_assert_int_eq(json_read(a, path, &json), STATUS_FORMAT);
    ck_assert_str_eq(status_message(), arena_printf(a, "%s:1:1: nothing; a JSON value is required", path));
    ck_assert_int_eq(file_write(a, path, "{\n\"a\": 1}\n", 10), STATUS_OK);
    ck_assert_int_eq(json_read(a, path, &json), STATUS_OK);
    ck_assert_int_eq(json_get(json, "a")->valueint, 1);
    cJSON_Delete(json);
    ck_assert_int_eq(unlink(path), 0);
    ck_assert_int_eq(json_read(a, path, &json), STATUS_IO);
    ck_assert_ptr_null(json);
    arena_destroy(a);
}
END_TEST

/* What cJSON cannot allocate would be missing from what is written: instead the program ends, as with an arena. */
START_TEST(json_without_memory_ends_the_program)
{
    int ends[2];
    ck_assert_int_eq(pipe(ends), 0);
    const pid_t child = fork();
    if (child == 0) {
        dup2(ends[1], STDERR_FILENO);
        setvbuf(stderr, NULL, _IONBF, 0);
        void *block = cJSON_malloc(SIZE_MAX / 2);
        _exit(block == NULL ? 33 : 34);
    }
    close(ends[1]);
    int status;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(WIFEXITED(status));
    ck_assert_int_eq(WEXITSTATUS(status), 1);
    char line[200] = "";
    ck_assert_int_gt(read(ends[0], line, sizeof line - 1), 0);
    close(ends[0]);
    ck_assert_ptr_nonnull(strstr(line, "bitfold: out of memory: "));
}
END_TEST

TEST_MAIN("json", json_refuses, json_limits_the_depth, json_every_truncation_is_refused, json_many_keys,
          json_reads_and_prints, json_pretty_has_this_form, json_numbers_round_trip, json_set_does,
          json_read_names_the_file, json_without_memory_ends_the_program)
