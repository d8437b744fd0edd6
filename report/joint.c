#include "report/joint.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/folder.h"
#include "base/json.h"
#include "datasets/csv.h"
#include "deploy/c/c_cost.h"
#include "deploy/exporter.h"
#include "report/report_parts.h"
#include "train/experiment.h"
#include "train/model_file.h"
#include "train/model_task.h"

enum { MAX_JSON_BYTES = 1 << 24 };

typedef struct {
    Arena *arena;
    const char *folder;
    CsvTable table;
    FolderNames names;
    JointNetwork *network;
    const Metric *metric; /* of the models; NULL: none was read yet */
} Reader;

static const char *cell(const Reader *r, int row, const char *column)
{
    const int c = csv_column(&r->table, column);
    return c < 0 ? "" : r->table.cell[(size_t)row * (size_t)r->table.columns + (size_t)c];
}

/* NAN where there is nothing. */
static double value_in(const Reader *r, int row, const char *column)
{
    const char *text = cell(r, row, column);
    char *end;
    const double value = strtod(text, &end);
    return text[0] == '\0' || *end != '\0' ? (double)NAN : value;
}

static int whole_in(const Reader *r, int row, const char *column)
{
    const double value = value_in(r, row, column);
    return value >= -1e9 && value <= 1e9 ? (int)value : 0;
}

static Status read_json(const Reader *r, const char *folder, const char *name, cJSON **json)
{
    unsigned char *text;
    size_t n;
    const char *path = file_join(r->arena, folder, name);
    TRY(file_read(r->arena, path, MAX_JSON_BYTES, &text, &n));
    return json_parse((const char *)text, n, path, json);
}

/* The folder of a row's first seed: the first whose row.json has the row's name; NULL: there is none. */
static const char *row_folder_of(const Reader *r, const char *row)
{
    for (int i = 0; i < r->names.n; i++) {
        const char *folder = file_join(r->arena, r->folder, r->names.at[i]);
        cJSON *json;
        if (!file_exists(file_join(r->arena, folder, "row.json"))) continue;
        if (read_json(r, folder, "row.json", &json) != STATUS_OK) continue;
        const cJSON *name = json_get(json, "name");
        const bool same = cJSON_IsString(name) && strcmp(name->valuestring, row) == 0;
        cJSON_Delete(json);
        if (same) return folder;
    }
    return NULL;
}

static void cost_of_graph(Arena *arena, const Graph *g, JointRow *row)
{
    if (exporter_check_dynamic(exporter_find("c"), g) != STATUS_OK) return;
    row->costed = true;
    row->cost = network_cost(arena, g, NULL);
    const Plan plan = c_plan_make(arena, g);
    const CCost all = c_cost(arena, g, &plan);
    for (int i = 0; i < all.layers; i++) {
        row->weight_bytes += (double)all.layer[i].weight_bytes;
        row->bias_bytes += (double)all.layer[i].bias_bytes;
    }
    row->other_bytes = row->cost.of[COST_FLASH] - row->weight_bytes - row->bias_bytes;
}

static Status read_model(Reader *r, JointRow *row)
{
    const char *folder = row_folder_of(r, row->row.name), *file;
    OpenModel open;
    Graph *graph;
    if (folder == NULL || model_file(r->arena, folder, &file) != STATUS_OK) return STATUS_OK;
    TRY(any_open(r->arena, file, NULL, &open, &graph));
    if (r->metric == NULL && open.model->layers > 0) r->metric = model_task(open.config, open.model).metric;
    if (graph != NULL) cost_of_graph(r->arena, graph, row);
    return STATUS_OK;
}

/* Least and median time of the row, from the table's run.json. */
static Latency latency_of(const cJSON *run, const char *name)
{
    const cJSON *of = json_get(json_get(run, "latency"), name);
    const cJSON *least = json_get(of, "least_us"), *median = json_get(of, "median_us"),
                *disturbed = json_get(of, "disturbed");
    Latency latency = {0};
    if (cJSON_IsNumber(least)) latency.least_us = least->valuedouble;
    if (cJSON_IsNumber(median)) latency.median_us = median->valuedouble;
    latency.others = cJSON_IsTrue(disturbed) ? 1.0 : 0.0;
    return latency;
}

static void read_row(const Reader *r, int i, const cJSON *run, const char *metric, JointRow *out)
{
    Arena *a = r->arena;
    CompareRow *row = &out->row;
    *row = (CompareRow){.name = cell(r, i, "name"),
                        .kind = cell(r, i, "kind"),
                        .weight_bits = whole_in(r, i, "weight_bits"),
                        .act_bits = whole_in(r, i, "act_bits"),
                        .granularity = cell(r, i, "granularity"),
                        .observer = cell(r, i, "observer"),
                        .first_last_bits = whole_in(r, i, "first_last_bits"),
                        .accuracy = value_in(r, i, metric),
                        .accuracy_std = value_in(r, i, arena_printf(a, "%s_std", metric)),
                        .accuracy_int8 = value_in(r, i, arena_printf(a, "%s_int8", metric)),
                        .seeds = whole_in(r, i, "seeds"),
                        .drop_range = {value_in(r, i, "drop_low"), value_in(r, i, "drop_high")},
                        .p = value_in(r, i, "p_value"),
                        .size_bytes = whole_in(r, i, "size_bytes"),
                        .ram_bytes = whole_in(r, i, "ram_bytes"),
                        .macs = (long)value_in(r, i, "macs")};
    row->latency = latency_of(run, row->name);
}

static Status read_network(Reader *r)
{
    const char *path = file_join(r->arena, r->folder, "compare.csv");
    JointNetwork *network = r->network;
    if (!file_exists(path))
        return status_fail(STATUS_STATE, "%s: holds no compare.csv; must be the run directory of a bitfold compare",
                           r->folder);
    TRY(csv_read(r->arena, path, &r->table));
    /* The metric's column is the one before its spread's. */
    const char *metric = NULL;
    for (int i = 0; i + 1 < r->table.columns && metric == NULL; i++)
        if (strcmp(r->table.name[i + 1], arena_printf(r->arena, "%s_std", r->table.name[i])) == 0)
            metric = r->table.name[i];
    if (metric == NULL || csv_column(&r->table, "name") < 0 || csv_column(&r->table, "kind") < 0)
        return status_fail(STATUS_FORMAT, "%s: its columns are not those of bitfold compare", path);
    TRY(folder_names(r->arena, r->folder, &r->names));
    cJSON *run = NULL, *config;
    TRY(read_json(r, r->folder, "config.json", &config));
    const cJSON *name = json_get(config, "name"), *dataset = json_get(json_get(config, "data"), "dataset");
    network->folder = r->folder;
    network->name = arena_strdup(r->arena, cJSON_IsString(name) ? name->valuestring : r->folder);
    network->dataset = arena_strdup(r->arena, cJSON_IsString(dataset) ? dataset->valuestring : "");
    cJSON_Delete(config);
    if (file_exists(file_join(r->arena, r->folder, "run.json"))) TRY(read_json(r, r->folder, "run.json", &run));
    network->row = ARENA_ARRAY(r->arena, JointRow, r->table.rows + 1);
    for (int i = 0; i < r->table.rows; i++) {
        if (cell(r, i, "error")[0] != '\0') continue;
        read_row(r, i, run, metric, &network->row[network->rows++]);
    }
    cJSON_Delete(run);
    r->metric = NULL;
    for (int i = 0; i < network->rows; i++) TRY(read_model(r, &network->row[i]));
    if (r->metric == NULL || strcmp(r->metric->name, metric) != 0)
        return status_fail(STATUS_STATE, "%s: no row has a model that its table's %s is of; rows' folders are required",
                           r->folder, metric);
    for (int i = 0; i < network->rows; i++) network->row[i].row.metric = r->metric;
    return STATUS_OK;
}

/* By flash; float rows, and those without a cost, are none of it. */
static void mark_front(Joint *joint)
{
    const Metric *m = joint->metric;
    for (int i = 0; i < joint->networks; i++)
        for (int k = 0; k < joint->network[i].rows; k++) {
            JointRow *a = &joint->network[i].row[k];
            const double value = row_accuracy(&a->row);
            a->front = a->costed && isfinite(value);
            for (int j = 0; j < joint->networks && a->front; j++)
                for (int l = 0; l < joint->network[j].rows; l++) {
                    const JointRow *b = &joint->network[j].row[l];
                    if (b == a || !b->costed || !isfinite(row_accuracy(&b->row))) continue;
                    const bool smaller = b->cost.of[COST_FLASH] < a->cost.of[COST_FLASH],
                               equal = b->cost.of[COST_FLASH] == a->cost.of[COST_FLASH],
                               as_good = metric_as_good(m, row_accuracy(&b->row), value),
                               better = as_good && row_accuracy(&b->row) != value;
                    if ((smaller && as_good) || (equal && better)) a->front = false;
                }
        }
}

Status joint_read(Arena *arena, int n, char *const *folder, Joint *joint)
{
    *joint = (Joint){.networks = n, .network = ARENA_ARRAY(arena, JointNetwork, n)};
    for (int i = 0; i < n; i++) {
        Reader r = {.arena = arena, .folder = folder[i], .network = &joint->network[i]};
        TRY(read_network(&r));
        if (joint->metric == NULL) joint->metric = r.metric;
        if (strcmp(joint->metric->name, r.metric->name) != 0)
            return status_fail(STATUS_CONFIG, "%s: a table of %s; must be of %s, as that of %s", folder[i],
                               r.metric->name, joint->metric->name, folder[0]);
    }
    for (int i = 0; i < n; i++)
        for (int k = 0; k < n; k++)
            if (k != i && strcmp(joint->network[i].name, joint->network[k].name) == 0) {
                joint->network[i].name =
                    arena_printf(arena, "%s (%s)", joint->network[i].name, joint->network[i].folder);
                break;
            }
    mark_front(joint);
    return STATUS_OK;
}

Status joint_write_csv(Arena *arena, const Joint *joint, const char *path)
{
    FileWriter writer;
    TRY(file_begin(arena, path, &writer));
    FILE *out = writer.stream;
    const char *m = joint->metric->name;
    fprintf(out,
            "network,row,kind,weight_bits,act_bits,%s,%s_std,seeds,p_value,flash_bytes,weight_bytes,bias_bytes,"
            "other_bytes,ram_bytes,cycles,bops,latency_us,latency_median_us,front\r\n",
            m, m);
    for (int i = 0; i < joint->networks; i++)
        for (int k = 0; k < joint->network[i].rows; k++) {
            const JointRow *row = &joint->network[i].row[k];
            const CompareRow *r = &row->row;
            const double none = row->costed ? 1.0 : (double)NAN;
            csv_text(out, joint->network[i].name);
            fputc(',', out);
            csv_text(out, r->name);
            fprintf(out, ",%s,%d,%d", r->kind, r->weight_bits, r->act_bits);
            csv_numbers(out, (const double[]){row_accuracy(r), r->accuracy_std, r->seeds, r->p}, 4);
            csv_numbers(out,
                        (const double[]){none * row->cost.of[COST_FLASH], none * row->weight_bytes,
                                         none * row->bias_bytes, none * row->other_bytes, none * row->cost.of[COST_RAM],
                                         none * row->cost.of[COST_CYCLES], none * row->cost.of[COST_BOPS],
                                         r->latency.least_us > 0 ? r->latency.least_us : (double)NAN,
                                         r->latency.median_us > 0 ? r->latency.median_us : (double)NAN},
                        9);
            fprintf(out, ",%d\r\n", row->front);
        }
    return file_commit(&writer);
}
