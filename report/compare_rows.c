#include "report/compare_rows.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "base/json.h"
#include "report/compare_patch.h"
#include "train/provenance.h"

int compare_seeds(const Config *config) { return config->compare.seeds.n > 0 ? config->compare.seeds.n : 1; }

uint64_t compare_seed(const Config *config, int k)
{
    return config->compare.seeds.n > 0 ? (uint64_t)config->compare.seeds.at[k] : config->seed;
}

typedef struct {
    Arena *arena;
    const Config *config;
    const DataSplits *data;
    bool copied;
    const Model *m; /* of the table's own config, in float */
    RowPlan *plan;
    int n, room, seeds;
} Rows;

/* ---- names ------------------------------------------------------------------------------------------------------- */

static bool name_taken(const Rows *rows, const char *name)
{
    for (int i = 0; i < rows->n; i++)
        if (strcmp(rows->plan[i].name, name) == 0) return true;
    return false;
}

/* Some systems do not tell letters by their case. */
static bool label_taken(const Rows *rows, const char *label)
{
    for (int i = 0; i < rows->n; i++)
        if (strcasecmp(rows->plan[i].label, label) == 0) return true;
    return false;
}

char *row_file_name(Arena *arena, const char *name)
{
    char *label = arena_printf(arena, "%.100s", name);
    for (char *c = label; *c != '\0'; c++)
        if (!isalnum((unsigned char)*c) && strchr("._+-", *c) == NULL) *c = '-';
    if (label[0] == '.') label[0] = '-';
    return label;
}

static const char *plan_name(Arena *arena, const RowPlan *p, const char *suffix)
{
    if (p->kind == MODEL_FLOAT) return "float";
    if (p->kind == MODEL_QAT)
        return arena_printf(arena, "%s %s%s", p->progressive ? "progressive" : "qat", p->bits_text, suffix);
    return arena_printf(arena, "ptq %s%s %s %s", p->bits_text, suffix, granularity_names[p->granularity],
                        observer_names[p->observer]);
}

static const char *origin(Arena *arena, ModelKind kind, const Config *config)
{
    return provenance_now(arena, config, (RunStart){kind, "model", NULL}, "").config;
}

/* ---- adding ------------------------------------------------------------------------------------------------------ */

static void add(Rows *rows, RowPlan p)
{
    Arena *arena = rows->arena;
    if (rows->n == rows->room) {
        RowPlan *more = ARENA_ARRAY(arena, RowPlan, 2 * rows->room + 16);
        if (rows->n > 0) memcpy(more, rows->plan, sizeof *more * (size_t)rows->n);
        rows->plan = more, rows->room = 2 * rows->room + 16;
    }
    const char *label = row_file_name(arena, p.name);
    for (int k = 2; label_taken(rows, label); k++)
        label = arena_printf(arena, "%s-%d", row_file_name(arena, p.name), k);
    p.label = label;
    p.origin = origin(arena, p.kind, p.config);
    p.model = ARENA_ARRAY(arena, Model *, rows->seeds);
    p.renewed = ARENA_ARRAY(arena, bool, rows->seeds);
    rows->plan[rows->n++] = p;
}

/* A patched config, its quant section as the kind uses it. */
static const Config *used(const Rows *rows, ModelKind kind, Config *patched)
{
    if (kind == MODEL_PTQ) patched->quant = ptq_quant_config(rows->arena, &patched->quant);
    return patched;
}

/* ---- rows of the short keys -------------------------------------------------------------------------------------- */

/* {"quant": {"weights": {...}, "activations": {...}, "first_last_bits": ...}} */
static cJSON *short_patch(const RowPlan *p)
{
    cJSON *json = cJSON_CreateObject(), *quant = cJSON_AddObjectToObject(json, "quant");
    cJSON *weights = cJSON_AddObjectToObject(quant, "weights"),
          *outputs = cJSON_AddObjectToObject(quant, "activations");
    cJSON_AddNumberToObject(weights, "bits", p->bits);
    cJSON_AddNumberToObject(outputs, "bits", p->bits);
    cJSON_AddNumberToObject(quant, "first_last_bits", p->first_last_bits);
    if (p->kind != MODEL_PTQ) return json;
    cJSON_AddStringToObject(weights, "granularity", granularity_names[p->granularity]);
    cJSON_AddStringToObject(outputs, "observer", observer_names[p->observer]);
    return json;
}

/* Overrides can make rows of different widths look alike: the width that was asked for tells them apart. */
static Status add_short(Rows *rows, RowPlan p)
{
    cJSON *json = short_patch(&p);
    Config *patched;
    const Status status = config_patch(rows->arena, rows->config, json, "compare", &patched);
    cJSON_Delete(json);
    TRY(status);
    p.config = used(rows, p.kind, patched);
    row_bits(rows->arena, rows->m, &p);
    p.name = plan_name(rows->arena, &p, "");
    if (name_taken(rows, p.name)) p.name = plan_name(rows->arena, &p, arena_printf(rows->arena, " of %d", p.bits));
    add(rows, p);
    return STATUS_OK;
}

static Status add_shorts(Rows *rows)
{
    const CompareConfig *c = &rows->config->compare;
    for (int kind = MODEL_PTQ; kind <= MODEL_QAT; kind++) {
        const IntList *widths = kind == MODEL_PTQ ? &c->ptq_bits : &c->qat_bits;
        for (int b = 0; b < widths->n; b++)
            for (int e = 0; e < (widths->at[b] < 8 ? c->first_last_bits.n : 1); e++) {
                RowPlan p = {.kind = (ModelKind)kind,
                             .bits = widths->at[b],
                             .first_last_bits = c->first_last_bits.at[e],
                             .granularity = rows->config->quant.weights.granularity};
                if (kind == MODEL_QAT) TRY(add_short(rows, p));
                for (int g = 0; g < c->granularities.n && kind == MODEL_PTQ; g++)
                    for (int k = 0; k < c->observers.n; k++) {
                        p.granularity = c->granularities.at[g];
                        p.observer = c->observers.at[k];
                        TRY(add_short(rows, p));
                    }
            }
    }
    return STATUS_OK;
}

/* Each begins with the network of the one before.  The widths fall, or a row would begin with less than it may have. */
static Status add_progressive(Rows *rows)
{
    const CompareConfig *c = &rows->config->compare;
    for (int b = 1; b < c->progressive.n; b++)
        if (c->progressive.at[b] >= c->progressive.at[b - 1])
            return status_fail(STATUS_CONFIG,
                               "%s: compare.progressive[%d]: %d bits after %d; each width must be less than the one "
                               "before",
                               rows->config->path, b, c->progressive.at[b], c->progressive.at[b - 1]);
    int start = 0;
    for (int b = 0; b < c->progressive.n; b++) {
        TRY(add_short(rows, (RowPlan){.kind = MODEL_QAT,
                                      .progressive = true,
                                      .start = start,
                                      .bits = c->progressive.at[b],
                                      .first_last_bits = rows->config->quant.first_last_bits,
                                      .granularity = rows->config->quant.weights.granularity}));
        start = rows->n - 1;
    }
    return STATUS_OK;
}

/* ---- rows of patches --------------------------------------------------------------------------------------------- */

/* The float row that a row of this config starts from; a new one, if there is none. */
static int float_row(Rows *rows, const Config *config, const char *name)
{
    if (rows->copied) return 0;
    Arena *arena = rows->arena;
    const char *text = origin(arena, MODEL_FLOAT, config);
    for (int i = 0; i < rows->n; i++)
        if (rows->plan[i].kind == MODEL_FLOAT && strcmp(rows->plan[i].origin, text) == 0) return i;
    const char *own = arena_printf(arena, "float of %s", name);
    while (name_taken(rows, own)) own = arena_printf(arena, "%s again", own);
    add(rows, (RowPlan){.kind = MODEL_FLOAT, .config = config, .start = -1, .own = true, .name = own});
    return rows->n - 1;
}

/* What would make the table wrong, or larger without need. */
static Status check_new(const Rows *rows, const RowPlan *p)
{
    Arena *arena = rows->arena;
    const char *path = rows->config->path, *text = origin(arena, p->kind, p->config);
    if (name_taken(rows, p->name))
        return status_fail(STATUS_CONFIG, "%s: %s: name: another row has it; each must have a name of its own", path,
                           p->where);
    for (int i = 0; i < rows->n; i++)
        if (rows->plan[i].kind == p->kind && rows->plan[i].start == p->start && strcmp(rows->plan[i].origin, text) == 0)
            return status_fail(STATUS_CONFIG,
                               "%s: %s: its patch has no effect: \"%s\" is the same row; each must be another one",
                               path, p->where, rows->plan[i].name);
    return STATUS_OK;
}

/* Builds the network of a patched config, which must be one, to see its bits. */
static Status find_bits(const Rows *rows, RowPlan *p)
{
    Arena *own = arena_create();
    Model *m;
    const QuantConfig *quant = p->kind == MODEL_FLOAT ? NULL : &p->config->quant;
    Status status = experiment_model(own, p->config, quant, rows->data, &m);
    if (status == STATUS_OK)
        row_bits(rows->arena, m, p);
    else
        status = config_patch_failed(own, rows->config, p->where, status);
    arena_destroy(own);
    return status;
}

static int observer_of(const Config *config)
{
    const int choice = config->quant.activations.observer; /* 0 is "auto" */
    return choice > 0 ? choice - 1 : 0;
}

static Status add_own(Rows *rows, const RowPatch *row)
{
    RowPlan p = {.kind = row->kind,
                 .config = used(rows, row->kind, row->config),
                 .own = true,
                 .name = row->name,
                 .where = row->where,
                 .start = -1};
    const QuantConfig *quant = &p.config->quant;
    const int outputs = quant->activations.bits;
    p.bits = quant->weights.bits;
    p.first_last_bits = p.bits < 8 || outputs < 8 ? quant->first_last_bits : 0;
    p.granularity = quant->weights.granularity;
    p.observer = observer_of(p.config);
    TRY(find_bits(rows, &p));
    if (p.kind != MODEL_FLOAT) p.start = float_row(rows, p.config, p.name);
    TRY(check_new(rows, &p));
    add(rows, p);
    return STATUS_OK;
}

Status compare_rows(Arena *arena, const Config *config, const DataSplits *data, bool copied, RowPlans *out)
{
    Rows rows = {.arena = arena, .config = config, .data = data, .copied = copied, .seeds = compare_seeds(config)};
    Model *m;
    TRY(experiment_model(arena, config, NULL, data, &m));
    rows.m = m;
    add(&rows, (RowPlan){.kind = MODEL_FLOAT, .config = config, .start = -1, .name = "float"});
    TRY(add_shorts(&rows));
    TRY(add_progressive(&rows));
    RowPatches patches;
    TRY(compare_patches(arena, config, copied, &patches));
    for (int i = 0; i < patches.n; i++) TRY(add_own(&rows, &patches.at[i]));
    *out = (RowPlans){rows.n, rows.plan};
    return STATUS_OK;
}
