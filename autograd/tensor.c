#include "autograd/tensor.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

/* The product of the dimensions; 1 for rank 0, LONG_MAX when the true product is larger: a size that every allocation
 * refuses. */
long shape_elements(Shape s)
{
    long n = 1;
    bool overflow = false;
    for (int i = 0; i < s.rank; i++) {
        if (s.dim[i] == 0) return 0; /* even where the other lengths overflow */
        if (__builtin_mul_overflow(n, (long)s.dim[i], &n)) overflow = true;
    }
    return overflow ? LONG_MAX : n;
}

bool shape_equal(Shape a, Shape b)
{
    return a.rank == b.rank && memcmp(a.dim, b.dim, (size_t)a.rank * sizeof a.dim[0]) == 0;
}

ShapeText shape_text(Shape s)
{
    ShapeText out;
    const size_t bytes = sizeof out.text;
    size_t n = (size_t)snprintf(out.text, bytes, "[");
    for (int i = 0; i < s.rank; i++) n += (size_t)snprintf(out.text + n, bytes - n, i == 0 ? "%d" : ",%d", s.dim[i]);
    snprintf(out.text + n, bytes - n, "]");
    return out;
}

ChannelView channel_view(Shape shape, bool outermost)
{
    const long n = shape_elements(shape);
    const int channels = shape.dim[outermost ? 0 : shape.rank - 1];
    const long runs = outermost ? channels : n / channels;
    return (ChannelView){.n = n, .runs = runs, .run = n / runs, .channels = channels, .outermost = outermost};
}
