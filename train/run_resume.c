#include "train/run_resume.h"

#include <string.h>

#include "base/file.h"
#include "base/json.h"

static int *epochs_of(Config *config, bool qat) { return qat ? &config->qat.epochs : &config->train.epochs; }

Status run_compare_config(Arena *arena, const RunRequest *r, const Config *config, bool qat, RunOutcome *out)
{
    if (!out->run.goes_on) return STATUS_OK;
    Config *was, same = *config;
    const char *folder = out->folder;
    TRY(config_read(arena, file_join(arena, folder, "config.json"), NULL, &was));
    const int before = *epochs_of(was, qat), now = *epochs_of(&same, qat);
    *epochs_of(&same, qat) = before;
    char *text, *text_was;
    TRY(config_text(arena, &same, folder, &text));
    TRY(config_text(arena, was, folder, &text_was));
    if (strcmp(text, text_was) != 0) return STATUS_OK;
    out->same_but_epochs = true;
    if (now != before)
        run_note(r, arena_printf(arena,
                                 "note: %d epoch%s instead of %d; learning rate and phases are from now on those "
                                 "of a training of %d",
                                 now, now == 1 ? "" : "s", before, now));
    return STATUS_OK;
}

/* The config with the epochs that the checkpoint was to have.  Those that are done cannot be taken back. */
static Status epochs_before(const Checkpoint *last, const Config *config, RunStart start, Config *before)
{
    long done, all;
    const char *path = last->path;
    const Provenance p = checkpoint_provenance(last);
    *before = *config;
    TRY(checkpoint_steps(last, &done, &all));
    cJSON *json = NULL;
    if (p.config != NULL) TRY(json_parse(p.config, strlen(p.config), path, &json));
    for (int qat = 0; qat < 2; qat++) {
        const cJSON *epochs = json_get(json_get(json, qat ? "qat" : "train"), "epochs");
        if (cJSON_IsNumber(epochs)) *epochs_of(before, qat) = epochs->valueint;
    }
    cJSON_Delete(json);
    const bool qat = start.kind == MODEL_QAT && !run_from_config(start);
    Config now = *config;
    const long was = *epochs_of(before, qat), epochs = *epochs_of(&now, qat);
    if (was > 0 && epochs < was && done > all / was * epochs)
        return status_fail(STATUS_STATE, "%s: step %ld of %ld is done; %ld epoch%s fewer steps", path, done, all,
                           epochs, epochs == 1 ? " is" : "s are");
    return STATUS_OK;
}

Status run_trace(Arena *arena, const RunRequest *r, RunStart start, const DataSplits *data, RunOutcome *out)
{
    const char *note = NULL, *data_text;
    TRY(provenance_data(arena, data, &data_text));
    out->provenance = provenance_now(arena, out->config, start, data_text);
    if (out->last == NULL) return STATUS_OK;
    Status status =
        provenance_check(arena, out->last, r->allow_changed && !out->same_but_epochs, &out->provenance, &note);
    if (status != STATUS_OK && out->same_but_epochs) {
        Config before;
        TRY(epochs_before(out->last, out->config, start, &before));
        Provenance began = provenance_now(arena, &before, start, data_text);
        status = provenance_check(arena, out->last, r->allow_changed, &began, &note);
        out->provenance.changed = began.changed;
    }
    TRY(status);
    const bool changed = note != NULL && out->provenance.changed[0] != '\0';
    if (changed) out->change = note;
    if (!changed) run_note(r, note);
    return STATUS_OK;
}

Status run_tell_changes(Arena *arena, const RunRequest *r, long left, const RunOutcome *out)
{
    if (out->change == NULL) return STATUS_OK;
    const char *last = strrchr(out->provenance.changed, '\n');
    last = last == NULL ? out->provenance.changed : last + 1;
    if (left == 0 && strncmp(last, "other config", strlen("other config")) == 0)
        return status_fail(
            STATUS_STATE,
            "%s: is finished, no step is left to train: %s would have no effect; must be what it was, or "
            "epochs more",
            out->folder, last);
    run_note(r, left > 0 ? out->change : provenance_without_effect(arena, out->change));
    return STATUS_OK;
}
