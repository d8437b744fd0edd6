/* The judge: what formats do to a network, measured on images it was not trained on. */
#ifndef BITFOLD_SEARCH_JUDGE_H
#define BITFOLD_SEARCH_JUDGE_H

#include "graph/engine.h"
#include "search/cost.h"
#include "search/format_group.h"
#include "search/sample.h"
#include "train/experiment.h"

typedef struct {
    double value; /* of the task's metric */
    double loss;  /* mean over images */
    double kl; /* mean over images of KL(p || q), p the float network's probabilities and q these; NAN: the answers are
                   * no classes */
} Measurement;

typedef struct {
    const Config *config;
    Model *model; /* the float network */
    const DataSplits *data;
    Task task; /* its loss without label smoothing and class weights: what is predicted is what is measured */
    Sample sample;
    float *logits;      /* [n][outputs] of the float network */
    Measurement floats; /* of itself */
} Judge;

/* `sample` are the images; what is kept lies in the arena.  A failure is the forward pass's. */
Status judge_begin(Arena *arena, const Config *config, Model *model, const DataSplits *data, const Sample *sample,
                   Judge *judge);

/* Whether a drop is within a tolerance: what is equal but for the rounding of a double is. */
static inline bool drop_within(double drop, double tolerance) { return drop <= tolerance + 1e-9; }

/* A network in chosen formats, as post-training quantization makes it. */
typedef struct {
    Config *config;
    Model *model;
    Graph *graph;
} Candidate;

/* Makes it in the arena, by the steps of ptq.steps, from the float network. */
Status judge_make(const Judge *judge, Arena *arena, const FormatGroups *groups, const FormatChoice *choice,
                  Candidate *candidate);

/* After each batch, images `first` on, while the engine has all of its tensors. */
typedef Status JudgeWatch(void *context, const Engine *engine, int first, int n);

/* Runs a graph on the integer engine over the first `images` of the sample (0: all).  watch NULL: nobody looks. */
Status judge_graph(const Judge *judge, const Graph *graph, int images, JudgeWatch *watch, void *context,
                   Measurement *m);

/* Makes the network of a choice and gives what it is worth, unless m is NULL, and what it costs, unless cost is. */
Status judge_choice(const Judge *judge, const FormatGroups *groups, const FormatChoice *choice, Measurement *m,
                    Cost *cost);

/* How much worse than float's the metric is, as it is shown. */
static inline double judge_drop(const Judge *judge, const Measurement *m)
{
    return metric_drop(judge->task.metric, judge->floats.value, m->value);
}

#endif
