#include "tests/support/tflite_file.h"

#include <check.h>

#include "base/file.h"
#include "deploy/exporter.h"

Status tflite_export(Arena *arena, const Graph *g, const char *path, const char *options)
{
    cJSON *json = options == NULL ? NULL : cJSON_Parse(options);
    const Status status = exporter_write(&exporter_tflite, arena, g, path, json);
    cJSON_Delete(json);
    return status;
}

static void must(Status status) { ck_assert_msg(status == STATUS_OK, "%s", status_message()); }

TfliteModel *tflite_read_back(Arena *arena, const char *path)
{
    unsigned char *data;
    size_t bytes;
    TfliteModel *m;
    must(file_read(arena, path, 1 << 24, &data, &bytes));
    must(tflite_check(arena, data, bytes, path, &m));
    return m;
}
