#include "deploy/exporter.h"

#include <string.h>

const ExporterType *const exporters[] = {
#define X(name) &exporter_##name,
#include "deploy/exporters.def"
#undef X
    NULL};

const ExporterType *exporter_find(const char *name)
{
    for (int i = 0; exporters[i] != NULL; i++)
        if (strcmp(exporters[i]->name, name) == 0) return exporters[i];
    return NULL;
}

Status exporter_write(const ExporterType *type, Arena *arena, const QGraph *g, const char *path, const cJSON *options)
{
    static const Field none[] = {FIELD_END};
    const size_t length = strlen(path), tail = strlen(type->extension);
    if (length <= tail || strcmp(path + length - tail, type->extension) != 0)
        return status_fail(STATUS_INVALID, "%s: the name of a %s file; must end in %s", path, type->name,
                           type->extension);
    void *parsed = arena_zalloc(arena, type->options_bytes);
    TRY(field_parse(type->fields == NULL ? none : type->fields, options, type->name, parsed, arena));
    TRY(qgraph_check(g));
    return type->write(arena, g, path, parsed);
}
