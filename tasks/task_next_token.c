/* Next token: for each position of a row of bytes the byte that comes next.
 *
 * Outputs are scores of all 256 bytes for one position after the other, z[T,256]; their softmax is what the network expects.
 * The loss is the mean of -ln p(next byte) over all positions.  Perplexity is its exponential, bits per byte its quotient by
 * ln 2. */
#include <ctype.h>
#include <float.h>
#include <math.h>

#include "tasks/task.h"

enum { BYTES = 256 };

const Metric metric_perplexity = {
    .name = "perplexity", .label = "perplexity", .brief = "ppl", .unit = "", .factor = 1, .digits = 4, .none = DBL_MAX};
const Metric metric_bits_per_byte = {.name = "bits_per_byte",
                                     .label = "bits per byte",
                                     .brief = "bpb",
                                     .unit = "",
                                     .factor = 1,
                                     .digits = 4,
                                     .none = DBL_MAX};
const Metric metric_token_accuracy = {.name = "token_accuracy",
                                      .label = "bytes right",
                                      .brief = "right",
                                      .unit = " %",
                                      .factor = 100,
                                      .digits = 2,
                                      .higher_is_better = true,
                                      .none = -1};

static int positions_of(const Task *task) { return task->outputs / BYTES; }

static Tensor *cross_entropy(Tape *t, const Task *task, Tensor *z, Targets targets, double *running)
{
    if (tape_failed(t)) return NULL;
    const int N = z->shape.dim[0], T = positions_of(task);
    int32_t *label = arena_alloc(t->arena, (size_t)N * (size_t)T * sizeof *label);
    for (int i = 0; i < N * T; i++) label[i] = (int32_t)targets.value[i];
    int correct = 0;
    const CrossEntropy of = {.label = label, .smoothing = task->label_smoothing};
    Tensor *loss = op_cross_entropy(t, op_reshape(t, z, shape_2(N * T, BYTES)), &of, &correct);
    *running += (double)correct / T;
    return loss;
}

const TaskLoss loss_token_cross_entropy = {
    "token_cross_entropy", "softmax cross-entropy of the next byte at each position, with train.label_smoothing",
    cross_entropy, NULL};

static int largest(const float *z)
{
    int best = 0;
    for (int k = 1; k < BYTES; k++)
        if (z[k] > z[best]) best = k;
    return best;
}

/* ln sum exp(z) - z[best], at least 0. */
static double log_sum(const float *z, int best)
{
    double sum = 0;
    for (int k = 0; k < BYTES; k++) sum += exp((double)z[k] - (double)z[best]);
    return log(fmax(sum, 1.0));
}

/* Of each sample: the mean over its positions of -ln p, and the share of those that are right. */
typedef struct {
    double *loss, *right; /* [n] */
    double all_right;
} Sums;

static void *begin(Arena *arena, const Task *task, int n)
{
    (void)task;
    Sums *s = ARENA_ARRAY(arena, Sums, 1);
    *s = (Sums){.loss = ARENA_ARRAY(arena, double, n), .right = ARENA_ARRAY(arena, double, n)};
    return s;
}

static void add(Score *score, const float *outputs, Targets targets, int n)
{
    Sums *s = score->sums;
    const int T = positions_of(score->task);
    for (int i = 0; i < n; i++) {
        double loss = 0;
        int right = 0;
        for (int p = 0; p < T; p++) {
            const size_t at = (size_t)i * (size_t)T + (size_t)p;
            const float *z = outputs + at * BYTES;
            const int best = largest(z), next = (int)targets.value[at];
            loss += log_sum(z, best) + (double)z[best] - (double)z[next];
            right += best == next;
        }
        s->loss[score->n + i] = loss / T;
        s->right[score->n + i] = (double)right / T;
        score->loss += loss / T;
        s->all_right += (double)right / T;
    }
}

static double of_loss(double loss, const Metric *metric)
{
    return metric == &metric_perplexity ? exp(loss) : loss / log(2.0);
}

static double value(const Score *score, const Metric *metric)
{
    if (score->n == 0) return metric->none;
    if (metric == &metric_token_accuracy) return ((const Sums *)score->sums)->all_right / score->n;
    return of_loss(score_loss(score), metric);
}

/* Perplexity is no mean over samples: its change with a sample's loss, to the first order. */
static void parts(const Score *score, const Metric *metric, double *part)
{
    const Sums *s = score->sums;
    const double all = score_loss(score), perplexity = exp(all);
    for (int i = 0; i < score->n; i++)
        part[i] = metric == &metric_token_accuracy ? s->right[i]
                  : metric == &metric_perplexity   ? perplexity * (1.0 + s->loss[i] - all)
                                                   : of_loss(s->loss[i], metric);
}

static char *summary(Arena *arena, const Score *score)
{
    char *text = arena_strdup(arena, "");
    const Metric *const all[] = {&metric_perplexity, &metric_bits_per_byte, &metric_token_accuracy};
    for (int i = 0; i < 3; i++)
        text = arena_printf(arena, "%s%s%s %s", text, i == 0 ? "" : ", ", all[i]->label,
                            metric_text(arena, all[i], value(score, all[i])));
    return text;
}

static void json(const Score *score, cJSON *json)
{
    cJSON_AddNumberToObject(json, "bytes", (double)score->n * positions_of(score->task));
}

static char *line(Arena *arena, const Score *score, int i)
{
    (void)arena, (void)score, (void)i;
    return NULL;
}

/* The byte that is expected after the last one. */
static char *answer(Arena *arena, const Task *task, const float *outputs, cJSON *json)
{
    const float *z = outputs + (size_t)(positions_of(task) - 1) * BYTES;
    const int best = largest(z);
    const double p = exp(-log_sum(z, best));
    cJSON_AddNumberToObject(json, "next", best);
    cJSON_AddNumberToObject(json, "probability", p);
    if (isprint(best)) return task_text(arena, "'%c' comes next (%.1f %%)", best, 100.0 * p);
    return task_text(arena, "byte %d comes next (%.1f %%)", best, 100.0 * p);
}

static void as_target(const Task *task, const float *outputs, Targets like, void *into)
{
    (void)like;
    for (int t = 0; t < positions_of(task); t++) ((float *)into)[t] = (float)largest(outputs + (size_t)t * BYTES);
}

const TaskType task_next_token = {
    .name = "next_token",
    .doc = "for each byte of a text the one that comes next",
    .target = TARGET_TOKENS,
    .losses = (const TaskLoss *const[]){&loss_token_cross_entropy, NULL},
    .metrics = (const Metric *const[]){&metric_perplexity, &metric_bits_per_byte, &metric_token_accuracy, NULL},
    .running = &metric_token_accuracy,
    .least_outputs = BYTES,
    .outputs = "bytes",
    .codes = "scores",
    .as_target = as_target,
    .begin = begin,
    .add = add,
    .value = value,
    .parts = parts,
    .summary = summary,
    .json = json,
    .line = line,
    .answer = answer,
};
