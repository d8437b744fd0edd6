/* Bad input, as a user meets it: the command line, configs, graphs, data sets. */
#include "tests/support/bad_case.h"
#include "tests/support/data_files.h"
#include "tests/support/data_sets.h"
#include "tests/support/program.h"
#include "tests/support/suite.h"

SPOIL(no_value, bad_text("{\n  \"seed\": 1,\n  \"data\": ,\n}"))
SPOIL(cut_short, bad_text("{\"seed\": 1"))
SPOIL(empty_file, bad_text(""))
SPOIL(trailing, bad_config(" \"compare\": {\"ptq_bits\": 8, \"qat_bits\": [4], \"observers\": \"minmax\"}}\n",
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

static void idx_set(void) { put_idx_set(arena_printf(bad_arena, "%s/bad", bad_folder), false), bad_data("idx"); }
SPOIL(data_missing, bad_config("\"synthetic\"", "\"mnist\""))
SPOIL(data_short, idx_set(), cut_file(bad_folder, "bad/train-images-idx3-ubyte", 50))
SPOIL(data_magic, idx_set(), poke_file(bad_folder, "bad/train-images-idx3-ubyte", 2, 0x0d))
SPOIL(data_trailing, idx_set(), cut_file(bad_folder, "bad/train-labels-idx1-ubyte", 16))
SPOIL(data_label, idx_set(), bad_data("mnist"), poke_file(bad_folder, "bad/train-labels-idx1-ubyte", 8 + 4, 77))

static void class_set(void)
{
    put_classes(arena_printf(bad_arena, "%s/bad", bad_folder), "train/", 3);
    put_classes(arena_printf(bad_arena, "%s/bad", bad_folder), "test/", 2);
    bad_data("folder");
}
SPOIL(png_corrupt, class_set(), poke_file(bad_folder, "bad/train/dog/p01.png", 45, 0x77))
SPOIL(png_cut, class_set(), cut_file(bad_folder, "bad/train/dog/p01.png", 40))
SPOIL(png_absurd, class_set(), bad_huge_png("train/dog/p01.png", 0x7fffffff, 0x7fffffff))
SPOIL(class_empty, class_set(), put_text(bad_folder, "bad/train/bird/readme.txt", "none"))

static const Case cases[] = {
    /* the command line */
    CASE(NULL, "trian zoo.json", 2, {"\"trian\"", "did you mean \"train\"?"}),
    CASE(NULL, "xyzzy", 2, {"\"xyzzy\"", "bitfold --help"}),
    CASE(NULL, "train", 2, {"bitfold train", "missing CONFIG"}),
    CASE(NULL, "train zoo.json zoo.json", 2, {"too many arguments"}),
    CASE(NULL, "lrfind zoo.json --steps 5", 2, {"--steps: \"5\"", "must be an integer, 20 to 100000"}),
    CASE(NULL, "train zoo.json --ouy r", 2, {"--ouy", "did you mean --out?"}),
    CASE(NULL, "train zoo.json --out", 2, {"--out", "value"}),
    CASE(NULL, "train zoo.json --quiet=yes", 2, {"--quiet"}),
    CASE(NULL, "train zoo.json --out r --overwrite --resume", 2, {"--overwrite and --resume", "choose"}),
    CASE(NULL, "eval float/last.safetensors --overwrite", 2, {"unknown option --overwrite"}),
    CASE(NULL, "train zoo.json --threads 0", 2, {"--threads: \"0\"", "1 to 256"}),
    CASE(NULL, "train zoo.json --threads 2x", 2, {"--threads: \"2x\"", "1 to 256"}),
    CASE(NULL, "train zoo.json --out r", 1, {"BITFOLD_ISA=foo", "unknown", "ref"}, .environment = "BITFOLD_ISA=foo"),
    CASE(NULL, "eval float/last.safetensors --engine fpga", 2, {"--engine: \"fpga\"", "float, sim or int8"}),
    CASE(NULL, "eval float/last.safetensors --split val", 2, {"--split: \"val\"", "validation"}),
    CASE(NULL, "eval float/last.safetensors --split validation", 1, {"--split validation", "data.validation"}),
    CASE(NULL, "bench zoo.json --mode half", 2, {"--mode: \"half\"", "float, qat or int8"}),
    CASE(NULL, "export qat/last.safetensors", 2, {"-o FILE"}),
    CASE(NULL, "export qat/last.safetensors --to tar -o r.tar", 2, {"--to: \"tar\"", "safetensors, onnx, tflite, c"}),
    CASE(NULL, "export qat/last.safetensors -o r.bin", 2, {"r.bin", ".safetensors"}),
    CASE(NULL, "describe trian", 2, {"\"trian\"", "did you mean \"train\"?"}),
    CASE(NULL, "describe quant.weigths.bits", 2, {"did you mean \"quant.weights.bits\"?"}),
    CASE(NULL, "describe conv2", 2, {"\"conv2\"", "did you mean \"conv2d\"?"}),
    CASE(NULL, "describe observer", 2,
         {"\"observer\"", "did you mean \"quant.weights.observer\" or \"quant.activations.observer\"?"}),
    CASE(NULL, "describe epochs", 2, {"\"epochs\"", "did you mean \"train.epochs\" or \"qat.epochs\"?"}),
    CASE(NULL, "describe 12345678", 2, {"\"12345678\"", "must be a key such as"}),
    CASE(NULL, "fetch mnsit", 2, {"\"mnsit\"", "mnist, fashion-mnist, cifar10"}),
    CASE(NULL, "train zoo.json --set nothing --out r", 1, {"--set nothing", "path=value"}),
    CASE(NULL, "train zoo.json --set train..batch=1 --out r", 1, {"--set train..batch"}),
    CASE(NULL, "train zoo.json --set model.input=[12,12,2] --set data.augment.jpeg_quality=50 --out r", 1,
         {"data.augment.jpeg_quality: 50", "2 channels"}),
    CASE(NULL, "train zoo.json --set epochs=3 --out r", 1, {"\"epochs\"", "\"train.epochs\" or \"qat.epochs\""}),
    CASE(NULL, "train zoo.json --set lr=3 --out r", 1, {"\"train.optimizer.lr\"", "\"qat.lr\""}),
    CASE(NULL, "train zoo.json --set model.layers[11].units=3 --out r", 1,
         {"--set model.layers[11].units", "11 items"}),
    CASE(NULL, "train zoo.json --set model.layers.pw9.filters=3 --out r", 1,
         {"--set model.layers.pw9.filters: model.layers has no layer \"pw9\"; did you mean \"pw\"? There are stem, "}),
    CASE(NULL, "train zoo.json --set model.layers.transformer.filters=3 --out r", 1,
         {"model.layers has no layer \"transformer\"; must be one of: stem, ", ", logits"}),
    CASE(NULL, "train zoo.json --set seed.x=3 --out r", 1, {"--set seed.x", "is a number"}),
    CASE(NULL, "train zoo.json --set train.epohcs=3 --out r", 1, {"epohcs", "did you mean \"epochs\"?"}),
    CASE(NULL, "train zoo.json --set train.epochs=-1 --out r", 1,
         {"bitfold: --set train.epochs=-1: train.epochs: -1", "0 to 100000"}),
    CASE(NULL, "train zoo.json --seed 9007199254740993 --out r", 1, {"seed", "9007199254740993", "9007199254740992"}),

    /* an assignment is blamed for what it brings about, by its name; a file for its own */
    CASE(NULL, "train zoo.json --set train.epohcs=3 --out r", 1, {"bitfold: --set train.epohcs=3: train: unknown key"}),
    CASE(NULL, "train zoo.json --set train.batch=x --set seed=4 --out r", 1,
         {"bitfold: --set train.batch=x: train.batch: \"x\"; must be an integer"}),
    CASE(NULL, "train zoo.json --set seed=-4 --out r", 1, {"bitfold: --set seed=-4: seed: -4"}),
    CASE(NULL, "train zoo.json --seed=-4 --out r", 1, {"bitfold: --set seed=-4: seed: -4"}),
    CASE(NULL, "train zoo.json --set quant.first_last_bits=1 --out r", 1,
         {"bitfold: --set quant.first_last_bits=1: quant.first_last_bits: 1; must be 0, or 2 to 8"}),
    CASE(NULL, "train zoo.json --set model.layers.stem.kernel=200 --out r", 1,
         {"bitfold: --set model.layers.stem.kernel=200: model.layers[0].kernel: 200"}),
    CASE(NULL, "qat zoo.json --set model.layers.stem.kernle=3 --out r", 1,
         {"bitfold: --set model.layers.stem.kernle=3: model.layers[0]: unknown key"}),
    CASE(NULL, "compare zoo.json --set name=x --set model.layers.pw.filters=5 --set seed=4 --out r", 1,
         {"bitfold: --set model.layers.pw.filters=5: layer \"sum\"", "one shape"}),
    CASE(NULL, "train zoo.json --set model.layers.logits.units=3 --out r", 1,
         {"bitfold: --set model.layers.logits.units=3: layer \"logits\" gives 3 logits"}),
    CASE(NULL, "train zoo.json --set train.freeze=nobody --out r", 1,
         {"bitfold: --set train.freeze=nobody: train.freeze[0]: \"nobody\""}),
    CASE(NULL, "train zoo.json --set quant.overrides=[{\"layers\":\"pv\",\"weight_bits\":4}] --out r", 1,
         {"bitfold: --set quant.overrides=[{\"layers\":\"pv\",\"weight_bits\":4}]: quant.overrides[0].layers: \"pv\""}),
    CASE(NULL, "train zoo.json --set data.dataset=cifar11 --out r", 1,
         {"bitfold: --set data.dataset=cifar11: data.dataset: \"cifar11\""}),
    CASE(NULL, "train zoo.json --set data.dataset=folder --set data.dir=none --out r", 1,
         {"bitfold: --set data.dir=none: data.dir: there is no folder"}),
    CASE(NULL, "ptq float/last.safetensors --set quant.weights.bits=9 --out r", 1,
         {"bitfold: --set quant.weights.bits=9: quant.weights.bits: 9; must be an integer, 1 to 8"}),
    CASE(NULL, "eval float/last.safetensors --set seed=5 --set model.layers.fc.units=5", 1,
         {"bitfold: --set model.layers.fc.units=5: float/last.safetensors: tensor \"fc.weight\"", "must be F32"}),
    CASE(unknown_key, "train bad/c.json --set seed=5 --out r", 1,
         {"bitfold: bad/c.json: train: unknown key \"epohcs\""}),
    CASE(huge_kernel, "train bad/c.json --set seed=5 --out r", 1, {"bitfold: bad/c.json: model.layers[1].kernel: 200"}),
    CASE(data_missing, "train bad/c.json --set seed=5 --out r", 1, {"bitfold: bad/c.json: "}),

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
    CASE(class_empty, "train bad/c.json --out r", 1, {"bad/train/bird: no PNG or JPEG file in this class folder"}),
};

START_TEST(every_bad_input_gets_one_line)
{
    bad_begin();
    ck_assert_int_eq(bad_cases(cases, sizeof cases / sizeof cases[0]), 0);
    bad_end();
}
END_TEST

TEST_MAIN("bad_input", every_bad_input_gets_one_line)
