/* What the steps of exported kernels cost on a Cortex-M4 (bench/cycles.sh).
 *     cycles export FOLDER N           every N-th of the small networks as C, each in a folder of its own
 *     cycles fit MEASURED TABLE        prices that give the measured instructions, into the table
 *     cycles compare MEASURED          measured and predicted instructions of each */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "bench/cycles/fit.h"
#include "bench/cycles/nets.h"
#include "deploy/c/c_cycles.h"
#include "deploy/exporter.h"

enum { MOST_NETS = 1024 };

static _Noreturn void give_up(const char *message)
{
    fprintf(stderr, "cycles: %s\n", message);
    exit(1);
}

static void must(Status status)
{
    if (status != STATUS_OK) give_up(status_message());
}

static void export_every(Arena *arena, const char *folder, int every)
{
    int wanted = 0;
    cJSON *options = cJSON_CreateObject();
    cJSON_AddStringToObject(options, "floats", "yes");
    cJSON_AddNumberToObject(options, "golden", 0);
    for (int net = 0; net < cycle_nets(); net++)
        for (int format = 0; format < cycle_formats; format++) {
            if (!cycle_net_wanted(net, format) || wanted++ % every != 0) continue;
            const CycleNet n = cycle_net(arena, net, format);
            if (n.graph == NULL) continue;
            const char *to = arena_printf(arena, "%s/%s", folder, n.name);
            must(file_make_dir(to));
            must(exporter_write(exporter_find("c"), arena, n.graph, arena_printf(arena, "%s/model.c", to), options));
        }
    cJSON_Delete(options);
}

static void count(Arena *arena, const Graph *g, double *terms)
{
    const Plan plan = c_plan_make(arena, g);
    for (int i = 0; i < g->nodes; i++) c_cycle_counts(g, &g->node[i], &plan.node[i], terms);
}

/* Lines "net,format,instructions"; the instructions of one, 0: not there. */
static double measured_of(const char *table, const char *name)
{
    const size_t length = strlen(name);
    for (const char *line = table; line != NULL; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, name, length) == 0 && line[length] == ',') return strtod(line + length + 1, NULL);
    }
    return 0.0;
}

typedef struct {
    int n;
    const char *name[MOST_NETS];
    double measured[MOST_NETS], *terms[MOST_NETS];
} Measured;

static Measured *read_measured(Arena *arena, const char *path)
{
    Measured *m = ARENA_ARRAY(arena, Measured, 1);
    unsigned char *table;
    size_t bytes;
    m->n = 0;
    must(file_read(arena, path, 1 << 20, &table, &bytes));
    for (int net = 0; net < cycle_nets(); net++)
        for (int format = 0; format < cycle_formats; format++) {
            if (!cycle_net_wanted(net, format)) continue;
            const CycleNet n = cycle_net(arena, net, format);
            const double measured = n.graph == NULL ? 0.0 : measured_of((const char *)table, n.name);
            if (measured <= 0.0) continue;
            if (m->n == MOST_NETS) give_up("more networks than there is room for");
            double *terms = arena_zalloc(arena, sizeof(double) * CYCLE_TERMS);
            count(arena, n.graph, terms);
            m->name[m->n] = n.name, m->measured[m->n] = measured, m->terms[m->n++] = terms;
        }
    return m;
}

static double predict(const double *terms, const double *price)
{
    double sum = 0.0;
    for (int t = 0; t < CYCLE_TERMS; t++) sum += terms[t] * price[t];
    return sum;
}

static void compare(const Measured *m, const double *price)
{
    double worst = 0.0;
    for (int i = 0; i < m->n; i++) {
        const double predicted = predict(m->terms[i], price), off = predicted / m->measured[i] - 1.0;
        printf("%-32s %10.0f %10.0f %+7.2f %%\n", m->name[i], m->measured[i], predicted, 100.0 * off);
        if (fabs(off) > worst) worst = fabs(off);
    }
    printf("%d networks, worst %.2f %%\n", m->n, 100.0 * worst);
}

static void write_table(const char *path, const double *price)
{
    FILE *f = fopen(path, "w");
    if (f == NULL) give_up("the table cannot be written");
    fputs("/* Instructions of an emulated Cortex-M4 for each step of the kernels of exported C: CYCLES(term, price, "
          "what it\n"
          " * counts).  The prices are written by bench/cycles.sh, which measures them; terms are added here by hand. "
          "*/\n",
          f);
    for (int t = 0; t < CYCLE_TERMS; t++)
        fprintf(f, "CYCLES(%s, %.2f, \"%s\")\n", c_cycle_terms[t].name, price[t], c_cycle_terms[t].what);
    if (fclose(f) != 0) give_up("the table cannot be written");
}

static void fit(Arena *arena, const Measured *m, const char *path)
{
    double *a = arena_zalloc(arena, sizeof(double) * (size_t)m->n * CYCLE_TERMS), price[CYCLE_TERMS];
    for (int t = 0; t < CYCLE_TERMS; t++) {
        double seen = 0.0;
        for (int i = 0; i < m->n; i++) seen += a[i * CYCLE_TERMS + t] = m->terms[i][t] / m->measured[i];
        if (seen <= 0.0) fprintf(stderr, "cycles: %s: no network has it\n", c_cycle_terms[t].name);
    }
    fit_to_ones(arena, a, m->n, CYCLE_TERMS, price);
    for (int t = 0; t < CYCLE_TERMS; t++) price[t] = round(100.0 * price[t]) / 100.0;
    compare(m, price);
    write_table(path, price);
}

int main(int argc, char **argv)
{
    Arena *arena = arena_create();
    const char *what = argc > 2 ? argv[1] : "", *error;
    if (!kernels_select("ref", &error)) give_up(error);
    if (strcmp(what, "export") == 0 && argc == 4 && atoi(argv[3]) > 0) {
        export_every(arena, argv[2], atoi(argv[3]));
    } else if (strcmp(what, "fit") == 0 && argc == 4) {
        fit(arena, read_measured(arena, argv[2]), argv[3]);
    } else if (strcmp(what, "compare") == 0 && argc == 3) {
        double price[CYCLE_TERMS];
        for (int t = 0; t < CYCLE_TERMS; t++) price[t] = c_cycle_terms[t].price;
        compare(read_measured(arena, argv[2]), price);
    } else {
        give_up("usage: cycles export FOLDER N | fit MEASURED TABLE | compare MEASURED");
    }
    arena_destroy(arena);
    return 0;
}
