/* The times of a table's rows, in run.json beside what else may differ between equal runs. */
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "report/compare.h"

static cJSON *latency_json(const Latency *l)
{
    cJSON *json = cJSON_CreateObject();
    cJSON_AddNumberToObject(json, "least_us", l->least_us);
    cJSON_AddNumberToObject(json, "median_us", l->median_us);
    cJSON_AddNumberToObject(json, "repeats", l->repeats);
    cJSON_AddBoolToObject(json, "disturbed", latency_disturbed(l));
    return json;
}

Status compare_note(Arena *arena, const char *folder, const CompareResult *result)
{
    const char *path = file_join(arena, folder, "run.json");
    unsigned char *text;
    size_t bytes;
    TRY(file_read(arena, path, 1 << 24, &text, &bytes));
    cJSON *run;
    TRY(json_parse((const char *)text, bytes, path, &run));
    cJSON *rows = cJSON_AddObjectToObject(run, "latency");
    for (int i = 0; i < result->rows; i++)
        if (result->row[i].error == NULL)
            cJSON_AddItemToObject(rows, result->row[i].name, latency_json(&result->row[i].latency));
    const char *with = json_print(arena, run);
    cJSON_Delete(run);
    return file_write(arena, path, with, strlen(with));
}
