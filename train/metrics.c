#include "train/metrics.h"

#include <errno.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"

/* A line stays when it is of another phase (float training before QAT) or of a step that is done. */
static bool keeps(const char *line, size_t length, const char *phase, long keep)
{
    cJSON *json = NULL;
    if (json_parse(line, length, "metrics.jsonl", &json) != STATUS_OK) return false;
    const cJSON *p = json_get(json, "phase"), *s = json_get(json, "step");
    const bool other = cJSON_IsString(p) && strcmp(p->valuestring, phase) != 0;
    const bool done = cJSON_IsNumber(s) && s->valuedouble <= (double)keep;
    cJSON_Delete(json);
    return other || done;
}

static Status cut_back(Arena *arena, const char *path, const char *phase, long keep)
{
    unsigned char *text;
    size_t bytes;
    TRY(file_read(arena, path, (size_t)1 << 30, &text, &bytes));
    char *kept = arena_alloc(arena, bytes + 1);
    size_t length = 0;
    for (size_t at = 0; at < bytes;) {
        const unsigned char *end = memchr(text + at, '\n', bytes - at);
        if (end == NULL) break; /* a line that was being written */
        const size_t n = (size_t)(end - (text + at)) + 1;
        if (keeps((char *)text + at, n - 1, phase, keep)) {
            memcpy(kept + length, text + at, n);
            length += n;
        }
        at += n;
    }
    return file_write(arena, path, kept, length);
}

Status metrics_open(Arena *arena, const char *folder, const char *phase, long keep, Metrics *m)
{
    *m = (Metrics){0};
    if (folder == NULL) return STATUS_OK;
    m->path = file_join(arena, folder, "metrics.jsonl");
    if (keep > 0 && file_exists(m->path))
        TRY(cut_back(arena, m->path, phase, keep));
    else
        TRY(file_write(arena, m->path, "", 0));
    return file_append(m->path, &m->stream);
}

void metrics_close(Metrics *m)
{
    if (m->stream != NULL) fclose(m->stream);
    m->stream = NULL;
}

Status metrics_line(Metrics *m, const MetricsLine *line)
{
    if (m->stream == NULL) return STATUS_OK;
    fprintf(m->stream,
            "{\"phase\":\"%s\",\"step\":%ld,\"epoch\":%d,\"images\":%d,\"loss\":%.9g,\"%s\":%.9g,\"lr\":%.9g",
            line->phase, line->step, line->epoch, line->images, line->loss, line->task->type->running->name,
            line->running, line->lr);
    if (metric_measured(line->task->metric, line->validation))
        fprintf(m->stream, ",\"validation\":%.9g,\"validation_loss\":%.9g", line->validation, line->validation_loss);
    const OscillationCount *o = line->oscillation;
    if (o != NULL && o->weights > 0)
        fprintf(m->stream, ",\"oscillating\":%.9g,\"frozen\":%.9g,\"dampening\":%.9g",
                (double)o->oscillating / (double)o->weights, (double)o->frozen / (double)o->weights, o->dampening);
    if (line->sparsity >= 0) fprintf(m->stream, ",\"sparsity\":%.9g", line->sparsity);
    fprintf(m->stream, "}\n");
    if (fflush(m->stream) != 0) return status_fail(STATUS_IO, "%s: cannot write: %s", m->path, strerror(errno));
    return STATUS_OK;
}
