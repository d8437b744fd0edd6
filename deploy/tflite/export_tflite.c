/* The int8 model as one .tflite file, read back before it takes its place. */
#include <stddef.h>

#include "base/file.h"
#include "deploy/tflite/export_tflite.h"
#include "deploy/exporter.h"
#include "deploy/runtime_limits.h"
#include "graph/node.h"

static const char *const io_names[] = {[TFLITE_IO_INT8] = "int8", [TFLITE_IO_FLOAT] = "float", NULL};

static const Field tflite_fields[] = {
    {.name = "io",
     .type = FIELD_ENUM,
     .offset = offsetof(TfliteOptions, io),
     .names = io_names,
     .def = "\"int8\"",
     .doc =
         "type of input and output: int8 codes, or float with QUANTIZE first and DEQUANTIZE last; the float input is "
         "the normalised image, (pixel / 255 - mean) / std"},
    FIELD_END};

/* A .tflite file's offsets have 32 bits and signs; what is not counted here is far below a quarter of that.  For each
 * output of a layer: a bias, two scales and two zero points. */
static Status check_size(const Graph *g)
{
    enum { OUTPUT_BYTES = 8 + 2 * 4 + 2 * 8 };
    int64_t bytes = 0;
    for (int i = 0; i < g->nodes; i++)
        if (node_has_weights(&g->node[i]))
            bytes += node_weights(&g->node[i]) * (node_is_float(g, &g->node[i]) ? (int64_t)sizeof(float) : 1) +
                     OUTPUT_BYTES * (int64_t)g->node[i].geom.o;
    if (bytes > INT32_MAX / 4 * 3)
        return status_fail(STATUS_UNSUPPORTED,
                           "%lld bytes of weights, biases and scales; a .tflite file takes at most %d",
                           (long long)bytes, INT32_MAX / 4 * 3);
    return STATUS_OK;
}

/* LiteRT's, and TFLite Micro's two. */
static const Rounding roundings[] = {ROUNDING_XNNPACK, ROUNDING_TFLITE_DOUBLE, ROUNDING_TFLITE_SINGLE,
                                     (Rounding)ROUNDINGS};

static Status write_checked(Arena *arena, const Graph *g, const char *path, const TfliteOptions *options)
{
    if (g->rounding == ROUNDING_XNNPACK) TRY(graph_check_runtime(g)); /* it has no numbers for some scales */
    TRY(check_size(g));
    TfliteModel *model, *written;
    TRY(tflite_build(arena, g, options, &model));
    size_t bytes;
    const unsigned char *data = tflite_write(arena, model, &bytes);
    TRY(tflite_check(arena, data, bytes, path, &written));
    const char *what;
    if (!tflite_same(model, written, &what))
        return status_fail(STATUS_FORMAT, "%s: %s: reads otherwise than it was written; must be the same", path, what);
    return file_write(arena, path, data, bytes);
}

/* The file grows by doubling and is read back: that memory is given back at once. */
static Status write_file(Arena *arena, const Graph *g, const char *path, const void *options)
{
    (void)arena;
    Arena *own = arena_create();
    const Status status = write_checked(own, g, path, options);
    arena_destroy(own);
    return status;
}

static const char *note(Arena *arena, const Graph *g, const void *options)
{
    (void)options;
    for (int i = 0; i < g->nodes; i++)
        if (g->node[i].input_bits > 0)
            return arena_printf(
                arena,
                "layer \"%s\" finds the grid of its input at run time, by TFLite's hybrid kernels, which "
                "round codes otherwise: values differ by about a step of such a grid",
                g->node[i].name);
    return NULL;
}

const ExporterType exporter_tflite = {
    .name = "tflite",
    .doc = "int8 model for LiteRT and TFLite Micro, with a signature \"serving_default\"",
    .extension = ".tflite",
    .signature = TFLITE_SIGNATURE,
    .fields = tflite_fields,
    .options_bytes = sizeof(TfliteOptions),
    .roundings = roundings,
    .carries = tflite_carries,
    .floats = true,
    .dynamic = true,
    .wide = true,
    .runtime = "TFLite",
    .write = write_file,
    .note = note,
};
