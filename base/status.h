/* Status codes and the sentence that goes with a failure.
 *
 * Every function that can fail returns a Status.  The sentence lives in a thread-local buffer that control
 * flow never reads; whoever crosses a thread copies it.  Grammar of a message:
 *     where: what was given; what is required
 *     configs/a.json: layers[3].kernel: 99; must be 1 to 31
 */
#ifndef BITFOLD_BASE_STATUS_H
#define BITFOLD_BASE_STATUS_H

typedef enum {
    STATUS_OK = 0,
    STATUS_INVALID,     /* an argument or option of the command line, or of a call, is out of its range */
    STATUS_SHAPE,       /* two shapes that must agree do not */
    STATUS_CONFIG,      /* a JSON config breaks a rule */
    STATUS_FORMAT,      /* a file's bytes are not what its format promises */
    STATUS_IO,          /* the operating system refused to read or write */
    STATUS_NOMEM,       /* an allocation failed */
    STATUS_UNSUPPORTED, /* valid, but not something this program does */
    STATUS_NUMERIC,     /* NaN or infinity where numbers are needed */
    STATUS_STATE,       /* the call is right, the moment is wrong */
    STATUS_INTERRUPTED, /* SIGINT or SIGTERM: work was saved, then stopped */
} Status;

/* Stores the sentence and returns `code`, so that `return status_fail(...)` reads as one thought.  Texts put in by %s
 * are made safe for a terminal (base/text.h). */
Status status_fail(Status code, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Puts "<prefix>: " before the stored sentence; for a caller that knows the place the callee did not. */
Status status_prefix(Status code, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The last sentence stored by this thread; "" if none.  Valid until the next status_fail of the thread. */
const char *status_message(void);

/* Passes a failure up. */
#define TRY(call)                                                                                                      \
    do {                                                                                                               \
        const Status try_status_ = (call);                                                                             \
        if (try_status_ != STATUS_OK) return try_status_;                                                              \
    } while (0)

/* For our own bugs only, never for a user's input; stays on in release builds. */
#define ASSERT(condition)                                                                                              \
    do {                                                                                                               \
        if (!(condition)) assert_failed(#condition, __FILE__, __LINE__);                                               \
    } while (0)
_Noreturn void assert_failed(const char *condition, const char *file, int line);

#endif
