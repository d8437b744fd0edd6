/* How the program ends on a mistake of its own (ASSERT). */
#include <stdio.h>
#include <stdlib.h>

#include "base/status.h"

void assert_failed(const char *condition, const char *file, int line)
{
    fprintf(stderr, "bitfold: internal error: %s is false at %s:%d; please report it\n", condition, file, line);
    abort();
}
