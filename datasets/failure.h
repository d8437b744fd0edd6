/* The failure of the first of many items that several threads work on: the same whichever thread had which item. */
#ifndef BITFOLD_DATASETS_FAILURE_H
#define BITFOLD_DATASETS_FAILURE_H

#include "base/status.h"

enum { FAILURE_TEXT_BYTES = 1024 };

typedef struct {
    Status status; /* STATUS_OK: none */
    int item;
    char text[FAILURE_TEXT_BYTES];
} Failure;

/* Notes that `item` has failed, with this thread's last sentence, unless an earlier item has failed already. */
void failure_note(Failure *failure, int item, Status status);

/* Keeps the failure of the earlier item of the two. */
void failure_merge(Failure *into, const Failure *other);

/* The failure's status; its sentence becomes this thread's. */
Status failure_status(const Failure *failure);

#endif
