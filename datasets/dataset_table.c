/* Pictures beside a CSV file that has real numbers or points for each: DIR/train/targets.csv and DIR/test/targets.csv,
 * or one table (DIR/targets.csv or DIR/train/targets.csv alone) of which a fifth, drawn by the seed, becomes the test
 * set.  The first column has the pictures' files, as seen from the table's folder.
 *
 * A point "nose" has the columns nose_x and nose_y, in pixels of the file whose first pixel has its centre at 0, and
 * may have nose_v: 0 where it is not visible.  An empty cell is a coordinate that nobody knows: of a point not
 * visible. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/folder.h"
#include "base/json.h"
#include "datasets/csv.h"
#include "datasets/points.h"
#include "datasets/reader.h"

/* The rows of a table. */
typedef struct {
    int n, width;
    bool points;       /* value has them as Targets does, in pixels of the files until points_to_input */
    const char **path; /* [n] */
    float *value;      /* [n, width] */
} Rows;

static char *column_list(Arena *arena, const CsvTable *t)
{
    char *text = arena_strdup(arena, "");
    for (int k = 1; k < t->columns; k++)
        text = arena_printf(arena, "%s%s%s", text, k == 1 ? "" : ", ", json_quote(arena, t->name[k]));
    return text;
}

static Status find_column(Arena *arena, const CsvTable *t, const char *name, bool needed, int *column)
{
    *column = csv_column(t, name);
    if (*column > 0 || (*column < 0 && !needed)) return STATUS_OK;
    return status_fail(STATUS_CONFIG, "data.targets: %s is no column of %s; must be one of: %s",
                       json_quote(arena, name), t->path, column_list(arena, t));
}

/* Of each target one, of each point one for each of its floats, -1: the table does not say which are visible. */
static Status find_columns(Arena *arena, const DataConfig *cfg, const CsvTable *t, int *column)
{
    static const char *const ends[POINT_FLOATS] = {[POINT_X] = "x", [POINT_Y] = "y", [POINT_VISIBLE] = "v"};
    if (cfg->targets.n == 0)
        return status_fail(STATUS_CONFIG, "data.targets: none; must name columns of %s, of: %s", t->path,
                           column_list(arena, t));
    for (int k = 0; k < cfg->targets.n; k++) {
        const char *name = cfg->targets.at[k];
        if (cfg->target != TARGET_POINTS) TRY(find_column(arena, t, name, true, &column[k]));
        for (int i = 0; i < POINT_FLOATS && cfg->target == TARGET_POINTS; i++)
            TRY(find_column(arena, t, arena_printf(arena, "%s_%s", name, ends[i]), i != POINT_VISIBLE,
                            &column[POINT_FLOATS * k + i]));
    }
    return STATUS_OK;
}

static Status cell_value(Arena *arena, const CsvTable *t, int row, int column, float *value)
{
    const char *text = t->cell[(size_t)row * (size_t)t->columns + (size_t)column];
    char *end;
    const double number = strtod(text, &end);
    end += strspn(end, " \t");
    if (end == text || *end != '\0' || !(number - number == 0.0))
        return status_fail(STATUS_FORMAT, "%s:%d: %s: %s; must be a finite number", t->path, t->line[row],
                           t->name[column], json_quote(arena, text));
    *value = (float)number;
    return *value - *value == 0.0f ? STATUS_OK : value_check(t->path, number, row, column - 1);
}

static bool cell_is_empty(const CsvTable *t, int row, int column)
{
    const char *text = t->cell[(size_t)row * (size_t)t->columns + (size_t)column];
    return text[strspn(text, " \t")] == '\0';
}

/* One point of a row; as Targets has it. */
static Status cell_point(Arena *arena, const CsvTable *t, int row, const int *column, float *point)
{
    point[POINT_VISIBLE] = 1;
    if (column[POINT_VISIBLE] > 0) {
        TRY(cell_value(arena, t, row, column[POINT_VISIBLE], &point[POINT_VISIBLE]));
        point[POINT_VISIBLE] = point[POINT_VISIBLE] > 0 ? 1 : 0;
    }
    const bool known = !cell_is_empty(t, row, column[POINT_X]) || !cell_is_empty(t, row, column[POINT_Y]);
    if (!known && column[POINT_VISIBLE] > 0 && point[POINT_VISIBLE] > 0)
        return status_fail(STATUS_FORMAT, "%s:%d: %s: empty, but the point is said to be visible; must be a number",
                           t->path, t->line[row], t->name[column[POINT_X]]);
    if (!known) point[POINT_X] = point[POINT_Y] = NAN, point[POINT_VISIBLE] = 0;
    for (int i = 0; i < POINT_VISIBLE && known; i++) TRY(cell_value(arena, t, row, column[i], &point[i]));
    return STATUS_OK;
}

static Status row_values(Arena *arena, const CsvTable *t, int row, const int *column, const Rows *rows)
{
    float *value = rows->value + (size_t)row * (size_t)rows->width;
    const int step = rows->points ? POINT_FLOATS : 1;
    for (int k = 0; k < rows->width; k += step)
        TRY(rows->points ? cell_point(arena, t, row, column + k, value + k)
                         : cell_value(arena, t, row, column[k], value + k));
    return STATUS_OK;
}

static int by_text(const void *a, const void *b) { return strcmp(*(const char *const *)a, *(const char *const *)b); }

/* Each row has a picture of its own, and each picture in the folders of the rows' pictures a row. */
static Status match_pictures(Arena *arena, const CsvTable *t, const Rows *rows)
{
    const char **sorted = ARENA_ARRAY(arena, const char *, rows->n);
    memcpy(sorted, rows->path, sizeof *sorted * (size_t)rows->n);
    qsort(sorted, (size_t)rows->n, sizeof *sorted, by_text);
    for (int i = 1; i < rows->n; i++)
        if (strcmp(sorted[i - 1], sorted[i]) == 0)
            return status_fail(STATUS_FORMAT, "%s: two rows of %s; each picture must have one", t->path, sorted[i]);
    const char *done = "";
    for (int i = 0; i < rows->n; i++) {
        const char *folder = file_dirname(arena, sorted[i]);
        if (strcmp(folder, done) == 0) continue;
        done = folder;
        FolderNames all;
        TRY(folder_names(arena, folder, &all));
        for (int k = 0; k < all.n; k++) {
            const char *path = file_join(arena, folder, all.at[k]);
            if (all.at[k][0] != '.' && picture_is_read(all.at[k]) &&
                bsearch(&path, sorted, (size_t)rows->n, sizeof *sorted, by_text) == NULL && !file_is_dir(path))
                return status_fail(STATUS_FORMAT, "%s: a picture without a row in %s; each must have one", path,
                                   t->path);
        }
    }
    return STATUS_OK;
}

static Status read_rows(const DataConfig *cfg, const char *folder, Arena *arena, Rows *rows)
{
    CsvTable t;
    const char *path = file_join(arena, folder, cfg->table);
    if (!file_exists(path))
        return status_fail(STATUS_IO, "%s: not found; data.dir must hold it, or train/ and test/ with one each", path);
    TRY(csv_read(arena, path, &t));
    if (t.rows < 1) return status_fail(STATUS_FORMAT, "%s: no row; one for each picture is required", path);
    int column[POINT_FLOATS * MAX_VALUES];
    TRY(find_columns(arena, cfg, &t, column));
    const bool points = cfg->target == TARGET_POINTS;
    *rows = (Rows){.n = t.rows, .points = points, .path = ARENA_ARRAY(arena, const char *, t.rows)};
    rows->width = cfg->targets.n * (points ? POINT_FLOATS : 1);
    rows->value = arena_try_alloc(arena, (size_t)t.rows * (size_t)rows->width * sizeof *rows->value);
    if (rows->value == NULL) return status_prefix(STATUS_NOMEM, "%s", path);
    for (int i = 0; i < t.rows; i++) {
        const char *name = t.cell[(size_t)i * (size_t)t.columns];
        while (name[0] == '.' && name[1] == '/') name += 2;
        rows->path[i] = file_join(arena, folder, name);
        if (name[0] == '\0' || !file_exists(rows->path[i]) || file_is_dir(rows->path[i]))
            return status_fail(STATUS_FORMAT, "%s:%d: there is no picture %s", path, t.line[i],
                               json_quote(arena, name));
        TRY(row_values(arena, &t, i, column, rows));
    }
    return match_pictures(arena, &t, rows);
}

/* Moves a fifth of the rows to `test`. */
static Status split_rows(Arena *arena, uint64_t seed, const char *folder, Rows *train, Rows *test)
{
    const Rows all = *train;
    if (all.n < 2) return status_fail(STATUS_FORMAT, "%s: one picture; at least 2 are required to split", folder);
    const size_t K = (size_t)all.width;
    int held;
    const bool *chosen = reader_hold(arena, seed, 0, all.n, &held);
    Rows *const part[] = {train, test};
    for (int p = 0; p < 2; p++)
        *part[p] = (Rows){.width = all.width,
                          .points = all.points,
                          .path = ARENA_ARRAY(arena, const char *, all.n),
                          .value = arena_alloc(arena, (size_t)all.n * K * sizeof *all.value)};
    for (int i = 0; i < all.n; i++) {
        Rows *to = part[chosen[i]];
        to->path[to->n] = all.path[i];
        memcpy(to->value + (size_t)to->n++ * K, all.value + (size_t)i * K, K * sizeof *all.value);
    }
    return STATUS_OK;
}

/* Puts the rows' points where they lie in the network's input. */
static Status points_to_input(const DataConfig *cfg, const Rows *rows, const int want_hwc[3])
{
    const bool crop = cfg->resize != NULL && strcmp(cfg->resize, "crop") == 0;
    Arena *scratch = arena_create();
    Status status = STATUS_OK;
    for (int i = 0; i < rows->n && status == STATUS_OK; i++) {
        int hw[2];
        arena_reset(scratch);
        status = picture_size(scratch, rows->path[i], hw);
        if (status == STATUS_OK)
            points_resize(hw, crop, want_hwc, rows->width / POINT_FLOATS,
                          rows->value + (size_t)i * (size_t)rows->width);
    }
    arena_destroy(scratch);
    return status;
}

static Status rows_source(const DataConfig *cfg, const Rows *rows, const int want_hwc[3], Arena *arena, DataSplits *out,
                          Dataset *set)
{
    SampleSource *source;
    const int points = rows->width / POINT_FLOATS;
    if (rows->points) TRY(points_to_input(cfg, rows, want_hwc));
    TRY(pictures_source(arena, cfg, rows->n, rows->path, want_hwc,
                        rows->points ? targets_points(points, rows->value) : targets_values(rows->width, rows->value),
                        out, &source));
    *set = dataset_of(source, rows->points ? 2 * points : rows->width);
    return STATUS_OK;
}

static Status load(const DataConfig *cfg, const int want_hwc[3], uint64_t seed, Arena *arena, DataSplits *out)
{
    const char *train_dir = file_join(arena, cfg->path, "train"), *test_dir = file_join(arena, cfg->path, "test");
    Rows train = {0}, test = {0};
    out->class_names =
        cfg->target == TARGET_POINTS ? points_outputs(arena, cfg->targets.at, cfg->targets.n) : cfg->targets.at;
    if (cfg->whole) {
        TRY(read_rows(cfg, cfg->path, arena, &test));
        TRY(rows_source(cfg, &test, want_hwc, arena, out, &out->test));
        out->train = out->test;
        out->train.n = 0;
        return STATUS_OK;
    }
    const bool whole = file_exists(file_join(arena, cfg->path, cfg->table)) || !file_is_dir(train_dir);
    TRY(read_rows(cfg, whole ? cfg->path : train_dir, arena, &train));
    if (whole || !file_is_dir(test_dir))
        TRY(split_rows(arena, seed, cfg->path, &train, &test));
    else
        TRY(read_rows(cfg, test_dir, arena, &test));
    TRY(rows_source(cfg, &train, want_hwc, arena, out, &out->train));
    return rows_source(cfg, &test, want_hwc, arena, out, &out->test);
}

const DatasetType dataset_table = {.name = "table",
                                   .doc = "PNG and JPEG pictures and a CSV file with real numbers or points for each",
                                   .load = load,
                                   .gives = GIVES_VALUES | GIVES_POINTS};
