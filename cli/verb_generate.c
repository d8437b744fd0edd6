/* generate: the text that a model of bytes goes on with. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "cli/cli.h"
#include "train/generate.h"

enum { DEFAULT_BYTES = 200 };

static Status read_temperature(const char *text, double *temperature)
{
    char *end;
    *temperature = text == NULL ? 0.0 : strtod(text, &end);
    if (text == NULL || (end != text && *end == '\0' && *temperature >= 0.0 && *temperature <= 100.0)) return STATUS_OK;
    return status_fail(STATUS_INVALID, "--temperature: \"%s\"; must be a number from 0 to 100", text);
}

/* The text as a string: a byte 0, which would end it, as the escape that others become when they are shown. */
static char *as_string(Arena *arena, const char *prompt, const uint8_t *text, int n)
{
    const size_t before = strlen(prompt);
    char *all = arena_alloc(arena, before + 4 * (size_t)n + 1), *to = all + before;
    memcpy(all, prompt, before);
    for (int i = 0; i < n; i++) {
        if (text[i] == 0)
            memcpy(to, "\\x00", 4), to += 4;
        else
            *to++ = (char)text[i];
    }
    *to = '\0';
    return all;
}

static void print_json(Arena *arena, const GenerateRequest *r, const char *all, const uint8_t *text)
{
    cJSON *json = cJSON_CreateObject(), *bytes = cJSON_CreateArray();
    cJSON_AddStringToObject(json, "text", text_shown(arena, all));
    cJSON_AddNumberToObject(json, "temperature", r->temperature);
    for (int i = 0; i < r->bytes; i++) cJSON_AddItemToArray(bytes, cJSON_CreateNumber(text[i]));
    cJSON_AddItemToObject(json, "bytes", bytes);
    cli_print_json(arena, json);
}

static Status run_generate(Arena *arena, const Options *o, int *exit_code)
{
    (void)exit_code;
    OpenModel open;
    Graph *graph;
    if (o->prompt == NULL || o->prompt[0] == '\0')
        return status_fail(STATUS_INVALID, "--prompt: %s; a text of one byte or more is required",
                           o->prompt == NULL ? "not given" : "\"\"");
    GenerateRequest r = {.prompt = (const uint8_t *)o->prompt,
                         .prompt_bytes = strlen(o->prompt),
                         .bytes = o->bytes > 0 ? o->bytes : DEFAULT_BYTES};
    TRY(read_temperature(o->temperature, &r.temperature));
    TRY(any_open(arena, o->argument[0], o->sets, &open, &graph));
    r.seed = open.config->seed;
    uint8_t *text = ARENA_ARRAY(arena, uint8_t, r.bytes);
    TRY(generate(arena, &open, graph, &r, text));
    const char *all = as_string(arena, o->prompt, text, r.bytes);
    if (o->json)
        print_json(arena, &r, all, text);
    else
        cli_print_lines(all);
    return STATUS_OK;
}

const Verb verb_generate = {"generate",  "MODEL", "What a model of bytes (task next_token) goes on with after a prompt",
                            "sx234",     1,       1,
                            run_generate};
