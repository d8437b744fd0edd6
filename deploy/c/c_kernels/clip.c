/* Of the `count` cells start, start + step, ... those inside 0 .. size-1 are *first .. *end-1. */
static void clip(int32_t start, int32_t step, int32_t count, int32_t size, int32_t *first, int32_t *end)
{
    int32_t from = 0, to = count;
    while (from < to && start + from * step < 0) from++;
    while (to > from && start + (to - 1) * step >= size) to--;
    *first = from;
    *end = to;
}
