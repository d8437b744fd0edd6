/* sensitivity.json: the rows that there are, as a result and to go on from. */
#ifndef BITFOLD_SEARCH_SENSITIVITY_STATE_H
#define BITFOLD_SEARCH_SENSITIVITY_STATE_H

#include <cjson/cJSON.h>

#include "search/sensitivity.h"

/* The result: "rows", each with "layer", "part", "format", the metric by its name, "loss", "kl", "leave_out", each
 * predictor by its name and "trace_error"; "uniform", "float", "correlation", "correlation_by_format".  `rows`: the first
 * so many.  For the caller to delete. */
cJSON *sensitivity_json(Arena *arena, const SensitivityJob *job, const Sensitivity *s, int rows);

/* Writes the first `rows` into the job's folder, in place of what is there. */
Status sensitivity_state_write(const SensitivityJob *job, const Sensitivity *s, int rows);

/* Fills s->taken and so many rows with what the folder has, if its digest is the job's. */
Status sensitivity_state_read(Arena *arena, const SensitivityJob *job, Sensitivity *s);

#endif
