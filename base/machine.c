#include "base/machine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

char *machine_cpu(Arena *arena)
{
    char line[256], *found = NULL;
    FILE *f = fopen("/proc/cpuinfo", "r");
    while (f != NULL && found == NULL && fgets(line, sizeof line, f) != NULL) {
        const char *colon = strchr(line, ':');
        if (strncmp(line, "model name", 10) != 0 || colon == NULL) continue;
        colon += 1 + strspn(colon + 1, " \t");
        found = arena_printf(arena, "%.*s", (int)strcspn(colon, "\n"), colon);
    }
    if (f != NULL) fclose(f);
    if (found != NULL && found[0] != '\0') return found;
    struct utsname name;
    return arena_strdup(arena, uname(&name) == 0 ? name.machine : "");
}

int machine_cpus(void)
{
    const long n = sysconf(_SC_NPROCESSORS_ONLN);
    return n < 1 ? 1 : (int)n;
}

int machine_others_running(void)
{
    /* "0.10 0.20 0.30 2/345 6789": the fourth field is the tasks that run, of all. */
    FILE *f = fopen("/proc/loadavg", "r");
    if (f == NULL) return -1;
    char tasks[32] = "";
    const int read = fscanf(f, "%*s %*s %*s %31s", tasks);
    fclose(f);
    const long running = read == 1 ? strtol(tasks, NULL, 10) : 0;
    return running > 0 ? (int)running - 1 : -1;
}
