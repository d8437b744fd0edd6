#include "tests/alloc/cases.h"

#include <png.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/file.h"
#include "tests/support/data_sets.h"
#include "tests/support/jpeg_files.h"
#include "tests/support/program.h"

#define TRAIN " --threads 2 --quiet --overwrite --out out/run"

const AllocCase alloc_cases[] = {
    {"train", "train tiny.json" TRAIN, false},
    {"train_folder", "train folder.json" TRAIN, false},
    {"train_decoding", "train folder.json --set data.memory=1" TRAIN, false},
    {"train_idx", "train idx.json" TRAIN, false},
    {"ptq", "ptq float/last.safetensors" TRAIN, false},
    {"qat", "qat float/last.safetensors" TRAIN, false},
    {"compare", "compare tiny.json" TRAIN, false},
    {"sensitivity", "sensitivity float/last.safetensors --formats 4 --images 8" TRAIN, true},
    {"partial", "partial float/last.safetensors --format 2 --tolerance 0 --images 8" TRAIN, true},
    {"search", "search float/last.safetensors --flash 600 --images 8 --qat" TRAIN, true},
    {"search_learned", "search float/last.safetensors --flash 600 --images 8 --method learned" TRAIN, true},
    {"prune", "prune float/last.safetensors --macs 0.7 --steps 2 --epochs 1 --images 8" TRAIN, true},
    {"distillation", "qat float/last.safetensors --set qat.teacher=float" TRAIN, false},
    {"workflow", "workflow tiny.json --tolerance 100 --flash 600 --images 8" TRAIN, true},
    {"import_float", "import float.onnx -o out/run --json", false},
    {"import_int8", "import int8.onnx -o out/run", false},
    {"export_c", "export int8/model.safetensors -o out/m.c --set quant.dialect=tflite-double", false},
    {"export_tflite", "export int8/model.safetensors -o out/m.tflite", false},
    {"export_onnx", "export int8/model.safetensors -o out/m.onnx --set quant.dialect=onnxruntime", false},
    {"export_onnx_float", "export float/last.safetensors --float -o out/m.onnx", false},
    {"export_safetensors", "export int8/model.safetensors -o out/m.safetensors --json", false},
    {"predict", "predict int8/model.safetensors picture.png other.png third.jpg --dump out/dump --json --threads 2",
     false},
    {"eval", "eval int8/model.safetensors --dump out/dump --layers --threads 2", false},
    {"eval_json", "eval float/last.safetensors --json --threads 2", false},
    {"verify", "verify int8/model.safetensors --threads 2", false},
    {"inspect", "inspect int8/model.safetensors", false},
    {"inspect_config", "inspect tiny.json --json", false},
    {"inspect_target", "inspect int8/model.safetensors --target c", false},
    {"describe", "describe data", false},
    {"describe_schema", "describe --schema", false},
};
const int alloc_cases_n = sizeof alloc_cases / sizeof alloc_cases[0];

static const char config[] =
    "{\"seed\": 3,\n"
    " \"data\": {%s, \"normalize\": {\"mean\": 0.5019607843137255, \"std\": 0.25}},\n"
    " \"model\": {\"input\": [%s, 1], \"layers\": [\n"
    "  {\"type\": \"conv2d\", \"name\": \"stem\", \"filters\": 3, \"kernel\": 3, \"batch_norm\": true, "
    "\"activation\": \"relu\"},\n"
    "  {\"type\": \"depthwise_conv2d\", \"name\": \"dw\", \"kernel\": 3, \"activation\": \"relu6\"},\n"
    "  {\"type\": \"add\", \"name\": \"sum\", \"inputs\": [\"dw\", \"stem\"]},\n"
    "  {\"type\": \"flatten\", \"name\": \"flat\"},\n"
    "  {\"type\": \"dense\", \"name\": \"logits\", \"units\": 3}]},\n"
    " \"train\": {\"epochs\": 1, \"batch\": 8, \"checkpoint_every\": 1},\n"
    " \"ptq\": {\"images\": 8}, \"qat\": {\"epochs\": 1, \"lr\": 0.01},\n"
    " \"compare\": {\"ptq_bits\": 8, \"qat_bits\": [4], \"observers\": \"minmax\"}}\n";

static const char synthetic[] =
    "\"dataset\": \"synthetic\", \"classes\": 3, \"synthetic_train\": 16, \"synthetic_test\": 8, "
    "\"synthetic_noise\": 0.5";

static void copy(Arena *arena, const char *from, const char *folder, const char *name)
{
    unsigned char *data;
    size_t bytes;
    if (file_read(arena, from, (size_t)1 << 20, &data, &bytes) != STATUS_OK) abort();
    put_bytes(folder, name, data, bytes);
}

void alloc_case_prepare(Arena *arena, const char *folder)
{
    put_text(folder, "tiny.json", arena_printf(arena, config, synthetic, "6, 6"));
    put_text(folder, "folder.json",
             arena_printf(arena, config, "\"dataset\": \"folder\", \"dir\": \"pictures\"", "5, 5"));
    put_text(folder, "idx.json", arena_printf(arena, config, "\"dataset\": \"idx\", \"dir\": \"idx\"", "4, 3"));
    put_classes(file_join(arena, folder, "pictures"), "", 4);
    mkdir(file_join(arena, folder, "idx"), 0777);
    put_idx_set(file_join(arena, folder, "idx"), true);
    put_gray(folder, "picture.png", 90);
    static const uint8_t rows[6] = {0x1b, 0x80, 0xe4, 0x40, 0x1b, 0x80}, palette[12] = {0, 0, 0, 255, 128, 0, 9, 99, 7};
    put_png(folder, "other.png",
            &(Picture){5, 3, 2, PNG_COLOR_TYPE_PALETTE, .interlaced = true, .palette = palette, .entries = 4,
                       .rows = rows});
    static const uint8_t colours[5 * 3 * 3] = {10, 200, 30, 90, 250};
    put_jpeg(folder, "third.jpg",
             &(JpegPicture){5, 3, 3, .rows = colours, .sub_sampled = true, .progressive = true, .orientation = 6});
    copy(arena, "tests/onnx/new_style.onnx", folder, "float.onnx");
    copy(arena, "tests/onnx/qdq_codes.onnx", folder, "int8.onnx");
    program_must(arena, folder, "train tiny.json --quiet --threads 1 --out float");
    program_must(arena, folder, "ptq float/last.safetensors --quiet --threads 1 --out int8");
}
