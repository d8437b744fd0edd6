#include "cli/cli.h"

#define VERB(name) extern const Verb verb_##name;
#include "cli/verbs.def"
#undef VERB

#define VERB(name) &verb_##name,
const Verb *const verbs[] = {
#include "cli/verbs.def"
    NULL};
