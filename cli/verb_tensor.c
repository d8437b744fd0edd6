/* tensor: what a grid does to the values of a tensor, in any of three kinds of files. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/field.h"
#include "base/file.h"
#include "base/safetensors.h"
#include "cli/cli.h"
#include "compress/tensor_scheme.h"
#include "compress/tensor_file.h"

enum { EDGE = 3, BINS = 32, BAR = 48 };

typedef struct {
    Arena *arena;
    const Options *o;
    const char *path, *name; /* name NULL: all of them */
    TensorGridConfig config;
    TensorFile *file;
} Job;

/* "dir/a.npz:name": the path ends where an extension does that a ':' follows. */
static void split_argument(Job *job, const char *argument)
{
    static const char *const ends[] = {".npy:", ".safetensors:", ".onnx:", ".txt:", ".csv:"};
    job->path = argument;
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        const char *end = strstr(argument, ends[i]);
        if (end == NULL) continue;
        const char *colon = end + strlen(ends[i]) - 1;
        job->path = arena_printf(job->arena, "%.*s", (int)(colon - argument), argument);
        job->name = colon + 1;
        return;
    }
}

static Status take_axis(const char *text, int *axis)
{
    char *end;
    const long v = strtol(text, &end, 10);
    if (end == text || *end != '\0' || v < 0 || v >= TENSOR_FILE_MAX_RANK)
        return status_fail(STATUS_INVALID,
                           "tensor: --axis: \"%s\"; must be 0 or more and below the tensor's dimensions", text);
    *axis = (int)v;
    return STATUS_OK;
}

/* "-0.5,0.5,1.5": the entries of a codebook, rising. */
static Status read_entries(Job *job)
{
    const Options *o = job->o;
    float *entry = ARENA_ARRAY(job->arena, float, TENSOR_MAX_ENTRIES);
    int n = 0;
    const char *at = o->entries;
    bool good = true;
    for (; good && n < TENSOR_MAX_ENTRIES; n++) {
        char *end;
        entry[n] = strtof(at, &end);
        good = end != at && isfinite(entry[n]) && (n == 0 || entry[n] > entry[n - 1]) && (*end == ',' || *end == '\0');
        at = end;
        if (*at != ',') break;
        at++;
    }
    n++;
    if (!good || n < 2 || n > TENSOR_MAX_ENTRIES)
        return status_fail(STATUS_INVALID,
                           "tensor: --entries: \"%s\"; must be 2 to %d rising numbers with commas between", o->entries,
                           TENSOR_MAX_ENTRIES);
    if (o->scheme != NULL && strcmp(o->scheme, "codebook") != 0)
        return status_fail(STATUS_INVALID, "tensor: --entries beside --scheme %s; they are of codebook alone",
                           o->scheme);
    if (o->bits > 0 || o->axis != NULL)
        return status_fail(STATUS_INVALID, "tensor: --entries beside --bits or --axis; a codebook has neither");
    job->config.scheme = SCHEME_CODEBOOK;
    job->config.entries = n;
    job->config.entry = entry;
    return STATUS_OK;
}

static Status read_options(Job *job)
{
    const Options *o = job->o;
    job->config = (TensorGridConfig){.scheme = SCHEME_SYMMETRIC, .bits = 8, .axis = -1};
    if (o->bits > 0) job->config.bits = o->bits;
    if (o->axis != NULL) TRY(take_axis(o->axis, &job->config.axis));
    if (o->entries != NULL) return read_entries(job);
    if (o->scheme == NULL) return STATUS_OK;
    for (int i = 0; tensor_scheme_names[i] != NULL; i++)
        if (i != SCHEME_CODEBOOK && strcmp(o->scheme, tensor_scheme_names[i]) == 0) {
            job->config.scheme = (TensorScheme)i;
            return STATUS_OK;
        }
    return status_fail(
        STATUS_INVALID,
        "tensor: --scheme: \"%s\"; must be symmetric, affine, absmax, zeropoint, or codebook with --entries",
        o->scheme);
}

static const char *where(const Job *job, const FileTensor *t)
{
    return t->name[0] == '\0' ? job->path : arena_printf(job->arena, "%s:%s", job->path, t->name);
}

static const char *dims_text(Arena *arena, const FileTensor *t)
{
    const char *text = "";
    for (int i = 0; i < t->rank; i++)
        text = arena_printf(arena, "%s%s%lld", text, i > 0 ? "," : "", (long long)t->dim[i]);
    return arena_printf(arena, "[%s]", text);
}

static Status make_grid(const Job *job, Arena *arena, int i, TensorGrid *grid)
{
    const FileTensor *t = tensor_file_at(job->file, i);
    const float *x;
    if (t->count == 0)
        return status_fail(STATUS_SHAPE, "%s: shape %s; must have values", where(job, t), dims_text(job->arena, t));
    if (job->config.axis >= t->rank)
        return status_fail(STATUS_INVALID, "%s: --axis %d of shape %s; must be below %d", where(job, t),
                           job->config.axis, dims_text(job->arena, t), t->rank);
    TRY(tensor_file_values(arena, job->file, i, &x));
    const Status status = tensor_grid_make(arena, &job->config, t->rank, t->dim, x, grid);
    return status == STATUS_OK ? status : status_prefix(status, "%s", where(job, t));
}

/* ---- one tensor -------------------------------------------------------------------------------------------------- */

/* What the corner of a matrix shows of column (or row) i of n: all of up to 2 EDGE, else the first and last EDGE. */
static int corner(int64_t n, int64_t at[2 * EDGE])
{
    const int shown = n < 2 * EDGE ? (int)n : 2 * EDGE;
    for (int i = 0; i < shown; i++) at[i] = i < EDGE || n <= 2 * EDGE ? i : n - shown + i;
    return shown;
}

typedef const char *CellText(Arena *arena, const TensorGrid *g, int64_t i);
static const char *code_text(Arena *arena, const TensorGrid *g, int64_t i)
{
    return arena_printf(arena, "%6d", g->codes[i]);
}
static const char *value_text(Arena *arena, const TensorGrid *g, int64_t i)
{
    return arena_printf(arena, "%9.4f", (double)g->restored[i]);
}

static void print_corner(Arena *arena, const FileTensor *t, const TensorGrid *g, CellText *cell)
{
    const int64_t columns = t->rank == 0 ? 1 : t->dim[t->rank - 1], rows = t->count / columns;
    int64_t row[2 * EDGE], column[2 * EDGE];
    const int r = corner(rows, row), c = corner(columns, column);
    for (int i = 0; i < r; i++) {
        if (i == EDGE && rows > 2 * EDGE) cli_print("   ...\n");
        const char *line = "  ";
        for (int j = 0; j < c; j++)
            line = arena_printf(arena, "%s%s%s", line, j == EDGE && columns > 2 * EDGE ? " ..." : "",
                                cell(arena, g, row[i] * columns + column[j]));
        cli_print("%s\n", line);
    }
}

static const char *formula(Arena *arena, const Job *job, const TensorGrid *g)
{
    const double f = (double)g->factor[0], s = (double)g->scale[0];
    if (job->config.scheme == SCHEME_CODEBOOK) {
        const char *text = "entries";
        for (int i = 0; i < job->config.entries; i++)
            text = arena_printf(arena, "%s %.6g", text, (double)job->config.entry[i]);
        return text;
    }
    if (g->grids > 1) return arena_printf(arena, "%lld grids along axis %d", (long long)g->grids, job->config.axis);
    if (job->config.scheme == SCHEME_ABSMAX) return arena_printf(arena, "code = round(%.6g x)", f);
    if (job->config.scheme == SCHEME_ZEROPOINT)
        return arena_printf(arena, "code = round(%.6g x %c %d)", f, g->zero_point[0] < 0 ? '-' : '+',
                            abs(g->zero_point[0]));
    return arena_printf(arena, "value = %.6g (code - %d)", s, g->zero_point[0]);
}

static void print_histogram(Arena *arena, const TensorGrid *g)
{
    const int codes = g->qmax - g->qmin + 1, bins = codes < BINS ? codes : BINS, each = (codes + bins - 1) / bins;
    int64_t bin[BINS] = {0}, most = 1;
    for (int q = 0; q < codes; q++) bin[q / each] += g->count[q];
    for (int b = 0; b < bins; b++) most = bin[b] > most ? bin[b] : most;
    cli_print("histogram of codes\n");
    for (int b = 0; b * each < codes; b++) {
        const int from = g->qmin + b * each, to = from + each - 1 < g->qmax ? from + each - 1 : g->qmax;
        char bar[BAR + 1];
        const int length = (int)((bin[b] * BAR + most - 1) / most);
        memset(bar, '#', (size_t)length);
        bar[length] = '\0';
        const char *range = from == to ? arena_printf(arena, "%d", from) : arena_printf(arena, "%d .. %d", from, to);
        cli_print("  %12s %9lld %s\n", range, (long long)bin[b], bar);
    }
}

static const char *decibel(Arena *arena, double sqnr)
{
    return isfinite(sqnr) ? arena_printf(arena, "%.2f dB", sqnr) : "infinite (no error)";
}

static void print_one(const Job *job, int i, const TensorGrid *g)
{
    Arena *arena = job->arena;
    const FileTensor *t = tensor_file_at(job->file, i);
    cli_print("%s %s %s: %lld values, %.6g to %.6g\n", where(job, t), dims_text(arena, t), t->type, (long long)g->n,
              (double)g->min, (double)g->max);
    const char *bits = job->config.scheme == SCHEME_CODEBOOK ? "" : arena_printf(arena, ", %d bits", job->config.bits);
    cli_print("%s%s: %s, codes %d to %d\n", tensor_scheme_names[job->config.scheme], bits, formula(arena, job, g),
              g->qmin, g->qmax);
    cli_print("codes\n");
    print_corner(arena, t, g, code_text);
    cli_print("values they stand for\n");
    print_corner(arena, t, g, value_text);
    cli_print("largest error %.4g, mean error %.4g, SQNR %s; %d of %d codes unused\n", g->largest_error, g->mean_error,
              decibel(arena, g->sqnr_db), g->unused, g->qmax - g->qmin + 1);
    print_histogram(arena, g);
}

/* ---- results ----------------------------------------------------------------------------------------------------- */

static cJSON *grid_json(const Job *job, int i, const TensorGrid *g)
{
    const FileTensor *t = tensor_file_at(job->file, i);
    cJSON *json = cJSON_CreateObject();
    cJSON_AddStringToObject(json, "name", t->name);
    cJSON_AddStringToObject(json, "type", t->type);
    cJSON *shape = cJSON_AddArrayToObject(json, "shape");
    for (int k = 0; k < t->rank; k++) cJSON_AddItemToArray(shape, cJSON_CreateNumber((double)t->dim[k]));
    cJSON_AddNumberToObject(json, "min", (double)g->min);
    cJSON_AddNumberToObject(json, "max", (double)g->max);
    cJSON_AddNumberToObject(json, "grids", (double)g->grids);
    cJSON_AddNumberToObject(json, "scale", (double)g->scale[0]);
    cJSON_AddNumberToObject(json, "factor", (double)g->factor[0]);
    cJSON_AddNumberToObject(json, "zero_point", g->zero_point[0]);
    cJSON_AddNumberToObject(json, "largest_error", g->largest_error);
    cJSON_AddNumberToObject(json, "mean_error", g->mean_error);
    if (isfinite(g->sqnr_db))
        cJSON_AddNumberToObject(json, "sqnr_db", g->sqnr_db);
    else
        cJSON_AddNullToObject(json, "sqnr_db");
    cJSON_AddNumberToObject(json, "unused_codes", g->unused);
    cJSON *histogram = cJSON_AddArrayToObject(json, "histogram");
    for (int q = 0; q <= g->qmax - g->qmin; q++)
        cJSON_AddItemToArray(histogram, cJSON_CreateNumber((double)g->count[q]));
    return json;
}

/* NAME's codes, scales, zero points and what they stand for. */
static void put_grid(const Job *job, Arena *arena, SafeWriter *w, const FileTensor *t, const TensorGrid *g)
{
    const char *name = t->name[0] == '\0' ? "tensor" : t->name;
    safe_add(w, arena_printf(arena, "%s.codes", name), ST_I8, t->rank, t->dim, g->codes);
    safe_add(w, arena_printf(arena, "%s.scale", name), ST_F32, 1, &g->grids, g->scale);
    safe_add(w, arena_printf(arena, "%s.zero_point", name), ST_I32, 1, &g->grids, g->zero_point);
    safe_add(w, arena_printf(arena, "%s.values", name), ST_F32, t->rank, t->dim, g->restored);
    (void)job;
}

static void print_row(const Job *job, Arena *arena, int i, const TensorGrid *g)
{
    const FileTensor *t = tensor_file_at(job->file, i);
    cli_print("%-40s %-18s %-8s %11.4g %11.4g %10.3g %10.3g %8s %7d\n", t->name, dims_text(arena, t), t->type,
              (double)g->min, (double)g->max, g->largest_error, g->mean_error,
              isfinite(g->sqnr_db) ? arena_printf(arena, "%.2f", g->sqnr_db) : "inf", g->unused);
}

static Status run_job(Job *job, cJSON *list)
{
    const Options *o = job->o;
    const int n = tensor_file_count(job->file);
    int only = n == 1 ? 0 : -1;
    if (job->name != NULL) TRY(tensor_file_find(job->file, job->name, &only));
    if (n == 0) return status_fail(STATUS_FORMAT, "%s: no tensor; must hold one", job->path);
    SafeWriter *w = o->output == NULL ? NULL : safe_writer(job->arena);
    if (only < 0 && !o->json)
        cli_print("%-40s %-18s %-8s %11s %11s %10s %10s %8s %7s\n", "tensor", "shape", "type", "min", "max", "largest",
                  "mean err.", "SQNR dB", "unused");
    for (int i = only < 0 ? 0 : only; i < (only < 0 ? n : only + 1); i++) {
        /* What is not written is forgotten tensor by tensor: a model may be large. */
        Arena *arena = w != NULL ? job->arena : arena_create();
        TensorGrid grid;
        const Status status = make_grid(job, arena, i, &grid);
        if (status == STATUS_OK && w != NULL) put_grid(job, arena, w, tensor_file_at(job->file, i), &grid);
        if (status == STATUS_OK && o->json) cJSON_AddItemToArray(list, grid_json(job, i, &grid));
        if (status == STATUS_OK && !o->json) (only < 0 ? print_row(job, arena, i, &grid) : print_one(job, i, &grid));
        if (w == NULL) arena_destroy(arena);
        TRY(status);
    }
    if (w == NULL) return STATUS_OK;
    TRY(safe_write(w, o->output));
    if (!o->json) cli_print("%s\n", o->output);
    return STATUS_OK;
}

static Status run_tensor(Arena *arena, const Options *o, int *exit_code)
{
    (void)exit_code;
    Job job = {.arena = arena, .o = o};
    split_argument(&job, o->argument[0]);
    TRY(read_options(&job));
    if (o->output != NULL && !file_ends(o->output, ".safetensors"))
        return status_fail(STATUS_INVALID, "tensor: -o %s; must end in .safetensors", o->output);
    TRY(tensor_file_read(arena, job.path, &job.file));
    cJSON *json = cJSON_CreateObject(), *list = cJSON_AddArrayToObject(json, "tensors");
    cJSON_AddStringToObject(json, "scheme", tensor_scheme_names[job.config.scheme]);
    cJSON_AddNumberToObject(json, "bits", job.config.bits);
    const Status status = run_job(&job, list);
    if (status == STATUS_OK && o->json)
        cli_print_json(arena, json);
    else
        cJSON_Delete(json);
    return status;
}

const Verb verb_tensor = {
    "tensor",
    "FILE[:NAME]",
    "Puts a tensor of a .npy, .safetensors, .onnx or text file on a grid: codes, errors, unused codes, "
    "histogram; without NAME a line for each of several",
    "IVXoW",
    1,
    1,
    run_tensor};
