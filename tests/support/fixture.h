/* What a test with files works on, from begin to end: an arena, and a folder of its own. */
#ifndef BITFOLD_TESTS_SUPPORT_FIXTURE_H
#define BITFOLD_TESTS_SUPPORT_FIXTURE_H

#include "base/arena.h"
#include "base/status.h"

extern Arena *arena;
extern const char *folder;
const char *inside(const char *name);  /* folder/name */
const char *text_of(const char *name); /* what the file folder/name holds */

void begin(void);
void begin_zoo(void); /* and zoo_config in folder/zoo.json */
void end(void);

/* For tests of exported files: the folder may hold these two and, at the end, nothing else. */
extern const char *model_path, *manifest_path;
void begin_model(void);
void end_model(void);

void must(Status status);
void has(const char *text, const char *words);  /* must have them */
void refused(Status status, const char *words); /* must fail with a sentence that has these words */

#endif
