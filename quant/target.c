#include "quant/target.h"

#include <stddef.h>

#define TARGET(id, text, rule, words) static const TargetType target_##id = {text, words, rule};
#include "quant/targets.def"
#undef TARGET

#define TARGET(id, text, rule, words) &target_##id,
const TargetType *const target_types[] = {
#include "quant/targets.def"
    NULL};
#undef TARGET

#define TARGET(id, text, rule, words) text,
const char *const target_names[] = {
#include "quant/targets.def"
    NULL};
#undef TARGET

const TargetType *target_of(Rounding rounding)
{
    const TargetType *const *t = target_types;
    while ((*t)->rounding != rounding) t++;
    return *t;
}
