#include "bench/cycles/fit.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

/* The normal equations of scaled columns, and a ridge so small that it decides only what the data leave open. */
static const double RIDGE = 1e-9;

typedef struct {
    int n;
    double *gram, *right, *length; /* [n][n], [n]; lengths of the columns */
    double *factor;                /* [n][n] */
    int *in;                       /* columns that may be above 0 */
    int members;
} Problem;

static Problem normal_equations(Arena *arena, const double *a, int rows, int n)
{
    const size_t square = sizeof(double) * (size_t)n * (size_t)n, line = sizeof(double) * (size_t)n;
    Problem p = {.n = n,
                 .gram = arena_zalloc(arena, square),
                 .right = arena_zalloc(arena, line),
                 .length = arena_zalloc(arena, line),
                 .factor = arena_zalloc(arena, square),
                 .in = arena_zalloc(arena, sizeof(int) * (size_t)n)};
    for (int j = 0; j < n; j++) {
        for (int i = 0; i < rows; i++) p.length[j] += a[i * n + j] * a[i * n + j];
        p.length[j] = sqrt(p.length[j]);
    }
    for (int j = 0; j < n; j++) {
        if (p.length[j] <= 0.0) continue;
        for (int i = 0; i < rows; i++) p.right[j] += a[i * n + j] / p.length[j];
        for (int k = 0; k < n; k++)
            for (int i = 0; i < rows && p.length[k] > 0.0; i++)
                p.gram[j * n + k] += a[i * n + j] * a[i * n + k] / (p.length[j] * p.length[k]);
        p.gram[j * n + j] += RIDGE;
    }
    return p;
}

/* The members' equations by Cholesky's factors: z [members]. */
static void solve(const Problem *p, double *z)
{
    const int m = p->members;
    double *l = p->factor;
    for (int i = 0; i < m; i++)
        for (int j = 0; j <= i; j++) {
            double sum = p->gram[p->in[i] * p->n + p->in[j]];
            for (int k = 0; k < j; k++) sum -= l[i * p->n + k] * l[j * p->n + k];
            l[i * p->n + j] = i == j ? sqrt(fmax(sum, RIDGE * RIDGE)) : sum / l[j * p->n + j];
        }
    for (int i = 0; i < m; i++) {
        z[i] = p->right[p->in[i]];
        for (int k = 0; k < i; k++) z[i] -= l[i * p->n + k] * z[k];
        z[i] /= l[i * p->n + i];
    }
    for (int i = m - 1; i >= 0; i--) {
        for (int k = i + 1; k < m; k++) z[i] -= l[k * p->n + i] * z[k];
        z[i] /= l[i * p->n + i];
    }
}

/* The column outside whose growth helps most; -1: none does. */
static int best(const Problem *p, const double *x)
{
    int found = -1;
    double most = 1e-10;
    for (int j = 0; j < p->n; j++) {
        bool inside = p->length[j] <= 0.0;
        for (int k = 0; k < p->members; k++) inside = inside || p->in[k] == j;
        if (inside) continue;
        double slope = p->right[j];
        for (int k = 0; k < p->n; k++) slope -= p->gram[j * p->n + k] * x[k];
        if (slope > most) most = slope, found = j;
    }
    return found;
}

/* From x towards z as far as nothing falls below 0; what reaches it leaves.  Whether z was reached. */
static bool step(Problem *p, double *x, const double *z)
{
    double far = 1.0;
    for (int i = 0; i < p->members; i++)
        if (z[i] <= 0.0) far = fmin(far, x[p->in[i]] / (x[p->in[i]] - z[i]));
    int stay = 0;
    for (int i = 0; i < p->members; i++) {
        const int j = p->in[i];
        x[j] += far * (z[i] - x[j]);
        if (far < 1.0 && x[j] <= 1e-14)
            x[j] = 0.0;
        else
            p->in[stay++] = j;
    }
    p->members = stay;
    return far >= 1.0;
}

void fit_to_ones(Arena *arena, const double *a, int rows, int columns, double *x)
{
    Problem p = normal_equations(arena, a, rows, columns);
    double *z = arena_zalloc(arena, sizeof(double) * (size_t)columns);
    memset(x, 0, sizeof(double) * (size_t)columns);
    for (int j, rounds = 0; rounds < 4 * columns && (j = best(&p, x)) >= 0; rounds++) {
        p.in[p.members++] = j;
        do solve(&p, z);
        while (!step(&p, x, z));
    }
    for (int j = 0; j < columns; j++) x[j] = p.length[j] > 0.0 ? x[j] / p.length[j] : 0.0;
}
