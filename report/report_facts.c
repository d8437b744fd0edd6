/* The head of the page: what was compared, on which data, when and where. */
#include <string.h>
#include <time.h>

#include "base/machine.h"
#include "base/parallel.h"
#include "include/bitfold.h"
#include "kernels/kernels.h"
#include "report/report_parts.h"

static void begin(FILE *out, const char *what) { fprintf(out, "<div><dt>%s</dt><dd>", what); }
static void end(FILE *out) { fputs("</dd></div>\n", out); }

static bool is_set(const char *text) { return text != NULL && text[0] != '\0'; }

static void put_data(FILE *out, const ReportFacts *f)
{
    if (!is_set(f->dataset) && f->test == 0) return;
    begin(out, "Data");
    html_text(out, f->dataset);
    const char *comma = is_set(f->dataset) ? ": " : "";
    const struct {
        int n;
        const char *what;
    } count[] = {{f->train, "training"}, {f->validation, "validation"}, {f->test, "test"}};
    for (int i = 0; i < 3; i++) {
        if (count[i].n == 0) continue;
        fputs(comma, out);
        html_count(out, count[i].n);
        fprintf(out, " %s", count[i].what);
        comma = ", ";
    }
    if (f->test > 0) fputs(" images", out);
    if (f->classes > 0) fprintf(out, "; %d %s", f->classes, f->classes == 1 ? "class" : "classes");
    if (f->h > 0) fprintf(out, "; %d × %d × %d", f->h, f->w, f->c);
    end(out);
}

static void put_machine(FILE *out, const ReportFacts *f)
{
    if (!is_set(f->cpu) && f->threads == 0) return;
    begin(out, "Machine");
    html_text(out, f->cpu);
    if (f->threads > 0)
        fprintf(out, "%s%d thread%s", is_set(f->cpu) ? ", " : "", f->threads, f->threads == 1 ? "" : "s");
    if (is_set(f->kernels)) {
        fputs(", kernels ", out);
        html_text(out, f->kernels);
    }
    end(out);
}

void put_facts(FILE *out, const Report *report)
{
    const ReportFacts *f = &report->facts;
    fputs("<dl class=\"facts\">\n", out);
    put_data(out, f);
    if (f->parameters > 0) {
        begin(out, "Network");
        html_count(out, f->parameters);
        fputs(" parameters", out);
        if (report->rows > 0 && report->row[0].macs > 0) {
            fputs(", ", out);
            html_count(out, report->row[0].macs);
            fputs(" MACs an image", out);
        }
        end(out);
    }
    if (is_set(f->seeds)) {
        begin(out, strchr(f->seeds, ',') == NULL ? "Seed" : "Seeds");
        html_text(out, f->seeds);
        end(out);
    }
    if (is_set(f->date) || is_set(f->version)) {
        begin(out, "Written");
        html_text(out, f->date);
        fputs(is_set(f->date) && is_set(f->version) ? " by bitfold " : is_set(f->version) ? "by bitfold " : "", out);
        html_text(out, f->version);
        end(out);
    }
    put_machine(out, f);
    if (is_set(report->command)) {
        begin(out, "Command");
        fputs("<code>", out);
        html_text(out, report->command);
        fputs("</code>", out);
        end(out);
    }
    fputs("</dl>\n", out);
}

ReportFacts report_facts(Arena *arena, const Config *c, const DataSplits *data, long parameters, const char *seeds)
{
    char *date = arena_alloc(arena, 32);
    const time_t now = time(NULL);
    struct tm tm;
    strftime(date, 32, "%Y-%m-%d %H:%M UTC", gmtime_r(&now, &tm));
    const bool folder = strcmp(c->data.dataset, "folder") == 0;
    return (ReportFacts){.dataset = folder ? arena_printf(arena, "folder %s", c->data.dir) : c->data.dataset,
                         .train = data->train.n,
                         .validation = data->validation.n,
                         .test = data->test.n,
                         .classes = data->test.targets.width > 0 ? 0 : data->test.classes,
                         .h = data->test.h,
                         .w = data->test.w,
                         .c = data->test.c,
                         .parameters = parameters,
                         .seeds = seeds,
                         .date = date,
                         .cpu = machine_cpu(arena),
                         .kernels = kernels()->isa,
                         .version = BITFOLD_VERSION,
                         .threads = parallel_threads()};
}
