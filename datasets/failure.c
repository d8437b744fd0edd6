#include "datasets/failure.h"

#include <stdio.h>

void failure_note(Failure *f, int item, Status status)
{
    if (f->status != STATUS_OK && f->item < item) return;
    f->status = status;
    f->item = item;
    snprintf(f->text, sizeof f->text, "%s", status_message());
}

void failure_merge(Failure *into, const Failure *other)
{
    if (other->status != STATUS_OK && (into->status == STATUS_OK || other->item < into->item)) *into = *other;
}

Status failure_status(const Failure *f)
{
    return f->status == STATUS_OK ? STATUS_OK : status_fail(f->status, "%s", f->text);
}
