#include "cli/inspect_target.h"

#include <stdio.h>
#include <string.h>

#include "deploy/c_cost.h"

Status inspect_target(Arena *arena, const Options *o, const QGraph *g)
{
    if (strcmp(o->target, "c") != 0)
        return status_fail(STATUS_INVALID, "--target: \"%s\"; must be one of: c", o->target);
    const CPlan plan = c_plan_make(arena, g);
    const CCost cost = c_cost(arena, g, &plan);
    const char *dialect = qgraph_dialect_names[g->dialect];
    if (o->json) {
        cJSON *json = c_cost_json(g, &cost);
        cJSON_AddStringToObject(json, "target", o->target);
        cJSON_AddStringToObject(json, "dialect", dialect);
        cli_print_json(arena, json);
        return STATUS_OK;
    }
    c_cost_print(arena, g, &cost, "", stdout);
    if (dialect_is_float(g->dialect))
        cli_print("note: dialect %s; export --to c writes tflite-single, unless --set quant.dialect=tflite-double\n",
                  dialect);
    return STATUS_OK;
}
