#include "optim/optimizer.h"

static double factor(const ScheduleConfig *config, long step, long warmup_steps, long steps)
{
    (void)config, (void)step, (void)warmup_steps, (void)steps;
    return 1.0;
}

const ScheduleType schedule_constant = {
    .name = "constant",
    .doc = "the learning rate stays as it is after warm-up",
    .factor = factor,
};
