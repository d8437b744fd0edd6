/* field: one table parses, refuses, dumps and describes. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/field.h"
#include "base/json.h"
#include "tests/support/suite.h"

typedef struct {
    int bits;
    const char *pattern;
} Inner;

typedef struct {
    bool flag;
    int kernel, free_int, padding, maybe;
    uint64_t seed;
    double rate, any_float;
    const char *name, *note;
    IntList strides, kinds;
    FloatList mean;
    StringList inputs;
    Inner quant, off;
    ObjectList overrides;
    const cJSON *data;
    int units;
} Outer;

static const char *const paddings[] = {"same", "valid", "explicit", NULL};

static const Field inner_fields[] = {
    {"bits", FIELD_INT, offsetof(Inner, bits), .min = 2, .max = 8, .def = "8", .doc = "width of a code",
     .unit = "bits"},
    {"pattern", FIELD_STRING, offsetof(Inner, pattern), .max = 5},
    FIELD_END,
};

static const Field fields[] = {
    {"flag", FIELD_BOOL, offsetof(Outer, flag), .def = "true"},
    {"kernel", FIELD_INT, offsetof(Outer, kernel), .min = 1, .max = 31},
    {"free_int", FIELD_INT, offsetof(Outer, free_int), .doc = NULL},
    {"padding", FIELD_ENUM, offsetof(Outer, padding), .names = paddings, .def = "\"valid\""},
    {"maybe", FIELD_INT, offsetof(Outer, maybe), .min = 1, .max = 9, .nullable = true, .def = "5"},
    {"seed", FIELD_U64, offsetof(Outer, seed), .def = "1"},
    {"rate", FIELD_FLOAT, offsetof(Outer, rate), .min = 0, .max = HUGE_VAL, .def = "0.1", .doc = "learning rate"},
    {"any_float", FIELD_FLOAT, offsetof(Outer, any_float), .doc = NULL},
    {"name", FIELD_STRING, offsetof(Outer, name), .min = 1, .max = 8},
    {"note", FIELD_STRING, offsetof(Outer, note), .nullable = true},
    {"strides", FIELD_INTS, offsetof(Outer, strides), .min = 1, .max = 4, .min_count = 2, .max_count = 2,
     .scalar_ok = true, .def = "[1,2]"},
    {"kinds", FIELD_ENUMS, offsetof(Outer, kinds), .names = paddings},
    {"mean", FIELD_FLOATS, offsetof(Outer, mean), .min = -1, .max = 1},
    {"inputs", FIELD_STRINGS, offsetof(Outer, inputs), .scalar_ok = true, .min_count = 1, .max_count = 3, .min = 1,
     .max = 10},
    {"quant", FIELD_OBJECT, offsetof(Outer, quant), .fields = inner_fields},
    {"off", FIELD_OBJECT, offsetof(Outer, off), .fields = inner_fields, .nullable = true},
    {"overrides", FIELD_OBJECTS, offsetof(Outer, overrides), .fields = inner_fields, .item_bytes = sizeof(Inner)},
    {"data", FIELD_JSON, offsetof(Outer, data), .doc = NULL},
    {"units", FIELD_INT, offsetof(Outer, units), .min = 1, .max = HUGE_VAL, .required = true},
    FIELD_END,
};

static Status parse_at(Arena *a, const char *text, const char *where, Outer *out)
{
    cJSON *json;
    ck_assert_msg(json_parse(text, strlen(text), "t", &json) == STATUS_OK, "%s: %s", text, status_message());
    memset(out, 0x5a, sizeof *out);
    const Status status = field_parse(fields, json, where, out, a);
    cJSON_Delete(json);
    return status;
}

START_TEST(field_defaults)
{
    Arena *a = arena_create();
    Outer o;
    ck_assert_int_eq(parse_at(a, "{\"units\": 3}", "f", &o), STATUS_OK);
    ck_assert(o.flag);
    ck_assert_int_eq(o.kernel, 0);
    ck_assert_int_eq(o.padding, 1);
    ck_assert_int_eq(o.maybe, 5);
    ck_assert_uint_eq(o.seed, 1);
    ck_assert_double_eq(o.rate, 0.1);
    ck_assert_ptr_null(o.name);
    ck_assert_int_eq(o.strides.n, 2);
    ck_assert_int_eq(o.strides.at[1], 2);
    ck_assert_int_eq(o.inputs.n, 0);
    ck_assert_int_eq(o.quant.bits, 8);
    ck_assert_ptr_null(o.quant.pattern);
    ck_assert_int_eq(o.off.bits, 8);
    ck_assert_int_eq(o.overrides.n, 0);
    ck_assert_ptr_null(o.data);
    ck_assert_int_eq(o.units, 3);

    Inner i = {.bits = 77};
    ck_assert_int_eq(field_parse(inner_fields, NULL, "f", &i, a), STATUS_OK);
    ck_assert_int_eq(i.bits, 8);
    ck_assert_int_eq(field_parse(fields, NULL, "f", &o, a), STATUS_CONFIG);
    ck_assert_str_eq(status_message(), "f: units: missing; must be an integer, 1 to 2147483647");
    arena_destroy(a);
}
END_TEST

START_TEST(field_reads_what_is_given)
{
    Arena *a = arena_create();
    Outer o;
    const Status status = parse_at(
        a,
        "{\"flag\":false,\"kernel\":31,\"free_int\":-2147483648,\"padding\":\"explicit\",\"maybe\":null,"
        "\"seed\":9007199254740992,\"rate\":1e300,\"any_float\":-2.5,\"name\":\"12345678\",\"note\":null,\"strides\":["
        "3,4],"
        "\"kinds\":[\"valid\",\"same\"],\"mean\":[-1,0.5],\"inputs\":\"x\",\"quant\":{\"bits\":4,\"pattern\":\"c*\"},"
        "\"off\":null,\"overrides\":[{\"bits\":2},{\"pattern\":\"\"}],\"data\":{\"a\":[1,{\"b\":null}],\"c\":\"s\"},"
        "\"units\":2.0}",
        "f", &o);
    ck_assert_msg(status == STATUS_OK, "%s", status_message());
    ck_assert(!o.flag);
    ck_assert_int_eq(o.kernel, 31);
    ck_assert_int_eq(o.free_int, -2147483647 - 1);
    ck_assert_int_eq(o.padding, 2);
    ck_assert_int_eq(o.maybe, 0);
    ck_assert(o.seed == (uint64_t)1 << 53);
    ck_assert_double_eq(o.any_float, -2.5);
    ck_assert_str_eq(o.name, "12345678");
    ck_assert_ptr_null(o.note);
    ck_assert_int_eq(o.strides.at[0], 3);
    ck_assert_int_eq(o.kinds.n, 2);
    ck_assert_int_eq(o.kinds.at[0], 1);
    ck_assert_double_eq(o.mean.at[1], 0.5);
    ck_assert_int_eq(o.inputs.n, 1);
    ck_assert_str_eq(o.inputs.at[0], "x");
    ck_assert_int_eq(o.quant.bits, 4);
    ck_assert_int_eq(o.off.bits, 8);
    const Inner *overrides = o.overrides.at;
    ck_assert_int_eq(o.overrides.n, 2);
    ck_assert_int_eq(overrides[0].bits, 2);
    ck_assert_int_eq(overrides[1].bits, 8);
    ck_assert_str_eq(overrides[1].pattern, "");
    /* The parsed text is gone by now: the copy must stand alone. */
    ck_assert_str_eq(json_print_compact(a, o.data), "{\"a\":[1,{\"b\":null}],\"c\":\"s\"}");
    arena_destroy(a);
}
END_TEST

static const struct {
    const char *text, *message;
} refused[] = {
    {"[]", "c.json: []; must be an object"},
    {"{}", "c.json: units: missing; must be an integer, 1 to 2147483647"},
    {"{\"kernle\":3}", "c.json: unknown key \"kernle\"; did you mean \"kernel\"?"},
    {"{\"bits\":3}", "c.json: unknown key \"bits\"; did you mean \"quant.bits\" or \"off.bits\"?"},
    {"{\"Kernel\":3}", "c.json: unknown key \"Kernel\"; did you mean \"kernel\"?"},
    {"{\"quant\":{\"zzzzzz\\u001b\":3}}",
     "c.json: quant: unknown key \"zzzzzz\\u001b\"; the known ones are: bits, pattern"},
    {"{\"kernel\":0}", "c.json: kernel: 0; must be an integer, 1 to 31"},
    {"{\"kernel\":32}", "c.json: kernel: 32; must be an integer, 1 to 31"},
    {"{\"kernel\":2.5}", "c.json: kernel: 2.5; must be an integer, 1 to 31"},
    {"{\"kernel\":\"3\"}", "c.json: kernel: \"3\"; must be an integer, 1 to 31"},
    {"{\"kernel\":null}", "c.json: kernel: null; must be an integer, 1 to 31"},
    {"{\"kernel\":true}", "c.json: kernel: true; must be"},
    {"{\"free_int\":2147483648}", "c.json: free_int: 2147483648; must be an integer, -2147483648 to 2147483647"},
    {"{\"free_int\":1e300}", "c.json: free_int: 1e+300; must be"},
    {"{\"maybe\":10}", "c.json: maybe: 10; must be an integer, 1 to 9, or null"},
    {"{\"flag\":1}", "c.json: flag: 1; must be true or false"},
    {"{\"padding\":\"Same\"}", "c.json: padding: \"Same\"; must be one of: same, valid, explicit"},
    {"{\"padding\":0}", "c.json: padding: 0; must be one of: same"},
    {"{\"seed\":9007199254740994}", "c.json: seed: 9007199254740994; must be an integer, 0 to 9007199254740992"},
    {"{\"seed\":-1}", "c.json: seed: -1; must be an integer, 0 to 9007199254740992"},
    {"{\"seed\":0.5}", "c.json: seed: 0.5; must be"},
    {"{\"rate\":-1e-9}", "c.json: rate: -1e-09; must be a number, 0 or more"},
    {"{\"rate\":[1]}", "c.json: rate: [1]; must be a number, 0 or more"},
    {"{\"any_float\":\"nan\"}", "c.json: any_float: \"nan\"; must be a number"},
    {"{\"any_float\":\"1\"}", "c.json: any_float: \"1\"; must be a number"},
    {"{\"any_float\":\"1/0\"}", "c.json: any_float: \"1/0\"; must be a number"},
    {"{\"any_float\":\"/255\"}", "c.json: any_float: \"/255\"; must be a number"},
    {"{\"any_float\":\"1/\"}", "c.json: any_float: \"1/\"; must be a number"},
    {"{\"any_float\":\"1/2/3\"}", "c.json: any_float: \"1/2/3\"; must be a number"},
    {"{\"any_float\":\"1/[2]\"}", "c.json: any_float: \"1/[2]\"; must be a number"},
    {"{\"any_float\":\"1e308/1e-308\"}", "c.json: any_float: \"1e308/1e-308\"; must be a number"},
    {"{\"rate\":\"-1/3\"}", "c.json: rate: \"-1/3\"; must be a number, 0 or more"},
    {"{\"kernel\":\"4/2\"}", "c.json: kernel: \"4/2\"; must be an integer, 1 to 31"},
    {"{\"name\":\"\"}", "c.json: name: \"\"; must be a string of 1 to 8 bytes"},
    {"{\"name\":\"123456789\"}", "c.json: name: \"123456789\"; must be a string of 1 to 8 bytes"},
    {"{\"name\":1}", "c.json: name: 1; must be a string of 1 to 8 bytes"},
    {"{\"note\":1}", "c.json: note: 1; must be a string, or null"},
    {"{\"strides\":[1,2,3]}", "c.json: strides: [1,2,3]; must be a list of 2 integers, each 1 to 4, or a single one"},
    {"{\"strides\":1}", "c.json: strides: 1; must be a list of 2 integers"},
    {"{\"strides\":[1,5]}", "c.json: strides[1]: 5; must be an integer, 1 to 4"},
    {"{\"strides\":[1,null]}", "c.json: strides[1]: null; must be an integer, 1 to 4"},
    {"{\"note\":[]}", "c.json: note: []; must be a string, or null"},
    {"{\"kinds\":\"same\"}", "c.json: kinds: \"same\"; must be a list of at most 64 names, each one of: same, valid"},
    {"{\"kinds\":[\"same\",\"x\"]}", "c.json: kinds[1]: \"x\"; must be one of: same, valid, explicit"},
    {"{\"mean\":[0,1.5]}", "c.json: mean[1]: 1.5; must be a number, -1 to 1"},
    {"{\"mean\":0}", "c.json: mean: 0; must be a list of at most 64 numbers, each -1 to 1"},
    {"{\"inputs\":[]}", "c.json: inputs: []; must be a list of 1 to 3 strings, each of 1 to 10 bytes, or a single one"},
    {"{\"inputs\":[\"a\",\"\"]}", "c.json: inputs[1]: \"\"; must be a string of 1 to 10 bytes"},
    {"{\"inputs\":7}", "c.json: inputs: 7; must be a string of 1 to 10 bytes"},
    {"{\"quant\":4}", "c.json: quant: 4; must be an object"},
    {"{\"quant\":{\"bits\":9}}", "c.json: quant.bits: 9; must be an integer, 2 to 8"},
    {"{\"quant\":{\"pattern\":\"toolong\"}}",
     "c.json: quant.pattern: \"toolong\"; must be a string of at most 5 bytes"},
    {"{\"overrides\":{}}", "c.json: overrides: {}; must be a list of at most 64 objects"},
    {"{\"overrides\":[{},4]}", "c.json: overrides[1]: 4; must be an object"},
    {"{\"overrides\":[{},{\"bits\":1}]}", "c.json: overrides[1].bits: 1; must be an integer, 2 to 8"},
    {"{\"overrides\":[{},{\"bit\":1}]}", "c.json: overrides[1]: unknown key \"bit\"; did you mean \"bits\"?"},
};

/* "1/255" is the double nearest to the quotient, in numbers and in lists of them. */
START_TEST(fractions_are_numbers)
{
    Arena *a = arena_create();
    Outer o;
    cJSON *json = cJSON_Parse("{\"units\":1,\"rate\":\"1/255\",\"any_float\":\"-127.5/255\",\"mean\":[\"1/3\",0.5]}");
    ck_assert_msg(field_parse(fields, json, "c.json", &o, a) == STATUS_OK, "%s", status_message());
    cJSON_Delete(json);
    ck_assert(o.rate == 1.0 / 255.0 && o.any_float == -0.5);
    ck_assert(o.mean.n == 2 && o.mean.at[0] == 1.0 / 3.0 && o.mean.at[1] == 0.5);
    arena_destroy(a);
}
END_TEST

START_TEST(field_refuses)
{
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        Arena *a = arena_create();
        Outer o;
        ck_assert_msg(parse_at(a, refused[i].text, "c.json", &o) == STATUS_CONFIG, "accepted: %s", refused[i].text);
        ck_assert_msg(strncmp(status_message(), refused[i].message, strlen(refused[i].message)) == 0,
                      "%s: \"%s\" does not begin with \"%s\"", refused[i].text, status_message(), refused[i].message);
        arena_destroy(a);
    }
}
END_TEST

START_TEST(field_joins_the_place)
{
    Arena *a = arena_create();
    Outer o;
    parse_at(a, "{\"quant\":{\"bits\":9}}", "c.json: layers[3]", &o);
    ck_assert_str_eq(status_message(), "c.json: layers[3].quant.bits: 9; must be an integer, 2 to 8");

    /* Long values are cut, long lists are refused before anything is allocated for them. */
    char text[1000] = "{\"overrides\":[{}";
    for (int i = 0; i < 64; i++) strcat(text, ",{}");
    strcat(text, "]}");
    ck_assert_int_eq(parse_at(a, text, "c.json", &o), STATUS_CONFIG);
    ck_assert_ptr_nonnull(strstr(status_message(), "...; must be a list of at most 64 objects"));
    arena_destroy(a);
}
END_TEST

START_TEST(field_names_a_wrong_default)
{
    static const Field bad_range[] = {{"x", FIELD_INT, 0, .min = 1, .max = 2, .def = "3"}, FIELD_END};
    static const Field bad_json[] = {{"x", FIELD_STRING, 0, .def = "same"}, FIELD_END};
    Arena *a = arena_create();
    union {
        int i;
        const char *s;
    } out;
    ck_assert_int_eq(field_parse(bad_range, NULL, "f", &out, a), STATUS_CONFIG);
    ck_assert_str_eq(status_message(), "default of f: x: 3; must be an integer, 1 to 2");
    ck_assert_int_eq(field_parse(bad_json, NULL, "f", &out, a), STATUS_FORMAT);
    ck_assert_str_eq(status_message(), "default of f: x:1:1: unexpected 'same'; a JSON value is required");
    arena_destroy(a);
}
END_TEST

static const struct {
    const char *text, *dump;
} dumps[] = {
    {"{\"units\":3}", "{\"flag\":true,\"free_int\":0,\"padding\":\"valid\",\"maybe\":5,\"seed\":1,\"rate\":0.1,\"any_"
                      "float\":0,\"note\":null,"
                      "\"strides\":[1,2],\"kinds\":[],\"mean\":[],\"quant\":{\"bits\":8},\"off\":{\"bits\":8},"
                      "\"overrides\":[],\"units\":3}"},
    {"{\"units\":3,\"maybe\":null,\"kernel\":3,\"note\":\"\",\"inputs\":\"x\",\"kinds\":[\"same\"],\"mean\":[0.25],"
     "\"name\":\"\xc3\xa4\",\"overrides\":[{\"pattern\":\"a\"}],\"data\":[1],\"seed\":9007199254740992,\"flag\":false}",
     "{\"flag\":false,\"kernel\":3,\"free_int\":0,\"padding\":\"valid\",\"maybe\":null,\"seed\":9007199254740992,"
     "\"rate\":0.1,"
     "\"any_float\":0,\"name\":\"\xc3\xa4\",\"note\":\"\",\"strides\":[1,2],\"kinds\":[\"same\"],\"mean\":[0.25],"
     "\"inputs\":[\"x\"],\"quant\":{\"bits\":8},\"off\":{\"bits\":8},\"overrides\":[{\"bits\":8,\"pattern\":\"a\"}],"
     "\"data\":[1],\"units\":3}"},
};

START_TEST(field_dump_reads_back)
{
    for (size_t i = 0; i < sizeof dumps / sizeof dumps[0]; i++) {
        Arena *a = arena_create();
        Outer o, again;
        ck_assert_int_eq(parse_at(a, dumps[i].text, "f", &o), STATUS_OK);
        cJSON *json = field_dump(fields, &o);
        const char *text = json_print_compact(a, json);
        ck_assert_str_eq(text, dumps[i].dump);
        cJSON_Delete(json);
        ck_assert_msg(parse_at(a, text, "f", &again) == STATUS_OK, "%s", status_message());
        json = field_dump(fields, &again);
        ck_assert_str_eq(json_print_compact(a, json), text);
        cJSON_Delete(json);
        arena_destroy(a);
    }
}
END_TEST

START_TEST(field_schema_says_the_rules)
{
    Arena *a = arena_create();
    cJSON *schema = field_schema(fields);
    static const struct {
        const char *key, *want;
    } wants[] = {
        {"flag", "{\"default\":true,\"type\":\"boolean\"}"},
        {"kernel", "{\"type\":\"integer\",\"minimum\":1,\"maximum\":31}"},
        {"padding", "{\"default\":\"valid\",\"enum\":[\"same\",\"valid\",\"explicit\"]}"},
        {"maybe", "{\"default\":5,\"anyOf\":[{\"type\":\"integer\",\"minimum\":1,\"maximum\":9},{\"type\":\"null\"}]}"},
        {"seed", "{\"default\":1,\"type\":\"integer\",\"minimum\":0,\"maximum\":9007199254740992}"},
        {"rate", "{\"description\":\"learning rate\",\"default\":0.1,\"type\":[\"number\",\"string\"],"
                 "\"minimum\":0,\"pattern\":\"^[-+.0-9eE]+/[-+.0-9eE]+$\"}"},
        {"any_float", "{\"type\":[\"number\",\"string\"],\"pattern\":\"^[-+.0-9eE]+/[-+.0-9eE]+$\"}"},
        {"name", "{\"type\":\"string\",\"minLength\":1,\"maxLength\":8}"},
        {"strides",
         "{\"default\":[1,2],\"anyOf\":[{\"type\":\"integer\",\"minimum\":1,\"maximum\":4},{\"type\":\"array\","
         "\"items\":{\"type\":\"integer\",\"minimum\":1,\"maximum\":4},\"minItems\":2,\"maxItems\":2}]}"},
        {"kinds", "{\"type\":\"array\",\"items\":{\"enum\":[\"same\",\"valid\",\"explicit\"]},\"maxItems\":64}"},
        {"quant",
         "{\"type\":\"object\",\"properties\":{\"bits\":{\"description\":\"width of a code (bits)\",\"default\":8,"
         "\"type\":\"integer\",\"minimum\":2,\"maximum\":8},\"pattern\":{\"type\":\"string\",\"maxLength\":5}},"
         "\"additionalProperties\":false}"},
        {"data", "{}"},
    };
    const cJSON *properties = json_get(schema, "properties");
    for (size_t i = 0; i < sizeof wants / sizeof wants[0]; i++)
        ck_assert_str_eq(json_print_compact(a, json_get(properties, wants[i].key)), wants[i].want);
    ck_assert_int_eq(cJSON_GetArraySize(properties), (int)(sizeof fields / sizeof fields[0]) - 1);
    ck_assert_str_eq(json_print_compact(a, json_get(schema, "required")), "[\"units\"]");
    ck_assert(cJSON_IsFalse(json_get(schema, "additionalProperties")));
    ck_assert_str_eq(cJSON_GetStringValue(json_get(schema, "type")), "object");
    cJSON_Delete(schema);
    arena_destroy(a);
}
END_TEST

static void note_path(void *context, const char *path, const Field *field)
{
    strcat(context, path);
    strcat(context, field->type == FIELD_INT ? "* " : " ");
}

START_TEST(field_visit_walks_every_key)
{
    char paths[1000] = "";
    field_visit(fields, "top", note_path, paths);
    ck_assert_str_eq(paths,
                     "top.flag top.kernel* top.free_int* top.padding top.maybe* top.seed top.rate top.any_float "
                     "top.name top.note top.strides top.kinds top.mean top.inputs top.quant top.quant.bits* "
                     "top.quant.pattern top.off top.off.bits* top.off.pattern top.overrides top.overrides[].bits* "
                     "top.overrides[].pattern top.data top.units* ");
    paths[0] = '\0';
    field_visit(inner_fields, "", note_path, paths);
    ck_assert_str_eq(paths, "bits* pattern ");
}
END_TEST

START_TEST(nearest_name_is_near)
{
    static const char *const names[] = {"kernel", "units", "stride", "strides", "lr", NULL};
    static const struct {
        const char *word, *want;
    } cases[] = {
        {"kernel", "kernel"}, {"kernal", "kernel"},   {"ekrnel", "kernel"}, {"unit", "units"}, {"Units", "units"},
        {"strid", "stride"},  {"stirdes", "strides"}, {"rl", "lr"},         {"x", NULL},       {"", NULL},
        {"activation", NULL}, {"krl", NULL},          {"kern", "kernel"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *got = nearest_name(cases[i].word, names);
        ck_assert_msg(got == cases[i].want || (got && cases[i].want && strcmp(got, cases[i].want) == 0), "%s: %s",
                      cases[i].word, got == NULL ? "(none)" : got);
    }
    char *endless = malloc(1000001);
    memset(endless, 'k', 1000000);
    endless[1000000] = '\0';
    ck_assert_ptr_null(nearest_name(endless, names));
    free(endless);
}
END_TEST

TEST_MAIN("field", field_defaults, field_reads_what_is_given, fractions_are_numbers, field_refuses,
          field_joins_the_place, field_names_a_wrong_default, field_dump_reads_back, field_schema_says_the_rules,
          field_visit_walks_every_key, nearest_name_is_near)
