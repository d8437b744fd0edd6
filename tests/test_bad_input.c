/* Bad input, as a user meets it: for each case what is run, the exit code, and the words that the one line on stderr must
 * hold; what is on disk afterwards is what was there before. */
#include <math.h>
#include <png.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "base/file.h"
#include "base/safetensors.h"
#include "tests/support/data_files.h"
#include "tests/support/data_sets.h"
#include "tests/support/program.h"
#include "tests/support/scratch.h"
#include "tests/support/suite.h"

/* The fixture: zoo.json; runs of it in float/, ptq/, qat/; other/, a run of another network; bad/, which each case fills
 * and which is emptied behind it. */
static Arena *arena;
static const char *folder;

/* ---- ways of spoiling ---------------------------------------------------------------------------------------------------- */

static void bad_text(const char *text) { put_text(folder, "bad/c.json", text); }

/* zoo.json with `from` replaced by `to`, as bad/c.json. */
static void bad_config(const char *from, const char *to)
{
    const char *at = strstr(zoo_config, from);
    ck_assert_ptr_nonnull(at);
    bad_text(arena_printf(arena, "%.*s%s%s", (int)(at - zoo_config), zoo_config, to, at + strlen(from)));
}

/* A config of 4x3 gray images of this data set in bad/. */
static void data_config(const char *dataset)
{
    bad_text(
        arena_printf(arena,
                     "{\"data\": {\"dataset\": \"%s\", \"dir\": \".\"}, \"model\": {\"input\": [4, 3, 1], \"layers\": "
                     "[{\"type\": \"flatten\"}, {\"type\": \"dense\", \"units\": 10}]}, \"train\": {\"batch\": 2}}",
                     dataset));
}

static void copy_file(const char *from, const char *to)
{
    unsigned char *data;
    size_t bytes;
    ck_assert_int_eq(file_read(arena, file_join(arena, folder, from), 1 << 24, &data, &bytes), STATUS_OK);
    put_bytes(folder, to, data, bytes);
}

/* bad/m.safetensors and its config.json from a good run. */
static void copy_model(const char *run)
{
    const char *file = strcmp(run, "ptq") == 0 ? "model" : "last";
    copy_file(arena_printf(arena, "%s/config.json", run), "bad/config.json");
    copy_file(arena_printf(arena, "%s/%s.safetensors", run, file), "bad/m.safetensors");
}

/* The model with one number of one tensor changed, and a right CRC. */
static void edit_tensor(const char *run, const char *name, float value)
{
    copy_model(run);
    const char *path = file_join(arena, folder, "bad/m.safetensors");
    SafeFile file;
    ck_assert_int_eq(safe_read(arena, path, true, &file), STATUS_OK);
    SafeWriter *w = safe_writer(arena);
    for (int i = 0; i < file.n_metadata; i++)
        if (strcmp(file.key[i], "crc32") != 0) safe_add_metadata(w, file.key[i], file.value[i]);
    bool found = false;
    for (int i = 0; i < file.n; i++) {
        const SafeTensor *t = &file.tensor[i];
        unsigned char *copy = arena_alloc(arena, t->bytes);
        memcpy(copy, t->data, t->bytes);
        if (strcmp(t->name, name) == 0) {
            found = true;
            const uint64_t whole = (uint64_t)value;
            if (t->type == ST_F32)
                memcpy(copy, &value, sizeof value);
            else
                memcpy(copy + t->bytes - sizeof whole, &whole, sizeof whole); /* seen: [batches, ready] */
        }
        safe_add(w, t->name, t->type, t->rank, t->dim, copy);
    }
    ck_assert_msg(found, "%s: no such tensor", name);
    ck_assert_int_eq(safe_write(w, path), STATUS_OK);
}

/* The model with bytes of its header replaced by as many others; the CRC made right again if asked. */
static void edit_header(const char *from, const char *to, bool right_crc)
{
    copy_model("qat");
    const char *path = file_join(arena, folder, "bad/m.safetensors");
    unsigned char *data;
    size_t bytes;
    ck_assert_int_eq(file_read(arena, path, 1 << 24, &data, &bytes), STATUS_OK);
    ck_assert_uint_eq(strlen(from), strlen(to));
    unsigned char *at = memmem(data, bytes, from, strlen(from));
    ck_assert_ptr_nonnull(at);
    memcpy(at, to, strlen(to));
    unsigned char *digits = data + 8 + strlen(SAFE_CRC_HEAD);
    if (right_crc) {
        char crc[SAFE_CRC_DIGITS + 1];
        memset(digits, '0', SAFE_CRC_DIGITS);
        snprintf(crc, sizeof crc, "%08lx", crc32_z(0, data, bytes));
        memcpy(digits, crc, SAFE_CRC_DIGITS);
    }
    put_bytes(folder, "bad/m.safetensors", data, bytes);
}

static void bad_gray(int w, int h)
{
    put_png(folder, "bad/x.png",
            &(Picture){
                .w = w, .h = h, .bits = 8, .type = PNG_COLOR_TYPE_GRAY, .rows = arena_zalloc(arena, (size_t)(w * h))});
}

/* A PNG whose header, with a right CRC, says w x h. */
static void huge_png(const char *name, uint32_t w, uint32_t h)
{
    put_gray(arena_printf(arena, "%s/bad", folder), name, 7);
    const uint8_t ihdr[17] = {'I',
                              'H',
                              'D',
                              'R',
                              (uint8_t)(w >> 24),
                              (uint8_t)(w >> 16),
                              (uint8_t)(w >> 8),
                              (uint8_t)w,
                              (uint8_t)(h >> 24),
                              (uint8_t)(h >> 16),
                              (uint8_t)(h >> 8),
                              (uint8_t)h,
                              8,
                              0,
                              0,
                              0,
                              0};
    const uLong crc = crc32_z(0, ihdr, sizeof ihdr);
    const char *inside = arena_printf(arena, "bad/%s", name);
    for (int i = 0; i < 17; i++) poke_file(folder, inside, 12 + i, ihdr[i]);
    for (int i = 0; i < 4; i++) poke_file(folder, inside, 29 + i, (uint8_t)(crc >> (24 - 8 * i)));
}

#define SPOIL(name, ...)                                                                                               \
    static void name(void) { __VA_ARGS__; }

SPOIL(no_value, bad_text("{\n  \"seed\": 1,\n  \"data\": ,\n}"))
SPOIL(cut_short, bad_text("{\"seed\": 1"))
SPOIL(empty_file, bad_text(""))
SPOIL(trailing, bad_config(" \"compare\": {\"ptq_bits\": 8, \"qat_bits\": [4], \"calibrators\": \"minmax\"}}\n",
                           "\"name\": \"x\"} more"))
SPOIL(duplicate, bad_config("\"seed\": 3,", "\"seed\": 3, \"seed\": 4,"))
SPOIL(zero_one, bad_config("\"seed\": 3", "\"seed\": 01"))
SPOIL(other_case, bad_config("\"seed\"", "\"Seed\""))
SPOIL(big_seed, bad_config("\"seed\": 3", "\"seed\": 9007199254740993"))
SPOIL(even_big_seed, bad_config("\"seed\": 3", "\"seed\": 9007199254740994"))
SPOIL(unknown_key, bad_config("\"epochs\"", "\"epohcs\""))
SPOIL(unknown_layer_key, bad_config("\"filters\": 4", "\"filter\": 4"))
SPOIL(unknown_type, bad_config("\"type\": \"concat\"", "\"type\": \"concta\""))
SPOIL(huge_kernel, bad_config("\"kernel\": 2", "\"kernel\": 200"))
SPOIL(text_for_number, bad_config("\"batch\": 16", "\"batch\": \"16\""))
SPOIL(no_model, bad_text("{\"data\": {\"dataset\": \"synthetic\"}}"))
SPOIL(sum_shapes, bad_config("\"name\": \"pw\", \"filters\": 6", "\"name\": \"pw\", \"filters\": 5"))
SPOIL(cat_shapes, bad_config("\"name\": \"side\", \"inputs\": \"pool1\", \"filters\": 4, \"kernel\": 3",
                             "\"name\": \"side\", \"inputs\": \"pool1\", \"filters\": 4, \"kernel\": 3, \"stride\": 2"))
SPOIL(big_window, bad_config("\"name\": \"pool2\", \"kernel\": 2", "\"name\": \"pool2\", \"kernel\": 9"))
SPOIL(cycle, bad_config("\"name\": \"dw\"", "\"name\": \"dw\", \"inputs\": \"cat\""))
SPOIL(dangling, bad_config("[\"sum\", \"side\"]", "[\"sum\", \"sides\"]"))
SPOIL(unread, bad_config("\"inputs\": [\"sum\", \"side\"]", "\"inputs\": [\"sum\", \"pool1\"]"))
SPOIL(same_name, bad_config("\"name\": \"side\"", "\"name\": \"pw\""))
SPOIL(few_logits, bad_config("\"units\": 4", "\"units\": 3"))
SPOIL(unknown_dataset, bad_config("\"synthetic\"", "\"cifar11\""))

static void idx_set(void) { put_idx_set(arena_printf(arena, "%s/bad", folder), false), data_config("idx"); }
SPOIL(data_missing, bad_config("\"synthetic\"", "\"mnist\""))
SPOIL(data_short, idx_set(), cut_file(folder, "bad/train-images-idx3-ubyte", 50))
SPOIL(data_magic, idx_set(), poke_file(folder, "bad/train-images-idx3-ubyte", 2, 0x0d))
SPOIL(data_trailing, idx_set(), cut_file(folder, "bad/train-labels-idx1-ubyte", 16))
SPOIL(data_label, idx_set(), data_config("mnist"), poke_file(folder, "bad/train-labels-idx1-ubyte", 8 + 4, 77))

static void class_set(void)
{
    put_classes(arena_printf(arena, "%s/bad", folder), "train/", 3);
    put_classes(arena_printf(arena, "%s/bad", folder), "test/", 2);
    data_config("folder");
}
SPOIL(png_corrupt, class_set(), poke_file(folder, "bad/train/dog/p01.png", 45, 0x77))
SPOIL(png_cut, class_set(), cut_file(folder, "bad/train/dog/p01.png", 40))
SPOIL(png_absurd, class_set(), huge_png("train/dog/p01.png", 0x7fffffff, 0x7fffffff))
SPOIL(class_empty, class_set(), put_text(folder, "bad/train/bird/readme.txt", "none"))

SPOIL(other_model, copy_model("qat"), copy_file("other/last.safetensors", "bad/m.safetensors"))
SPOIL(cut_model, copy_model("qat"), cut_file(folder, "bad/m.safetensors", 9000))
SPOIL(stump_model, copy_model("qat"), cut_file(folder, "bad/m.safetensors", 5))
SPOIL(flip_model, copy_model("qat"), poke_file(folder, "bad/m.safetensors", -100, 0x5a))
SPOIL(flip_header, edit_header("\"seed\":\"3\"", "\"seed\":\"5\"", false))
SPOIL(header_length, copy_model("qat"), poke_file(folder, "bad/m.safetensors", 6, 1))
SPOIL(header_shape, edit_header("\"shape\":[6,3,3,1]", "\"shape\":[7,3,3,1]", true))
SPOIL(header_type,
      edit_header("{\"dtype\":\"F32\",\"shape\":[6,3,3,1]", "{\"dtype\":\"F64\",\"shape\":[6,3,3,1]", true))
SPOIL(header_offsets, edit_header("\"data_offsets\":[0,16]", "\"data_offsets\":[8,24]", true))
SPOIL(header_far, edit_header("\"data_offsets\":[0,16]", "\"data_offsets\":[0,96]", true))
SPOIL(header_kind, edit_header("\"kind\":\"qat\"", "\"kind\":\"qut\"", true))
SPOIL(header_name, edit_header("\"fc.bias\"", "\"fc.bios\"", true))
SPOIL(no_config, copy_model("qat"), unlink(file_join(arena, folder, "bad/config.json")))
SPOIL(never_observed, edit_tensor("qat", "quant.side.out.seen", 0.0f))
SPOIL(infinite_scale, edit_tensor("qat", "quant.fc.out.scale", INFINITY))
SPOIL(nan_scale, edit_tensor("ptq", "quant.sum.out.scale", NAN))
SPOIL(bias_overflow, edit_tensor("qat", "fc.bias", 1e30f))
SPOIL(nan_weight, edit_tensor("qat", "fc.weight", NAN))
SPOIL(good_resume, copy_model("qat"), copy_file("bad/m.safetensors", "bad/last.safetensors"))
SPOIL(flip_resume, good_resume(), poke_file(folder, "bad/last.safetensors", -100, 0x5a))

SPOIL(no_picture, put_text(folder, "bad/x.png", "GIF89a"))
SPOIL(cut_picture, bad_gray(12, 12), cut_file(folder, "bad/x.png", 60))
SPOIL(huge_picture, huge_png("x.png", 200000, 200000))
SPOIL(picture, bad_gray(12, 12))
SPOIL(in_the_way, put_text(folder, "bad/file", "a file"))
SPOIL(old_export, copy_model("qat"), put_text(folder, "bad/old.safetensors", "{\"format\":\"bitfold-int8\"}"))

/* ---- the table ------------------------------------------------------------------------------------------------------------- */

typedef struct {
    void (*spoil)(void); /* NULL: nothing */
    const char *command;
    int code;
    const char *words[5];
    const char *environment;
    size_t file_limit_bytes;
    const char *leaves; /* what the case may write, below the fixture; NULL: nothing */
} Case;

#define CASE(spoil_, command_, code_, ...)                                                                             \
    {                                                                                                                  \
        .spoil = (spoil_), .command = (command_), .code = (code_), .words = __VA_ARGS__                                \
    }
static const Case cases[] = {
    /* the command line */
    CASE(NULL, "trian zoo.json", 2, {"\"trian\"", "did you mean \"train\"?"}),
    CASE(NULL, "xyzzy", 2, {"\"xyzzy\"", "bitfold --help"}),
    CASE(NULL, "train", 2, {"bitfold train", "missing CONFIG"}),
    CASE(NULL, "train zoo.json zoo.json", 2, {"too many arguments"}),
    CASE(NULL, "train zoo.json --ouy r", 2, {"--ouy", "did you mean --out?"}),
    CASE(NULL, "train zoo.json --out", 2, {"--out", "value"}),
    CASE(NULL, "train zoo.json --quiet=yes", 2, {"--quiet"}),
    CASE(NULL, "eval float/last.safetensors --overwrite", 2, {"unknown option --overwrite"}),
    CASE(NULL, "train zoo.json --threads 0", 2, {"--threads: \"0\"", "1 to 256"}),
    CASE(NULL, "train zoo.json --threads 2x", 2, {"--threads: \"2x\"", "1 to 256"}),
    CASE(NULL, "train zoo.json --out r", 2, {"BITFOLD_ISA=foo", "ref, avx2"}, .environment = "BITFOLD_ISA=foo"),
    CASE(NULL, "eval float/last.safetensors --engine fpga", 2, {"--engine: \"fpga\"", "float, sim or int8"}),
    CASE(NULL, "eval float/last.safetensors --split val", 2, {"--split: \"val\"", "validation"}),
    CASE(NULL, "eval float/last.safetensors --split validation", 1, {"--split validation", "data.validation"}),
    CASE(NULL, "bench zoo.json --mode int8", 2, {"--mode: \"int8\"", "float or qat"}),
    CASE(NULL, "export qat/last.safetensors", 2, {"-o FILE"}),
    CASE(NULL, "export qat/last.safetensors --to onnx -o r.onnx", 2, {"--to: \"onnx\"", "safetensors"}),
    CASE(NULL, "export qat/last.safetensors -o r.bin", 2, {"r.bin", ".safetensors"}),
    CASE(NULL, "describe trian", 2, {"\"trian\"", "must be"}),
    CASE(NULL, "fetch mnsit", 2, {"\"mnsit\"", "mnist, fashion-mnist, cifar10"}),
    CASE(NULL, "train zoo.json --set nothing --out r", 1, {"--set nothing", "path=value"}),
    CASE(NULL, "train zoo.json --set train..batch=1 --out r", 1, {"--set train..batch"}),
    CASE(NULL, "train zoo.json --set model.layers[11].units=3 --out r", 1,
         {"--set model.layers[11].units", "11 items"}),
    CASE(NULL, "train zoo.json --set model.layers.pw9.filters=3 --out r", 1, {"--set model.layers.pw9", "\"name\""}),
    CASE(NULL, "train zoo.json --set seed.x=3 --out r", 1, {"--set seed.x", "is a number"}),
    CASE(NULL, "train zoo.json --set train.epohcs=3 --out r", 1, {"epohcs", "did you mean \"epochs\"?"}),
    CASE(NULL, "train zoo.json --set train.epochs=-1 --out r", 1, {"zoo.json: train.epochs: -1", "0 to 100000"}),
    CASE(NULL, "train zoo.json --seed 9007199254740993 --out r", 1, {"seed", "9007199254740993", "9007199254740992"}),

    /* the config's text */
    CASE(NULL, "train none.json", 1, {"none.json", "No such file"}),
    CASE(NULL, "train bad", 1, {"bad"}),
    CASE(no_value, "train bad/c.json --out r", 1, {"bad/c.json:3:11", "','", "a JSON value is required"}),
    CASE(cut_short, "train bad/c.json --out r", 1, {"bad/c.json:1:11", "the text ends"}),
    CASE(empty_file, "train bad/c.json --out r", 1, {"bad/c.json:1:1", "nothing"}),
    CASE(trailing, "train bad/c.json --out r", 1, {"bad/c.json:18:14", "'more'", "end of the text"}),
    CASE(duplicate, "train bad/c.json --out r", 1, {"bad/c.json:1:13", "duplicate key \"seed\""}),
    CASE(zero_one, "train bad/c.json --out r", 1, {"bad/c.json:1:10", "leading zero"}),
    CASE(other_case, "train bad/c.json --out r", 1, {"bad/c.json", "unknown key \"Seed\"", "did you mean \"seed\"?"}),
    CASE(big_seed, "train bad/c.json --out r", 1, {"bad/c.json:1:10", "9007199254740993", "2^53"}),
    CASE(even_big_seed, "train bad/c.json --out r", 1, {"bad/c.json: seed: 9007199254740994", "9007199254740992"}),

    /* its keys and values */
    CASE(unknown_key, "train bad/c.json --out r", 1, {"bad/c.json: train", "\"epohcs\"", "did you mean \"epochs\"?"}),
    CASE(unknown_layer_key, "train bad/c.json --out r", 1,
         {"model.layers[5]", "\"filter\"", "did you mean \"filters\"?"}),
    CASE(unknown_type, "train bad/c.json --out r", 1, {"model.layers[6].type: \"concta\"", "did you mean \"concat\"?"}),
    CASE(huge_kernel, "train bad/c.json --out r", 1, {"model.layers[1].kernel", "200", "1 to 127"}),
    CASE(text_for_number, "train bad/c.json --out r", 1, {"bad/c.json: train.batch: \"16\"", "must be an integer"}),
    CASE(no_model, "train bad/c.json --out r", 1, {"bad/c.json", "model"}),
    CASE(unknown_dataset, "train bad/c.json --out r", 1, {"data.dataset: \"cifar11\"", "cifar10"}),

    /* the graph */
    CASE(sum_shapes, "train bad/c.json --out r", 1,
         {"\"sum\"", "\"pw\": 6 x 6 x 5", "\"pool1\": 6 x 6 x 6", "one shape"}),
    CASE(cat_shapes, "qat bad/c.json --out r", 1, {"\"cat\"", "\"sum\": 6 x 6 x 6", "\"side\": 3 x 3 x 4"}),
    CASE(big_window, "inspect bad/c.json", 1, {"\"pool2\"", "\"cat\": 6 x 6 x 10"}),
    CASE(cycle, "train bad/c.json --out r", 1, {"\"dw\"", "cycle"}),
    CASE(dangling, "train bad/c.json --out r", 1, {"model.layers[6].inputs: \"sides\"", "did you mean \"side\"?"}),
    CASE(unread, "compare bad/c.json --out r", 1, {"\"side\"", "no layer reads its output"}),
    CASE(same_name, "train bad/c.json --out r", 1, {"model.layers[5].name: \"pw\"", "layers[3]", "unique"}),
    CASE(few_logits, "train bad/c.json --out r", 1, {"\"logits\"", "3 logits", "4 classes"}),

    /* the data */
    CASE(data_missing, "train bad/c.json --out r", 1, {"train-images-idx3-ubyte", "not found", "bitfold fetch mnist"}),
    CASE(data_short, "train bad/c.json --out r", 1, {"bad/train-images-idx3-ubyte: 50 bytes", "truncated"}),
    CASE(data_magic, "qat bad/c.json --out r", 1, {"bad/train-images-idx3-ubyte: starts with 00 00 0d 03"}),
    CASE(data_trailing, "compare bad/c.json --out r", 1, {"bad/train-labels-idx1-ubyte: goes on after byte 15"}),
    CASE(data_label, "train bad/c.json --out r", 1, {"bad/train-labels-idx1-ubyte: label 77 of image 4"}),
    CASE(png_corrupt, "train bad/c.json --out r", 1, {"bad/train/dog/p01.png: damaged PNG"}),
    CASE(png_cut, "train bad/c.json --out r", 1, {"bad/train/dog/p01.png"}),
    CASE(png_absurd, "train bad/c.json --out r", 1, {"bad/train/dog/p01.png", "2147483647 x 2147483647 pixels"}),
    CASE(class_empty, "train bad/c.json --out r", 1, {"bad/train/bird: no PNG file in this class folder"}),

    /* model files */
    CASE(NULL, "eval none.safetensors", 1, {"none.safetensors", "No such file"}),
    CASE(NULL, "eval zoo.json", 1, {"zoo.json", "header length"}),
    CASE(NULL, "eval float", 1, {"float", "regular file"}),
    CASE(no_config, "eval bad/m.safetensors", 1, {"bad/m.safetensors", "no config.json beside it"}),
    CASE(other_model, "eval bad/m.safetensors", 1, {"bad/m.safetensors", "\"stem.weight\"", "another model"}),
    CASE(cut_model, "verify bad/m.safetensors", 1, {"bad/m.safetensors", "damaged"}),
    CASE(stump_model, "verify bad/m.safetensors", 1, {"bad/m.safetensors: 5 bytes"}),
    CASE(flip_model, "eval bad/m.safetensors", 1, {"bad/m.safetensors", "CRC-32", "damaged"}),
    CASE(flip_header, "export bad/m.safetensors -o r.safetensors", 1, {"bad/m.safetensors", "CRC-32", "damaged"}),
    CASE(header_length, "eval bad/m.safetensors", 1, {"bad/m.safetensors: header length", "at most"}),
    CASE(header_shape, "eval bad/m.safetensors", 1, {"\"stem.weight\"", "data_offsets", "need 252 bytes"}),
    CASE(header_type, "eval bad/m.safetensors", 1, {"\"stem.weight\"", "data_offsets", "need 432 bytes"}),
    CASE(header_offsets, "eval bad/m.safetensors", 1, {"bad/m.safetensors: tensor", "begins at byte"}),
    CASE(header_far, "eval bad/m.safetensors", 1, {"bad/m.safetensors: tensor", "data_offsets", "need 16 bytes"}),
    CASE(header_kind, "eval bad/m.safetensors", 1, {"bad/m.safetensors", "\"qut\"", "float, ptq or qat"}),
    CASE(header_name, "eval bad/m.safetensors", 1, {"bad/m.safetensors", "\"fc.bias\"", "missing"}),
    CASE(never_observed, "export bad/m.safetensors -o r.safetensors", 1, {"side.out", "never observed"}),
    CASE(infinite_scale, "export bad/m.safetensors -o r.safetensors", 1, {"fc.out", "inf", "finite"}),
    CASE(nan_scale, "verify bad/m.safetensors", 1, {"sum.out", "nan", "finite"}),
    CASE(bias_overflow, "export bad/m.safetensors -o r.safetensors", 1, {"fc: channel 0: bias 1e+30"}),
    CASE(nan_weight, "export bad/m.safetensors -o r.safetensors", 1, {"fc.weight", "nan", "finite"}),
    CASE(NULL, "eval float/last.safetensors --set model.layers.fc.units=8", 1,
         {"float/last.safetensors", "another model"}),

    /* the wrong kind of model */
    CASE(NULL, "eval float/last.safetensors --engine int8", 1,
         {"float/last.safetensors", "float model", "quantize it first"}),
    CASE(NULL, "eval float/last.safetensors --engine sim", 1, {"float/last.safetensors", "float model"}),
    CASE(NULL, "verify float/last.safetensors", 1, {"float/last.safetensors", "float model", "quantize it first"}),
    CASE(NULL, "export float/last.safetensors -o r.safetensors", 1, {"float/last.safetensors", "float model"}),
    CASE(NULL, "predict float/last.safetensors bad/x.png --dump r", 1, {"float/last.safetensors", "no codes to dump"}),
    CASE(NULL, "ptq qat/last.safetensors --out r", 1, {"qat/last.safetensors", "qat model", "float model"}),
    CASE(NULL, "ptq ptq/model.safetensors --out r", 1, {"ptq/model.safetensors", "ptq model", "float model"}),
    CASE(NULL, "qat ptq/model.safetensors --out r", 1, {"ptq/model.safetensors", "ptq model", "float model"}),

    /* pictures */
    CASE(no_picture, "predict qat/last.safetensors bad/x.png", 1, {"bad/x.png", "PNG"}),
    CASE(NULL, "predict qat/last.safetensors zoo.json", 1, {"zoo.json", "PNG"}),
    CASE(NULL, "predict qat/last.safetensors none.png", 1, {"none.png", "No such file"}),
    CASE(cut_picture, "predict qat/last.safetensors bad/x.png", 1, {"bad/x.png"}),
    CASE(huge_picture, "predict float/last.safetensors bad/x.png", 1, {"bad/x.png", "200000 x 200000 pixels"}),
    CASE(picture, "predict qat/last.safetensors bad/x.png --dump zoo.json/d", 1, {"zoo.json", "cannot create"}),

    /* run directories */
    CASE(NULL, "train zoo.json --out float", 1, {"float: exists", "--overwrite", "--resume"}),
    CASE(NULL, "ptq float/last.safetensors --out ptq", 1, {"ptq: exists", "--overwrite"}),
    CASE(NULL, "qat float/last.safetensors --out qat", 1, {"qat: exists", "--overwrite"}),
    CASE(NULL, "compare zoo.json --out float", 1, {"float: exists", "--overwrite"}),
    CASE(NULL, "train zoo.json --resume --out none", 1, {"none", "config.json", "--resume"}),
    CASE(NULL, "train zoo.json --resume --out bad", 1, {"bad", "config.json", "--resume"}),
    CASE(NULL, "compare zoo.json --resume --out none", 1, {"none", "config.json", "--resume"}),
    CASE(NULL, "train zoo.json --resume --out qat", 1, {"qat/last.safetensors", "qat"}),
    CASE(NULL, "train zoo.json --resume --out float --seed 9", 1, {"float/last.safetensors", "seed 3", "seed 9"}),
    CASE(flip_resume, "qat float/last.safetensors --resume --out bad", 1, {"bad/last.safetensors", "damaged"}),
    CASE(in_the_way, "train zoo.json --out bad/file", 1, {"bad/file"}),
    CASE(in_the_way, "train zoo.json --out bad/file --overwrite", 1, {"bad/file", "folder"}),
    CASE(in_the_way, "train zoo.json --out bad/file/r", 1, {"bad/file", "cannot create"}),
    CASE(NULL, "train zoo.json --out /proc/bitfold", 1, {"/proc/bitfold", "cannot create"}),
    CASE(NULL, "compare zoo.json --out /proc/bitfold", 1, {"/proc/bitfold", "cannot create"}),
    CASE(NULL, "export qat/last.safetensors -o none/r.safetensors", 1, {"none/r.safetensors", "No such file"}),
    CASE(NULL, "verify qat/last.safetensors", 1, {"/nonexistent"}, .environment = "TMPDIR=/nonexistent"),

    /* a full disk */
    CASE(NULL, "train zoo.json --out r", 1, {"r/config.json", "cannot write"}, .file_limit_bytes = 100),
    CASE(NULL, "train zoo.json --out r", 1, {"r/last.safetensors", "cannot write"}, .file_limit_bytes = 8000),
    CASE(NULL, "ptq float/last.safetensors --out r", 1, {"r/model.safetensors", "cannot write"},
         .file_limit_bytes = 8000),
    CASE(NULL, "qat float/last.safetensors --out r", 1, {"r/last.safetensors", "cannot write"},
         .file_limit_bytes = 8000),
    CASE(NULL, "compare zoo.json --out r", 1, {"r/config.json", "cannot write"}, .file_limit_bytes = 100),
    CASE(NULL, "compare zoo.json --out r", 1, {"float", "last.safetensors", "cannot write"}, .file_limit_bytes = 8000),
    CASE(old_export, "export bad/m.safetensors -o bad/old.safetensors", 1, {"bad/old.safetensors", "cannot write"},
         .file_limit_bytes = 1000),
    CASE(NULL, "verify qat/last.safetensors", 1, {"cannot write"}, .file_limit_bytes = 1000),
    CASE(picture, "predict qat/last.safetensors bad/x.png --dump d", 1, {"d/", "cannot write"}, .file_limit_bytes = 300,
         .leaves = "d"),

    /* numbers that run away: the checkpoint before the first step stays */
    CASE(NULL, "train zoo.json --quiet --out r --set train.optimizer.lr=1e20", 1,
         {"step 2", "loss is NaN", "began in layer \"", "train.optimizer.lr"}, .leaves = "r"),
    CASE(NULL, "qat float/last.safetensors --quiet --out r --set qat.lr=1e20", 1, {"step ", "not finite"},
         .leaves = "r"),
};

/* True when the case is as its row says; otherwise says how it is not. */
static bool holds(const Case *c)
{
    if (file_exists(file_join(arena, folder, "bad"))) folder_remove(file_join(arena, folder, "bad"));
    ck_assert_int_eq(file_make_dir(file_join(arena, folder, "bad")), STATUS_OK);
    if (c->spoil != NULL) c->spoil();
    const char *before = folder_listing(arena, folder, c->leaves);
    const Where where = {folder, c->environment, c->file_limit_bytes};
    const Outcome o = program_run(arena, &where, c->command);
    const char *after = folder_listing(arena, folder, c->leaves);
    const char *missing = NULL;
    for (int i = 0; i < 5 && c->words[i] != NULL && missing == NULL; i++)
        if (strstr(o.err, c->words[i]) == NULL) missing = c->words[i];
    const bool same = strcmp(before, after) == 0;
    const bool good = o.code == c->code && missing == NULL && line_count(o.err) == 1 && o.out[0] == '\0' && same;
    if (!good)
        printf("bitfold %s\n  exit %d (expected %d), stdout \"%s\", stderr of %d lines: %s  %s%s%s\n", c->command,
               o.code, c->code, o.out, line_count(o.err), o.err,
               missing == NULL ? "" : "lacks: ", missing == NULL ? "" : missing, same ? "" : "; something was written");
    if (!same) printf("before:\n%safter:\n%s", before, after);
    if (c->leaves != NULL && file_exists(file_join(arena, folder, c->leaves)))
        folder_remove(file_join(arena, folder, c->leaves));
    return good;
}

START_TEST(every_bad_input_gets_one_line)
{
    arena = arena_create();
    folder = scratch_folder(arena);
    put_text(folder, "zoo.json", zoo_config);
    program_must(arena, folder, "train zoo.json --quiet --out float");
    program_must(arena, folder, "ptq float/last.safetensors --quiet --out ptq");
    program_must(arena, folder, "qat float/last.safetensors --quiet --out qat");
    program_must(arena, folder,
                 "qat zoo.json --quiet --out other --set model.layers.stem.kernel=5 --set train.epochs=1");
    int wrong = 0;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) wrong += !holds(&cases[i]);
    ck_assert_int_eq(wrong, 0);
    folder_remove(folder);
    arena_destroy(arena);
}
END_TEST

TEST_MAIN("bad_input", every_bad_input_gets_one_line)
