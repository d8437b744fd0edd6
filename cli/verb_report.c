/* report: several tables of compare on one page. */
#include <math.h>
#include <string.h>

#include "base/file.h"
#include "cli/cli.h"
#include "report/joint.h"
#include "train/run.h"

enum { MAX_TABLES = 12 };

static void print_json(Arena *arena, const Joint *joint, const char *folder)
{
    cJSON *json = cJSON_CreateObject(), *networks = cJSON_AddArrayToObject(json, "networks");
    cJSON_AddStringToObject(json, "folder", folder);
    for (int i = 0; i < joint->networks; i++) {
        cJSON *of = cJSON_CreateObject(), *rows;
        cJSON_AddStringToObject(of, "name", joint->network[i].name);
        rows = cJSON_AddArrayToObject(of, "rows");
        for (int k = 0; k < joint->network[i].rows; k++) {
            const JointRow *r = &joint->network[i].row[k];
            cJSON *row = cJSON_CreateObject();
            cJSON_AddStringToObject(row, "name", r->row.name);
            cJSON_AddStringToObject(row, "kind", r->row.kind);
            cJSON_AddNumberToObject(row, joint->metric->name, r->row.accuracy);
            for (int c = 0; c < COST_LATENCY && r->costed; c++)
                cJSON_AddNumberToObject(row, cost_types[c].key, r->cost.of[c]);
            cJSON_AddBoolToObject(row, "front", r->front);
            cJSON_AddItemToArray(rows, row);
        }
        cJSON_AddItemToArray(networks, of);
    }
    cli_print_json(arena, json);
}

static void print_text(Arena *arena, const Joint *joint)
{
    cli_print("%-24s %-32s %9s %10s %10s %8s %9s\n", "network", "row", joint->metric->brief, "flash", "RAM", "instr.",
              "BOPs");
    for (int i = 0; i < joint->networks; i++)
        for (int k = 0; k < joint->network[i].rows; k++) {
            const JointRow *r = &joint->network[i].row[k];
            const char *cost[COST_LATENCY];
            for (int c = 0; c < COST_LATENCY; c++)
                cost[c] = r->costed ? cost_text(arena, (CostKind)c, r->cost.of[c]) : "-";
            cli_print("%-24s %-32s %9s %10s %10s %8s %9s%s\n", joint->network[i].name, r->row.name,
                      metric_number(arena, joint->metric, r->row.accuracy), cost[COST_FLASH], cost[COST_RAM],
                      cost[COST_CYCLES], cost[COST_BOPS], r->front ? " *" : "");
        }
    cli_print("* no row of these is as good with less flash\n");
    int without = 0;
    for (int i = 0; i < joint->networks; i++)
        for (int k = 0; k < joint->network[i].rows; k++)
            without += !joint->network[i].row[k].costed && strcmp(joint->network[i].row[k].row.kind, "float") != 0;
    if (without > 0)
        cli_note("note: %d quantized row%s no costs: the model is not in the table's folder, or C cannot hold it\n",
                 without, without == 1 ? " has" : "s have");
}

static Status run_report(Arena *arena, const Options *o, int *exit_code)
{
    (void)exit_code;
    Joint joint;
    RunFolder run;
    Config *config;
    const char *folder = o->out != NULL ? o->out : "runs/report";
    TRY(joint_read(arena, o->arguments, o->argument, &joint));
    TRY(config_read(arena, file_join(arena, o->argument[0], "config.json"), NULL, &config));
    const RunTerms terms = {
        .mode = run_mode(o->overwrite, false), .source = o->argument[0], .argc = o->argc, .argv = o->argv};
    TRY(run_folder_open(arena, folder, &terms, &run));
    const char *title = joint.network[0].name;
    for (int i = 1; i < joint.networks; i++) title = arena_printf(arena, "%s, %s", title, joint.network[i].name);
    const Report report = {
        .title = title, .subject = "networks side by side", .command = cli_command(arena, o), .joint = &joint};
    Status status = run_folder_begin(&run, config);
    if (status == STATUS_OK) status = joint_write_csv(arena, &joint, file_join(arena, folder, "report.csv"));
    if (status == STATUS_OK) status = report_write(arena, &report, file_join(arena, folder, "report.html"));
    TRY(run_folder_end(&run, status));
    if (o->json) {
        print_json(arena, &joint, folder);
        return STATUS_OK;
    }
    print_text(arena, &joint);
    cli_print("\n%s\n%s\n", file_join(arena, folder, "report.csv"), file_join(arena, folder, "report.html"));
    return STATUS_OK;
}

const Verb verb_report = {"report",
                          "DIR...",
                          "Several tables of compare on one page: the metric against flash, RAM, instructions and bit "
                          "operations, rows that no other beats, bars of float, post-training and quantization-aware",
                          "rw",
                          1,
                          MAX_TABLES,
                          run_report};
