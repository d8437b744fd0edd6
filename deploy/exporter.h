/* Exporters: each turns the integer graph into a file of one format.  A new one is deploy/export_NAME.c, which defines
 * exporter_NAME, and a line in deploy/exporters.def. */
#ifndef BITFOLD_DEPLOY_EXPORTER_H
#define BITFOLD_DEPLOY_EXPORTER_H

#include <cjson/cJSON.h>
#include <stddef.h>

#include "base/field.h"
#include "quant/qgraph.h"

typedef struct {
    const char *name;      /* --to NAME */
    const char *doc;       /* one sentence, no final period */
    const char *extension; /* of the path, with its dot */
    const Field *fields;   /* options; NULL: it takes none */
    size_t options_bytes;  /* of the struct the fields fill */
    Status (*write)(Arena *arena, const QGraph *g, const char *path, const void *options);
} ExporterType;

#define X(name) extern const ExporterType exporter_##name;
#include "deploy/exporters.def"
#undef X

extern const ExporterType *const exporters[];        /* NULL-ended */
const ExporterType *exporter_find(const char *name); /* NULL if there is none */

/* Parses the options (NULL: defaults), checks the graph and the path's extension, writes.  STATUS_CONFIG for an option
 * the exporter does not know, STATUS_INVALID for a path that does not end in its extension. */
Status exporter_write(const ExporterType *type, Arena *arena, const QGraph *g, const char *path, const cJSON *options);

#endif
