#include <limits.h>
#include <math.h>

#include "base/field.h"

void field_range(const Field *f, double *low, double *high)
{
    const bool none = f->min == 0.0 && f->max == 0.0;
    const bool is_int = f->type == FIELD_INT || f->type == FIELD_INTS;
    const double least = is_int ? INT_MIN : f->type == FIELD_U64 ? 0.0 : -HUGE_VAL;
    const double most = is_int ? INT_MAX : f->type == FIELD_U64 ? 0x1p53 : HUGE_VAL;
    const bool is_string = f->type == FIELD_STRING || f->type == FIELD_STRINGS; /* of 0 bytes: no limit */
    *low = none || (is_string && f->min == 0.0) ? least : fmax(f->min, least);
    *high = none || f->max < f->min ? most : fmin(f->max, most);
}

int field_max_count(const Field *f) { return f->max_count > 0 ? f->max_count : 64; }
