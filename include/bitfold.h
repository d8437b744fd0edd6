/* bitfold: trains small CNNs with quantization in the loop and ships the integers it trained.
 *
 * The library does what the program does, from C: cc app.c $(pkg-config --cflags --libs bitfold).  All functions that
 * can fail return BITFOLD_OK or another status, and bitfold_message() then tells, in one line, where, what was given
 * and what is required.  The library prints nothing and never exits, except when memory runs out: one line on stderr,
 * and exit.  Whatever the locale of the program, numbers in files have a decimal point, and the locale stays as it is.
 * One thread at a time may train, export or set threads; a model is used by one thread at a time.
 */
#ifndef BITFOLD_H
#define BITFOLD_H

#define BITFOLD_VERSION "0.1.0"

#if defined(__GNUC__)
#define BITFOLD_API __attribute__((visibility("default")))
#else
#define BITFOLD_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

typedef enum {
    BITFOLD_OK = 0,
    BITFOLD_INVALID,     /* an argument is out of its range */
    BITFOLD_SHAPE,       /* shapes that must agree do not */
    BITFOLD_CONFIG,      /* a config breaks a rule */
    BITFOLD_FORMAT,      /* a file is not what its format promises */
    BITFOLD_IO,          /* reading or writing was refused */
    BITFOLD_NOMEM,       /* no memory */
    BITFOLD_UNSUPPORTED, /* valid, but not done */
    BITFOLD_NUMERIC,     /* NaN or infinity, or a bias that overflows */
    BITFOLD_STATE,       /* the wrong moment: no range yet, folder exists */
    BITFOLD_INTERRUPTED
} bitfold_status;

/* The sentence of this thread's last failure; "" if there was none. */
BITFOLD_API const char *bitfold_message(void);
BITFOLD_API const char *bitfold_version(void);

/* Threads for everything that follows, 1 to 256.  Results do not depend on it. */
BITFOLD_API void bitfold_set_threads(int threads);

/* A model is a .safetensors file with its config.json beside it, or the run directory it is in, which stands for its
 * best.safetensors, else its last.safetensors, else its model.safetensors.
 *
 * Runs.  Each writes a run directory `out` (NULL: runs/<name of the config>), which must not exist yet, and gives the
 * accuracy (0 to 1) on the test images; `accuracy` may be NULL.
 *   bitfold_train  float, from scratch (a .json config) or from a model's parameters; OUT/last.safetensors
 *   bitfold_ptq    post-training quantization of a float model; OUT/model.safetensors
 *   bitfold_qat    quantization-aware training, from a model or from scratch (a .json config); OUT/last.safetensors
 * `settings`: NULL, or a NULL-ended list of "a.b.c=value" that override keys of the config. */
BITFOLD_API bitfold_status bitfold_train(const char *config_or_model, const char *out, double *accuracy);
BITFOLD_API bitfold_status bitfold_train_with(const char *config_or_model, const char *const *settings, const char *out,
                                              double *accuracy);
BITFOLD_API bitfold_status bitfold_ptq(const char *model, const char *const *settings, const char *out,
                                       double *accuracy);
BITFOLD_API bitfold_status bitfold_qat(const char *model_or_config, const char *const *settings, const char *out,
                                       double *accuracy);

/* Accuracy (0 to 1) of a model, float or quantized (then by the integer engine), on the test images of its config's
 * data (`data` NULL) or on the data in the folder `data`: on all pictures of one that has a subfolder for each class,
 * named as the model's classes, some of which may be missing; on the test images of files such as the config's data are
 * of.  `accuracy` may be NULL; settings as above. */
BITFOLD_API bitfold_status bitfold_evaluate(const char *model, const char *data, const char *const *settings,
                                            double *accuracy);

/* Writes a quantized model as `format`: "safetensors", "onnx", "tflite" or "c", all options at their defaults.  The
 * file's name ends in .safetensors, .onnx, .tflite or .c.  Its rounding is the model's (the setting "quant.rounding=..."
 * of bitfold_ptq or bitfold_qat) if runtimes of the format round so: "c" tflite-single and tflite-double, "onnx"
 * onnxruntime, "tflite" all but onnxruntime.  Else the model is lowered again, in tflite-single, onnxruntime or
 * xnnpack. */
BITFOLD_API bitfold_status bitfold_export(const char *model, const char *format, const char *file);

/* A quantized model, run by the integer engine. */
typedef struct bitfold_model bitfold_model;
BITFOLD_API bitfold_status bitfold_open(const char *model, bitfold_model **out);
BITFOLD_API void bitfold_close(bitfold_model *model); /* NULL is allowed */
BITFOLD_API void bitfold_shape(const bitfold_model *model, int *rows, int *columns, int *channels, int *classes);
BITFOLD_API const char *bitfold_class_name(const bitfold_model *model, int index); /* NULL out of range */
/* pixels: `images` images of rows x columns x channels bytes.  logits: images x classes floats, the largest wins. */
BITFOLD_API void bitfold_run(bitfold_model *model, const unsigned char *pixels, int images, float *logits);

#ifdef __cplusplus
}
#endif

#endif
