#include "report/statistics.h"

#include <math.h>
#include <stdbool.h>
#include <stddef.h>

static const double Z95 = 1.959963984540054; /* of the normal distribution, two-sided */

Interval wilson_interval(double right, long n)
{
    const double p = right / (double)n, z2n = Z95 * Z95 / (double)n;
    const double centre = (p + z2n / 2) / (1 + z2n);
    const double half = Z95 * sqrt(p * (1 - p) / (double)n + z2n / (4 * (double)n)) / (1 + z2n);
    /* At the ends the limit is the end itself, whatever rounding made of it. */
    return (Interval){right <= 0 ? 0 : centre - half, right >= (double)n ? 1 : centre + half};
}

/* sqrt(x^2 - 2 phi x y + y^2) */
static double joined(double x, double y, double phi) { return sqrt(fmax(x * x - 2 * phi * x * y + y * y, 0)); }

Interval newcombe_interval(long both, long first, long second, long neither)
{
    const double a = (double)both, b = (double)first, c = (double)second, d = (double)neither;
    const double n = a + b + c + d, p1 = (a + b) / n, p2 = (a + c) / n;
    const Interval w1 = wilson_interval(a + b, (long)n), w2 = wilson_interval(a + c, (long)n);
    const double margins = (a + b) * (c + d) * (a + c) * (b + d), cross = a * d - b * c;
    const double numerator = cross > 0 ? fmax(cross - n / 2, 0) : cross;
    const double phi = margins > 0 ? numerator / sqrt(margins) : 0;
    return (Interval){p1 - p2 - joined(p1 - w1.low, w2.high - p2, phi),
                      p1 - p2 + joined(w1.high - p1, p2 - w2.low, phi)};
}

/* log n! */
static double log_factorial(long n)
{
    int sign;
    return lgamma_r((double)n + 1, &sign);
}

double mcnemar_exact(long first, long second)
{
    const long n = first + second, least = first < second ? first : second;
    /* From the most likely term down; each is k / (n - k + 1) of the one before. */
    double term = exp(log_factorial(n) - log_factorial(least) - log_factorial(n - least) - (double)n * log(2.0));
    double sum = 0;
    for (long k = least; k >= 0 && term > 0; k--) {
        sum += term;
        term *= (double)k / (double)(n - k + 1);
    }
    return fmin(2 * sum, 1);
}

double student_p(double t, int freedom)
{
    if (!isfinite(t)) return isnan(t) ? t : 0;
    const double angle = atan(fabs(t) / sqrt((double)freedom)), sine = sin(angle), cosine = cos(angle);
    const bool odd = freedom % 2 == 1;
    double term = odd ? cosine : 1, sum = odd && freedom == 1 ? 0 : term;
    for (int k = odd ? 3 : 2; k <= freedom - 2; k += 2) {
        term *= cosine * cosine * (double)(k - 1) / (double)k;
        sum += term;
    }
    const double inside = odd ? 2 / acos(-1.0) * (angle + sine * sum) : sine * sum;
    return fmin(fmax(1 - inside, 0), 1);
}

double student_t95(int freedom)
{
    double low = 1, high = 16; /* 12.71 of one degree is the largest */
    for (int i = 0; i < 60; i++) {
        const double middle = (low + high) / 2;
        if (student_p(middle, freedom) > 0.05)
            low = middle;
        else
            high = middle;
    }
    return high;
}

void holm_adjust(double *p, int n)
{
    int tests = 0;
    for (int i = 0; i < n; i++) tests += !isnan(p[i]);
    /* Rank by rank, without a second array: what is done is kept negative. */
    double largest = 0;
    for (int rank = 0; rank < tests; rank++) {
        int least = -1;
        for (int i = 0; i < n; i++)
            if (!isnan(p[i]) && !signbit(p[i]) && (least < 0 || p[i] < p[least])) least = i;
        largest = fmax(largest, fmin((double)(tests - rank) * p[least], 1));
        p[least] = -largest;
    }
    for (int i = 0; i < n; i++) p[i] = fabs(p[i]);
}

static Paired one_seed(const Answers *a, const Answers *b)
{
    long both = 0, first = 0, second = 0;
    for (int i = 0; i < a->images; i++) {
        const bool x = a->right[i] != 0, y = b->right[i] != 0;
        both += x && y, first += x && !y, second += y && !x;
    }
    return (Paired){(double)(first - second) / a->images,
                    newcombe_interval(both, first, second, a->images - both - first - second),
                    mcnemar_exact(first, second)};
}

/* Mean and standard error of x[i] - y[i]; y NULL: of x. */
static double mean_of(const double *x, const double *y, int n, double *error)
{
    double sum = 0, squares = 0;
    for (int i = 0; i < n; i++) sum += x[i] - (y == NULL ? 0 : y[i]);
    const double mean = sum / n;
    for (int i = 0; i < n; i++) squares += pow(x[i] - (y == NULL ? 0 : y[i]) - mean, 2);
    *error = n > 1 ? sqrt(squares / (n - 1) / n) : 0;
    return mean;
}

Interval mean_interval(const double *part, int n)
{
    double error;
    const double mean = mean_of(part, NULL, n, &error);
    return (Interval){mean - Z95 * error, mean + Z95 * error};
}

static double p_of(double mean, double error, int freedom)
{
    return mean == 0 || freedom < 1 ? 1 : student_p(mean / error, freedom);
}

static Paired of_parts(const Answers *a, const Answers *b)
{
    const int S = a->seeds, n = a->images;
    double error, seeds_error = 0;
    const double mean = mean_of(a->part, b->part, n, &error);
    double p = p_of(mean, error, n - 1), half = Z95 * error;
    if (S > 1) {
        const double of_seeds = mean_of(a->accuracy, b->accuracy, S, &seeds_error);
        p = fmax(p, p_of(of_seeds, seeds_error, S - 1));
        half = fmax(half, student_t95(S - 1) * seeds_error);
    }
    return (Paired){mean, {mean - half, mean + half}, p};
}

Paired paired_difference(const Answers *a, const Answers *b)
{
    if (a->right == NULL) return of_parts(a, b);
    if (a->seeds == 1) return one_seed(a, b);
    const int S = a->seeds, n = a->images;
    double mean = 0, squares = 0, image_squares = 0;
    for (int s = 0; s < S; s++) mean += (a->accuracy[s] - b->accuracy[s]) / S;
    for (int s = 0; s < S; s++) squares += pow(a->accuracy[s] - b->accuracy[s] - mean, 2);
    long first = 0, second = 0;
    for (int i = 0; i < n; i++) {
        first += a->right[i] > b->right[i], second += a->right[i] < b->right[i];
        image_squares += pow((double)(a->right[i] - b->right[i]) / S - mean, 2);
    }
    const double seeds_error = sqrt(squares / (S - 1) / S), images_error = sqrt(image_squares) / n;
    const double half = fmax(student_t95(S - 1) * seeds_error, Z95 * images_error);
    const double t = mean == 0 ? 0 : mean / seeds_error;
    return (Paired){mean, {mean - half, mean + half}, fmax(student_p(t, S - 1), mcnemar_exact(first, second))};
}
