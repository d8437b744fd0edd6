/* Exporters: each turns the integer graph, some the float model too, into a file of one format.  A new one is
 * deploy/NAME/export_NAME.c, which defines exporter_NAME, and a line in deploy/exporters.def. */
#ifndef BITFOLD_DEPLOY_EXPORTER_H
#define BITFOLD_DEPLOY_EXPORTER_H

#include <cjson/cJSON.h>
#include <stddef.h>

#include "base/field.h"
#include "layers/model.h"
#include "graph/graph.h"

/* A format: constants.  The callbacks change neither graph nor model and keep no pointer; what they make for themselves
 * is in the arena, which is the caller's.  `options` is the parsed struct that `fields` describe, never NULL.  Equal
 * graphs and options give equal bytes: no date, host or path goes into a file. */
typedef struct {
    const char *name;      /* --to NAME */
    const char *doc;       /* one sentence, no final period */
    const char *extension; /* of the path, with its dot */
    /* A text that stands in the first EXPORT_HEAD_BYTES bytes of every file it writes and in no file of another kind, by
     * which an earlier export is known and may be replaced. */
    const char *signature;
    /* Extension and signature of the companion file that it writes next to the first.  NULL, both: it writes one file. */
    const char *companion, *companion_signature;
    const Field *fields;  /* options; NULL: it takes none */
    size_t options_bytes; /* of the struct the fields fill */
    /* The roundings that runtimes of this format have, the usual one first, ended by ROUNDINGS; NULL: any. */
    const Rounding *roundings;
    /* Whether its files have something for nodes of a kind; NULL: for every kind.  exporter_write refuses others. */
    bool (*carries)(NodeKind kind);
    bool floats; /* it writes nodes that compute in floats; exporter_write refuses graphs with such nodes otherwise */
    /* The option, as JSON, without which `write` refuses them all the same, by the layer's name.  NULL: it needs none. */
    const char *floats_option;
    bool wide;        /* it writes int16 codes; exporter_write refuses graphs with such tensors otherwise */
    bool wide_output; /* the same of the network's output alone, and of what int8 codes are widened to for it */
    bool sums;        /* it writes an output in int32; exporter_write refuses graphs with one otherwise */
    bool dynamic; /* it writes nodes that find their input's grid at run time; exporter_write refuses them otherwise */
    const char *runtime; /* what has no operator for such a node, as a reader knows it; NULL where carries is NULL */

    /* Writes a graph that has passed graph_check, in one of `roundings`, with nodes that it carries alone, to a path
     * that has its extension and may be replaced (exporter_write sees to all of that).  A file takes its final name only
     * once it is complete (file_write, safe_write): after a failure the old one is still there.  STATUS_UNSUPPORTED, by
     * the layer's name, for what the format cannot hold, before a byte is written; STATUS_IO.  Never NULL. */
    Status (*write)(Arena *arena, const Graph *g, const char *path, const void *options);
    /* The same for a float model whose parameters are finite, layer by layer as LayerType.real tells it.  NULL: files of
     * this format hold integers only. */
    Status (*write_float)(Arena *arena, Model *m, const char *path, const void *options);
    /* Bytes of flash and of RAM that the graph takes in this format with default options.  NULL: graph_flash_bytes and
     * graph_arena_bytes. */
    void (*cost)(Arena *arena, const Graph *g, size_t *flash_bytes, size_t *ram_bytes);
    /* What the user should know of this graph in this format: one line, in the arena or a constant, or NULL where there
     * is nothing to say.  NULL: there never is. */
    const char *(*note)(Arena *arena, const Graph *g, const void *options);
} ExporterType;
enum { EXPORT_HEAD_BYTES = 256 };

#define X(name) extern const ExporterType exporter_##name;
#include "deploy/exporters.def"
#undef X

extern const ExporterType *const exporters[];        /* NULL-ended */
const ExporterType *exporter_find(const char *name); /* NULL if there is none */
/* The same for a name from outside, `where` it was given.  STATUS_INVALID lists the names there are. */
Status exporter_named(Arena *arena, const char *where, const char *name, const ExporterType **type);

/* The one whose extension the path has; NULL if there is none. */
const ExporterType *exporter_of(const char *path);

/* The path of the companion file, which has the type's `companion` in place of its extension; in the arena.  NULL: it
 * writes none. */
const char *exporter_companion(const ExporterType *type, Arena *arena, const char *path);

/* Whether a file bears this exporter's signature, or that of its companion files.  False where it cannot be read. */
bool exporter_made(const ExporterType *type, const char *path);
bool exporter_made_companion(const ExporterType *type, const char *path);

/* The rounding to lower a model in for this format: the one wanted, or the format's usual one if no runtime of it rounds
 * so. */
Rounding exporter_rounding(const ExporterType *type, Rounding wanted);

/* Parses the options (NULL: defaults), checks the graph and the path, writes.  A file that exists is replaced only if
 * it bears the exporter's signature.  STATUS_CONFIG for an option the exporter does not know, STATUS_INVALID for a path
 * that does not end in its extension, STATUS_STATE for a file that is not an earlier export, STATUS_UNSUPPORTED for a
 * graph in a rounding that is none of the format's, or with a node of a kind that it does not carry. */
Status exporter_write(const ExporterType *type, Arena *arena, const Graph *g, const char *path, const cJSON *options);

/* The type's note on a graph that it wrote with these options; NULL if there is none. */
const char *exporter_note(const ExporterType *type, Arena *arena, const Graph *g, const cJSON *options);

/* Whether the type's files have something for nodes of a kind. */
bool exporter_carries(const ExporterType *type, NodeKind kind);
/* STATUS_UNSUPPORTED: a layer that is a node of a kind which the type does not carry; the sentence names layer, kind,
 * what runs such files, and the exporters that carry it. */
Status exporter_refuse(const ExporterType *type, const char *layer, NodeKind kind);

/* STATUS_UNSUPPORTED, by the layer's name: a node that finds its input's grid at run time, where the type writes none. */
Status exporter_check_dynamic(const ExporterType *type, const Graph *g);

/* exporter_write for a float model, as it computes in evaluation.  STATUS_UNSUPPORTED for a type without write_float. */
Status exporter_write_float(const ExporterType *type, Arena *arena, Model *m, const char *path, const cJSON *options);

#endif
