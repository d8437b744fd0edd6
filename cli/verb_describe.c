/* describe: every key of a config, from the tables that parse it. */
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "cli/cli.h"
#include "deploy/exporter.h"
#include "quant/target.h"

typedef struct {
    Arena *arena;
    bool markdown;
    const char *under; /* only this key and what is below; NULL: all */
    int shown;
} Page;

static const char *default_text(Arena *arena, const Field *f)
{
    if (f->required) return "required";
    if (f->def != NULL) return f->def;
    return f->type == FIELD_OBJECT ? "" : arena_strdup(arena, "not set");
}

static void show_field(void *context, const char *path, const Field *f)
{
    Page *p = context;
    const size_t n = p->under == NULL ? 0 : strlen(p->under);
    if (n > 0 && (strncmp(path, p->under, n) != 0 || strchr(".[", path[n]) == NULL))
        return; /* strchr finds the NUL, too */
    p->shown++;
    const char *rule = field_rule(p->arena, f), *def = default_text(p->arena, f);
    const char *unit = f->unit == NULL ? "" : f->unit;
    if (p->markdown)
        cli_print("| `%s` | %s%s%s | %s%s%s | %s |\n", path, rule, unit[0] == '\0' ? "" : ", ", unit,
                  def[0] == '\0' || f->required ? "" : "`", def, def[0] == '\0' || f->required ? "" : "`", f->doc);
    else
        cli_print("%s\n    %s%s%s%s%s%s\n    %s\n", path, rule, unit[0] == '\0' ? "" : " (", unit,
                  unit[0] == '\0' ? "" : ")",
                  f->required      ? "; required"
                  : def[0] == '\0' ? ""
                                   : "; default ",
                  f->required ? "" : def, f->doc);
}

static void table_head(const Page *p, const char *title, const char *doc)
{
    if (p->markdown) {
        cli_print(doc[0] == '\0' ? "\n## %s\n\n%s" : "\n## %s\n\n%s.\n\n", title, doc);
        cli_print("| key | value | default | meaning |\n|---|---|---|---|\n");
    } else {
        cli_print("%s%s%s\n", title, doc[0] == '\0' ? "" : ": ", doc);
    }
}

/* The keys of one thing, as a table of its own. */
static void show_table(Page *p, const char *kind, const char *name, const char *doc, const Field *fields)
{
    table_head(p, p->markdown ? arena_printf(p->arena, "%s `%s`", kind, name) : name, doc);
    const char *under = p->under;
    p->under = NULL;
    field_visit(fields, "", show_field, p);
    p->under = under;
    p->shown++;
}

static void show_layers(Page *p, const char *name)
{
    for (int i = 0; layer_types[i] != NULL; i++) {
        const LayerType *l = layer_types[i];
        if (name == NULL || strcmp(name, l->name) == 0) show_table(p, "Layer", l->name, l->doc, l->fields);
    }
}

/* What `export --option` takes, after the list of exporters. */
static void show_exporters(Page *p)
{
    const bool all = p->under == NULL || strcmp(p->under, "exporters") == 0;
    for (int i = 0; exporters[i] != NULL; i++) {
        const ExporterType *e = exporters[i];
        if (e->fields != NULL && (all || strcmp(p->under, e->name) == 0))
            show_table(p, "Options of the export", e->name, "given as --option KEY=VALUE", e->fields);
    }
}

/* Things with a name and a sentence. */
static void show_names(Page *p, const char *title)
{
    if (p->markdown)
        cli_print("\n## %s\n\n| name | meaning |\n|---|---|\n", title);
    else
        cli_print("%s\n", title);
    p->shown++;
}

static void show_name(const Page *p, const char *name, const char *doc)
{
    cli_print(p->markdown ? "| `%s` | %s |\n" : "    %-16s %s\n", name, doc);
}

/* Shows a list whole, or the one entry that was asked for. */
static void show_list(Page *p, const char *title, int n, const char *const *name, const char *const *doc)
{
    const bool all = p->under == NULL || strcmp(p->under, title) == 0;
    if (all) show_names(p, title);
    for (int i = 0; i < n; i++) {
        if (!all && strcmp(p->under, name[i]) != 0) continue;
        show_name(p, name[i], doc[i]);
        p->shown++;
    }
}

/* The name and doc of every entry of a NULL-ended registry. */
#define SHOW_REGISTRY(page, title, registry)                                                                           \
    do {                                                                                                               \
        const char *names_[64], *docs_[64];                                                                            \
        int n_ = 0;                                                                                                    \
        for (; (registry)[n_] != NULL; n_++) names_[n_] = (registry)[n_]->name, docs_[n_] = (registry)[n_]->doc;       \
        show_list((page), (title), n_, names_, docs_);                                                                 \
    } while (0)

static void show_registries(Page *p)
{
    SHOW_REGISTRY(p, "datasets", dataset_types);
    SHOW_REGISTRY(p, "optimizers", optimizer_types);
    SHOW_REGISTRY(p, "schedules", schedule_types);
    SHOW_REGISTRY(p, "observers", observer_types);
    SHOW_REGISTRY(p, "quantizers", quantizer_types);
    SHOW_REGISTRY(p, "ptq steps", ptq_steps);
    SHOW_REGISTRY(p, "targets", target_types);
    SHOW_REGISTRY(p, "exporters", exporters);
}

/* config_fields' schema, with the layers' own in place of "any list". */
static void print_schema(Arena *arena)
{
    cJSON *schema = field_schema(config_fields);
    cJSON *any = cJSON_CreateArray();
    for (int i = 0; layer_types[i] != NULL; i++) {
        cJSON *layer = field_schema(layer_types[i]->fields);
        cJSON *type = json_get(json_get(layer, "properties"), "type");
        cJSON_AddStringToObject(type, "const", layer_types[i]->name);
        cJSON_AddStringToObject(layer, "description", layer_types[i]->doc);
        cJSON_AddItemToArray(any, layer);
    }
    cJSON *items = cJSON_CreateObject();
    cJSON_AddItemToObject(items, "anyOf", any);
    cJSON *model = json_get(json_get(json_get(schema, "properties"), "model"), "properties");
    cJSON *layers = json_get(model, "layers");
    cJSON_AddStringToObject(layers, "type", "array");
    cJSON_AddItemToObject(layers, "items", items);
    cJSON *root = cJSON_CreateObject();
    cJSON_AddStringToObject(root, "$schema", "http://json-schema.org/draft-07/schema#");
    cJSON_AddStringToObject(root, "title", "bitfold config");
    while (schema->child != NULL) {
        cJSON *item = cJSON_DetachItemViaPointer(schema, schema->child);
        char *key = arena_strdup(arena, item->string);
        cJSON_AddItemToObject(root, key, item);
    }
    cJSON_Delete(schema);
    cli_print_json(arena, root);
}

/* ---- what was meant by a name that is none ----------------------------------------------------------------------- */

enum { NAMES = 1024 };
typedef struct {
    const char *word; /* what was given */
    const char *ends; /* the keys that end in ".word", in quotes, joined; NULL: none */
    int n;
    const char *name[NAMES + 1];
    Arena *arena;
} Known;

static void know(Known *k, const char *name)
{
    ASSERT(k->n < NAMES);
    k->name[k->n++] = name;
}

static void know_field(void *context, const char *path, const Field *f)
{
    (void)f;
    Known *k = context;
    const char *last = strrchr(path, '.');
    if (last != NULL && strcmp(last + 1, k->word) == 0)
        k->ends = k->ends == NULL ? arena_printf(k->arena, "\"%s\"", path)
                                  : arena_printf(k->arena, "%s or \"%s\"", k->ends, path);
    know(k, arena_strdup(k->arena, path));
}

#define KNOW_REGISTRY(known, registry)                                                                                 \
    for (int i_ = 0; (registry)[i_] != NULL; i_++) know((known), (registry)[i_]->name)

static Status refuse_unknown(Arena *arena, const char *word)
{
    static const char *const titles[] = {"layers",     "datasets",  "optimizers", "schedules", "observers",
                                         "quantizers", "ptq steps", "targets",    "exporters"};
    Known *k = ARENA_ARRAY(arena, Known, 1);
    k->arena = arena, k->word = word;
    field_visit(config_fields, "", know_field, k);
    for (size_t i = 0; i < sizeof titles / sizeof titles[0]; i++) know(k, titles[i]);
    KNOW_REGISTRY(k, layer_types);
    KNOW_REGISTRY(k, dataset_types);
    KNOW_REGISTRY(k, optimizer_types);
    KNOW_REGISTRY(k, schedule_types);
    KNOW_REGISTRY(k, observer_types);
    KNOW_REGISTRY(k, quantizer_types);
    KNOW_REGISTRY(k, ptq_steps);
    KNOW_REGISTRY(k, target_types);
    KNOW_REGISTRY(k, exporters);
    const char *nearest = nearest_name(word, k->name);
    const char *meant = k->ends != NULL ? k->ends : nearest != NULL ? arena_printf(arena, "\"%s\"", nearest) : NULL;
    if (meant != NULL) return status_fail(STATUS_INVALID, "describe: \"%s\"; did you mean %s?", word, meant);
    return status_fail(STATUS_INVALID,
                       "describe: \"%s\"; must be a key such as train or quant.weights, a layer type, "
                       "layers, datasets, optimizers, schedules, observers, quantizers, ptq steps, targets, exporters, "
                       "or the name of one",
                       word);
}

static Status run_describe(Arena *arena, const Options *o, int *exit_code)
{
    (void)exit_code;
    if (o->schema || o->json) {
        print_schema(arena);
        return STATUS_OK;
    }
    Page p = {.arena = arena, .markdown = o->markdown, .under = o->arguments > 0 ? o->argument[0] : NULL};
    if (p.markdown)
        cli_print(
            "# Every key of a config\n\nMade by `bitfold describe --markdown` from the tables that parse the file; "
            "`configs/schema.json` says the same to editors.  Where decimals are allowed, a fraction in a string, "
            "\"1/255\", is a number, too.\n");
    if (p.under == NULL) table_head(&p, "config", "one JSON file");
    if (p.under == NULL || layer_type(p.under) == NULL) field_visit(config_fields, "", show_field, &p);
    if (p.under == NULL || strcmp(p.under, "layers") == 0)
        show_layers(&p, NULL);
    else
        show_layers(&p, p.under);
    show_registries(&p);
    show_exporters(&p);
    return p.shown > 0 ? STATUS_OK : refuse_unknown(arena, p.under);
}

const Verb verb_describe = {"describe", "[THING]",   "Every key of a config: type, range, default, meaning", "MS", 0,
                            1,          run_describe};
