/* Tables: the columns of numbers beside pictures. */
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "datasets/csv.h"
#include "tests/fuzz/fuzz.h"

static void run(const uint8_t *data, size_t bytes)
{
    Arena *arena = arena_create();
    const char *path = arena_printf(arena, "%s/table_%d.csv", fuzz_folder(), (int)getpid());
    ASSERT(file_write(arena, path, data, bytes) == STATUS_OK);
    CsvTable t;
    if (csv_read(arena, path, &t) == STATUS_OK) {
        for (int k = 0; k < t.columns; k++) ASSERT(csv_column(&t, t.name[k]) == k);
        size_t all = 0;
        for (long i = 0; i < (long)t.rows * t.columns; i++) all += strlen(t.cell[i]) + 1;
        ASSERT(all <= bytes + 1);
        for (int i = 0; i < t.rows; i++) ASSERT(t.line[i] > (i > 0 ? t.line[i - 1] : 0));
    } else {
        ASSERT(status_message()[0] != '\0');
    }
    arena_destroy(arena);
}

const FuzzTarget fuzz_csv = {.name = "csv", .per_byte = 64, .run = run};
