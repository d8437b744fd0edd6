/* The rows of a table: which are asked for, and the resolved config of each. */
#ifndef BITFOLD_REPORT_COMPARE_ROWS_H
#define BITFOLD_REPORT_COMPARE_ROWS_H

#include "train/recipe.h"

/* What a row asks for.  Every row is the table's config with a patch: those of compare.rows and compare.grid the
 * user's, those of ptq_bits, qat_bits, first_last_bits, granularities, observers and progressive the ones that these
 * stand for. */
typedef struct {
    ModelKind kind;
    const Config *config; /* resolved; name and seed are the table's */
    int start; /* the row whose network it starts from: float, or of compare.progressive the one before; float: -1 */
    bool progressive;  /* a row of compare.progressive */
    bool own;          /* named by compare.rows or compare.grid; or a float row for one of those */
    const char *where; /* of its patch, for messages; NULL: a row of the short keys */
    int bits, first_last_bits, granularity, observer; /* bits: of the weights; observer: an index into observer_names */
    int weight_bits, act_bits; /* the most that a layer has, ends and logits apart: overrides count */
    const char *floats;        /* "stem float32": layers in floats where others have codes; "": none */
    const char *bits_text;     /* "W4A4 ends 8", "W4-8A8" where overrides mix, "W8A8 stem float32" */
    const char *name;          /* "qat W4A4" */
    const char *label;         /* its folder's name, without the seed */
    const char *origin;        /* all that its model follows from, as text */
    Model **model;             /* [seeds] what was read of its models */
    bool *renewed;             /* [seeds] made again, though the table had it */
} RowPlan;

typedef struct {
    int n;
    RowPlan *at;
} RowPlans;

/* How many seeds a table has, and the k-th. */
int compare_seeds(const Config *config);
uint64_t compare_seed(const Config *config, int k);

/* The rows in the table's order, row 0 float; a row whose float network would be another one has a float row of its own
 * before it, unless all start from one model (`copied`).  STATUS_CONFIG, with file, row and key: a name that stands
 * twice, a key that is not known or is the table's, one without effect on a row of its kind, a patch without any
 * effect, a network that cannot be built. */
Status compare_rows(Arena *arena, const Config *config, const DataSplits *data, bool copied, RowPlans *rows);

/* Fills weight_bits, act_bits (of floats those of the format), floats and bits_text for the layers of m. */
void row_bits(Arena *arena, const Model *m, RowPlan *plan);

/* A name as that of a file: what other systems have no names for is replaced; never hidden, at most 100 bytes. */
char *row_file_name(Arena *arena, const char *name);

#endif
