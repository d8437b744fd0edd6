/* The model as one .c and one .h file of C99 for microcontrollers: integers, floats only where they are asked for,
 * constants in flash, one static arena. */
#include <ctype.h>
#include <string.h>
#include <zlib.h>

#include "base/file.h"
#include "deploy/c/c_writer.h"
#include "deploy/exporter.h"
#include "graph/node.h"

#define MARK_SOURCE "bitfold C model: source"
#define MARK_HEADER "bitfold C model: header"

typedef struct {
    const char *prefix;
    int golden;
    int floats;
} COptions;

/* A run of codes of 4 bits and as many of the image sum up to less than 2^31. */
enum { MAX_GOLDEN = 16, MAX_PREFIX_BYTES = 40, MAX_RUN = 1 << 20 };

static const char *const no_or_yes[] = {"no", "yes", NULL};

static const Field fields[] = {
    {"prefix", FIELD_STRING, offsetof(COptions, prefix), .min = 1, .max = MAX_PREFIX_BYTES,
     .doc = "what every public name begins with: a letter, then letters, digits and underscores (default: made of the "
            "file's name)"},
    {"golden", FIELD_INT, offsetof(COptions, golden), .min = 0, .max = MAX_GOLDEN, .def = "2",
     .doc = "images of the self-test, with the answers they must give; 0: no self-test"},
    {"floats", FIELD_ENUM, offsetof(COptions, floats), .names = no_or_yes, .def = "\"no\"",
     .doc = "yes: layers in floats are written, as C99 with floats; no: a model with such layers is refused"},
    FIELD_END};

static bool is_name(const char *text)
{
    for (const char *p = text; *p != '\0'; p++)
        if ((unsigned char)*p > 0x7e || !(isalnum((unsigned char)*p) || *p == '_')) return false;
    return (unsigned char)*text <= 0x7e && isalpha((unsigned char)*text);
}

static Status choose_prefix(Arena *arena, const char *stem, const char *given, const char **prefix)
{
    if (given != NULL) {
        if (!is_name(given))
            return status_fail(STATUS_CONFIG,
                               "c: prefix: \"%s\"; must be a letter, then letters, digits and underscores", given);
        *prefix = given;
        return STATUS_OK;
    }
    char *made = arena_printf(arena, "%.*s", MAX_PREFIX_BYTES, stem);
    for (char *p = made; *p != '\0'; p++)
        if ((unsigned char)*p > 0x7e || !isalnum((unsigned char)*p)) *p = '_';
    *prefix = isalpha((unsigned char)made[0]) ? made : arena_printf(arena, "m%s", made);
    return STATUS_OK;
}

/* The other roundings rescale in float. */
static const Rounding roundings[] = {ROUNDING_TFLITE_SINGLE, ROUNDING_TFLITE_DOUBLE, (Rounding)ROUNDINGS};

static Status check_floats(const Graph *g, bool floats)
{
    for (int i = 0; i < g->nodes && !floats; i++)
        if (node_is_float(g, &g->node[i]))
            return status_fail(STATUS_UNSUPPORTED,
                               "layer \"%s\": computes in %s, and C is written in integers only; give --option "
                               "floats=yes to have it in C99 with floats, or quantize it in int8",
                               g->node[i].name, format_names[node_y(g, &g->node[i])->format]);
    return STATUS_OK;
}

static Status check_runs(const Graph *g)
{
    for (int i = 0; i < g->nodes; i++) {
        const Node *n = &g->node[i];
        if (node_has_weights(n) && !c_whole(n) && c_run(n) > MAX_RUN)
            return status_fail(STATUS_UNSUPPORTED, "c: layer \"%s\": %ld weights in a row; at most %d", n->name,
                               c_run(n), MAX_RUN);
    }
    return STATUS_OK;
}

/* The name stands in an #include and in comments. */
static Status check_stem(const char *stem, const char *path)
{
    bool control = false;
    for (const char *p = stem; *p != '\0'; p++) control = control || iscntrl((unsigned char)*p);
    if (!control && strpbrk(stem, "\"\\*?") == NULL) return STATUS_OK;
    return status_fail(STATUS_INVALID, "%s: the name of a C file; must hold none of \" \\ * ? and no control character",
                       path);
}

static void write_owner(FILE *out, const char *signature, const char *file)
{
    fprintf(
        out,
        "/* %s.  %s\n *\n"
        " * This file belongs to whoever generated it, who may do with it as they please: no licence, notice or fee "
        "comes\n * with it.\n *\n",
        signature, file);
}

/* Both files bear the CRC-32 of all their text, and the source refuses to be compiled with another header: one file may
 * have been replaced without the other, by a copy or by an export that was killed between them.  Where the digest
 * stands, eight zeros are hashed. */
#define NO_DIGEST "0x00000000"
typedef struct {
    long at[2]; /* in header and source, of NO_DIGEST */
} Digest;

static long write_digest(const CWriter *w, const char *before, const char *after)
{
    fputs(before, w->out);
    const long at = ftell(w->out);
    fprintf(w->out, NO_DIGEST "%s", after);
    return at;
}

static Status write_source(CWriter *w, const char *stem, Digest *digest)
{
    write_owner(w->out, MARK_SOURCE, arena_printf(w->arena, "%s.h says what it does and what it costs.", stem));
    fprintf(w->out, " * C99 without %sheap or library; %s_SELF_TEST, when defined, adds %s_self_test.\n */\n",
            graph_is_integer(w->g) ? "floats, " : "", w->upper, w->prefix);
    fprintf(w->out, "#include \"%s.h\"\n\n", stem);
    digest->at[1] = write_digest(w, arena_printf(w->arena, "#if %s_EXPORT != ", w->upper), "\n");
    fprintf(w->out, "#error \"%s.c and %s.h come from different exports; both files of one are required\"\n#endif\n\n",
            stem, stem);
    c_write_kernels(w);
    c_write_layers(w);
    c_write_run(w);
    c_write_helpers(w);
    return c_write_self_test(w);
}

static Status hash(const FileWriter *file, uint32_t *crc)
{
    unsigned char piece[4096];
    size_t n;
    if (fseek(file->stream, 0, SEEK_SET) == 0)
        while ((n = fread(piece, 1, sizeof piece, file->stream)) > 0) *crc = (uint32_t)crc32(*crc, piece, (uInt)n);
    return feof(file->stream) && !ferror(file->stream) ? STATUS_OK
                                                       : status_fail(STATUS_IO, "%s: cannot read back", file->path);
}

static Status put_digest(const Digest *digest, FileWriter *header, FileWriter *source)
{
    FileWriter *const file[] = {header, source};
    uint32_t crc = 0;
    for (int i = 0; i < 2; i++) TRY(hash(file[i], &crc));
    for (int i = 0; i < 2; i++)
        if (fseek(file[i]->stream, digest->at[i], SEEK_SET) != 0 || fprintf(file[i]->stream, "0x%08x", crc) < 0)
            return status_fail(STATUS_IO, "%s: cannot write", file[i]->path);
    return STATUS_OK;
}

static Status write_files(CWriter *w, const char *stem, FileWriter *source, FileWriter *header)
{
    Digest digest;
    w->out = header->stream;
    write_owner(w->out, MARK_HEADER, arena_printf(w->arena, "Compile %s.c with it.", stem));
    c_write_header(w);
    digest.at[0] = write_digest(
        w, arena_printf(w->arena, "\n/* Of both files: %s.c checks it. */\n#define %s_EXPORT ", stem, w->upper), "\n");
    c_write_header_end(w);
    w->out = source->stream;
    TRY(write_source(w, stem, &digest));
    TRY(put_digest(&digest, header, source));
    TRY(file_finish(header));
    TRY(file_finish(source));
    TRY(file_commit(header));
    return file_commit(source);
}

static Status write_c(Arena *arena, const Graph *g, const char *path, const void *options)
{
    const COptions *o = options;
    const char *stem = file_stem(arena, path);
    CWriter w = {.arena = arena, .g = g, .golden = o->golden};
    TRY(check_floats(g, o->floats));
    TRY(check_runs(g));
    TRY(check_stem(stem, path));
    TRY(choose_prefix(arena, stem, o->prefix, &w.prefix));
    char *upper = arena_strdup(arena, w.prefix);
    for (char *p = upper; *p != '\0'; p++) *p = (char)toupper((unsigned char)*p);
    w.upper = upper;
    w.plan = c_plan_make(arena, g);
    w.cost = c_cost(arena, g, &w.plan);

    FileWriter source = {0}, header = {0};
    Status status = file_begin(arena, path, &source);
    if (status == STATUS_OK) status = file_begin(arena, exporter_companion(&exporter_c, arena, path), &header);
    if (status == STATUS_OK) status = write_files(&w, stem, &source, &header);
    file_abort(&header);
    file_abort(&source);
    return status;
}

static void cost(Arena *arena, const Graph *g, size_t *flash_bytes, size_t *ram_bytes)
{
    const Plan plan = c_plan_make(arena, g);
    const CCost c = c_cost(arena, g, &plan);
    *flash_bytes = c.flash_bytes, *ram_bytes = c.arena_bytes;
}

const ExporterType exporter_c = {
    .name = "c",
    .doc = "one .c and one .h of C99 for microcontrollers: integers only unless floats are asked for, constants in "
           "flash, one static arena",
    .extension = ".c",
    .signature = MARK_SOURCE,
    .companion = ".h",
    .companion_signature = MARK_HEADER,
    .fields = fields,
    .options_bytes = sizeof(COptions),
    .roundings = roundings,
    .carries = c_carries,
    .floats = true,
    .floats_option = "{\"floats\": \"yes\"}",
    .wide = true,
    .sums = true,
    .runtime = "C",
    .write = write_c,
    .cost = cost,
};
