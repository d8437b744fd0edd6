/* Text that a model of the task next_token goes on with, byte by byte. */
#ifndef BITFOLD_TRAIN_GENERATE_H
#define BITFOLD_TRAIN_GENERATE_H

#include "train/experiment.h"

typedef struct {
    const uint8_t *prompt;
    size_t prompt_bytes; /* at least 1 */
    int bytes;           /* to generate */
    double temperature;  /* 0: always the likeliest byte, the lowest of equals; else of softmax(scores / temperature) */
    uint64_t seed;       /* of the draws, one for each byte */
} GenerateRequest;

/* Writes text[r->bytes], each byte after as many of those before it as the model's window holds, the prompt's first.  By the
 * integer engine where there is a graph, else by the float network.  STATUS_CONFIG: the model's task is another. */
Status generate(Arena *arena, const OpenModel *open, const Graph *graph, const GenerateRequest *r, uint8_t *text);

#endif
