/* Bad input to the real program: a fixture to spoil, and a table's row: what is run, the exit code, the words that the
 * one line on stderr must hold.  Nothing may be written by it. */
#ifndef BITFOLD_TESTS_SUPPORT_BAD_CASE_H
#define BITFOLD_TESTS_SUPPORT_BAD_CASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"

/* The fixture: zoo.json; runs of it in float/, ptq/, qat/; other/, a run of another network; bad/, which each case
 * fills and which is emptied before the next. */
extern Arena *bad_arena;
extern const char *bad_folder;
void bad_begin(void);
void bad_end(void);

/* ---- ways of spoiling ---- */

/* bad/c.json: this text; zoo.json with `from` replaced by `to`; a config of 4x3 gray images of this data set in
 * bad/. */
void bad_text(const char *text);
void bad_config(const char *from, const char *to);
void bad_data(const char *dataset);

void bad_copy(const char *from, const char *to);

/* bad/m.safetensors and its config.json: of a good run; the same with one number of one tensor changed, and a right
 * CRC; of qat/ with bytes of its header replaced by as many others, the CRC made right again if asked. */
void bad_model(const char *run);
void bad_tensor(const char *run, const char *name, float value);
void bad_header(const char *from, const char *to, bool right_crc);

/* bad/x.png, black; bad/`name` whose header, with a right CRC, says w x h. */
void bad_picture(int w, int h);
void bad_huge_png(const char *name, uint32_t w, uint32_t h);

#define SPOIL(name, ...)                                                                                               \
    static void name(void) { __VA_ARGS__; }

/* ---- the table ---- */

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

/* The number of cases that are not as their rows say; each is shown. */
int bad_cases(const Case *cases, size_t n);

#endif
