/* Bad input, as a user meets it: model files, pictures, run directories, full disks, numbers that run away. */
#include <math.h>
#include <unistd.h>

#include "base/file.h"
#include "tests/support/bad_case.h"
#include "tests/support/data_files.h"
#include "tests/support/program.h"
#include "tests/support/suite.h"

SPOIL(other_model, bad_model("qat"), bad_copy("other/last.safetensors", "bad/m.safetensors"))
SPOIL(cut_model, bad_model("qat"), cut_file(bad_folder, "bad/m.safetensors", 16000))
SPOIL(stump_model, bad_model("qat"), cut_file(bad_folder, "bad/m.safetensors", 5))
SPOIL(flip_model, bad_model("qat"), poke_file(bad_folder, "bad/m.safetensors", -100, 0x5a))
SPOIL(flip_header, bad_header("\"seed\":\"3\"", "\"seed\":\"5\"", false))
SPOIL(header_length, bad_model("qat"), poke_file(bad_folder, "bad/m.safetensors", 3, 1))
SPOIL(no_header, bad_model("qat"), poke_file(bad_folder, "bad/m.safetensors", 6, 1))
SPOIL(header_shape, bad_header("\"shape\":[6,3,3,1]", "\"shape\":[7,3,3,1]", true))
SPOIL(header_type, bad_header("{\"dtype\":\"F32\",\"shape\":[6,3,3,1]", "{\"dtype\":\"F64\",\"shape\":[6,3,3,1]", true))
SPOIL(header_offsets, bad_header("\"data_offsets\":[0,16]", "\"data_offsets\":[8,24]", true))
SPOIL(header_far, bad_header("\"data_offsets\":[0,16]", "\"data_offsets\":[0,96]", true))
SPOIL(header_kind, bad_header("\"kind\":\"qat\"", "\"kind\":\"qut\"", true))
SPOIL(header_name, bad_header("\"fc.bias\"", "\"fc.bios\"", true))
SPOIL(no_config, bad_model("qat"), unlink(file_join(bad_arena, bad_folder, "bad/config.json")))
SPOIL(never_observed, bad_tensor("qat", "quant.side.out.seen", 0.0f))
SPOIL(infinite_scale, bad_tensor("qat", "quant.fc.out.scale", INFINITY))
SPOIL(nan_scale, bad_tensor("ptq", "quant.sum.out.scale", NAN))
SPOIL(bias_overflow, bad_tensor("qat", "fc.bias", 1e30f))
SPOIL(nan_weight, bad_tensor("qat", "fc.weight", NAN))
SPOIL(float_nan, bad_tensor("float", "pw.weight", NAN); bad_picture(12, 12))
SPOIL(float_nan_variance, bad_tensor("float", "dw.bn.var", NAN))
SPOIL(float_overflow, bad_tensor("float", "fc.weight", 3e38f); bad_picture(12, 12))
SPOIL(good_resume, bad_model("qat"), bad_copy("bad/m.safetensors", "bad/last.safetensors"))
SPOIL(flip_resume, good_resume(), poke_file(bad_folder, "bad/last.safetensors", -100, 0x5a))

SPOIL(no_picture, put_text(bad_folder, "bad/x.png", "GIF89a"))
SPOIL(cut_picture, bad_picture(12, 12), cut_file(bad_folder, "bad/x.png", 60))
SPOIL(huge_picture, bad_huge_png("x.png", 200000, 200000))
SPOIL(picture, bad_picture(12, 12))
SPOIL(an_onnx, put_text(bad_folder, "bad/net.onnx", "\010\010\022\007pytorch:\200\001"))
SPOIL(in_the_way, put_text(bad_folder, "bad/file", "a file"))
SPOIL(old_export, bad_model("qat"), put_text(bad_folder, "bad/old.safetensors", "{\"format\":\"bitfold-int8\"}"))

static const Case cases[] = {
    /* model files */
    CASE(NULL, "eval none.safetensors", 1, {"none.safetensors", "No such file"}),
    CASE(NULL, "eval zoo.json", 1, {"zoo.json: a config; a model is required"}),
    CASE(no_header, "eval bad/m.safetensors", 1, {"bad/m.safetensors: does not begin like a .safetensors file"}),
    CASE(an_onnx, "inspect bad/net.onnx", 1, {"bad/net.onnx: an ONNX file", "`bitfold import`"}),
    CASE(an_onnx, "qat bad/net.onnx --out r", 1, {"bad/net.onnx: an ONNX file", "`bitfold import`"}),
    CASE(an_onnx, "compare bad/net.onnx --out r", 1, {"bad/net.onnx: an ONNX file", "`bitfold import`"}),
    CASE(picture, "inspect bad/x.png", 1, {"bad/x.png: does not begin like a .safetensors file"}),
    CASE(no_config, "eval bad", 1, {"bad: a folder without best.safetensors", "required"}),
    CASE(no_config, "eval bad/m.safetensors", 1, {"bad/m.safetensors", "no config.json beside it"}),
    CASE(other_model, "eval bad/m.safetensors", 1, {"bad/m.safetensors", "\"stem.weight\"", "another model"}),
    CASE(cut_model, "verify bad/m.safetensors", 1, {"bad/m.safetensors", "damaged"}),
    CASE(stump_model, "verify bad/m.safetensors", 1, {"bad/m.safetensors: 5 bytes"}),
    CASE(flip_model, "eval bad/m.safetensors", 1, {"bad/m.safetensors", "CRC-32", "damaged"}),
    CASE(flip_header, "export bad/m.safetensors -o r.safetensors", 1, {"bad/m.safetensors", "damaged"}),
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
    CASE(float_nan, "eval bad/m.safetensors", 1, {"layer \"pw\": pw.weight: NaN or infinite"}),
    CASE(float_nan, "predict bad/m.safetensors bad/x.png", 1, {"layer \"pw\": pw.weight: NaN or infinite"}),
    CASE(float_nan, "export bad/m.safetensors --float -o r.onnx", 1, {"layer \"pw\": pw.weight: NaN or infinite"}),
    CASE(float_nan_variance, "eval bad/m.safetensors", 1, {"layer \"dw\": its batch norm's variance: NaN"}),
    CASE(float_nan_variance, "export bad/m.safetensors --float -o r.onnx", 1, {"layer \"dw\": its batch norm's var"}),
    CASE(float_overflow, "eval bad/m.safetensors", 1, {"layer \"", "its output: NaN or infinite on one of the images"}),
    CASE(nan_weight, "export bad/m.safetensors -o r.safetensors", 1, {"fc.weight", "nan", "finite"}),
    CASE(NULL, "eval float/last.safetensors --set model.layers.fc.units=8", 1,
         {"float/last.safetensors", "another model"}),

    /* the wrong kind of model */
    CASE(NULL, "bench float/last.safetensors", 1, {"float/last.safetensors: a model; a config is required"}),
    CASE(NULL, "compare qat/last.safetensors", 1, {"qat/last.safetensors: a qat model", "float model or a config"}),
    CASE(NULL, "eval float/last.safetensors --engine int8", 1,
         {"float/last.safetensors", "float model", "quantize it first"}),
    CASE(NULL, "eval float/last.safetensors --engine sim", 1, {"float/last.safetensors", "float model"}),
    CASE(NULL, "verify float/last.safetensors", 1, {"float/last.safetensors", "float model", "quantize it first"}),
    CASE(NULL, "export float/last.safetensors -o r.safetensors", 1, {"float/last.safetensors", "float model"}),
    CASE(NULL, "predict float/last.safetensors bad/x.png --dump r", 1, {"float/last.safetensors", "no codes to dump"}),
    CASE(NULL, "ptq qat/last.safetensors --out r", 1, {"qat/last.safetensors", "qat model", "float model"}),
    CASE(NULL, "ptq ptq/model.safetensors --out r", 1, {"ptq/model.safetensors", "ptq model", "float model"}),
    CASE(NULL, "qat ptq/model.safetensors --out r --set model.layers.fc.units=5", 1,
         {"ptq/model.safetensors", "fc.weight", "must start from the same network"}),

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
    CASE(NULL, "train zoo.json --resume --out none", 1, {"none", "does not exist", "--resume"}),
    CASE(in_the_way, "train zoo.json --resume --out bad", 1, {"bad", "config.json", "--resume"}),
    CASE(NULL, "compare zoo.json --resume --out none", 1, {"none", "does not exist", "--resume"}),
    CASE(NULL, "train zoo.json --resume --out qat", 1, {"qat/last.safetensors", "qat"}),
    CASE(NULL, "train zoo.json --resume --out float --seed 9", 1, {"float/last.safetensors", "seed is 9, was 3"}),
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
    CASE(NULL, "ptq float/last.safetensors --quiet --out r", 1, {"r/model.safetensors", "cannot write"},
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
         {"step 2", "it began in layer \"", "train.optimizer.lr"}, .leaves = "r"),
    CASE(NULL, "qat float/last.safetensors --quiet --out r --set qat.lr=1e20", 1, {"step ", "not finite"},
         .leaves = "r"),
};

START_TEST(every_bad_model_gets_one_line)
{
    bad_begin();
    ck_assert_int_eq(bad_cases(cases, sizeof cases / sizeof cases[0]), 0);
    bad_end();
}
END_TEST

TEST_MAIN("bad_models", every_bad_model_gets_one_line)
