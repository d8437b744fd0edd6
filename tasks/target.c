#include "tasks/target.h"

#include <string.h>

size_t target_bytes(Targets t) { return t.width == 0 ? sizeof *t.label : (size_t)t.width * sizeof *t.value; }

Targets targets_in(Targets t, void *room)
{
    if (t.width == 0) return targets_classes(room);
    t.value = room;
    t.teacher = NULL;
    return t;
}

void target_copy(Targets from, int i, Targets to, int j)
{
    if (from.width == 0)
        ((int32_t *)to.label)[j] = from.label[i];
    else
        memcpy((float *)to.value + (size_t)j * (size_t)to.width, targets_from(from, i).value, target_bytes(from));
}

char *point_name(Arena *arena, const char *output)
{
    const size_t n = strlen(output);
    char *name = arena_strdup(arena, output);
    if (n > 2 && strcmp(name + n - 2, "_x") == 0) name[n - 2] = '\0';
    return name;
}
