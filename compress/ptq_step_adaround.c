/* adaround: the codes of weights, layer by layer (Nagel 2020, 2004.10568). */
#include "compress/reconstruction.h"

const Field ptq_step_adaround_fields[] = {RECONSTRUCTION_FIELDS("0"), FIELD_END};

static Status run(Model *m, const PtqContext *c)
{
    Arena *arena = arena_create();
    const Status status = reconstruct_units(m, c, ptq_keys(arena, &ptq_step_adaround, c), false);
    arena_destroy(arena);
    return status;
}

const PtqStep ptq_step_adaround = {.name = "adaround",
                                   .doc = "rounds each weight down or up so that the layer's output, on inputs of the "
                                          "quantized network, stays what the float network's is; layer by layer",
                                   .needs_ranges = true,
                                   .rounds_weights = true,
                                   .fields = ptq_step_adaround_fields,
                                   .config_bytes = sizeof(ReconstructionKeys),
                                   .run = run};
