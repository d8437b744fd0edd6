/* bitfold: trains small CNNs with quantization in the loop and ships the integers it trained.
 *
 * The library does what the program does, from C: cc app.c $(pkg-config --cflags --libs bitfold).
 *
 * Errors.  Every function that can fail returns BITFOLD_OK or another status; bitfold_message() then tells, in one
 * line, where, what was given and what is required.  After a failure nothing is written through output arguments, and
 * no half-written file stands under a final name.  The library prints nothing and never exits, except when memory runs
 * out: one line on stderr, and exit.
 * Arguments.  Texts are UTF-8, end in a NUL, belong to the caller and are read during the call alone.  A pointer may be
 * NULL only where it is said.  Relative paths are relative to the working directory.
 * Threads.  One thread at a time may train, export or set threads; a model is used by one thread at a time.
 * Locale.  Whatever the locale of the program, numbers in files have a decimal point, and the locale stays as it is.
 */
#ifndef BITFOLD_H
#define BITFOLD_H

#define BITFOLD_VERSION "0.2.0"

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
    BITFOLD_NOMEM,       /* no memory for what a file or a config asks for */
    BITFOLD_UNSUPPORTED, /* valid, but not something this library does */
    BITFOLD_NUMERIC,     /* NaN or infinity, or a bias that overflows */
    BITFOLD_STATE,       /* the call is right, the moment is wrong: a run directory exists already, a model is float */
    BITFOLD_INTERRUPTED, /* stopped by a signal: only the program catches signals, no function here returns it */
} bitfold_status;

/* The sentence of the last failure in the calling thread; "" if there was none.  A success does not change it.  The
 * text belongs to the library and is valid until the thread's next call that fails. */
BITFOLD_API const char *bitfold_message(void);
/* The version of the library that is loaded, as BITFOLD_VERSION is that of this header.  A constant. */
BITFOLD_API const char *bitfold_version(void);

/* Sets how many threads all later calls compute with: 1 to 256, other numbers become the nearest of these.  Before the
 * first call it is OMP_NUM_THREADS, or else the number of processors.  No result depends on it.  A model that is open
 * already uses at most as many threads as were set when it was opened. */
BITFOLD_API void bitfold_set_threads(int threads);

/* ---- runs ----
 *
 * A model is a .safetensors file that has its config.json in the same folder, or the run directory that both are in,
 * which stands for its best.safetensors, else its last.safetensors, else its model.safetensors.  A file that
 * bitfold_export wrote as "safetensors" is a model, too, and needs no config.json: it holds integers alone, so it can
 * be opened, exported and evaluated, but no run starts from it.
 *
 * Each of the four functions makes one run: it reads the data that the config names, trains or calibrates, and writes a
 * run directory.  It returns when the run is complete.
 *   bitfold_train, bitfold_train_with   float training from scratch (a .json config), or from the parameters of a model
 *                  where they fit; writes OUT/last.safetensors
 *   bitfold_ptq    post-training quantization of a float model (BITFOLD_STATE: it is not float); writes
 *                  OUT/model.safetensors
 *   bitfold_qat    quantization-aware training from a model of the same network, float or quantized, or from scratch
 *                  (a .json config); writes OUT/last.safetensors
 *
 *   settings       NULL, or a list of "a.b.c=value" that ends in NULL: keys of the config (docs/config.md) and what
 *                  they are to be instead; the last of equal keys holds.  BITFOLD_CONFIG: an unknown key, or a value
 *                  that breaks its rule.
 *   out            the run directory.  It must not exist yet (BITFOLD_STATE).  NULL: runs/NAME, with NAME the config's,
 *                  and "-tuned" (bitfold_train of a model), "-ptq" or "-qat" at its end.  A run that fails before it
 *                  has a model removes it again.
 *   accuracy       where the share of the test images that are classified rightly is stored, 0 to 1, or for a task
 *                  other than classification its metric (docs/tasks.md): by the float layers, or of a quantized model
 *                  by the integer engine.  May be NULL. */
BITFOLD_API bitfold_status bitfold_train(const char *config_or_model, const char *out, double *accuracy);
BITFOLD_API bitfold_status bitfold_train_with(const char *config_or_model, const char *const *settings, const char *out,
                                              double *accuracy);
BITFOLD_API bitfold_status bitfold_ptq(const char *model, const char *const *settings, const char *out,
                                       double *accuracy);
BITFOLD_API bitfold_status bitfold_qat(const char *model_or_config, const char *const *settings, const char *out,
                                       double *accuracy);

/* ---- finished models ---- */

/* The accuracy of a model, 0 to 1, or for a task other than classification its metric (docs/tasks.md): by the float
 * layers, or of a quantized model by the integer engine.
 *   data           NULL: the test images of the data that the model's config names.  Otherwise a folder: if it has a
 *                  subfolder for each class, named as the model's classes (some may be missing), all pictures in them;
 *                  else it must hold files of the kind that the config's data are of, and their test images are taken.
 *   settings       as above; of a quantized model only quant.target, data.* and keys that leave the network as it is.
 *   accuracy       may be NULL. */
BITFOLD_API bitfold_status bitfold_evaluate(const char *model, const char *data, const char *const *settings,
                                            double *accuracy);

/* Writes a quantized model (BITFOLD_STATE: it is float) in one format, with every option at its default.
 *   format         "safetensors", "onnx", "tflite" or "c"
 *   file           a path that ends in .safetensors, .onnx, .tflite or .c, as the format is.  "c" writes a header and
 *                  "safetensors" a .json page of the same name next to it.  A file that exists is replaced only if it
 *                  is an earlier export in the same format (BITFOLD_STATE).
 * The rounding is the model's own, which the setting "quant.target=..." of bitfold_ptq or bitfold_qat chose, if
 * runtimes of the format round so: "safetensors" has any, "c" tflite-single and tflite-double, "onnx" onnxruntime,
 * "tflite" all but onnxruntime.  If not, the model is lowered again, in tflite-single, onnxruntime or xnnpack, and its
 * codes may then differ from those of bitfold_run.
 * BITFOLD_UNSUPPORTED names the layer that the format cannot hold. */
BITFOLD_API bitfold_status bitfold_export(const char *model, const char *format, const char *file);

/* A quantized model in memory, run by the integer engine. */
typedef struct bitfold_model bitfold_model;

/* Reads a quantized model (BITFOLD_STATE: it is float); its files are not needed afterwards.  *out is the caller's, who
 * gives it back with bitfold_close; after a failure there is nothing to close. */
BITFOLD_API bitfold_status bitfold_open(const char *model, bitfold_model **out);

/* Frees the model and all that was got from it.  NULL is allowed. */
BITFOLD_API void bitfold_close(bitfold_model *model);

/* The size of the images that the model takes, and the number of its outputs.  No pointer may be NULL. */
BITFOLD_API void bitfold_shape(const bitfold_model *model, int *rows, int *columns, int *channels, int *classes);

/* The name of the class, or the value, of output `index`, 0 to classes - 1, as the training data had it; "0", "1", ...
 * if they had none.  The text belongs to the model.  NULL: there is no such output. */
BITFOLD_API const char *bitfold_class_name(const bitfold_model *model, int index);

/* Runs `images` images, 0 or more, one after the other in memory and spread over the threads.
 *   pixels         images x rows x columns x channels bytes, 0 to 255, the channels innermost (RGB where there are
 *                  three); normalization is the model's, not the caller's
 *   logits         images x classes floats, written by the call: scale * (code - zero_point) of the last layer.  The
 *                  largest is the answer, of equal ones the first.  Of a regression they are the values that are
 *                  predicted, in the units of the targets; of landmarks x and y of each point, in pixels of the image.
 * The two may not overlap. */
BITFOLD_API void bitfold_run(bitfold_model *model, const unsigned char *pixels, int images, float *logits);

#ifdef __cplusplus
}
#endif

#endif
