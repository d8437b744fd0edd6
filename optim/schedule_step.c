/* gamma^k after k milestones.  Milestones are shares of all steps, warm-up included, so that 0.5 is half the training
 * whatever the warm-up; the order in which they are listed does not matter. */
#include "optim/optimizer.h"

static double factor(const ScheduleConfig *config, long step, long warmup_steps, long steps)
{
    (void)warmup_steps;
    double f = 1.0;
    for (int i = 0; i < config->milestones.n; i++)
        if (step >= schedule_share(config->milestones.at[i], steps)) f *= config->gamma;
    return f;
}

const ScheduleType schedule_step = {
    .name = "step",
    .doc = "the learning rate is multiplied by gamma at each milestone",
    .factor = factor,
};
