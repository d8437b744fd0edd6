/* The keys of a config. */
#include <stddef.h>

#include "base/field.h"
#include "train/config.h"

static const Field train_fields[] = {
    {"epochs", FIELD_INT, offsetof(TrainConfig, epochs), .min = 0, .max = 100000, .def = "5", .unit = "epochs",
     .doc = "passes over the training images, in float"},
    {"batch", FIELD_INT, offsetof(TrainConfig, batch), .min = 1, .max = 65536, .def = "128", .unit = "images",
     .doc = "images per step"},
    {"optimizer", FIELD_OBJECT, offsetof(TrainConfig, optimizer), .fields = optimizer_fields,
     .doc = "how a step moves"},
    {"schedule", FIELD_OBJECT, offsetof(TrainConfig, schedule), .fields = schedule_fields,
     .doc = "how the learning rate moves"},
    {"label_smoothing", FIELD_FLOAT, offsetof(TrainConfig, label_smoothing), .min = 0, .max = 0.9, .def = "0",
     .doc = "share of the target spread over all classes"},
    {"class_weights", FIELD_FLOATS, offsetof(TrainConfig, class_weights), .min = 0, .max = 1e6, .max_count = 65536,
     .doc =
         "a factor on the loss of each class, in their order; classes that are rare may count more. Left out: all 1"},
    {"checkpoint_every", FIELD_INT, offsetof(TrainConfig, checkpoint_every), .min = 0, .max = 1000000000, .def = "0",
     .unit = "steps",
     .doc =
         "write last.safetensors every so many steps, besides every 5 seconds and at each epoch's end; 0: only those"},
    {"ema", FIELD_FLOAT, offsetof(TrainConfig, ema), .min = 0, .max = 0.999999, .def = "0",
     .doc =
         "of float training: decay of an exponential moving average of parameters and batch norm, which is evaluated "
         "and saved as the model; 0: none. In step t it is at most (1 + t) / (10 + t)"},
    {"early_stopping", FIELD_INT, offsetof(TrainConfig, early_stopping), .min = 0, .max = 100000, .def = "0",
     .unit = "epochs",
     .doc = "of float training: ends it after so many epochs in a row without a better metric on the validation split, "
            "which it needs (data.validation); best.safetensors is the best epoch's. 0: never"},
    {"freeze", FIELD_STRINGS, offsetof(TrainConfig, freeze), .scalar_ok = true, .max_count = 512, .min = 1, .max = 100,
     .doc = "layers that `train` leaves as they are, by name or pattern with * and ?: parameters stay, batch norm uses "
            "its running statistics. Quantization-aware training trains all layers"},
    {"teacher", FIELD_STRING, offsetof(TrainConfig, teacher.model), .max = 4096,
     .doc = "of float training: a model that the network learns from besides the targets (distillation), a file or run "
            "directory, of any architecture with the same image, outputs and classes; relative to the config's folder. "
            "It sees the same augmented images. Left out or \"\": none"},
    {"distillation", FIELD_OBJECT, offsetof(TrainConfig, teacher.distillation), .fields = distillation_fields,
     .doc = "how the network learns from train.teacher"},
    {"sparsity", FIELD_OBJECT, offsetof(TrainConfig, sparsity), .fields = sparsity_fields,
     .doc = "weights that become 0 in float training, or from scratch, and stay 0 in quantization-aware training"},
    FIELD_END};

static const Field qat_fields[] = {
    {"epochs", FIELD_INT, offsetof(QatConfig, epochs), .min = 1, .max = 100000, .def = "2", .unit = "epochs",
     .doc = "passes over the training images with quantization in the loop, after float training"},
    {"lr", FIELD_FLOAT, offsetof(QatConfig, lr), .min = 0, .max = 1e30, .def = "0",
     .doc = "learning rate; 0: 1 % of train's where every layer has 8 bits, overrides included, else 20 % (from "
            "scratch: train's)"},
    {"weight_decay", FIELD_FLOAT, offsetof(QatConfig, weight_decay), .min = -1, .max = 10, .def = "-1",
     .doc = "weight decay; -1: train's"},
    {"clip_norm", FIELD_FLOAT, offsetof(QatConfig, clip_norm), .min = -1, .max = 1e30, .def = "1",
     .doc = "largest L2 norm of a step's gradient; 0: no limit, -1: train's. When batch norm is frozen nothing "
            "rescales the "
            "activations any more, and without a limit few-bit networks can diverge within some steps. From scratch: "
            "train's"},
    {"schedule", FIELD_OBJECT, offsetof(QatConfig, schedule), .fields = schedule_fields,
     .doc = "how the learning rate moves; the default's half cosine needs no warm-up after float training"},
    {"oscillation", FIELD_OBJECT, offsetof(QatConfig, oscillation), .fields = oscillation_fields,
     .doc = "weights that change to and fro between two codes"},
    {"teacher", FIELD_STRING, offsetof(QatConfig, teacher.model), .max = 4096,
     .doc = "of quantization-aware training: as train.teacher; \"float\" is the float network that it starts from"},
    {"distillation", FIELD_OBJECT, offsetof(QatConfig, teacher.distillation), .fields = distillation_fields,
     .doc = "how the network learns from qat.teacher"},
    FIELD_END};

#define OBSERVER(name) #name,
const char *const observer_names[] = {
#include "quant/observers.def"
    NULL};
#undef OBSERVER

static const Field compare_fields[] = {
    {"seeds", FIELD_INTS, offsetof(CompareConfig, seeds), .min = 0, .max = 2147483647, .scalar_ok = true,
     .max_count = COMPARE_MAX_SEEDS,
     .doc = "every row is run once per seed and reported as mean and spread; default: once, with the config's seed"},
    {"ptq_bits", FIELD_INTS, offsetof(CompareConfig, ptq_bits), .min = QUANT_MIN_BITS, .max = QUANT_MAX_BITS,
     .scalar_ok = true, .max_count = 7, .def = "[8]", .unit = "bits", .doc = "widths of post-training quantization"},
    {"qat_bits", FIELD_INTS, offsetof(CompareConfig, qat_bits), .min = QUANT_MIN_BITS, .max = QUANT_MAX_BITS,
     .scalar_ok = true, .max_count = 7, .def = "[8, 4, 2]", .unit = "bits",
     .doc = "widths of quantization-aware training"},
    {"progressive", FIELD_INTS, offsetof(CompareConfig, progressive), .min = QUANT_LEAST_BITS, .max = QUANT_MAX_BITS,
     .scalar_ok = true, .max_count = 8, .def = "[]", .unit = "bits",
     .doc =
         "widths that fall, such as [8, 4, 3, 2]: quantization-aware training of each begins with the network of the "
         "one before, the first with float; overrides and quant.first_last_bits stay as they are"},
    {"observers", FIELD_ENUMS, offsetof(CompareConfig, observers), .names = observer_names, .scalar_ok = true,
     .max_count = 8, .def = "[\"minmax\", \"percentile\", \"entropy\", \"mse\"]",
     .doc = "observers that set the activations' ranges in post-training quantization"},
    {"granularities", FIELD_ENUMS, offsetof(CompareConfig, granularities), .names = granularity_names,
     .scalar_ok = true, .max_count = 2, .def = "[\"per_tensor\", \"per_channel\"]",
     .doc = "of the weights in post-training quantization"},
    {"first_last_bits", FIELD_INTS, offsetof(CompareConfig, first_last_bits), .min = 0, .max = QUANT_MAX_BITS,
     .scalar_ok = true, .min_count = 1, .max_count = 3, .def = "[8]", .unit = "bits",
     .doc = "values of quant.first_last_bits to compare below 8 bits; 0: as the rest"},
    {"rows", FIELD_JSON, offsetof(CompareConfig, rows),
     .doc =
         "rows of one's own: a list of {\"name\": ..., \"kind\": float, ptq or qat} with whatever keys of the config "
         "the row has otherwise, as objects or as paths (\"quant.weights.bits\": 4); with these, a grid or "
         "progressive, "
         "ptq_bits and qat_bits count only where they are given"},
    {"grid", FIELD_JSON, offsetof(CompareConfig, grid),
     .doc = "the product of lists of such patches: a row for each choice of one from every list, named by theirs"},
    FIELD_END};

const Field config_fields[] = {
    {"$schema", FIELD_STRING, offsetof(Config, schema),
     .doc = "a JSON Schema for editors (configs/schema.json); not read"},
    {"name", FIELD_STRING, offsetof(Config, name), .max = 100,
     .doc = "of the experiment; default: the config file's name. The run directory is runs/<name>"},
    {"seed", FIELD_U64, offsetof(Config, seed), .def = "1",
     .doc = "all randomness: initial weights, order and augmentation of the images, splits, calibration images"},
    {"task", FIELD_OBJECT, offsetof(Config, task), .fields = task_fields, .doc = "what the network is for"},
    {"data", FIELD_OBJECT, offsetof(Config, data), .fields = data_fields, .required = true, .doc = "the images"},
    {"model", FIELD_OBJECT, offsetof(Config, model), .fields = model_fields, .required = true, .doc = "the network"},
    {"train", FIELD_OBJECT, offsetof(Config, train), .fields = train_fields, .doc = "float training"},
    {"quant", FIELD_OBJECT, offsetof(Config, quant), .fields = quant_fields, .doc = "grids of weights and activations"},
    {"ptq", FIELD_OBJECT, offsetof(Config, ptq), .fields = ptq_fields, .doc = "post-training quantization"},
    {"qat", FIELD_OBJECT, offsetof(Config, qat), .fields = qat_fields, .doc = "quantization-aware training"},
    {"compare", FIELD_OBJECT, offsetof(Config, compare), .fields = compare_fields, .doc = "the rows of the table"},
    FIELD_END};
