#include "train/teacher.h"

#include <math.h>
#include <string.h>
#include <zlib.h>

#include "base/file.h"
#include "layers/model_finite.h"
#include "train/experiment.h"
#include "train/model_data.h"
#include "train/model_file.h"

static const char *key_of(ModelKind kind) { return kind == MODEL_QAT ? "qat.teacher" : "train.teacher"; }

/* ---- what it is -------------------------------------------------------------------------------------------------- */

static Status file_digest(Arena *arena, const char *path, const char **digest)
{
    enum { MOST_BYTES = 1 << 30 };
    Arena *own = arena_create();
    unsigned char *bytes;
    size_t n;
    const Status status = file_read(own, path, MOST_BYTES, &bytes, &n);
    if (status == STATUS_OK)
        *digest = arena_printf(arena, "model with CRC-32 %08lx", crc32_z(crc32_z(0, NULL, 0), bytes, n));
    arena_destroy(own);
    return status;
}

const char *teacher_digest(Arena *arena, const Config *config, ModelKind kind)
{
    const TeacherConfig *c = config_teacher(config, kind == MODEL_QAT);
    const char *path, *digest;
    if (!teacher_is_named(c) || strcmp(c->model, TEACHER_FLOAT) == 0) return NULL;
    if (model_file(arena, c->path, &path) != STATUS_OK || file_digest(arena, path, &digest) != STATUS_OK) return NULL;
    return digest;
}

/* ---- whether it fits --------------------------------------------------------------------------------------------- */

/* Outputs that have names must stand for the same, in the same order. */
static Status check_names(Arena *arena, const Model *teacher, const Model *student)
{
    const ModelClasses of_teacher = model_classes("", teacher), of_student = model_classes("", student);
    if (!classes_named(&of_teacher) || !classes_named(&of_student)) return STATUS_OK;
    for (int i = 0; i < student->classes; i++)
        if (strcmp(teacher->class_names[i], student->class_names[i]) != 0)
            return status_fail(STATUS_SHAPE, "its outputs are %s; must be those of the network that learns, %s",
                               classes_text(arena, of_teacher.name, of_teacher.n),
                               classes_text(arena, of_student.name, of_student.n));
    return STATUS_OK;
}

static const char *task_of(const Model *m) { return m->task == NULL ? task_names[0] : m->task; }

static Status check_fits(Arena *arena, Model *teacher, const Model *student)
{
    const Extent a = teacher->input, b = student->input;
    if (a.h != b.h || a.w != b.w || a.c != b.c)
        return status_fail(STATUS_SHAPE,
                           "reads images of %d x %d x %d; must be those of the network that learns, %d x %d x %d", a.h,
                           a.w, a.c, b.h, b.w, b.c);
    if (strcmp(task_of(teacher), task_of(student)) != 0)
        return status_fail(STATUS_SHAPE, "a model of the task %s; must be of the task of the network that learns, %s",
                           task_of(teacher), task_of(student));
    if (task_type(task_of(student))->imitate == NULL)
        return status_fail(STATUS_SHAPE, "no network of the task %s learns from another one; must be left out",
                           task_of(student));
    if (teacher->classes != student->classes)
        return status_fail(STATUS_SHAPE, "has %d outputs; must have as many as the network that learns, %d",
                           teacher->classes, student->classes);
    TRY(check_names(arena, teacher, student));
    return model_check_finite(teacher);
}

Status teacher_open(Arena *arena, const Config *config, ModelKind kind, const Model *student, const Teacher **out)
{
    const TeacherConfig *c = config_teacher(config, kind == MODEL_QAT);
    *out = NULL;
    if (!teacher_is_named(c)) return STATUS_OK;
    OpenModel open;
    Teacher *t = ARENA_ARRAY(arena, Teacher, 1);
    const char *path;
    Status status = model_file(arena, c->path, &path);
    if (status == STATUS_OK) status = model_open(arena, path, NULL, &open);
    if (status == STATUS_OK) status = file_digest(arena, path, &t->digest);
    if (status != STATUS_OK) return status_prefix(status, "%s: %s", config->path, key_of(kind));
    status = check_fits(arena, open.model, student);
    if (status != STATUS_OK) return status_prefix(status, "%s: %s: %s", config->path, key_of(kind), path);
    t->path = path, t->model = open.model, t->student = student;
    t->mode = (ForwardMode){.arithmetic = open.kind == MODEL_FLOAT ? ARITHMETIC_FLOAT : ARITHMETIC_INT,
                            .rounding = open.trained};
    *out = t;
    return STATUS_OK;
}

/* ---- what it says ------------------------------------------------------------------------------------------------ */

/* From the teacher's standard deviations, from its mean, to the student's. */
static const float *rescaled(Tape *tape, const Teacher *t, int n, const float *z)
{
    const TargetScale *from = &t->model->scale, *to = &t->student->scale;
    const int K = t->student->classes;
    float *all = arena_alloc(tape->arena, sizeof *all * (size_t)n * (size_t)K);
    for (int i = 0; i < n * K; i++) {
        const double value = (double)from->mean[i % K] + (double)from->std[i % K] * (double)z[i];
        all[i] = (float)((value - (double)to->mean[i % K]) / (double)to->std[i % K]);
    }
    return all;
}

Status teacher_answer(const Teacher *t, Tape *tape, const Batch *batch, const float **outputs)
{
    tape_reset(tape, false);
    const Tensor *z = model_forward(t->model, tape, &t->mode, batch->pixels, batch->n);
    if (z == NULL) return status_fail(tape->status, "%s", tape->message);
    const float *x = tensor_values(tape, z);
    const long n = tensor_elements(z);
    for (long i = 0; i < n; i++)
        if (!isfinite(x[i]))
            return status_fail(STATUS_NUMERIC, "%s: the teacher's outputs are not finite on these images", t->path);
    *outputs = t->model->scale.mean == NULL ? x : rescaled(tape, t, batch->n, x);
    return STATUS_OK;
}

Status teacher_tell(const Teacher *t, Tape *tape, const Task *task, Batch *batch)
{
    if (t == NULL || task->distillation.alpha == 0.0) return STATUS_OK;
    return teacher_answer(t, tape, batch, &batch->targets.teacher);
}
