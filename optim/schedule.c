#include <math.h>

#include "optim/optimizer.h"

#define SCHEDULE(name) &schedule_##name,
const ScheduleType *const schedule_types[] = {
#include "optim/schedules.def"
    NULL};
#undef SCHEDULE

#define SCHEDULE(name) #name,
const char *const schedule_names[] = {
#include "optim/schedules.def"
    NULL};
#undef SCHEDULE
enum { TYPES = sizeof schedule_types / sizeof schedule_types[0] - 1 };

#define AT(member) offsetof(ScheduleConfig, member)
const Field schedule_fields[] = {
    {"type", FIELD_ENUM, AT(type), .names = schedule_names, .def = "\"cosine\"",
     .doc = "how the learning rate changes from step to step"},
    {"warmup", FIELD_FLOAT, AT(warmup), .min = 0, .max = 0.9, .def = "0.05", .unit = "share of the steps",
     .doc = "beginning of the training over which the learning rate rises linearly to its value"},
    {"final_scale", FIELD_FLOAT, AT(final_scale), .min = 0, .max = 1, .def = "0",
     .doc = "cosine: learning rate at the end as a factor of lr"},
    {"milestones", FIELD_FLOATS, AT(milestones), .min = 0, .max = 1, .scalar_ok = true, .def = "[0.5, 0.75]",
     .unit = "share of the steps", .doc = "step: where the learning rate is multiplied by gamma"},
    {"gamma", FIELD_FLOAT, AT(gamma), .min = 0, .max = 1, .def = "0.1",
     .doc = "step: factor on the learning rate at each milestone"},
    FIELD_END};
#undef AT

long schedule_share(double share, long steps)
{
    const double exact = share * (double)steps;
    return (long)ceil(exact - 1e-12 * exact);
}

double schedule_factor(const ScheduleConfig *config, long step, long steps)
{
    ASSERT(config->type >= 0 && config->type < TYPES);
    ASSERT(step >= 0 && steps >= 1);
    if (step >= steps) step = steps - 1;
    const long warmup_steps = schedule_share(config->warmup, steps);
    if (step < warmup_steps) return (double)(step + 1) / (double)warmup_steps;
    return schedule_types[config->type]->factor(config, step, warmup_steps, steps);
}
