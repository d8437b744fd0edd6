/* reconstruct: as adaround, but the codes of a residual block are chosen together (BRECQ, Li 2021, 2102.05426), a random part
 * of the activations stays on no grid meanwhile (QDrop, Wei 2022, 2203.05740), and the activations' scales and the biases move,
 * too. */
#include "compress/reconstruction.h"

const Field ptq_step_reconstruct_fields[] = {
    RECONSTRUCTION_FIELDS("0.5"),
    {"range_lr", FIELD_FLOAT, offsetof(ReconstructionKeys, range_lr), .min = 0, .max = 1, .def = "0.001",
     .doc = "learning rate of the activations' scales, as a share of them; 0: they stay"},
    {"bias_lr", FIELD_FLOAT, offsetof(ReconstructionKeys, bias_lr), .min = 0, .max = 1, .def = "0.0001",
     .doc = "learning rate of biases, as a share of the range of the layer's output; 0: they stay"},
    FIELD_END};

static Status run(Model *m, const PtqContext *c)
{
    Arena *arena = arena_create();
    const Status status = reconstruct_units(m, c, ptq_keys(arena, &ptq_step_reconstruct, c), true);
    arena_destroy(arena);
    return status;
}

const PtqStep ptq_step_reconstruct = {.name = "reconstruct",
                                      .doc = "rounds the weights of each residual block together so that its output "
                                             "stays, while grids of activations are dropped at random; moves scales of "
                                             "activations and biases, too",
                                      .needs_ranges = true,
                                      .rounds_weights = true,
                                      .fields = ptq_step_reconstruct_fields,
                                      .config_bytes = sizeof(ReconstructionKeys),
                                      .run = run};
