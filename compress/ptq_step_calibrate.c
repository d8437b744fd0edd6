/* calibrate: activation ranges from training images. */
#include "compress/calibrate.h"
#include "compress/ptq_step.h"

static Status run(Model *m, const PtqContext *c) { return calibrate(m, c->train, c->images, c->seed); }

const PtqStep ptq_step_calibrate = {.name = "calibrate",
                                    .doc = "sets the activations' ranges by what their observers see on ptq.images "
                                           "training images",
                                    .finds_ranges = true,
                                    .run = run};
