/* Drawn faces in every pose, made from the seed alone: pictures with twelve points each.
 *
 * A head is an ellipsoid (x^2/a^2 + y^2/b^2 + z^2/c^2 = 1; x to the right, y down, z towards us, b = 1) that is turned
 * (yaw, pitch, roll), scaled and moved.  Hair, brows, eyes, nose and mouth are painted on its front, so that where a
 * point of the face lies in the picture is known exactly:
 *
 *     (column, row) = centre + scale R (x, y, z)
 *
 * Light comes from one side, the background is a slope between two colours, one picture in three has a bar in front of
 * the face.  A point is not visible where the head turns away from us or the bar hides it. */
#include <math.h>

#include "base/rng.h"
#include "datasets/points.h"
#include "datasets/reader.h"

enum {
    LEFT_BROW,
    RIGHT_BROW,
    LEFT_EYE_OUTER,
    LEFT_EYE_INNER,
    RIGHT_EYE_INNER,
    RIGHT_EYE_OUTER,
    NOSE,
    LEFT_MOUTH,
    RIGHT_MOUTH,
    UPPER_LIP,
    LOWER_LIP,
    CHIN,
    POINTS
};
static const char *const names[POINTS] = {"left_brow",       "right_brow",      "left_eye_outer", "left_eye_inner",
                                          "right_eye_inner", "right_eye_outer", "nose",           "left_mouth",
                                          "right_mouth",     "upper_lip",       "lower_lip",      "chin"};
static const char *const pairs[] = {"left_brow",       "right_brow",     "left_eye_outer",
                                    "right_eye_outer", "left_eye_inner", "right_eye_inner",
                                    "left_mouth",      "right_mouth",    NULL};

typedef struct {
    uint64_t seed;
    int first; /* the split's first image among all */
    float noise;
} Recipe;

typedef struct {
    double at[3];
} Vector;

typedef struct {
    double rgb[3];
} Colour;

/* An ellipse on the front of a head, or, turned by an angle, in the picture. */
typedef struct {
    double x, y, rx, ry;
} Ellipse;

typedef struct {
    double radius[3], turn[3][3];   /* of the head; R */
    double x, y, scale;             /* centre and size, in pixels */
    Ellipse brow, eye, nose, mouth; /* brow and eye: the right one; the left one is its mirror image */
    double gaze, hairline;
    Colour skin, hair, lips, iris, background[2], bar_colour;
    Vector light;
    double ambient, slope[2];
    bool has_bar;
    Ellipse bar; /* in heads, about the centre; rx, ry: half of its sides */
    double bar_turn[2];
} Face;

/* ---- what is drawn ----------------------------------------------------------------------------------------------- */

static double between(Rng *rng, double low, double high) { return low + (high - low) * (double)rng_uniform(rng); }

static Colour colour_between(Rng *rng, Colour a, Colour b)
{
    const double share = (double)rng_uniform(rng);
    Colour c;
    for (int i = 0; i < 3; i++) c.rgb[i] = a.rgb[i] + share * (b.rgb[i] - a.rgb[i]);
    return c;
}

static Colour any_colour(Rng *rng)
{
    Colour c;
    for (int i = 0; i < 3; i++) c.rgb[i] = between(rng, 10, 245);
    return c;
}

/* R = roll pitch yaw: about z, x and y. */
static void draw_turn(Rng *rng, double turn[3][3])
{
    const double degree = 3.141592653589793 / 180;
    const double yaw = degree * between(rng, -40, 40), pitch = degree * between(rng, -20, 20),
                 roll = degree * between(rng, -20, 20);
    const double cy = cos(yaw), sy = sin(yaw), cp = cos(pitch), sp = sin(pitch), cr = cos(roll), sr = sin(roll);
    const double faced[3][3] = {{cy, 0, sy}, {sp * sy, cp, -sp * cy}, {-cp * sy, sp, cp * cy}};
    for (int j = 0; j < 3; j++) {
        turn[0][j] = cr * faced[0][j] - sr * faced[1][j];
        turn[1][j] = sr * faced[0][j] + cr * faced[1][j];
        turn[2][j] = faced[2][j];
    }
}

static void draw_features(Rng *rng, Face *f)
{
    const double eye_x = between(rng, 0.28, 0.36), eye_y = between(rng, -0.22, -0.08);
    f->radius[0] = between(rng, 0.7, 0.85), f->radius[1] = 1, f->radius[2] = between(rng, 0.75, 0.95);
    f->eye = (Ellipse){eye_x, eye_y, between(rng, 0.1, 0.14), between(rng, 0.03, 0.07)};
    f->brow = (Ellipse){eye_x, eye_y - between(rng, 0.15, 0.22), between(rng, 0.12, 0.17), 0.03};
    f->nose = (Ellipse){0, between(rng, 0.14, 0.26), between(rng, 0.08, 0.12), between(rng, 0.03, 0.05)};
    f->mouth = (Ellipse){0, between(rng, 0.45, 0.58), between(rng, 0.18, 0.3), between(rng, 0.05, 0.14)};
    f->gaze = between(rng, -0.4, 0.4);
    f->hairline = between(rng, -0.75, -0.55);
}

static void draw_colours(Rng *rng, Face *f)
{
    f->skin = colour_between(rng, (Colour){{110, 75, 55}}, (Colour){{245, 205, 180}});
    f->hair = colour_between(rng, (Colour){{20, 15, 12}}, (Colour){{170, 130, 80}});
    f->lips = colour_between(rng, (Colour){{110, 30, 35}}, (Colour){{190, 80, 85}});
    f->iris = colour_between(rng, (Colour){{25, 18, 12}}, (Colour){{70, 95, 120}});
    f->background[0] = any_colour(rng), f->background[1] = any_colour(rng), f->bar_colour = any_colour(rng);
    f->ambient = between(rng, 0.45, 0.7);
    const double x = between(rng, -1, 1), y = between(rng, -1, 0.5), length = sqrt(x * x + y * y + 1);
    f->light = (Vector){{x / length, y / length, 1 / length}};
    f->slope[0] = between(rng, -1, 1), f->slope[1] = between(rng, -1, 1);
}

/* The face of an image, and the generator of its noise. */
static Face face_of(const Recipe *r, int index, const int hwc[3], Rng *rng)
{
    *rng = rng_make(r->seed, RNG_SYNTHETIC, (uint64_t)MAX_CLASSES + (uint64_t)r->first + (uint64_t)index);
    const double h = hwc[0], w = hwc[1], side = fmin(h, w);
    Face f = {.scale = side * between(rng, 0.3, 0.4)};
    f.x = 0.5 * (w - 1) + side * between(rng, -0.08, 0.08);
    f.y = 0.5 * (h - 1) + side * between(rng, -0.08, 0.08);
    draw_turn(rng, f.turn);
    draw_features(rng, &f);
    draw_colours(rng, &f);
    f.has_bar = rng_below(rng, 3) == 0;
    f.bar =
        (Ellipse){between(rng, -0.6, 0.6), between(rng, -0.7, 0.9), between(rng, 0.3, 0.9), between(rng, 0.1, 0.22)};
    const double angle = between(rng, 0, 3.141592653589793);
    f.bar_turn[0] = cos(angle), f.bar_turn[1] = sin(angle);
    return f;
}

/* ---- where things are -------------------------------------------------------------------------------------------- */

static Vector turned(const Face *f, Vector v)
{
    Vector to;
    for (int i = 0; i < 3; i++) to.at[i] = f->turn[i][0] * v.at[0] + f->turn[i][1] * v.at[1] + f->turn[i][2] * v.at[2];
    return to;
}

static Vector turned_back(const Face *f, Vector v)
{
    Vector to;
    for (int i = 0; i < 3; i++) to.at[i] = f->turn[0][i] * v.at[0] + f->turn[1][i] * v.at[1] + f->turn[2][i] * v.at[2];
    return to;
}

/* Outwards from the head at one of its points, of length 1, as we see it. */
static Vector normal_at(const Face *f, Vector on_head)
{
    Vector n;
    double square = 0;
    for (int i = 0; i < 3; i++) {
        n.at[i] = on_head.at[i] / (f->radius[i] * f->radius[i]);
        square += n.at[i] * n.at[i];
    }
    for (int i = 0; i < 3; i++) n.at[i] /= sqrt(square);
    return turned(f, n);
}

/* How many pixels a place in the picture lies within the bar; below 0: outside. */
static double inside_bar(const Face *f, double x, double y)
{
    const double dx = (x - f->x) / f->scale - f->bar.x, dy = (y - f->y) / f->scale - f->bar.y;
    const double along = fabs(f->bar_turn[0] * dx + f->bar_turn[1] * dy),
                 across = fabs(f->bar_turn[0] * dy - f->bar_turn[1] * dx);
    return f->scale * fmin(f->bar.rx - along, f->bar.ry - across);
}

/* A point of the front by its x and y on the head. */
static void put_point(const Face *f, double x, double y, float *point)
{
    const double rest = 1 - x * x / (f->radius[0] * f->radius[0]) - y * y / (f->radius[1] * f->radius[1]);
    const Vector on = {{x, y, f->radius[2] * sqrt(rest)}}, at = turned(f, on);
    const double column = f->x + f->scale * at.at[0], row = f->y + f->scale * at.at[1];
    const bool hidden = f->has_bar && inside_bar(f, column, row) > 0;
    point[POINT_X] = (float)column;
    point[POINT_Y] = (float)row;
    point[POINT_VISIBLE] = normal_at(f, on).at[2] > 0.1 && !hidden ? 1 : 0;
}

static void put_points(const Face *f, float *value)
{
    const double eye[2] = {f->eye.x - f->eye.rx, f->eye.x + f->eye.rx};
    const double at[POINTS][2] = {[LEFT_BROW] = {-f->brow.x, f->brow.y},
                                  [RIGHT_BROW] = {f->brow.x, f->brow.y},
                                  [LEFT_EYE_OUTER] = {-eye[1], f->eye.y},
                                  [LEFT_EYE_INNER] = {-eye[0], f->eye.y},
                                  [RIGHT_EYE_INNER] = {eye[0], f->eye.y},
                                  [RIGHT_EYE_OUTER] = {eye[1], f->eye.y},
                                  [NOSE] = {f->nose.x, f->nose.y},
                                  [LEFT_MOUTH] = {-f->mouth.rx, f->mouth.y},
                                  [RIGHT_MOUTH] = {f->mouth.rx, f->mouth.y},
                                  [UPPER_LIP] = {0, f->mouth.y - f->mouth.ry},
                                  [LOWER_LIP] = {0, f->mouth.y + f->mouth.ry},
                                  [CHIN] = {0, 0.93}};
    for (int p = 0; p < POINTS; p++) put_point(f, at[p][0], at[p][1], value + (size_t)p * POINT_FLOATS);
}

/* ---- painting ---------------------------------------------------------------------------------------------------- */

static double clamped(double v) { return v < 0 ? 0 : v > 1 ? 1 : v; }

static void mix(Colour *c, Colour with, double share)
{
    for (int i = 0; i < 3; i++) c->rgb[i] += share * (with.rgb[i] - c->rgb[i]);
}

/* How much of a pixel an ellipse on the front covers. */
static double covered(const Face *f, const Ellipse *e, double x, double y)
{
    const double dx = (x - e->x) / e->rx, dy = (y - e->y) / e->ry;
    return clamped(0.5 + (1 - sqrt(dx * dx + dy * dy)) * fmin(e->rx, e->ry) * f->scale);
}

/* What is painted at a place of the head. */
static Colour paint_at(const Face *f, Vector on)
{
    const double x = on.at[0], y = on.at[1], side = fabs(x);
    Colour c = f->skin;
    if (on.at[2] < 0) return f->hair;
    mix(&c, f->hair, clamped(0.5 + (f->hairline + 0.3 * x * x - y) * f->scale));
    mix(&c, f->hair, covered(f, &f->brow, side, y));
    const double eye = covered(f, &f->eye, side, y);
    mix(&c, (Colour){{238, 238, 235}}, eye);
    const Ellipse iris = {(x < 0 ? -f->eye.x : f->eye.x) + f->gaze * f->eye.rx, f->eye.y, 0.05, 0.05};
    mix(&c, f->iris, eye * covered(f, &iris, x, y));
    mix(&c, (Colour){{0.4 * f->skin.rgb[0], 0.3 * f->skin.rgb[1], 0.3 * f->skin.rgb[2]}}, covered(f, &f->nose, x, y));
    mix(&c, f->lips, covered(f, &f->mouth, x, y));
    return c;
}

/* How much of a pixel the head covers, and which of its points is seen there. */
static double seen_at(const Face *f, double x, double y, Vector *on)
{
    const Vector from = turned_back(f, (Vector){{(x - f->x) / f->scale, (y - f->y) / f->scale, 0}}),
                 ray = turned_back(f, (Vector){{0, 0, 1}});
    double aa = -1, ab = 0, bb = 0; /* aa + 2 ab z + bb z^2 = 0 on the head */
    for (int i = 0; i < 3; i++) {
        const double square = f->radius[i] * f->radius[i];
        aa += from.at[i] * from.at[i] / square;
        ab += from.at[i] * ray.at[i] / square;
        bb += ray.at[i] * ray.at[i] / square;
    }
    const double least = aa - ab * ab / bb; /* of that sum along the ray; below 0: it meets the head */
    const double z = (-ab + sqrt(fmax(-least * bb, 0.0))) / bb;
    for (int i = 0; i < 3; i++) on->at[i] = from.at[i] + z * ray.at[i];
    return clamped(0.5 + (1 - sqrt(least + 1)) * 0.85 * f->scale);
}

static Colour colour_at(const Face *f, const int hwc[3], int row, int column)
{
    const double u = (column + 0.5) / hwc[1] - 0.5, v = (row + 0.5) / hwc[0] - 0.5;
    Colour c = f->background[0];
    Vector on;
    mix(&c, f->background[1], clamped(0.5 + f->slope[0] * u + f->slope[1] * v));
    const double head = seen_at(f, column, row, &on);
    if (head > 0) {
        const Vector n = normal_at(f, on);
        const double facing = n.at[0] * f->light.at[0] + n.at[1] * f->light.at[1] + n.at[2] * f->light.at[2];
        Colour face = paint_at(f, on);
        for (int i = 0; i < 3; i++) face.rgb[i] *= f->ambient + (1 - f->ambient) * fmax(facing, 0.0);
        mix(&c, face, head);
    }
    if (f->has_bar) mix(&c, f->bar_colour, clamped(0.5 + inside_bar(f, column, row)));
    return c;
}

static Status make_sample(const SampleSource *source, int index, Arena *scratch, uint8_t *input)
{
    (void)scratch;
    const int *hwc = source->input.dim;
    const Recipe *r = source->context;
    Rng rng;
    const Face f = face_of(r, index, hwc, &rng);
    for (int row = 0; row < hwc[0]; row++)
        for (int column = 0; column < hwc[1]; column++) {
            const Colour c = colour_at(&f, hwc, row, column);
            const double luma = 0.299 * c.rgb[0] + 0.587 * c.rgb[1] + 0.114 * c.rgb[2];
            for (int k = 0; k < hwc[2]; k++) {
                const double noise = r->noise > 0 ? 40 * (double)(r->noise * rng_normal(&rng)) : 0.0;
                const double v = (hwc[2] < 3 ? luma : c.rgb[k % 3]) + 0.5 + noise;
                *input++ = (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v);
            }
        }
    return STATUS_OK;
}

static Status make_set(const Recipe *recipe, int n, const int hwc[3], Arena *arena, DataSplits *out, Dataset *set)
{
    SampleSource *source;
    Recipe *own = ARENA_ARRAY(arena, Recipe, 1);
    *own = *recipe;
    float *values = arena_try_alloc(arena, (size_t)n * POINTS * POINT_FLOATS * sizeof *values);
    if (values == NULL) return status_prefix(STATUS_NOMEM, "data: %d faces", n);
    for (int i = 0; i < n; i++) {
        Rng rng;
        const Face f = face_of(own, i, hwc, &rng);
        put_points(&f, values + (size_t)i * POINTS * POINT_FLOATS);
    }
    TRY(source_of_files(arena, n, hwc, targets_points(POINTS, values), make_sample, own,
                        reader_keeps(out, (uint64_t)n, hwc), &source));
    *set = dataset_of(source, 2 * POINTS);
    return STATUS_OK;
}

static Status load(const DataConfig *cfg, const int want_hwc[3], uint64_t seed, Arena *arena, DataSplits *out)
{
    Recipe recipe = {seed, 0, (float)cfg->synthetic_noise};
    TRY(made_counts(cfg));
    if (cfg->targets.n > 0)
        return status_fail(STATUS_CONFIG, "data.targets: %d names; faces have points of their own: it must be left out",
                           cfg->targets.n);
    TRY(make_set(&recipe, cfg->synthetic_train, want_hwc, arena, out, &out->train));
    recipe.first = cfg->synthetic_train;
    TRY(make_set(&recipe, cfg->synthetic_test, want_hwc, arena, out, &out->test));
    out->class_names = points_outputs(arena, names, POINTS);
    return STATUS_OK;
}

const DatasetType dataset_faces = {
    .name = "faces",
    .doc = "a drawn face in some pose and light, made from the seed; twelve points, which a bar may hide",
    .load = load,
    .made = true,
    .gives = GIVES_POINTS,
    .flip_pairs = pairs};
