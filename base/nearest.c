#include "base/field.h"

#include <string.h>

enum { LONGEST = 64 }; /* of a word worth comparing: no name of ours comes near */

static int min2(int a, int b) { return a < b ? a : b; }

/* Optimal string alignment: insertions, deletions, substitutions and swaps of neighbours cost 1 each. */
static int edit_distance(const char *a, size_t n, const char *b, size_t m)
{
    int row[3][LONGEST + 1];
    int *before = row[0], *last = row[1], *now = row[2];
    for (size_t j = 0; j <= m; j++) last[j] = (int)j;
    for (size_t i = 1; i <= n; i++) {
        now[0] = (int)i;
        for (size_t j = 1; j <= m; j++) {
            now[j] = min2(min2(last[j], now[j - 1]) + 1, last[j - 1] + (a[i - 1] != b[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                now[j] = min2(now[j], before[j - 2] + 1);
        }
        int *oldest = before;
        before = last, last = now, now = oldest;
    }
    return last[m];
}

const char *nearest_name(const char *word, const char *const *candidates)
{
    const size_t n = strlen(word);
    const char *nearest = NULL;
    if (n > LONGEST) return NULL;
    int least = (int)n / 2 + 1;
    for (; *candidates != NULL; candidates++) {
        const size_t m = strlen(*candidates);
        if (m > LONGEST) continue;
        const int distance = edit_distance(word, n, *candidates, m);
        if (distance >= least) continue;
        least = distance;
        nearest = *candidates;
    }
    return nearest;
}

int name_find(const char *const *names, const char *name)
{
    for (int i = 0; name != NULL && names[i] != NULL; i++)
        if (strcmp(names[i], name) == 0) return i;
    return -1;
}
