/* What a difference between accuracies is worth: exact tests and intervals in closed form. */
#ifndef BITFOLD_REPORT_STATISTICS_H
#define BITFOLD_REPORT_STATISTICS_H

#include <stdint.h>

typedef struct {
    double low, high;
} Interval;

/* 95 % interval of a proportion p = right / n by the score method (Wilson 1927): centre (p + z^2 / 2n) / (1 + z^2 / n),
 * half width z sqrt(p (1 - p) / n + z^2 / 4n^2) / (1 + z^2 / n), z = 1.96.  n > 0; right need not be whole. */
Interval wilson_interval(double right, long n);

/* 95 % interval of p1 - p2, two proportions of the same n things (Newcombe 1998, Statistics in Medicine 17, 2635,
 * method 10): the distances of Wilson's limits from p1 and p2, joined with the correlation phi between the two, whose
 * numerator is lessened by n/2 where positive.  both, neither: right or wrong in both; first, second: right in one
 * alone. */
Interval newcombe_interval(long both, long first, long second, long neither);

/* McNemar's exact test of two classifiers on the same images: of the first + second images that one alone gets right,
 * the two-sided p-value of that many by fair coins, 2 P(X <= min(first, second)), at most 1. */
double mcnemar_exact(long first, long second);

/* Student's t with `freedom` > 0 degrees of freedom: the two-sided p-value of t (Abramowitz & Stegun 26.7.3, 26.7.4),
 * and the t whose p-value is 0.05. */
double student_p(double t, int freedom);
double student_t95(int freedom);

/* Holm 1979: p-values of n tests, each replaced by the least level at which it is rejected while the chance of any
 * false rejection is kept to that level.  NAN is no test. */
void holm_adjust(double *p, int n);

/* What the networks of a row of a table answered on the same images. */
typedef struct {
    int images, seeds;
    const uint8_t *right;   /* [images] how many seeds' networks answer right; NULL: there are parts */
    const double *accuracy; /* [seeds], or another metric */
    const double *part;     /* [images] what each is to the metric, which is their mean; the mean over the seeds */
} Answers;

typedef struct {
    double difference; /* mean accuracy of a less that of b */
    Interval range;    /* 95 % */
    double p;          /* two-sided */
} Paired;

/* The mean of what images are to a metric: 95 % of it by the normal distribution. */
Interval mean_interval(const double *part, int n);

/* a against b: the same images, and seed k of one paired with seed k of the other.
 * One seed: McNemar's exact test, Newcombe's interval.
 * Several: Student's t on the seeds' differences, and the sign test on the images (as McNemar's, by the number of seeds
 * that answer right); the larger of both p-values.  The interval is the wider of Student's, and the normal one of the
 * images' mean differences: a difference counts only if neither other seeds nor other images are likely to undo it.
 * Of parts, Student's t on the images' differences stands in for McNemar's and the sign test, and the normal interval
 * for Newcombe's. */
Paired paired_difference(const Answers *a, const Answers *b);

#endif
