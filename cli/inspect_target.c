#include "cli/inspect_target.h"

#include <stdio.h>
#include <string.h>

#include "deploy/c/c_cost.h"
#include "deploy/exporter.h"

Status inspect_target(Arena *arena, const Options *o, const Graph *g)
{
    if (strcmp(o->target, "c") != 0)
        return status_fail(STATUS_INVALID, "--target: \"%s\"; must be one of: c", o->target);
    TRY(exporter_check_dynamic(exporter_find(o->target), g));
    const Plan plan = c_plan_make(arena, g);
    const CCost cost = c_cost(arena, g, &plan);
    const char *rounding = rounding_names[g->rounding];
    if (o->json) {
        cJSON *json = c_cost_json(g, &cost);
        cJSON_AddStringToObject(json, "target", o->target);
        cJSON_AddStringToObject(json, "rounding", rounding);
        cli_print_json(arena, json);
        return STATUS_OK;
    }
    c_cost_print(arena, g, &cost, "", true, stdout);
    if (rounding_is_float(g->rounding))
        cli_print("note: rounding %s; export --to c writes tflite-single, unless --set quant.target=tflite-micro\n",
                  rounding);
    if (!graph_is_integer(g)) cli_print("note: layers in floats; export --to c writes them with --option floats=yes\n");
    return STATUS_OK;
}
